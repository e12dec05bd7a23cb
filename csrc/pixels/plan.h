// Which part of each of a rendering's tensors is computed for a box of pixels, in which order its
// rows are, and how many of them are held.
//
// From the box backwards, each layer makes what later ones see, and no more.
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

// Positions from (top, left) on; bottom and right lie behind the last ones.
struct Box {
  int64_t top = 0, left = 0, bottom = 0, right = 0;

  bool empty() const { return top >= bottom || left >= right; }
  int64_t area() const { return (bottom - top) * (right - left); }
};

// Rows first .. last - 1 of a layer, before depth-to-space; layer -1 makes tensor 0.
struct Step {
  int64_t layer, first, last;
};

// What a box of pixels takes; empty boxes are of what no layer sees.
struct Needs {
  std::vector<Size> sizes;   // of each tensor as a whole
  std::vector<Box> tensors;  // what is made of each
  std::vector<Box> layers;   // what each layer makes, before depth-to-space

  int64_t products(const Rendering& rendering) const;  // of all layers
};

struct Plan : Needs {
  std::vector<int64_t> capacity;  // rows of each tensor that are held
  std::vector<Step> steps;
};

Needs needs_of(const Rendering& rendering, Size latents, const Box& box);

// `rows`: how many a layer makes at once, about.
Plan make_plan(const Rendering& rendering, Size latents, const Box& box, int64_t rows);

}  // namespace mcm::pixels
