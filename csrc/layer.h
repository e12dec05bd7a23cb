// One integer layer (FORMAT.md, section 3): weights int8, activations in -127..127.
//
//   acc = sum of weight * activation            int32; |acc| < 2^31, proved by Model
//   v   = floor((acc * m + b) / 2^24)           int64; |acc * m + b| < 2^55; rounding is part of b
//   a   = clamp(max(v, (v + 2) >> 2), -127, 127)
//
// |v| < 2^31, so that the low 32 bits of a logical shift are v too.
//
// Packing, the same for every kernel:
//
//   * Activations are int16: a multiply-add of pairs (pmaddwd) is then exact.
//   * A position's inputs are a few spans of consecutive pairs of activations. Where they lie
//     relative to the position is the same for all positions (plane.h), so nothing is gathered.
//   * weight[block][pair][16 outputs][2 inputs], int8: one pair of activations meets 16 outputs
//   with
//     32 bytes. Pairs follow the spans; outputs may be permuted (`source`). What pads the inputs to
//     pairs and the outputs to blocks has weight, multiplier and bias zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mcm {

constexpr int kScaleBits = 24;
constexpr int kMaxActivation = 127;
constexpr int64_t kBlock = 16;
constexpr int64_t kNone = -1;

// Multiplier and bias of every packed output of every layer, at one quality.
struct Affine {
  std::vector<int32_t> multiplier;
  std::vector<int64_t> bias;
};

struct Layer {
  int64_t outputs = 0;
  int64_t rows = 0, pairs = 0;     // packed outputs, a multiple of kBlock, and pairs of inputs
  int64_t first = 0;               // where its rows begin in Affine
  std::vector<int64_t> source;     // [rows]: the output of a packed row, or kNone
  std::vector<int64_t> magnitude;  // [rows]: sum of |weight|
  std::vector<int8_t> weight;      // [rows / kBlock, pairs, kBlock, 2]

  int64_t products() const { return rows * pairs * 2; }
};

inline int64_t rounded_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// weight [outputs, inputs] in C order. Packed row r is output rows[r], packed input i is input
// columns[i]; either may be kNone. An even number of columns.
Layer pack(const int8_t* weight, int64_t outputs, int64_t inputs, std::vector<int64_t> rows,
           const std::vector<int64_t>& columns);

inline int8_t clamp_activation(int32_t v) {
  return static_cast<int8_t>(std::clamp(v, -kMaxActivation, kMaxActivation));
}

inline int32_t requantize(int32_t acc, int32_t multiplier, int64_t bias) {
  return static_cast<int32_t>((int64_t{acc} * multiplier + bias) >> kScaleBits);
}

inline int8_t activate(int32_t v) { return clamp_activation(std::max(v, (v + 2) >> 2)); }

}  // namespace mcm
