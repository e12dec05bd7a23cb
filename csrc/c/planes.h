// Planes [channels, h, w] of rectangles of latents, joined and cut (mcm_fast/tiled.py).
#pragma once

#include <cstdint>
#include <vector>

#include "tile.h"

namespace mcm::c {

// Copies what two rectangles share, counted in latents, from the planes of one to the other's.
template <class T>
void paste(const std::vector<T>& from, const Tile& its, int64_t channels, const Tile& mine,
           std::vector<T>& to) {
  const Tile shared = its.shared_with(mine);
  if (shared.width() <= 0) return;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t row = shared.top; row < shared.bottom; ++row) {
      const int64_t at = (c * its.height() + row - its.top) * its.width() + shared.left - its.left;
      const int64_t place =
          (c * mine.height() + row - mine.top) * mine.width() + shared.left - mine.left;
      std::copy_n(&from[at], shared.width(), &to[place]);
    }
  }
}

// A part of planes; they themselves where it is all of them.
template <class T>
std::vector<T> cut(std::vector<T>&& from, const Tile& its, int64_t channels, const Tile& part) {
  if (its == part) return std::move(from);
  std::vector<T> to(channels * part.height() * part.width());
  paste(from, its, channels, part, to);
  return to;
}

}  // namespace mcm::c
