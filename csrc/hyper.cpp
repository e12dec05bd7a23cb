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

// The columns of a part in one row of a layer, a batch at a time. Behind a depth-to-space `out` is
// the whole plane, else the part.
void convolve_row(const Layer& layer, const Affine& affine, const Plane& in, const Spans& window,
                  int64_t row, const Part& part, int64_t scale, Workspace& space, Plane& out) {
  const int64_t top = scale == 1 ? part.top : 0, left = scale == 1 ? part.left : 0;
  for (int64_t column = part.left; column < part.right; column += kBatch) {
    const int64_t count = std::min(kBatch, part.right - column);
    for (int64_t i = 0; i < count; ++i) space.positions[i] = in.at(0, row, column + i);
    dense(layer, affine, {space.positions.data(), count, window}, Finish::kActivate,
          {space.outputs.data(), space.rows});
    for (int64_t i = 0; i < count; ++i) {
      store(&space.outputs[i * space.rows], row - top, column + i - left, scale, out);
    }
  }
}

// A part of one layer.
void convolve(const Layer& layer, const Affine& affine, Plane& in, const Part& part, int64_t scale,
              Team& team, std::vector<Workspace>& spaces, Plane& out) {
  replicate_edge(in);
  const std::vector<Span> window = square_window(in, 1);
  const Spans spans{window.data(), static_cast<int64_t>(window.size())};
  const int64_t work = part.height() * part.width() * layer.products();
  team.for_each(part.height(), work, [&](int64_t item, int64_t member) {
    convolve_row(layer, affine, in, spans, part.top + item, part, scale, spaces[member], out);
  });
}

// What a layer of height x width makes, before its depth-to-space by 2, of all that a part of the
// next one sees.
Part seen_by(const Part& part, int64_t height, int64_t width) {
  return {std::max<int64_t>(part.top - 1, 0) / 2, std::max<int64_t>(part.left - 1, 0) / 2,
          std::min((part.bottom + 2) / 2, height), std::min((part.right + 2) / 2, width)};
}

}  // namespace

Plane hyper_synthesis(const Model& model, const Affine& affine, const int16_t* z, int64_t height,
                      int64_t width, const Part& part, Team& team, std::vector<Workspace>& spaces) {
  const int64_t rows = (height + 3) / 4, columns = (width + 3) / 4;
  Plane in = clamped_plane(z, 1, model.z_channels, rows, columns, {0, 0, rows, columns}, kPad);
  const Part second = seen_by(part, 2 * rows, 2 * columns);
  const Part parts[] = {seen_by(second, rows, columns), second};
  for (int i = 0; i < 2; ++i) {
    const Layer& layer = model.hyper[i];
    Plane out(1, 2 * in.height, 2 * in.width, layer.outputs / 4, kPad);
    convolve(layer, affine, in, parts[i], 2, team, spaces, out);
    in = std::move(out);
  }
  Plane features(1, part.height(), part.width(), model.hyper_channels, 0);
  convolve(model.hyper[2], affine, in, part, 1, team, spaces, features);
  return features;
}

}  // namespace mcm
