// A thread's buffers between the layers of a batch of positions.
#pragma once

#include <cstdint>
#include <vector>

#include "layer.h"

namespace mcm {

constexpr int64_t kBatch = 24;  // positions that share one reading of the weights

// The buffers of one thread: the inputs and outputs of any layer of one model for a batch.
struct Workspace {
  int64_t wide, rows;                     // strides
  std::vector<int16_t> inputs;            // [kBatch, wide]; a block may stand over the last input
  std::vector<int16_t> inner, outputs;    // [kBatch, rows]
  std::vector<const int16_t*> positions;  // [kBatch]

  Workspace(int64_t max_inputs, int64_t max_rows)
      : wide(max_inputs + kBlock),
        rows(max_rows),
        inputs(kBatch * wide),
        inner(kBatch * rows),
        outputs(kBatch * rows),
        positions(kBatch) {}
};

}  // namespace mcm
