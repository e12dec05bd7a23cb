#pragma once

#include <cstdint>
#include <vector>

#include "layer.h"

namespace mcm {

// Activations, channels last, zeros all around: taps are contiguous runs of channels.
struct Plane {
  int64_t height, width, channels, pad;
  std::vector<int8_t> values;  // [height + 2 pad, width + 2 pad, channels]

  Plane(int64_t height, int64_t width, int64_t channels, int64_t pad)
      : height(height),
        width(width),
        channels(channels),
        pad(pad),
        values((height + 2 * pad) * (width + 2 * pad) * channels) {}

  // row in -pad..height + pad - 1, column likewise.
  int8_t* at(int64_t row, int64_t column) {
    return &values[((row + pad) * (width + 2 * pad) + column + pad) * channels];
  }
  const int8_t* at(int64_t row, int64_t column) const {
    return const_cast<Plane*>(this)->at(row, column);
  }
};

// latents [channels, height, width], clamped to -127..127.
inline Plane clamped_plane(const int16_t* latents, int64_t channels, int64_t height, int64_t width,
                           int64_t pad) {
  Plane plane(height, width, channels, pad);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t row = 0; row < height; ++row) {
      int8_t* to = plane.at(row, 0) + c;
      for (int64_t i = 0; i < width; ++i) to[i * channels] = clamp_activation(*latents++);
    }
  }
  return plane;
}

}  // namespace mcm
