#include "hyper.h"

#include <algorithm>

namespace mcm {
namespace {

constexpr int64_t kPad = 1;

// Copies the edge of a plane to the ring around it.
void replicate_edge(Plane& plane) {
  const int64_t channels = plane.channels, h = plane.height, w = plane.width;
  for (int64_t row = 0; row < h; ++row) {
    std::copy_n(plane.at(row, 0), channels, plane.at(row, -1));
    std::copy_n(plane.at(row, w - 1), channels, plane.at(row, w));
  }
  std::copy_n(plane.at(0, -1), (w + 2) * channels, plane.at(-1, -1));
  std::copy_n(plane.at(h - 1, -1), (w + 2) * channels, plane.at(h, -1));
}

// Writes the outputs at (row, column); scale is 2 with depth-to-space, else 1.
void store(const Layer& layer, const Affine& affine, const int32_t* acc, int64_t row,
           int64_t column, int64_t scale, Plane& out) {
  for (int64_t o = 0; o < layer.outputs; ++o) {
    const int64_t at = layer.first + o;
    const int64_t part = o % (scale * scale);
    const int64_t y = row * scale + part / scale, x = column * scale + part % scale;
    out.at(y, x)[o / (scale * scale)] =
        activate(requantize(acc[o], affine.multiplier[at], affine.bias[at]));
  }
}

// One layer for the columns of one row, a batch at a time.
void convolve_row(const Layer& layer, const Affine& affine, const Plane& in, int64_t row,
                  int64_t width, int64_t scale, Workspace& space, Plane& out) {
  for (int64_t column = 0; column < width; column += kBatch) {
    const int64_t count = std::min(kBatch, width - column);
    for (int64_t i = 0; i < count; ++i) {
      int16_t* patch = space.patch.data() + i * layer.stride;
      int16_t* to = patch;
      for (int64_t dy = -1; dy <= 1; ++dy) {
        to = gather(in.at(row + dy, column + i - 1), 3 * in.channels, to);
      }
      pad_inputs(layer, patch);
    }
    accumulate(layer, space.patch.data(), count, space.acc.data());
    for (int64_t i = 0; i < count; ++i) {
      store(layer, affine, space.acc.data() + i * layer.rows, row, column + i, scale, out);
    }
  }
}

}  // namespace

Plane hyper_synthesis(const Model& model, const Affine& affine, const int16_t* z, int64_t height,
                      int64_t width, Team& team, std::vector<Workspace>& spaces) {
  Plane in = clamped_plane(z, model.z_channels, (height + 3) / 4, (width + 3) / 4, kPad);
  for (const Layer* layer = model.hyper; layer < model.hyper + 2; ++layer) {
    replicate_edge(in);
    Plane out(2 * in.height, 2 * in.width, layer->outputs / 4, kPad);
    team.for_each(in.height, [&](int64_t row, int64_t member) {
      convolve_row(*layer, affine, in, row, in.width, 2, spaces[member], out);
    });
    in = std::move(out);
  }
  replicate_edge(in);
  Plane features(height, width, model.hyper_channels, 0);
  team.for_each(height, [&](int64_t row, int64_t member) {
    convolve_row(model.hyper[2], affine, in, row, width, 1, spaces[member], features);
  });
  return features;
}

}  // namespace mcm
