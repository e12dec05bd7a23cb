// Memory for tensors that outlives a call: pages that are used again need not be cleared again.
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
      const std::lock_guard<std::mutex> lock(mutex_);
      std::swap(memory, kept_);
    }
    if (static_cast<int64_t>(memory.size()) < size) memory = Values<int16_t>(size);
    return memory;
  }

  // Keeps what was taken, unless it is large or another is kept already.
  void give(Values<int16_t>&& memory) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (static_cast<int64_t>(memory.size()) <= kMost && memory.size() > kept_.size()) {
      std::swap(memory, kept_);
    }
  }

 private:
  static constexpr int64_t kMost = int64_t{1} << 23;  // 16 MiB

  std::mutex mutex_;
  Values<int16_t> kept_;
};

}  // namespace mcm::pixels
