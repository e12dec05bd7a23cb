// Rectangles of an image in coded orientation (mcm_fast/coding_tiles.py).
#pragma once

#include <algorithm>
#include <cstdint>

namespace mcm::c {

constexpr int64_t kBlock = 16;   // pixels along the side of a latent of y
constexpr int64_t kBlockZ = 64;  // and of z

inline int64_t rounded_up_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

struct Tile {
  int64_t left, top, right, bottom;

  int64_t width() const { return right - left; }
  int64_t height() const { return bottom - top; }

  bool meets(const Tile& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  bool operator==(const Tile& other) const {
    return left == other.left && top == other.top && right == other.right && bottom == other.bottom;
  }

  // The same rectangle in the other orientation, if `transposed`.
  Tile turned(bool transposed) const { return transposed ? Tile{top, left, bottom, right} : *this; }

  // The blocks of `side` x `side` pixels that it touches: latents, or pixels of a preview.
  Tile divided(int64_t side) const {
    return {left / side, top / side, rounded_up_div(right, side), rounded_up_div(bottom, side)};
  }

  // All that such blocks stand for, of an image that ends at width, height.
  Tile in_whole_blocks(int64_t side, int64_t width, int64_t height) const {
    const Tile blocks = divided(side);
    return {blocks.left * side, blocks.top * side, std::min(blocks.right * side, width),
            std::min(blocks.bottom * side, height)};
  }

  // With `reach` pixels more on each side, as far as the image goes.
  Tile grown(int64_t reach, int64_t width, int64_t height) const {
    return {std::max<int64_t>(0, left - reach), std::max<int64_t>(0, top - reach),
            std::min(width, right + reach), std::min(height, bottom + reach)};
  }

  Tile shared_with(const Tile& other) const {
    return {std::max(left, other.left), std::max(top, other.top), std::min(right, other.right),
            std::min(bottom, other.bottom)};
  }
};

}  // namespace mcm::c
