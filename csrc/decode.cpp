#include <algorithm>

#include "context.h"
#include "engine.h"
#include "errors.h"
#include "hyper.h"
#include "picks.h"
#include "predict.h"
#include "team.h"
#include "transpose.h"
#include "wavefront.h"

namespace mcm {
namespace {

// One slice's share of a step: its picks begin at `first`, and the first `coded` of them are coded.
struct Share {
  Run run;
  int64_t first, coded;
};

// The exceptions of a stream as differences: of each latent in z, then y; mostly 0.
std::vector<int16_t> dense_differences(const Stream& stream, int64_t latents) {
  std::vector<int16_t> differences(stream.exceptions > 0 ? latents : 0);
  int64_t next = 0;
  for (int64_t e = 0; e < stream.exceptions; ++e) {
    const int64_t index = stream.exception_indexes[e];
    require_intact(index >= next && index < latents, "an exception is out of range or order");
    require_intact(stream.exception_differences[e] != 0, "an exception makes no difference");
    differences[index] = stream.exception_differences[e];
    next = index + 1;
  }
  return differences;
}

class Decoder {
 public:
  Decoder(const Model& model, const Stream& stream, int64_t height, int64_t width, int64_t quality,
          Team& team)
      : model_(model),
        height_(height),
        width_(width),
        quality_(quality),
        z_latents_(z_latents(model, height, width)),
        affine_(model.affine_at(quality)),
        team_(team),
        spaces_(team.size(), model.workspace()),
        reader_(stream.segments, static_cast<int>(stream.lanes), static_cast<int>(stream.groups)),
        differences_(dense_differences(stream, z_latents_ + model.y_channels * height * width)),
        unused_(stream.exceptions),
        plane_(model.slices, 0, 0, model.slice_channels, 0) {}

  Decoded decode() {
    Decoded out;
    out.z = decode_z();  // most bytes that are no stream fail here, before y takes any memory
    plane_ = Plane(model_.slices, height_, width_, model_.slice_channels, kContextPad);
    const Plane hyper =
        hyper_synthesis(model_, affine_, out.z.data(), height_, width_, team_, spaces_);
    const int64_t latents = model_.y_channels * height_ * width_;
    FieldValues values(latents);
    const std::unique_ptr<int16_t[]> y(new int16_t[latents]);
    const ContextModel context(model_, affine_, plane_, hyper);
    for (int64_t t = 0; t < wavefront_steps(model_.slices, height_, width_); ++t) {
      step(t, context, values.field(), y.get());
    }
    require_intact(unused_ == 0, "an exception belongs to a latent that is coded");
    reader_.finish();
    out.y = transposed(y.get(), height_ * width_, model_.y_channels, team_);
    out.parameters = planar(values, hyper, model_.y_channels, team_);
    return out;
  }

 private:
  std::vector<int16_t> decode_z() {
    std::vector<int16_t> z(z_latents_);
    const int64_t area = z_latents_ / model_.z_channels;
    Picks picks(z_latents_ + 1);
    int64_t coded = 0;
    for (int64_t i = 0; i < z_latents_; ++i) {
      const int32_t table = model_.z_table(quality_) + static_cast<int32_t>(i / area);
      coded = picks.pick({model_.tables.choice(table), 0}, i, coded);
    }
    values_.resize(coded);
    reader_.get(model_.tables, picks.tables.data(), picks.bases.data(), coded, values_.data());
    const int16_t* next = values_.data();
    for (int64_t i = 0; i < z_latents_; ++i) {
      z[i] = picks.coded[i] ? *next++ : with_exception(picks.sure[i], i);
    }
    return z;
  }

  int16_t with_exception(int16_t value, int64_t index) {
    if (differences_.empty()) return value;
    unused_ -= differences_[index] != 0;
    return wrap(value + differences_[index]);
  }

