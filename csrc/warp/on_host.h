// warp.h on the host: the lanes of a warp and the warps of a block are loops.
#pragma once

#include <algorithm>
#include <array>
#ifdef MCM_WARP_THREADS
#include <pthread.h>
#endif

namespace mcm::warp {

template <class T>
using PerLane = std::array<T, kLanes>;
template <class T>
using PerWarp = std::array<T, kWarps>;

inline uint32_t count_of(uint32_t mask) { return __builtin_popcount(mask); }
inline uint32_t minimum_of(uint32_t a, uint32_t b) { return std::min(a, b); }
inline uint32_t high_product(uint32_t a, uint32_t b) { return uint64_t{a} * b >> 32; }

template <class T>
T load(const T* at) {
  return *at;
}
template <class T>
T latest(const T* at) {
  return *at;
}

#ifdef MCM_WARP_THREADS
inline void subtract(int32_t* at, int32_t value) {
  __atomic_fetch_sub(at, value, __ATOMIC_RELAXED);
}
inline void set_bits(int32_t* at, int32_t bits) { __atomic_fetch_or(at, bits, __ATOMIC_RELAXED); }
#else
inline void subtract(int32_t* at, int32_t value) { *at -= value; }
inline void set_bits(int32_t* at, int32_t bits) { *at |= bits; }
#endif

class Warp {
 public:
  explicit Warp(int number) : number_(number) {}
  int number() const { return number_; }

  template <class F>
  void each(const F& f) const {
    for (int lane = 0; lane < kLanes; ++lane) f(lane);
  }

  uint32_t ballot(const PerLane<bool>& holds) const {
    uint32_t mask = 0;
    for (int lane = 0; lane < kLanes; ++lane) mask |= uint32_t{holds[lane]} << lane;
    return mask;
  }
  bool any(const PerLane<bool>& holds) const { return ballot(holds) != 0; }
  void sync() const {}
  uint32_t sum(const PerLane<uint32_t>& values) const {
    uint32_t sum = 0;
    for (const uint32_t value : values) sum += value;
    return sum;
  }
  void accumulate(PerLane<uint32_t>& values) const {
    for (int lane = 1; lane < kLanes; ++lane) values[lane] += values[lane - 1];
  }
  void shuffle(const PerLane<uint32_t>& values, const PerLane<uint32_t>& from,
               PerLane<uint32_t>& found) const {
    for (int lane = 0; lane < kLanes; ++lane) found[lane] = values[from[lane] % kLanes];
  }
  template <class F>
  void once(const F& f) const {
    f();
  }

 private:
  int number_;
};

class Near;

#ifdef MCM_WARP_THREADS
// A thread a warp, for ThreadSanitizer (tests/test_warp_threads.py).
class Block {
 public:
  using Memory = Near;
  Block(int64_t number, int warps, int mine, pthread_barrier_t* barrier)
      : number_(number), warps_(warps), mine_(mine), barrier_(barrier) {}
  int number() const { return static_cast<int>(number_); }
  int warps() const { return warps_; }

  template <class F>
  void each_warp(const F& f) const {
    f(Warp(mine_));
    pthread_barrier_wait(barrier_);
  }
  void let_next_begin() const {}
  void await_launch() const {}
  void mark(int) const {}
  const void* staged(const void* from, int64_t) const { return from; }
  void await_stage() const { pthread_barrier_wait(barrier_); }

 private:
  int64_t number_;
  int warps_, mine_;
  pthread_barrier_t* barrier_;
};
#else
class Block {
 public:
  using Memory = Near;
  Block(int64_t number, int warps) : number_(number), warps_(warps) {}
  int number() const { return static_cast<int>(number_); }
  int warps() const { return warps_; }

  template <class F>
  void each_warp(const F& f) const {
    for (int w = 0; w < warps_; ++w) f(Warp(w));
  }
  void let_next_begin() const {}
  void await_launch() const {}
  void mark(int) const {}
  const void* staged(const void* from, int64_t) const { return from; }
  void await_stage() const {}

 private:
  int64_t number_;
  int warps_;
};

#endif

}  // namespace mcm::warp
