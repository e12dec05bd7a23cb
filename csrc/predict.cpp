#include "predict.h"

#include <algorithm>
#include <string>

#include "errors.h"
#include "hyper.h"
#include "transpose.h"

namespace mcm {
namespace {

constexpr int64_t kMaxThreads = 256;

}  // namespace

int64_t team_size(int64_t threads) {
  require(threads >= 1, "threads must be at least 1, not " + std::to_string(threads));
  return std::min(threads, kMaxThreads);
}

Prediction predict(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
                   int64_t width, const Part& part, int64_t quality, Team& team,
                   const std::function<void(const Run&, const Field&)>& seen) {
  const Affine affine = model.affine_at(quality);
  std::vector<Workspace> spaces(team.size(), model.workspace());
  const int64_t rows = part.height(), columns = part.width();
  Prediction out{Field(model.y_channels * rows * columns),
                 hyper_synthesis(model, affine, z, height, width, part, team, spaces)};
  const Plane plane =
      clamped_plane(y, model.slices, model.slice_channels, height, width, part, kContextPad);
  const ContextModel context(model, affine, plane, out.hyper);
  const int64_t work = rows * columns * model.products();
  team.for_each(rows * model.slices, work, [&](int64_t item, int64_t member) {
    const Run whole{item / rows, item % rows, 0, columns, 0, 1};
    for (int64_t column = 0; column < columns; column += kBatch) {
      const Run run = whole.part(column, std::min(kBatch, columns - column));
      context.context_parameters(run, spaces[member], out.field);
      seen(run, out.field);
    }
  });
  return out;
}

Parameters planar(const Field& field, const Plane& hyper, int64_t channels, Team& team) {
  const int64_t area = hyper.height * hyper.width;
  Parameters out{transposed(field.mu.get(), area, channels, team),
                 transposed(field.indexes.get(), area, channels, team),
                 std::vector<int8_t>(hyper.channels * area)};
  transpose(hyper.values.data(), area, hyper.channels, hyper.stride, out.hyper.data(), team);
  return out;
}

Parameters parameters(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
                      int64_t width, const Part& part, int64_t quality, int64_t threads) {
  check_size(model, height, width);
  require(part.within(height, width), "the part does not lie within the latents");
  Team team(team_size(threads), part.height() * part.width() * model.products());
  const Prediction prediction =
      predict(model, y, z, height, width, part, quality, team, [](const Run&, const Field&) {});
  return planar(prediction.field, prediction.hyper, model.y_channels, team);
}

}  // namespace mcm
