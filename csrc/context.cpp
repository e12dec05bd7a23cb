#include "context.h"

#include <algorithm>

namespace mcm {
namespace {

// Where `slice` of `plane` begins at each position of `run`.
void locate(const Plane& plane, int64_t slice, const Run& run, Workspace& space) {
  const int16_t* first = plane.at(slice, run.row, run.column);
  const int64_t step = run.row_step * plane.row_step() + run.column_step * plane.stride;
  for (int64_t i = 0; i < run.count; ++i) space.positions[i] = first + i * step;
}

// A layer whose inputs are the rows of [count, stride].
void dense_rows(const Layer& layer, const Affine& affine, const int16_t* inputs, int64_t stride,
                int64_t count, Finish finish, const Outputs& outputs, Workspace& space) {
  for (int64_t i = 0; i < count; ++i) space.positions[i] = inputs + i * stride;
  const Span span{0, layer.pairs};
  dense(layer, affine, {space.positions.data(), count, {&span, 1}}, finish, outputs);
}

}  // namespace

ContextModel::ContextModel(const Model& model, const Affine& affine, const Plane& y,
                           const Plane& hyper)
    : model_(model),
      affine_(affine),
      y_(y),
      hyper_(hyper),
      previous_(square_window(y, model.slices - 1)) {
  for (int64_t i = 0; i < kContexts; ++i) masked_[i] = masked_window(y, i + 1);
}

// space.inputs: [count, space.wide]. A layer writes whole blocks, so the order matters.
void ContextModel::hidden_inputs(const Run& run, Workspace& space) const {
  const Slice& slice = model_.slice[run.slice];
  int16_t* to = space.inputs.data();
  const auto apply = [&](const Layer& layer, const Spans& spans) {
    dense(layer, affine_, {space.positions.data(), run.count, spans}, Finish::kActivate,
          {to, space.wide});
    to += layer.outputs;
  };
  locate(hyper_, 0, run, space);
  for (int64_t i = 0; i < run.count; ++i) {
    std::copy_n(space.positions[i], hyper_.channels, to + i * space.wide);
  }
  to += hyper_.channels;
  locate(y_, run.slice, run, space);
  for (int64_t i = 0; i < kContexts; ++i) {
    apply(slice.context[i], {masked_[i].data(), static_cast<int64_t>(masked_[i].size())});
  }
  if (run.slice == 0) return;
  locate(y_, 0, run, space);
  apply(slice.previous, {previous_.data(), 3 * run.slice});
}

void ContextModel::store(const Run& run, const Workspace& space, const Field& field) const {
  const int64_t channels = model_.slice_channels;
  const int16_t last = static_cast<int16_t>(model_.indexes() - 1);
  const int16_t* from = space.outputs.data();
  for (int64_t i = 0; i < run.count; ++i, from += space.rows) {
    const int64_t at = latents_at(model_, y_.width, run, i);
    std::copy_n(from, channels, &field.mu[at]);
    for (int64_t c = 0; c < channels; ++c) {
      field.indexes[at + c] =
          static_cast<uint8_t>(std::clamp(from[channels + c], int16_t{0}, last));
    }
  }
}

void ContextModel::context_parameters(const Run& run, Workspace& space, const Field& field) const {
  const Slice& slice = model_.slice[run.slice];
  hidden_inputs(run, space);
  dense_rows(slice.hidden, affine_, space.inputs.data(), space.wide, run.count, Finish::kActivate,
             {space.inner.data(), space.rows}, space);
  dense_rows(slice.head, affine_, space.inner.data(), space.rows, run.count, Finish::kSaturate,
             {space.outputs.data(), space.rows}, space);
  store(run, space, field);
}

}  // namespace mcm
