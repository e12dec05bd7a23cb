// In which order the rows of a rendering's tensors are computed, and how many of them are held.
//
// The deepest layer that has enough rows before it goes first: what a layer makes is used while it
// is in the cache, nothing is computed twice, and memory grows with the image's width only.
#pragma once

#include <cstdint>
#include <vector>

#include "rendering.h"

namespace mcm::pixels {

struct Size {
  int64_t height, width;
};

// Rows first .. last - 1 of a layer, before depth-to-space; layer -1 makes tensor 0.
struct Step {
  int64_t layer, first, last;
};

struct Plan {
  std::vector<Size> sizes;        // of each tensor
  std::vector<int64_t> capacity;  // rows of each tensor that are held
  std::vector<Step> steps;
};

// `rows`: how many a layer makes at once, about.
Plan make_plan(const Rendering& rendering, Size latents, int64_t rows);

}  // namespace mcm::pixels
