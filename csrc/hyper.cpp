#include "hyper.h"

#include <algorithm>

namespace mcm {
namespace {

constexpr int64_t kPad = 1;

// Copies the edge of a plane to the ring around it.
void replicate_edge(Plane& plane) {
  const int64_t step = plane.stride, h = plane.height, w = plane.width;
  for (int64_t row = 0; row < h; ++row) {
    std::copy_n(plane.at(0, row, 0), step, plane.at(0, row, -1));
    std::copy_n(plane.at(0, row, w - 1), step, plane.at(0, row, w));
  }
  std::copy_n(plane.at(0, 0, -1), (w + 2) * step, plane.at(0, -1, -1));
  std::copy_n(plane.at(0, h - 1, -1), (w + 2) * step, plane.at(0, h, -1));
}

// Writes the outputs at (row, column); scale is 2 with depth-to-space, else 1.
void store(const int16_t* from, int64_t row, int64_t column, int64_t scale, Plane& out) {
  for (int64_t part = 0; part < scale * scale; ++part, from += out.channels) {
    const int64_t y = row * scale + part / scale, x = column * scale + part % scale;
    std::copy_n(from, out.channels, out.at(0, y, x));
  }
}

// One layer for the columns of one row, a batch at a time.
void convolve_row(const Layer& layer, const Affine& affine, const Plane& in, const Spans& window,
                  int64_t row, int64_t width, int64_t scale, Workspace& space, Plane& out) {
  for (int64_t column = 0; column < width; column += kBatch) {
    const int64_t count = std::min(kBatch, width - column);
    for (int64_t i = 0; i < count; ++i) space.positions[i] = in.at(0, row, column + i);
    dense(layer, affine, {space.positions.data(), count, window}, Finish::kActivate,
          {space.outputs.data(), space.rows});
    for (int64_t i = 0; i < count; ++i) {
      store(&space.outputs[i * space.rows], row, column + i, scale, out);
    }
  }
}

// `height` rows and `width` columns of one layer.
void convolve(const Layer& layer, const Affine& affine, Plane& in, int64_t height, int64_t width,
              int64_t scale, Team& team, std::vector<Workspace>& spaces, Plane& out) {
  replicate_edge(in);
  const std::vector<Span> window = square_window(in, 1);
  const Spans spans{window.data(), static_cast<int64_t>(window.size())};
  team.for_each(height, height * width * layer.products(), [&](int64_t row, int64_t member) {
    convolve_row(layer, affine, in, spans, row, width, scale, spaces[member], out);
  });
}

}  // namespace

Plane hyper_synthesis(const Model& model, const Affine& affine, const int16_t* z, int64_t height,
                      int64_t width, Team& team, std::vector<Workspace>& spaces) {
  Plane in = clamped_plane(z, 1, model.z_channels, (height + 3) / 4, (width + 3) / 4, kPad);
  for (const Layer* layer = model.hyper; layer < model.hyper + 2; ++layer) {
    Plane out(1, 2 * in.height, 2 * in.width, layer->outputs / 4, kPad);
    convolve(*layer, affine, in, in.height, in.width, 2, team, spaces, out);
    in = std::move(out);
  }
  Plane features(1, height, width, model.hyper_channels, 0);
  convolve(model.hyper[2], affine, in, height, width, 1, team, spaces, features);
  return features;
}

}  // namespace mcm
