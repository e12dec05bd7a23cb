// Activations of a picture as the layers take them, and where the taps of a window lie in them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "dense.h"
#include "layer.h"

namespace mcm {

// Rows top .. bottom - 1 and columns left .. right - 1 of planes.
struct Part {
  int64_t top, left, bottom, right;

  int64_t height() const { return bottom - top; }
  int64_t width() const { return right - left; }
  bool within(int64_t rows, int64_t columns) const {
    return 0 <= top && top < bottom && bottom <= rows && 0 <= left && left < right &&
           right <= columns;
  }
};

// How far apart a plane's positions lie: its channels come in pairs.
inline int64_t plane_stride(int64_t channels) { return rounded_up(channels, 2); }

// Activations, channels last, zeros all around; one after the other for each slice. A row of taps
// is one span.
struct Plane {
  int64_t slices, height, width, channels, pad, stride;
  std::vector<int16_t> values;  // [slices, height + 2 pad, width + 2 pad, stride]

  Plane(int64_t slices, int64_t height, int64_t width, int64_t channels, int64_t pad)
      : slices(slices),
        height(height),
        width(width),
        channels(channels),
        pad(pad),
        stride(plane_stride(channels)),
        values(slices * (height + 2 * pad) * (width + 2 * pad) * stride) {}

  int64_t row_step() const { return (width + 2 * pad) * stride; }
  int64_t slice_step() const { return (height + 2 * pad) * row_step(); }

  // row in -pad..height + pad - 1, column likewise.
  int16_t* at(int64_t slice, int64_t row, int64_t column) {
    return &values[slice * slice_step() + (row + pad) * row_step() + (column + pad) * stride];
  }
  const int16_t* at(int64_t slice, int64_t row, int64_t column) const {
    return const_cast<Plane*>(this)->at(slice, row, column);
  }
};

// A part of latents [slices, channels, height, width] and of those around it, clamped to -127..127.
inline Plane clamped_plane(const int16_t* latents, int64_t slices, int64_t channels, int64_t height,
                           int64_t width, const Part& part, int64_t pad) {
  Plane plane(slices, part.height(), part.width(), channels, pad);
  const int64_t bottom = std::min(part.bottom + pad, height);
  const int64_t left = std::max<int64_t>(part.left - pad, 0);
  const int64_t count = std::min(part.right + pad, width) - left;
  for (int64_t c = 0; c < slices * channels; ++c) {
    for (int64_t row = std::max<int64_t>(part.top - pad, 0); row < bottom; ++row) {
      const int16_t* from = latents + (c * height + row) * width + left;
      int16_t* to = plane.at(c / channels, row - part.top, left - part.left) + c % channels;
      for (int64_t i = 0; i < count; ++i) to[i * plane.stride] = clamp_activation(from[i]);
    }
  }
  return plane;
}

// Windows: where the taps of a position lie, in raster order.

// The masked window of this radius: the rows above, and what is left of the position.
inline std::vector<Span> masked_window(const Plane& plane, int64_t radius) {
  std::vector<Span> spans;
  for (int64_t dy = -radius; dy <= 0; ++dy) {
    const int64_t taps = dy < 0 ? 2 * radius + 1 : radius;
    spans.push_back({dy * plane.row_step() - radius * plane.stride, taps * plane.stride / 2});
  }
  return spans;
}

// 3x3, in each of the first `slices` slices; a position is one of slice 0.
inline std::vector<Span> square_window(const Plane& plane, int64_t slices) {
  std::vector<Span> spans;
  for (int64_t slice = 0; slice < slices; ++slice) {
    for (int64_t dy = -1; dy <= 1; ++dy) {
      const int64_t offset = slice * plane.slice_step() + dy * plane.row_step();
      spans.push_back({offset - plane.stride, 3 * plane.stride / 2});
    }
  }
  return spans;
}

}  // namespace mcm
