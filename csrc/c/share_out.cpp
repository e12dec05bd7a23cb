#include "share_out.h"

#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace mcm::c {

void share_out(int64_t count, int64_t workers, const std::function<void(int64_t)>& job) {
  std::vector<std::exception_ptr> errors(count);
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        job(i);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> others;
  others.reserve(workers);
  try {
    while (static_cast<int64_t>(others.size()) + 1 < workers) others.emplace_back(work);
  } catch (const std::exception&) {  // those that there are do it
  }
  work();
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace mcm::c
