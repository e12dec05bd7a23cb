// warp.h on a device: a lane is a thread.
#pragma once

#include <cuda_pipeline_primitives.h>

#include <type_traits>

namespace mcm::warp {

template <class T>
class PerLane {
 public:
  MCM_BODY T& operator[](int) { return value_; }
  MCM_BODY const T& operator[](int) const { return value_; }

 private:
  T value_;
};

template <class T>
using PerWarp = PerLane<T>;

// How many bits of a mask are set, and those of the lanes before one.
MCM_BODY uint32_t count_of(uint32_t mask) { return __popc(mask); }

MCM_BODY uint32_t minimum_of(uint32_t a, uint32_t b) { return min(a, b); }

// Bits 32..63 of a product.
MCM_BODY uint32_t high_product(uint32_t a, uint32_t b) { return __umulhi(a, b); }

// A value that no thread of the launch writes.
template <class T>
MCM_BODY T load(const T* at) {
  return __ldg(at);
}
// One that the launch before this may write until `await_launch`: not by way of the cache that is
// for constants.
template <class T>
MCM_BODY T latest(const T* at) {
  return __ldcg(at);
}

// By one thread, among others that do the same.
MCM_BODY void subtract(int32_t* at, int32_t value) { atomicSub(at, value); }
MCM_BODY void set_bits(int32_t* at, int32_t bits) { atomicOr(at, bits); }

class Warp {
 public:
  MCM_BODY explicit Warp(int number) : number_(number), lane_(threadIdx.x % kLanes) {}
  MCM_BODY int number() const { return number_; }

  template <class F>
  MCM_BODY void each(const F& f) const {
    f(lane_);
  }

  MCM_BODY uint32_t ballot(const PerLane<bool>& holds) const {
    return __ballot_sync(kAll, holds[lane_]);
  }
  MCM_BODY bool any(const PerLane<bool>& holds) const { return __any_sync(kAll, holds[lane_]); }
  // What its lanes have written to shared memory is there for all of them.
  MCM_BODY void sync() const { __syncwarp(); }
  MCM_BODY uint32_t sum(const PerLane<uint32_t>& values) const {
    return __reduce_add_sync(kAll, values[lane_]);
  }
  // values[lane] becomes the sum of those of the lanes up to it.
  MCM_BODY void accumulate(PerLane<uint32_t>& values) const {
    MCM_UNROLL for (int step = 1; step < kLanes; step *= 2) {
      const uint32_t before = __shfl_up_sync(kAll, values[lane_], step);
      if (lane_ >= step) values[lane_] += before;
    }
  }
  // found[lane] = values[from[lane] mod 32]
  MCM_BODY void shuffle(const PerLane<uint32_t>& values, const PerLane<uint32_t>& from,
                        PerLane<uint32_t>& found) const {
    found[lane_] = __shfl_sync(kAll, values[lane_], from[lane_]);
  }
  template <class F>
  MCM_BODY void once(const F& f) const {
    if (lane_ == 0) f();
  }

 private:
  static constexpr uint32_t kAll = 0xFFFFFFFF;
  int number_, lane_;
};

#ifdef MCM_CLOCKS
constexpr int kPhases = 8;
static __device__ long long
    phase_clocks[kPhases];  // of the first block, summed up (benchmarks/gpu)
#endif

class Near;
class Far;

// kStages: it has shared memory for what `staged` copies. kDependent: a programmatic dependent
// launch, which may begin before the launch before it has ended.
template <bool kStages, bool kDependent = false>
class Block {
 public:
  using Memory = std::conditional_t<kStages, Near, Far>;  // what `staged` lies in (memory.h)
  MCM_BODY int number() const { return blockIdx.x; }
  MCM_BODY int warps() const { return blockDim.x / kLanes; }

  template <class F>
  MCM_BODY void each_warp(const F& f) const {
    f(Warp(threadIdx.x / kLanes));
    __syncthreads();
  }

  // The launch after this may begin; until it calls `await_launch` it must not look at what this
  // or an earlier one writes.
  MCM_BODY void let_next_begin() const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if constexpr (kDependent) asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
  }
  // Until the launch before this has ended and what it has written can be seen. Every block calls
  // it: when this launch has ended, all before it have.
  MCM_BODY void await_launch() const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if constexpr (kDependent) asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  }

  // A phase ends.
  MCM_BODY void mark([[maybe_unused]] int phase) const {
#ifdef MCM_CLOCKS
    if (blockIdx.x != 0 || threadIdx.x != 0) return;
    const long long now = clock64();
    phase_clocks[phase] += now - last_;
    last_ = now;
#endif
  }

  // Begins to copy `size` bytes, a multiple of 16, to shared memory; returns where to read them.
  MCM_BODY const void* staged(const void* from, int64_t size) const {
    if constexpr (!kStages) return from;
    extern __shared__ uint4 shared[];
    const auto* source = static_cast<const uint4*>(from);
    for (int64_t i = threadIdx.x; i < size / 16; i += blockDim.x) {
      __pipeline_memcpy_async(shared + i, source + i, 16);
    }
    __pipeline_commit();
    return shared;
  }
  // Until all of that is there.
  MCM_BODY void await_stage() const {
    __pipeline_wait_prior(0);
    __syncthreads();
  }
#ifdef MCM_CLOCKS
  MCM_BODY Block() { last_ = clock64(); }

 private:
  mutable long long last_;
#endif
};

}  // namespace mcm::warp
