// Decoding (engine.h), from the segments to the latents:
//
//   z           all at once: its tables depend on the quality alone
//   hyper       the features for every position of y, from z (hyper.h)
//   y           step by step of the wavefront: the context model says what table each latent of a
//               step has (context.h), picks.h which of them are coded, and the reader what those
//               are (coder.h). They are context from the next step on
//   the rest    y and its parameters become planar; the coder's final states and the exceptions
//               must come out even
//
// Threads share the context model of a step. The range coder goes from symbol to symbol.
#include <algorithm>
#include <optional>

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

// The exceptions of a stream as differences: of each latent in z, then y; mostly 0.
class Exceptions {
 public:
  Exceptions(const Stream& stream, int64_t latents)
      : differences_(stream.exceptions > 0 ? latents : 0), unmet_(stream.exceptions) {
    int64_t next = 0;
    for (int64_t e = 0; e < stream.exceptions; ++e) {
      const int64_t index = stream.exception_indexes[e];
      require_intact(index >= next && index < latents, "an exception is out of range or order");
      require_intact(stream.exception_differences[e] != 0, "an exception makes no difference");
      differences_[index] = stream.exception_differences[e];
      next = index + 1;
    }
  }

  bool any() const { return !differences_.empty(); }

  // The latent `index`, whose table is certain of `value`.
  int16_t applied(int16_t value, int64_t index) {
    if (!any()) return value;
    unmet_ -= differences_[index] != 0;
    return wrap(value + differences_[index]);
  }

  void finish() const {
    require_intact(unmet_ == 0, "an exception belongs to a latent that is coded");
  }

 private:
  std::vector<int16_t> differences_;  // empty if there are no exceptions
  int64_t unmet_;
};

// Some positions of one slice: their picks begin at `first`, and the first `coded` of them are
// coded.
struct Share {
  Run run;
  int64_t first, coded;
};

// The latents of one step, in the order of the stream, and what their tables say.
class Step {
 public:
  Step(const Model& model, int64_t height, int64_t width)
      : model_(model), height_(height), width_(width) {}

  std::vector<Share> shares;
  int64_t work = 0;  // multiplications of the context model
  Picks picks;

  // Goes to step t.
  void begin(int64_t t) {
    shares.clear();
    work = 0;
    int64_t first = 0;
    for (int64_t slice = 0; slice < model_.slices; ++slice) {
      const Run whole = wavefront(t, slice, height_, width_);
      for (int64_t i = 0; i < whole.count; i += kBatch) {
        const int64_t count = std::min(kBatch, whole.count - i);
        shares.push_back({whole.part(i, count), first, 0});
        first += count * model_.slice_channels;
        work += count * model_.slice[slice].products();
      }
    }
    if (first > static_cast<int64_t>(picks.coded.size())) picks.resize(first);
  }

  void pick(const Field& field, Share& share) {
    int64_t i = share.first, n = share.first;
    for (int64_t p = 0; p < share.run.count; ++p) {
      const int64_t at = latents_at(model_, width_, share.run, p);
      n = picks.pick(model_, &field.mu[at], &field.indexes[at], model_.slice_channels, i, n);
      i += model_.slice_channels;
    }
    share.coded = n - share.first;
  }

  // The coded latents of all shares, one after the other.
  const int16_t* read(Reader& reader) {
    int64_t n = 0;
    for (const Share& share : shares) {
      std::copy_n(&picks.tables[share.first], share.coded, &picks.tables[n]);
      std::copy_n(&picks.bases[share.first], share.coded, &picks.bases[n]);
      n += share.coded;
    }
    values_.resize(std::max<size_t>(values_.size(), n + 1));  // picks.place looks one further
    reader.get(model_.tables, picks.tables.data(), picks.bases.data(), n, values_.data());
    return values_.data();
  }

 private:
  const Model& model_;
  const int64_t height_, width_;
  std::vector<int16_t> values_;
};

class Decoder {
 public:
  Decoder(const Model& model, const Stream& stream, int64_t height, int64_t width, int64_t quality,
          Team& team)
      : model_(model),
        height_(height),
        width_(width),
        z_latents_(z_latents(model, height, width)),
        affine_(model.affine_at(quality)),
        team_(team),
        spaces_(team.size(), model.workspace()),
        reader_(stream.segments, static_cast<int>(stream.lanes), static_cast<int>(stream.groups)),
        exceptions_(stream, z_latents_ + model.y_channels * height * width),
        step_(model, height, width) {}

