// From channels innermost, as the layers want them, to planar, as the engine hands them out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "team.h"

namespace mcm {

// from [rows, step], of which `columns` are taken -> [columns, rows], in tiles that stay in L1.
template <class From, class To>
void transpose(const From* from, int64_t rows, int64_t columns, int64_t step, To* to, Team& team) {
  constexpr int64_t kTile = 32, kWork = 50;  // a value takes about a nanosecond
  team.for_each((columns + kTile - 1) / kTile, kWork * rows * columns, [&](int64_t tile, int64_t) {
    const int64_t end = std::min(columns, (tile + 1) * kTile);
    for (int64_t first = 0; first < rows; first += kTile) {
      const int64_t last = std::min(rows, first + kTile);
      for (int64_t column = tile * kTile; column < end; ++column) {
        To* out = to + column * rows;
        for (int64_t r = first; r < last; ++r) out[r] = static_cast<To>(from[r * step + column]);
      }
    }
  });
}

template <class T>
std::vector<T> transposed(const T* from, int64_t rows, int64_t columns, Team& team) {
  std::vector<T> to(rows * columns);
  transpose(from, rows, columns, columns, to.data(), team);
  return to;
}

}  // namespace mcm
