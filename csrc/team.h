#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

namespace mcm {

// Threads that share many short jobs, such as the steps of a wavefront: they spin for the next one
// and give way when it is long in coming. Jobs must not throw.
class Team {
 public:
  // The caller's thread and `threads - 1` others, or fewer where the system refuses them.
  explicit Team(int64_t threads) {
    threads_.reserve(threads);
    try {
      while (size() < threads) threads_.emplace_back(&Team::serve, this, size());
    } catch (const std::system_error&) {
    }
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() {
    stop_ = true;
    generation_.fetch_add(1, std::memory_order_release);
    for (std::thread& thread : threads_) thread.join();
  }

  int64_t size() const { return static_cast<int64_t>(threads_.size()) + 1; }

  // Calls job(item, member) for each item 0..items - 1, in any order, and waits for them all.
  // `alone`: the job is not worth sharing.
  void for_each(int64_t items, const std::function<void(int64_t, int64_t)>& job,
                bool alone = false) {
    if (size() == 1 || items <= 1 || alone) {
      for (int64_t item = 0; item < items; ++item) job(item, 0);
      return;
    }
    job_ = &job;
    items_ = items;
    next_.store(0, std::memory_order_relaxed);
    idle_.store(0, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    work(0);
    wait_until([&] { return idle_.load(std::memory_order_acquire) == size() - 1; });
  }

 private:
  static constexpr int kSpins = 1000;  // some 10 microseconds

  template <class Ready>
  static void wait_until(const Ready& ready) {
    for (int spins = 0; !ready(); ++spins) {
      if (spins > kSpins) {
        std::this_thread::yield();
      } else {
        pause();
      }
    }
  }

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  void work(int64_t member) {
    int64_t item;
    while ((item = next_.fetch_add(1, std::memory_order_relaxed)) < items_) (*job_)(item, member);
  }

  void serve(int64_t member) {
    for (uint64_t seen = 0;; ++seen) {
      wait_until([&] { return generation_.load(std::memory_order_acquire) != seen; });
      if (stop_) return;
      work(member);
      idle_.fetch_add(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> threads_;
  const std::function<void(int64_t, int64_t)>* job_ = nullptr;
  int64_t items_ = 0;
  bool stop_ = false;
  std::atomic<int64_t> next_{0}, idle_{0};
  std::atomic<uint64_t> generation_{0};
};

}  // namespace mcm
