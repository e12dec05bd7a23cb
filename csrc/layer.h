// One integer layer (FORMAT.md, section 3): weights int8, activations int8 in -127..127.
//
//   acc = sum of weight * activation            int32; |acc| < 2^31, proved by Model
//   v   = floor((acc * m + b) / 2^24)           int64; |acc * m + b| < 2^55; rounding is part of b
//   a   = clamp(max(v, (v + 2) >> 2), -127, 127)
//
// Both operands are widened to int16: products of pairs then add up in 32 bits (pmaddwd).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mcm {

constexpr int kScaleBits = 24;
constexpr int kMaxActivation = 127;
constexpr int64_t kAlign = 16;  // layers' inputs and outputs are padded with zeros to multiples
constexpr int64_t kBatch = 8;   // positions that share one reading of the weights

// Multiplier and bias of every output of every layer, at one quality.
struct Affine {
  std::vector<int32_t> multiplier;  // [T]
  std::vector<int64_t> bias;        // [T]
};

struct Layer {
  int64_t outputs = 0, inputs = 0;
  int64_t rows = 0, stride = 0;  // both, padded
  int64_t first = 0;             // where its outputs begin in Affine
  std::vector<int16_t> weight;   // [rows, stride]
};

inline int64_t padded(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

inline int8_t clamp_activation(int32_t v) {
  return static_cast<int8_t>(std::clamp(v, -kMaxActivation, kMaxActivation));
}

inline int32_t requantize(int32_t acc, int32_t multiplier, int64_t bias) {
  return static_cast<int32_t>((int64_t{acc} * multiplier + bias) >> kScaleBits);
}

inline int8_t activate(int32_t v) { return clamp_activation(std::max(v, (v + 2) >> 2)); }

// acc[p, o] = sum over i of weight[o, i] * x[p, i]; x is [count, stride], acc [count, rows].
void accumulate(const Layer& layer, const int16_t* x, int64_t count, int32_t* acc);

// The buffers of one thread: a batch of inputs and sums of any layer of one model.
struct Workspace {
  std::vector<int16_t> patch, hidden;  // [kBatch, largest stride]
  std::vector<int32_t> acc;            // [kBatch, most rows]
  Workspace(int64_t stride, int64_t rows)
      : patch(kBatch * stride), hidden(kBatch * stride), acc(kBatch * rows) {}
};

// Widens `count` activations; returns the end of what it wrote.
inline int16_t* gather(const int8_t* from, int64_t count, int16_t* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  return to + count;
}

inline void pad_inputs(const Layer& layer, int16_t* x) {
  std::fill(x + layer.inputs, x + layer.stride, int16_t{0});
}

}  // namespace mcm
