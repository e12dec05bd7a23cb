// One integer layer: weights int8, activations in -127..127. FORMAT.md, section 3, has the formula
// and the bounds that a Model proves; from them follows what widths are enough here:
//
//   acc                int32
//   acc * m + b        int64: less than 2^54 at a level, less than 2^55 between two, where rounding
//                      m and b to integers adds at most |acc| / 2 + 1 / 2
//   v                  int32, so that the low 32 bits of a logical shift are v too
//
// Packing, the same for every kernel:
//
//   * Activations are int16: a multiply-add of pairs (pmaddwd) is then exact.
//   * A position's inputs are a few spans of consecutive pairs of activations. Where they lie
//     relative to the position is the same for all positions (plane.h), so nothing is gathered.
//   * weight[block][pair][16 outputs][2 inputs], int8: a pair of activations meets 16 outputs with
//     32 bytes. Pairs follow the spans; outputs may be permuted (`source`). What pads the inputs to
//     pairs and the outputs to blocks has weight, multiplier and bias zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mcm {

constexpr int kShift = 24;   // requantisation: floor((acc * multiplier + bias) / 2^24)
constexpr int kLimit = 127;  // activations are -127..127
// A valid model keeps |acc|, |bias| and |acc multiplier| + |bias| below these.
constexpr int64_t kAccLimit = int64_t{1} << 31;
constexpr int64_t kBiasLimit = int64_t{1} << 48;
constexpr int64_t kProductLimit = int64_t{1} << 54;
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
Layer pack_weight(const int8_t* weight, int64_t outputs, int64_t inputs, std::vector<int64_t> rows,
                  const std::vector<int64_t>& columns);

inline int8_t clamp_activation(int32_t v) {
  return static_cast<int8_t>(std::clamp(v, -kLimit, kLimit));
}

inline int32_t requantize(int32_t acc, int32_t multiplier, int64_t bias) {
  return static_cast<int32_t>((int64_t{acc} * multiplier + bias) >> kShift);
}

inline int8_t activate(int32_t v) { return clamp_activation(std::max(v, (v + 2) >> 2)); }

inline int16_t saturate(int32_t v) {
  return static_cast<int16_t>(std::clamp(v, INT16_MIN, INT16_MAX));
}

}  // namespace mcm
