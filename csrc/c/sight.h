// What a rendering asks of a model's latents (mcm_fast/exact/pixels/rendering.py: alignment).
#pragma once

#include "../pixels/rendering.h"

namespace mcm::c {

struct Sight {
  int64_t align;  // as many latents belong together
  int64_t scale;  // pixels of the image along the side of one that it draws
  bool y_alone;   // what the entropy model says of y does not matter
};

// std::invalid_argument unless the rendering draws at `scale` for a model of such channels and
// indexes.
Sight sight_of(const pixels::Rendering& rendering, const Model& model, int64_t scale);

}  // namespace mcm::c