  // Without parameters where only the first `rows` rows of y are asked for.
  Decoded decode(int32_t z_table, std::optional<int64_t> rows) {
    Decoded out;
    out.z = decode_z(z_table);  // most bytes that are no stream fail here, before y takes memory
    const int64_t latents = model_.y_channels * height_ * width_;
    if (rows == 0) {
      out.y.resize(latents);
      return out;
    }
    const int64_t steps = wavefront_steps(rows.value_or(height_), width_, model_.slices);
    const int64_t met = std::min(height_, (steps - 1) / kRowStep + 1);  // rows with some positions
    Plane plane(model_.slices, height_, width_, model_.slice_channels, kContextPad);
    const Plane hyper = hyper_synthesis(model_, affine_, out.z.data(), height_, width_,
                                        {0, 0, met, width_}, team_, spaces_);
    const Field field(latents);
    const std::unique_ptr<int16_t[]> y(new int16_t[latents]());
    const ContextModel context(model_, affine_, plane, hyper);
    for (int64_t t = 0; t < steps; ++t) decode_step(t, context, field, y.get(), plane);
    if (rows.value_or(height_) == height_) {
      exceptions_.finish();
      reader_.finish();
    }
    out.y = transposed(y.get(), height_ * width_, model_.y_channels, team_);
    if (!rows) out.parameters = planar(field, hyper, model_.y_channels, team_);
    return out;
  }

 private:
  std::vector<int16_t> decode_z(int32_t z_table) {
    std::vector<int16_t> z(z_latents_);
    const int64_t area = z_latents_ / model_.z_channels;
    Picks picks(z_latents_ + 1);
    int64_t coded = 0;
    for (int64_t i = 0; i < z_latents_; ++i) {
      const int32_t table = z_table + static_cast<int32_t>(i / area);
      coded = picks.pick({model_.tables.choice(table), 0}, i, coded);
    }
    std::vector<int16_t> values(coded);
    reader_.get(model_.tables, picks.tables.data(), picks.bases.data(), coded, values.data());
    const int16_t* next = values.data();
    for (int64_t i = 0; i < z_latents_; ++i) {
      z[i] = picks.coded[i] ? *next++ : exceptions_.applied(picks.sure[i], i);
    }
    return z;
  }

  void decode_step(int64_t t, const ContextModel& context, const Field& field, int16_t* y,
                   Plane& plane) {
    step_.begin(t);
    const int64_t last = static_cast<int64_t>(step_.shares.size()) - 1;
    team_.for_each(last + 1, step_.work, [&](int64_t item, int64_t member) {
      Share& share = step_.shares[last - item];  // the costliest slices first
      context.context_parameters(share.run, spaces_[member], field);
      step_.pick(field, share);
    });
    const int16_t* next = step_.read(reader_);
    for (const Share& share : step_.shares) next = place(share, next, y, plane);
  }

  // Puts a share's latents where they belong; returns the next coded value.
  const int16_t* place(const Share& share, const int16_t* next, int16_t* y, Plane& plane) {
    const int64_t channels = model_.slice_channels, area = height_ * width_;
    int64_t i = share.first;
    for (int64_t p = 0; p < share.run.count; ++p) {
      const auto [row, column] = share.run.position(p);
      const int64_t at = latents_at(model_, width_, share.run, p),
                    first = share.run.slice * channels;
      int16_t* context = plane.at(share.run.slice, row, column);
      next = step_.picks.place(i, channels, next, y + at);
      if (exceptions_.any()) add_exceptions(i, first * area + row * width_ + column, y + at);
      for (int64_t c = 0; c < channels; ++c) context[c] = clamp_activation(y[at + c]);
      i += channels;
    }
    return next;
  }

  // To one position's latents, which are number i on of the picks and number `index` on, a plane
  // apart, of y.
  void add_exceptions(int64_t i, int64_t index, int16_t* values) {
    for (int64_t c = 0; c < model_.slice_channels; ++c, index += height_ * width_) {
      if (step_.picks.coded[i + c]) continue;
      values[c] = exceptions_.applied(values[c], z_latents_ + index);
    }
  }

  const Model& model_;
  const int64_t height_, width_, z_latents_;
  const Affine affine_;
  Team& team_;
  std::vector<Workspace> spaces_;
  Reader reader_;
  Exceptions exceptions_;
  Step step_;
};

Decoded decoded(const Model& model, const Stream& stream, int64_t height, int64_t width,
                std::optional<int64_t> rows, int64_t quality, int64_t threads) {
  check_layout(stream.lanes, stream.groups);
  check_size(model, height, width);
  require(!rows || (0 <= *rows && *rows <= height), "there are no such rows");
  Team team(team_size(threads), height * width * model.products(),
            wavefront_steps(height, width, model.slices));
  Decoder decoder(model, stream, height, width, quality, team);
  return decoder.decode(model.z_table(quality), rows);
}

}  // namespace

Decoded decode(const Model& model, const Stream& stream, int64_t height, int64_t width,
               int64_t quality, int64_t threads) {
  return decoded(model, stream, height, width, {}, quality, threads);
}

Decoded decode_rows(const Model& model, const Stream& stream, int64_t height, int64_t width,
                    int64_t rows, int64_t quality, int64_t threads) {
  return decoded(model, stream, height, width, rows, quality, threads);
}

}  // namespace mcm
