// Where a block's tables and chunks lie, by byte: `Near` is shared memory, whose addresses are 32
// bits wide, `Far` the memory of the device. On the host both are plain memory.
//
// nvcc makes generic addresses of what lies in shared memory, and works them out again for each
// load. The coder's round is too short for that.
#pragma once

#include <cstdint>
#include <cstring>

#include "warp.h"

namespace mcm::warp {

struct Pair {
  uint32_t first, second;
};

#ifdef __CUDACC__

class Near {
 public:
  MCM_BODY explicit Near(const void* at)
      : at_(static_cast<uint32_t>(__cvta_generic_to_shared(at))) {
    asm volatile("" : "+r"(at_));  // an address from now on, not how to find it
  }
  MCM_BODY uint32_t u16(uint32_t offset) const {
    uint16_t value;
    asm volatile("ld.shared.u16 %0, [%1];" : "=h"(value) : "r"(at_ + offset) : "memory");
    return value;
  }
  MCM_BODY Pair pair(uint32_t offset) const {
    Pair p;
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                 : "=r"(p.first), "=r"(p.second)
                 : "r"(at_ + offset)
                 : "memory");
    return p;
  }
  MCM_BODY void put_u16(uint32_t offset, uint32_t value) const {
    asm volatile("st.shared.u16 [%0], %1;" ::"r"(at_ + offset), "h"(static_cast<uint16_t>(value))
                 : "memory");
  }

 private:
  uint32_t at_;
};

class Far {
 public:
  MCM_BODY explicit Far(const void* at) : at_(static_cast<const char*>(at)) {}
  MCM_BODY uint32_t u16(uint32_t offset) const {
    return __ldg(reinterpret_cast<const uint16_t*>(at_ + offset));
  }

 private:
  const char* at_;
};

#else

class Near {
 public:
  explicit Near(const void* at) : at_(static_cast<char*>(const_cast<void*>(at))) {}
  uint32_t u16(uint32_t offset) const {
    uint16_t value;
    std::memcpy(&value, at_ + offset, sizeof(value));
    return value;
  }
  Pair pair(uint32_t offset) const {
    Pair p;
    std::memcpy(&p, at_ + offset, sizeof(p));
    return p;
  }
  void put_u16(uint32_t offset, uint32_t value) const {
    const auto half = static_cast<uint16_t>(value);
    std::memcpy(at_ + offset, &half, sizeof(half));
  }

 private:
  char* at_;
};

using Far = Near;

#endif

}  // namespace mcm::warp
