// Memory for tensors that outlives a call: pages that are used again need not be cleared again.
// Nobody waits for it: in a child made by fork, a thread that is not there may hold the lock.
#pragma once

#include <mutex>
#include <utility>

#include "layer.h"

namespace mcm::pixels {

class Pool {
 public:
  // At least `size` values, not initialised.
  Values<int16_t> take(int64_t size) {
    Values<int16_t> memory;
    {
      const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
      if (lock.owns_lock()) std::swap(memory, kept_);
    }
    if (static_cast<int64_t>(memory.size()) < size) memory = Values<int16_t>(size);
    return memory;
  }

  // Keeps what was taken, unless it is large or another is kept already.
  void give(Values<int16_t>&& memory) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    const bool fits = static_cast<int64_t>(memory.size()) <= kMost;
    if (lock.owns_lock() && fits && memory.size() > kept_.size()) std::swap(memory, kept_);
  }

 private:
  static constexpr int64_t kMost = int64_t{1} << 23;  // 16 MiB

  std::mutex mutex_;
  Values<int16_t> kept_;
};

}  // namespace mcm::pixels
