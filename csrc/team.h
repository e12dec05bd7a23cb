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
//
// A job is over when its items are done, not when every thread has heard of it: a thread that the
// system has put aside holds nobody up unless it has taken an item.
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
    stop_.store(true, std::memory_order_release);
    for (std::thread& thread : threads_) thread.join();
  }

  int64_t size() const { return static_cast<int64_t>(threads_.size()) + 1; }

  // Calls job(item, member) for each item 0..items - 1 (less than 2^32), in any order, and waits
  // for them all. `alone`: the job is not worth sharing.
  void for_each(int64_t items, const std::function<void(int64_t, int64_t)>& job,
                bool alone = false) {
    if (size() == 1 || items <= 1 || alone) {
      for (int64_t item = 0; item < items; ++item) job(item, 0);
      return;
    }
    job_ = &job;
    items_ = items;
    done_.store(0, std::memory_order_relaxed);
    const uint64_t next_job = (left_.load(std::memory_order_relaxed) >> 32) + 1;
    left_.store(next_job << 32 | static_cast<uint64_t>(items), std::memory_order_release);
    work(0);
    wait_until([&] { return done_.load(std::memory_order_acquire) == items; });
  }

 private:
  static constexpr int kSpins = 2000;  // some tens of microseconds

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

  bool waiting() const { return static_cast<uint32_t>(left_.load(std::memory_order_relaxed)) > 0; }

  // Takes items while there are any. What belongs to a job is only looked at with one in hand.
  void work(int64_t member) {
    uint64_t left = left_.load(std::memory_order_relaxed);
    while (static_cast<uint32_t>(left) > 0) {
      if (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel)) continue;
      (*job_)(items_ - static_cast<uint32_t>(left), member);
      done_.fetch_add(1, std::memory_order_release);
      left = left_.load(std::memory_order_relaxed);
    }
  }

  void serve(int64_t member) {
    while (!stop_.load(std::memory_order_acquire)) {
      wait_until([&] { return waiting() || stop_.load(std::memory_order_relaxed); });
      work(member);
    }
  }

  std::vector<std::thread> threads_;
  const std::function<void(int64_t, int64_t)>* job_ = nullptr;
  int64_t items_ = 0;
  alignas(64) std::atomic<uint64_t> left_{0};  // the job's number << 32 | items not taken yet
  alignas(64) std::atomic<int64_t> done_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace mcm