  // Everything that becomes known at the same time t, in the order of the stream.
  void share_out(int64_t t) {
    shares_.clear();
    work_ = 0;
    int64_t first = 0;
    for (int64_t slice = 0; slice < model_.slices; ++slice) {
      const Run whole = wavefront(t, slice, height_, width_);
      for (int64_t i = 0; i < whole.count; i += kBatch) {
        const int64_t count = std::min(kBatch, whole.count - i);
        shares_.push_back({whole.part(i, count), first, 0});
        first += count * model_.slice_channels;
        work_ += count * model_.slice[slice].products();
      }
    }
    if (first > static_cast<int64_t>(picks_.coded.size())) picks_.resize(first);
  }

  void step(int64_t t, const ContextModel& context, const Field& field, int16_t* y) {
    share_out(t);
    const int64_t last = static_cast<int64_t>(shares_.size()) - 1;
    team_.for_each(last + 1, work_, [&](int64_t item, int64_t member) {
      Share& share = shares_[last - item];  // the costliest slices first
      context.parameters(share.run, spaces_[member], field);
      pick(field, share);
    });
    read();
    const int16_t* next = values_.data();
    for (const Share& share : shares_) next = place(share, next, y);
  }

  void pick(const Field& field, Share& share) {
    int64_t i = share.first, n = share.first;
    for (int64_t p = 0; p < share.run.count; ++p) {
      const int64_t at = latents_at(model_, width_, share.run, p);
      n = picks_.pick(model_, field.mu + at, field.indexes + at, model_.slice_channels, i, n);
      i += model_.slice_channels;
    }
    share.coded = n - share.first;
  }

  // The coded latents of all shares -> values_.
  void read() {
    int64_t n = 0;
    for (const Share& share : shares_) {
      std::copy_n(&picks_.tables[share.first], share.coded, &picks_.tables[n]);
      std::copy_n(&picks_.bases[share.first], share.coded, &picks_.bases[n]);
      n += share.coded;
    }
    values_.resize(std::max<size_t>(values_.size(), n + 1));
    reader_.get(model_.tables, picks_.tables.data(), picks_.bases.data(), n, values_.data());
  }

  // Puts a share's latents where they belong; returns the next coded value.
  const int16_t* place(const Share& share, const int16_t* next, int16_t* y) {
    const int64_t channels = model_.slice_channels, area = height_ * width_;
    int64_t i = share.first;
    for (int64_t p = 0; p < share.run.count; ++p) {
      const auto [row, column] = share.run.position(p);
      const int64_t at = latents_at(model_, width_, share.run, p),
                    first = share.run.slice * channels;
      int16_t* known = plane_.at(share.run.slice, row, column);
      next = picks_.place(i, channels, next, y + at);
      if (!differences_.empty()) add_exceptions(i, first * area + row * width_ + column, y + at);
      for (int64_t c = 0; c < channels; ++c) known[c] = clamp_activation(y[at + c]);
      i += channels;
    }
    return next;
  }

  // To one position's latents, which are number i on of the picks and number `index` on, a plane
  // apart, of y.
  void add_exceptions(int64_t i, int64_t index, int16_t* values) {
    for (int64_t c = 0; c < model_.slice_channels; ++c, index += height_ * width_) {
      if (!picks_.coded[i + c]) values[c] = with_exception(values[c], z_latents_ + index);
    }
  }

  const Model& model_;
  const int64_t height_, width_, quality_, z_latents_;
  const Affine affine_;
  Team& team_;
  std::vector<Workspace> spaces_;
  Reader reader_;
  const std::vector<int16_t> differences_;  // empty if there are no exceptions
  int64_t unused_;
  Plane plane_;
  std::vector<Share> shares_;
  int64_t work_ = 0;  // multiplications of a step
  Picks picks_;
  std::vector<int16_t> values_;
};

}  // namespace

Decoded decode(const Model& model, const Stream& stream, int64_t height, int64_t width,
               int64_t quality, int64_t threads) {
  check_layout(stream.lanes, stream.groups);
  check_size(model, height, width);
  Team team(team_size(threads), height * width * model.products(),
            wavefront_steps(model.slices, height, width));
  return Decoder(model, stream, height, width, quality, team).decode();
}

}  // namespace mcm
