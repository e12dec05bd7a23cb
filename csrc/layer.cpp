#include "layer.h"

#include <cstdlib>
#include <utility>

namespace mcm {

Layer pack_weight(const int8_t* weight, int64_t outputs, int64_t inputs, std::vector<int64_t> rows,
                  const std::vector<int64_t>& columns) {
  Layer layer;
  layer.outputs = outputs;
  layer.rows = rounded_up(static_cast<int64_t>(rows.size()), kBlock);
  layer.pairs = static_cast<int64_t>(columns.size()) / 2;
  layer.source = std::move(rows);
  layer.source.resize(layer.rows, kNone);
  layer.magnitude.resize(layer.rows);
  layer.weight.resize(layer.rows * layer.pairs * 2);
  for (int64_t row = 0; row < layer.rows; ++row) {
    if (layer.source[row] == kNone) continue;
    const int8_t* from = weight + layer.source[row] * inputs;
    int8_t* to = &layer.weight[row / kBlock * kBlock * layer.pairs * 2 + row % kBlock * 2];
    for (int64_t i = 0; i < 2 * layer.pairs; ++i) {
      const int8_t w = columns[i] == kNone ? int8_t{0} : from[columns[i]];
      to[i / 2 * kBlock * 2 + i % 2] = w;
      layer.magnitude[row] += std::abs(w);
    }
  }
  return layer;
}

}  // namespace mcm
