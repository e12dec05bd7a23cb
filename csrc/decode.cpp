#include <algorithm>

#include "context.h"
#include "engine.h"
#include "errors.h"
#include "hyper.h"
#include "team.h"
#include "wavefront.h"

namespace mcm {
namespace {

// The latents of a stream, one after the other: from the coder, or certain and an exception.
class Source {
 public:
  Source(const Tables& tables, const Stream& stream, int64_t latents)
      : tables_(tables),
        reader_(stream.segments, static_cast<int>(stream.lanes), static_cast<int>(stream.groups)),
        differences_(latents),
        unused_(stream.exceptions) {
    int64_t next = 0;
    for (int64_t e = 0; e < stream.exceptions; ++e) {
      const int64_t index = stream.exception_indexes[e];
      require_intact(index >= next && index < latents, "an exception is out of range or order");
      require_intact(stream.exception_differences[e] != 0, "an exception makes no difference");
      differences_[index] = stream.exception_differences[e];
      next = index + 1;
    }
  }

  int16_t get(const Selection& selection, int64_t index) {
    const auto [table, base] = selection;
    if (!tables_.certain(table)) return reader_.get(tables_, table, base);
    unused_ -= differences_[index] != 0;
    return wrap(base + tables_.minimum(table) + differences_[index]);
  }

  void finish() const {
    require_intact(unused_ == 0, "an exception belongs to a latent that is coded");
    reader_.finish();
  }

 private:
  const Tables& tables_;
  Reader reader_;
  std::vector<int16_t> differences_;  // of each latent in z, then y; mostly 0
  int64_t unused_;
};

std::vector<int16_t> decode_z(const Model& model, int64_t quality, int64_t latents,
                              Source& source) {
  std::vector<int16_t> z(latents);
  const int64_t area = latents / model.z_channels;
  for (int64_t i = 0; i < latents; ++i) {
    const int64_t channel = i / area;
    z[i] = source.get({model.z_table(quality) + static_cast<int32_t>(channel), 0}, i);
  }
  return z;
}

// Everything that becomes known at the same time t: `runs`, in the order of the stream.
void list_runs(const Model& model, int64_t t, int64_t height, int64_t width,
               std::vector<Run>& runs) {
  runs.clear();
  for (int64_t slice = 0; slice < model.slices; ++slice) {
    const Run whole = wavefront(t, slice, height, width);
    for (int64_t i = 0; i < whole.count; i += kBatch) {
      Run run = whole;
      run.row += i;
      run.column -= kRowStep * i;
      run.count = std::min(kBatch, whole.count - i);
      runs.push_back(run);
    }
  }
}

void decode_run(const Model& model, const Run& run, const Field& field, int64_t z_latents,
                Source& source, Plane& plane, int16_t* y) {
  const int64_t area = plane.height * plane.width, first = run.slice * model.slice_channels;
  for (int64_t i = 0; i < run.count; ++i) {
    const int64_t row = run.row + i * run.row_step, column = run.column + i * run.column_step;
    int8_t* known = plane.at(row, column) + first;
    int64_t at = first * area + row * plane.width + column;
    for (int64_t c = 0; c < model.slice_channels; ++c, at += area) {
      y[at] = source.get(table_of(model, field.mu[at], field.indexes[at]), z_latents + at);
      known[c] = clamp_activation(y[at]);
    }
  }
}

}  // namespace

Decoded decode(const Model& model, const Stream& stream, int64_t height, int64_t width,
               int64_t quality, int64_t threads) {
  check_layout(stream.lanes, stream.groups);
  check_size(model, height, width);
  const Affine affine = model.affine_at(quality);
  const int64_t before = z_latents(model, height, width),
                latents = model.y_channels * height * width;
  Team team(team_size(threads));
  std::vector<Workspace> spaces(team.size(), model.workspace());
  Source source(model.tables, stream, before + latents);
  Decoded out;
  out.z = decode_z(model, quality, before, source);
  const Plane hyper = hyper_synthesis(model, affine, out.z.data(), height, width, team, spaces);
  out.parameters = blank_parameters(model, hyper);
  out.y.resize(latents);
  Plane plane(height, width, model.y_channels, kContextPad);
  const Field field{out.parameters.mu.data(), out.parameters.indexes.data()};
  std::vector<Run> runs;
  for (int64_t t = 0; t < wavefront_steps(model.slices, height, width); ++t) {
    list_runs(model, t, height, width, runs);
    team.for_each(static_cast<int64_t>(runs.size()), [&](int64_t item, int64_t member) {
      const Run& run = runs[runs.size() - 1 - item];  // the costliest slices first
      context_parameters(model, affine, plane, hyper, run, spaces[member], field);
    });
    for (const Run& run : runs) decode_run(model, run, field, before, source, plane, out.y.data());
  }
  source.finish();
  return out;
}

}  // namespace mcm
