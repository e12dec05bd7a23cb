// Hyper-synthesis (FORMAT.md, section 3): z -> F features for each latent of y.
//
//   z clamped to -127..127
//   -> 3x3 convolution, replicated edge -> activation -> depth-to-space by 2   (hyper.0)
//   -> 3x3 convolution, replicated edge -> activation -> depth-to-space by 2   (hyper.1)
//   -> 3x3 convolution, replicated edge -> activation -> crop to h x w         (hyper.2)
//
// Depth-to-space: channel c at (2y + i, 2x + j) is channel 4c + 2i + j at (y, x).
#pragma once

#include <cstdint>
#include <vector>

#include "model.h"
#include "plane.h"
#include "team.h"

namespace mcm {

// z [Nz, ceil(height / 4), ceil(width / 4)] -> a part of [height, width, F].
Plane hyper_synthesis(const Model& model, const Affine& affine, const int16_t* z, int64_t height,
                      int64_t width, const Part& part, Team& team, std::vector<Workspace>& spaces);

}  // namespace mcm
