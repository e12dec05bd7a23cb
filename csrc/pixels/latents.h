// Tensor 0 of a rendering: the conditional mean of each latent times its inverse gain, beside the
// hyper features (mcm_fast/exact/pixels/layers.py has the formulas).
#pragma once

#include "rendering.h"

namespace mcm::pixels {

// All planar, [channels, height, width].
struct Latents {
  const int16_t *y, *mu;
  const uint8_t* indexes;
  const int8_t* hyper;
  int64_t height, width;
};

// `count` positions of one row -> out [count, channels]. `gain`: Rendering::gain_at.
void latents_in(const Rendering& rendering, const Latents& latents,
                const std::vector<int32_t>& gain, int64_t row, int64_t column, int64_t count,
                int16_t* out);

}  // namespace mcm::pixels
