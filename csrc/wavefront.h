// The joint wavefront (FORMAT.md, section 5): all (slice, row, column) with the same
//
//   t = column + 4 row + 6 slice
//
// are independent of each other. A masked 7x7 sees up to 3 columns further in the row above
// (-4 + 3 < 0); the 3x3 over the slices before sees up to (column + 1, row + 1) (1 + 4 - 6 < 0).
#pragma once

#include <algorithm>
#include <cstdint>

#include "host_device.h"

namespace mcm {

constexpr int64_t kRowStep = 4;
constexpr int64_t kSliceStep = 6;

// `count` positions of one slice: (row + i * row_step, column + i * column_step).
struct Run {
  int64_t slice, row, column, count, row_step, column_step;

  struct Position {
    int64_t row, column;
  };
  MCM_HD Position position(int64_t i) const {
    return {row + i * row_step, column + i * column_step};
  }

  // `size` of them from number i on.
  Run part(int64_t i, int64_t size) const {
    const auto [first_row, first_column] = position(i);
    return {slice, first_row, first_column, size, row_step, column_step};
  }
};

// How many values t takes.
MCM_HD inline int64_t wavefront_steps(int64_t height, int64_t width, int64_t slices) {
  return width + kRowStep * (height - 1) + kSliceStep * (slices - 1);
}

// u stands for t - 6 slice, that is column + 4 row within a slice.

// The first row that has a position at u, for u >= 0.
MCM_HD inline int64_t first_row(int64_t u, int64_t width) {
  return std::max<int64_t>(0, (u - width + kRowStep) / kRowStep);
}

// How many positions of one slice have column + 4 row = u; any u.
MCM_HD inline int64_t row_count(int64_t u, int64_t height, int64_t width) {
  if (u < 0) return 0;
  const int64_t last = std::min(height - 1, u / kRowStep);
  return std::max<int64_t>(0, last - first_row(u, width) + 1);
}

// The positions of `slice` at time t, by increasing row; the count may be 0.
MCM_HD inline Run wavefront(int64_t t, int64_t slice, int64_t height, int64_t width) {
  const int64_t u = t - kSliceStep * slice, row = u < 0 ? 0 : first_row(u, width);
  return {slice, row, u - kRowStep * row, row_count(u, height, width), 1, -kRowStep};
}

// Calls visit(slice, row, column) for every position of y in the order of the stream.
template <class Visit>
void for_each_position(int64_t height, int64_t width, int64_t slices, const Visit& visit) {
  for (int64_t t = 0; t < wavefront_steps(height, width, slices); ++t) {
    for (int64_t slice = 0; slice < slices; ++slice) {
      const Run run = wavefront(t, slice, height, width);
      for (int64_t i = 0; i < run.count; ++i) {
        const auto [row, column] = run.position(i);
        visit(slice, row, column);
      }
    }
  }
}

}  // namespace mcm
