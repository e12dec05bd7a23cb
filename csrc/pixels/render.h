// Latents -> pixels, in integers only. `threads` and `rows` change the speed, never the result.
#pragma once

#include "latents.h"
#include "plan.h"
#include "rendering.h"

namespace mcm::pixels {

// Where pixels go: 3 bytes each, `row_step` and `column_step` bytes apart.
struct Canvas {
  uint8_t* pixels;
  int64_t row_step, column_step;
};

// std::invalid_argument unless a box of pixels lies within those of height x width latents.
void check_box(const Rendering& rendering, int64_t height, int64_t width, const Box& box);

// The pixels of `box` (within height * block, width * block), the first at the canvas' beginning.
// Latents that the box does not depend on are not looked at. std::invalid_argument for a quality,
// an index, a size or a box out of range.
void render(const Rendering& rendering, const Latents& latents, int64_t quality, const Box& box,
            const Canvas& canvas, int64_t threads, int64_t rows);

}  // namespace mcm::pixels
