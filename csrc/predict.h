// The parameters of all latents at once, for an encoder: it has every latent beforehand.
#pragma once

#include <functional>

#include "context.h"
#include "engine.h"
#include "team.h"

namespace mcm {

struct Prediction {
  Field field;
  Plane hyper;
};

// Those of a part of height x width. Calls seen(run, field), positions counted in the part,
// wherever `field` is filled in, on the thread that has done it.
Prediction predict(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
                   int64_t width, const Part& part, int64_t quality, Team& team,
                   const std::function<void(const Run&, const Field&)>& seen);

// [height, width, M] -> planar, with the features of `hyper`.
Parameters planar(const Field& field, const Plane& hyper, int64_t channels, Team& team);

// How many threads to start; std::invalid_argument unless at least 1 are wanted.
int64_t team_size(int64_t threads);

}  // namespace mcm
