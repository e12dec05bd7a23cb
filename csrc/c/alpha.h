// Alpha, lossless: each tile's rows with PNG's filters in a zlib stream (FORMAT.md, section 1).
#pragma once

#include "../pixels/render.h"
#include "container.h"

namespace mcm::c {

// Alpha of a box in coded orientation, a byte each to `to`. Each tile is inflated row by row, no
// further than its rows go. Throws BitstreamError for anything but exactly these rows.
void draw_alpha(const Container& container, const Tile& box, const pixels::Canvas& to);

// The same at 1/scale: the mean, rounded half up, of what there is of each block of scale x scale
// pixels. The box begins at whole blocks.
void draw_small_alpha(const Container& container, const Tile& box, int64_t scale,
                      const pixels::Canvas& to);

}  // namespace mcm::c
