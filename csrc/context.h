// The context model of one slice (FORMAT.md, section 3): what is known -> mu and index.
//
//   context3/5/7  the slice's own decoded latents: rows dy = -r..-1 with dx = -r..r, then the row
//                 itself with dx = -r..-1, for r = 1, 2, 3
//   previous      the slices before it at dy, dx = -1..1
//   hidden        hyper features, context3, context5, context7, previous
//   head          v: C rows of mu = clamp(v, int16), C rows of index = clamp(v, 0, I - 1)
//
// Latents are clamped to -127..127, and zero outside the image.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model.h"
#include "plane.h"
#include "wavefront.h"

namespace mcm {

constexpr int64_t kContextPad = 3;

// mu in sixteenths and the index of every latent, both [height, width, M]; not yet filled in.
struct Field {
  std::unique_ptr<int16_t[]> mu;
  std::unique_ptr<uint8_t[]> indexes;

  explicit Field(int64_t latents) : mu(new int16_t[latents]), indexes(new uint8_t[latents]) {}
};

// Where the latents of a run's position i begin in [height, width, M].
inline int64_t latents_at(const Model& model, int64_t width, const Run& run, int64_t i) {
  const auto [row, column] = run.position(i);
  return (row * width + column) * model.y_channels + run.slice * model.slice_channels;
}

class ContextModel {
 public:
  // Keeps references. `y` is padded by kContextPad and may be filled in as it becomes known.
  ContextModel(const Model& model, const Affine& affine, const Plane& y, const Plane& hyper);

  // Fills `field` at the positions of `run`, at most kBatch.
  void context_parameters(const Run& run, Workspace& space, const Field& field) const;

 private:
  void hidden_inputs(const Run& run, Workspace& space) const;
  void store(const Run& run, const Workspace& space, const Field& field) const;

  const Model& model_;
  const Affine& affine_;
  const Plane& y_;
  const Plane& hyper_;
  std::vector<Span> masked_[kContexts], previous_;  // the first 3 k of `previous` are for slice k
};

}  // namespace mcm
