#include "context.h"

#include <algorithm>

namespace mcm {
namespace {

// Activations of `layer` for x [count, layer.stride], written to `to` with rows `stride` apart.
void apply(const Layer& layer, const Affine& affine, const int16_t* x, int64_t count, int32_t* acc,
           int16_t* to, int64_t stride) {
  const int32_t* multiplier = affine.multiplier.data() + layer.first;
  const int64_t* bias = affine.bias.data() + layer.first;
  accumulate(layer, x, count, acc);
  for (int64_t i = 0; i < count; ++i, acc += layer.rows, to += stride) {
    for (int64_t o = 0; o < layer.outputs; ++o) {
      to[o] = activate(requantize(acc[o], multiplier[o], bias[o]));
    }
  }
}

// Calls gather_patch(row, column, to) for each position: x [count, layer.stride].
template <class GatherPatch>
void gather_patches(const Layer& layer, const Run& run, int16_t* x,
                    const GatherPatch& gather_patch) {
  for (int64_t i = 0; i < run.count; ++i, x += layer.stride) {
    gather_patch(run.row + i * run.row_step, run.column + i * run.column_step, x);
    pad_inputs(layer, x);
  }
}

void gather_context(const Plane& y, int64_t radius, int64_t channel, int64_t channels, int64_t row,
                    int64_t column, int16_t* to) {
  for (int64_t dy = -radius; dy <= 0; ++dy) {
    const int64_t taps = dy < 0 ? 2 * radius + 1 : radius;
    const int8_t* from = y.at(row + dy, column - radius) + channel;
    for (int64_t i = 0; i < taps; ++i) to = gather(from + i * y.channels, channels, to);
  }
}

void gather_previous(const Plane& y, int64_t channels, int64_t row, int64_t column, int16_t* to) {
  for (int64_t dy = -1; dy <= 1; ++dy) {
    for (int64_t dx = -1; dx <= 1; ++dx) to = gather(y.at(row + dy, column + dx), channels, to);
  }
}

// The inputs of hidden: x [count, slice.hidden.stride].
void gather_hidden(const Slice& slice, const Affine& affine, const Plane& y, const Plane& hyper,
                   int64_t channels, const Run& run, Workspace& space, int16_t* x) {
  const int64_t before = run.slice * channels, stride = slice.hidden.stride;
  int16_t* patch = space.patch.data();
  gather_patches(slice.hidden, run, x, [&](int64_t row, int64_t column, int16_t* to) {
    gather(hyper.at(row, column), hyper.channels, to);
  });
  x += hyper.channels;
  for (int64_t radius = 1; radius <= kContexts; ++radius) {
    const Layer& layer = slice.context[radius - 1];
    gather_patches(layer, run, patch, [&](int64_t row, int64_t column, int16_t* to) {
      gather_context(y, radius, before, channels, row, column, to);
    });
    apply(layer, affine, patch, run.count, space.acc.data(), x, stride);
    x += layer.outputs;
  }
  if (run.slice == 0) return;
  gather_patches(slice.previous, run, patch, [&](int64_t row, int64_t column, int16_t* to) {
    gather_previous(y, before, row, column, to);
  });
  apply(slice.previous, affine, patch, run.count, space.acc.data(), x, stride);
}

void store_head(const Model& model, const Layer& head, const Affine& affine, const Run& run,
                const int32_t* acc, int64_t height, int64_t width, const Field& field) {
  const int64_t channels = model.slice_channels, area = height * width;
  const int32_t last = static_cast<int32_t>(model.shift.size()) - 1;
  const auto value = [&](int64_t o) {
    return requantize(acc[o], affine.multiplier[head.first + o], affine.bias[head.first + o]);
  };
  for (int64_t i = 0; i < run.count; ++i, acc += head.rows) {
    const int64_t row = run.row + i * run.row_step, column = run.column + i * run.column_step;
    int64_t at = run.slice * channels * area + row * width + column;
    for (int64_t c = 0; c < channels; ++c, at += area) {
      field.mu[at] = static_cast<int16_t>(std::clamp(value(c), INT16_MIN, INT16_MAX));
      field.indexes[at] = static_cast<uint8_t>(std::clamp(value(channels + c), 0, last));
    }
  }
}

}  // namespace

void context_parameters(const Model& model, const Affine& affine, const Plane& y,
                        const Plane& hyper, const Run& run, Workspace& space, const Field& field) {
  const Slice& slice = model.slice[run.slice];
  int16_t *hidden = space.hidden.data(), *patch = space.patch.data();
  int32_t* acc = space.acc.data();
  gather_hidden(slice, affine, y, hyper, model.slice_channels, run, space, hidden);
  apply(slice.hidden, affine, hidden, run.count, acc, patch, slice.head.stride);
  for (int64_t i = 0; i < run.count; ++i) pad_inputs(slice.head, patch + i * slice.head.stride);
  accumulate(slice.head, patch, run.count, acc);
  store_head(model, slice.head, affine, run, acc, y.height, y.width, field);
}

}  // namespace mcm
