// One layer of a rendering (mcm_fast/exact/pixels/layers.py has the formulas), packed for kernels.
//
//   * Tensors are int16, channels last; a position's inputs are one span of consecutive values in
//     each of `kernel` rows. 16-bit products in pairs (pmaddwd) are exact, sums stay below 2^31.
//   * weight[block][pair][16 outputs][2 inputs]. Pairs follow the spans; a span of odd length has
//     one value more, with weight zero. Outputs are in the order (i, j, channel) of depth-to-space,
//     so that those of one row of pixels stand together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace mcm::pixels {

constexpr int64_t kBlock = 16;  // outputs: one 512-bit register of sums
constexpr int kShift = 30;      // requantisation: floor((acc * m + b) / 2^30)
constexpr int kMost = 32767;
constexpr int kSlope = 3277;     // of the leaky ReLU, in 15 bits
constexpr int kSigmoids = 2048;  // half the table
constexpr int kMaxKernel = 3;

// Whole cache lines, since a 512-bit load that crosses two takes twice as long; a vector of a size
// is not initialised.
template <class T>
struct Aligned {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kLine); }
  template <class U>
  void construct(U* p) {
    ::new (static_cast<void*>(p)) U;
  }
  template <class U, class... Args>
  void construct(U* p, Args&&... args) {
    ::new (static_cast<void*>(p)) U(std::forward<Args>(args)...);
  }
  bool operator==(const Aligned&) const { return true; }
  bool operator!=(const Aligned&) const { return false; }
};
template <class T>
using Values = std::vector<T, Aligned<T>>;

enum class Operation { kConv, kInverseGdn };
enum class Activation { kNone, kLeaky, kSigmoid };

struct Layer {
  Operation operation = Operation::kConv;
  int source = 0, kernel = 1;
  Activation activation = Activation::kNone;
  int gate = -1, add = -1;  // tensors, or -1
  int factor = 1;           // of depth-to-space; an inverse GDN's shift
  int limit = kMost;

  int64_t inputs = 0, outputs = 0;  // outputs before depth-to-space
  int64_t pairs = 0;                // of one span
  Values<int16_t> weight;           // [blocks, spans * pairs, kBlock, 2]
  Values<int32_t> multiplier;       // [blocks * kBlock]
  Values<int64_t> bias;
  Values<int32_t> beta;  // an inverse GDN's

  int64_t blocks() const { return (outputs + kBlock - 1) / kBlock; }
  int64_t spans() const { return kernel; }
  int64_t block_size() const { return spans() * pairs * 2 * kBlock; }
  int64_t scale() const { return operation == Operation::kConv ? factor : 1; }
  int64_t channels() const { return outputs / (scale() * scale()); }
  int64_t products() const { return outputs * inputs * kernel * kernel; }
};

}  // namespace mcm::pixels
