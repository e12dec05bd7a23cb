// The threads of one call of the engine.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>

#ifndef MCM_WORTH_SHARING  // fuzz/ has every job shared
#define MCM_WORTH_SHARING 2000000
#endif

namespace mcm {

// Threads that share many short jobs, such as the steps of a wavefront: they spin for the next one
// and give way when it is long in coming. Jobs must not throw.
//
// Two threads should never be slower than one:
//
//   * Work is counted in multiplications of a layer, some fifty of which take a nanosecond. Neither
//     a thread nor a job's hand-over is paid for where there is too little of it: a hand-over takes
//     half a microsecond, but what one core has written reaches another only line by line, some 15
//     microseconds a step of `small` where the cores share no cache.
//   * A job is over when its items are done, not when every thread has heard of it, and nobody
//     waits for threads to end: one that the system has put aside holds nobody up unless it has
//     taken an item. So that this is rare, a thread offers its core to others before each job.
class Team {
 public:
  // The caller's thread and `threads - 1` others, or fewer where the system refuses them or `work`,
  // that of all `jobs`, is not worth them.
  Team(int64_t threads, int64_t work, int64_t jobs = 1) {
    const bool shared = work / jobs >= kWorthSharing;
    const int64_t most = shared ? std::clamp(work / kWorthAThread, int64_t{1}, threads) : 1;
    try {
      for (; size_ < most; ++size_) std::thread(serve, shared_, size_).detach();
    } catch (const std::system_error&) {
    }
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() { shared_->stop.store(true, std::memory_order_release); }

  int64_t size() const { return size_; }

  // Calls job(item, member) for each item 0..items - 1 (less than 2^32), in any order, and waits
  // for them all. `work` is that of all items.
  void for_each(int64_t items, int64_t work, const std::function<void(int64_t, int64_t)>& job) {
    if (size() == 1 || items <= 1 || work < kWorthSharing) {
      for (int64_t item = 0; item < items; ++item) job(item, 0);
      return;
    }
    Shared& shared = *shared_;
    shared.job = &job;
    shared.items = items;
    shared.done.store(0, std::memory_order_relaxed);
    const uint64_t next_job = (shared.left.load(std::memory_order_relaxed) >> 32) + 1;
    shared.left.store(next_job << 32 | static_cast<uint64_t>(items), std::memory_order_release);
    shared.take_items(0);
    wait_until([&] { return shared.done.load(std::memory_order_acquire) == items; });
  }

 private:
  static constexpr int kSpins = 2000;                          // some tens of microseconds
  static constexpr int64_t kWorthSharing = MCM_WORTH_SHARING;  // 40 microseconds
  static constexpr int64_t kWorthAThread = 20000000;           // several times what a start takes

  // What all members see, and the last of them deletes.
  struct Shared {
    const std::function<void(int64_t, int64_t)>* job = nullptr;
    int64_t items = 0;
    alignas(64) std::atomic<uint64_t> left{0};  // the job's number << 32 | items not taken yet
    alignas(64) std::atomic<int64_t> done{0};
    std::atomic<bool> stop{false};

    // Takes items while there are any. What belongs to a job is only looked at with one in hand.
    void take_items(int64_t member) {
      uint64_t now = left.load(std::memory_order_relaxed);
      while (static_cast<uint32_t>(now) > 0) {
        if (!left.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel)) continue;
        (*job)(items - static_cast<uint32_t>(now), member);
        done.fetch_add(1, std::memory_order_release);
        now = left.load(std::memory_order_relaxed);
      }
    }
  };

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

  static void serve(std::shared_ptr<Shared> shared, int64_t member) {
    const auto waiting = [&] {
      return static_cast<uint32_t>(shared->left.load(std::memory_order_relaxed)) > 0;
    };
    while (!shared->stop.load(std::memory_order_acquire)) {
      wait_until([&] { return waiting() || shared->stop.load(std::memory_order_relaxed); });
      std::this_thread::yield();
      shared->take_items(member);
    }
  }

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  int64_t size_ = 1;
};

}  // namespace mcm
