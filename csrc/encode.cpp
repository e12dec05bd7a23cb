// Encoding (engine.h), from the latents to the segments:
//
//   z            its visits and exceptions, in order
//   parameters   of all of y at once (predict.h), and each latent's visit as soon as its table is
//                there, in the order in which threads come by
//   y            those visits and exceptions once more, in the order of the stream
//   segments     with 32 lanes; their size says how many lanes the stream can afford, and if those
//                are not 32 all is coded again (coder.h)
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "engine.h"
#include "predict.h"
#include "wavefront.h"

namespace mcm {
namespace {

constexpr double kExceptionBits = 48;

// What becomes of a latent: its visit. If its table is certain there is none: the frequency is 0,
// and the start is the difference of its exception, or 0.
Visit visit_of(const Tables& tables, const Selection& selection, int16_t value) {
  if (selection.choice.certain) return static_cast<uint16_t>(value - selection.sure());
  return tables.visit_of(selection.choice.table, value - selection.base);
}

// What the latents come to: exceptions, and visits in the decoder's order.
class Coding {
 public:
  Coding(const Model& model, const int16_t* y, const int16_t* z, int64_t height, int64_t width,
         int64_t quality, Team& team)
      : model_(model),
        y_(y),
        height_(height),
        width_(width),
        z_latents_(z_latents(model, height, width)),
        writer_(z_latents_ + model.y_channels * height * width) {
    add_z(z, quality);
    visits_.reset(new Visit[model.y_channels * height * width]);
    prediction_.emplace(predict(model, y, z, height, width, {0, 0, height, width}, quality, team,
                                [&](const Run& run, const Field& field) { look_up(run, field); }));
    collect();
    std::sort(exceptions_.begin(), exceptions_.end());
  }

  const Writer& writer() const { return writer_; }
  // Number among z, then y, and difference.
  const std::vector<std::pair<int64_t, int16_t>>& exceptions() const { return exceptions_; }
  const Prediction& prediction() const { return *prediction_; }

 private:
  void add_z(const int16_t* z, int64_t quality) {
    const int64_t area = z_latents_ / model_.z_channels;
    std::vector<Visit> visits(z_latents_);
    for (int64_t i = 0; i < z_latents_; ++i) {
      const int32_t table = model_.z_table(quality) + static_cast<int32_t>(i / area);
      visits[i] = visit_of(model_.tables, {model_.tables.choice(table), 0}, z[i]);
    }
    add(visits.data(), z, 0, 1, z_latents_);
  }

  // The visits of y at the positions of `run`, channels last.
  void look_up(const Run& run, const Field& field) {
    const int64_t channels = model_.slice_channels, area = height_ * width_;
    for (int64_t i = 0; i < run.count; ++i) {
      const auto [row, column] = run.position(i);
      const int64_t at = latents_at(model_, width_, run, i);
      const int16_t* y = y_ + run.slice * channels * area + row * width_ + column;
      for (int64_t c = 0; c < channels; ++c, y += area) {
        const Selection selection = table_of(model_, field.mu[at + c], field.indexes[at + c]);
        visits_[at + c] = visit_of(model_.tables, selection, *y);
      }
    }
  }

  void collect() {
    const int64_t channels = model_.slice_channels, area = height_ * width_;
    for_each_position(
        height_, width_, model_.slices, [&](int64_t slice, int64_t row, int64_t column) {
          const Visit* visits =
              &visits_[(row * width_ + column) * model_.y_channels + slice * channels];
          const int64_t first = slice * channels * area + row * width_ + column;
          add(visits, y_ + first, z_latents_ + first, area, channels);
        });
  }

  // `count` latents, `step` apart in `values` and in their numbers, from `index` on.
  void add(const Visit* visits, const int16_t* values, int64_t index, int64_t step, int64_t count) {
    if (!writer_.put(visits, count)) return;
    for (int64_t i = 0; i < count; ++i) {
      if (visits[i] & kEscapeVisit) writer_.put_raw(values[i * step]);
      if (visits[i] != 0 && frequency_of(visits[i]) == 0) {
        exceptions_.emplace_back(index + i * step, static_cast<int16_t>(visits[i]));
      }
    }
  }

  const Model& model_;
  const int16_t* y_;
  const int64_t height_, width_, z_latents_;
  Writer writer_;
  std::vector<std::pair<int64_t, int16_t>> exceptions_;
  std::unique_ptr<Visit[]> visits_;  // of y, [height, width, M]
  std::optional<Prediction> prediction_;
};

int64_t total_size(const std::vector<Bytes>& segments) {
  int64_t size = 0;
  for (const Bytes& segment : segments) size += static_cast<int64_t>(segment.size());
  return size;
}

Coded coded_by(const Coding& coding) {
  Coded coded;
  coded.lanes = kMaxLanes;
  coded.segments = coding.writer().segments(coded.lanes, coded.groups);
  const int lanes = lanes_for(total_size(coded.segments));
  if (lanes != kMaxLanes) {
    coded.lanes = std::min(lanes, kMaxLanes);
    coded.groups = lanes / coded.lanes;
    coded.segments = coding.writer().segments(coded.lanes, coded.groups);
  }
  for (const auto& [index, difference] : coding.exceptions()) {
    coded.exception_indexes.push_back(index);
    coded.exception_differences.push_back(difference);
  }
  return coded;
}

}  // namespace

Encoded encode(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
               int64_t width, int64_t quality, int64_t threads) {
  check_size(model, height, width);
  Team team(team_size(threads), height * width * model.products());
  const Coding coding(model, y, z, height, width, quality, team);
  const Prediction& prediction = coding.prediction();
  return {coded_by(coding), planar(prediction.field, prediction.hyper, model.y_channels, team)};
}

double cost(const Model& model, const int16_t* y, const int16_t* z, int64_t height, int64_t width,
            int64_t quality, int64_t threads) {
  check_size(model, height, width);
  Team team(team_size(threads), height * width * model.products());
  const Coding coding(model, y, z, height, width, quality, team);
  return coding.writer().ideal_bits() +
         kExceptionBits * static_cast<double>(coding.exceptions().size());
}

}  // namespace mcm
