#include "engine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "context.h"
#include "errors.h"
#include "hyper.h"
#include "team.h"
#include "transpose.h"
#include "wavefront.h"

namespace mcm {
namespace {

constexpr int64_t kMaxThreads = 256;
constexpr int64_t kMaxLatents = (int64_t{1} << 32) - 1;

}  // namespace

int64_t team_size(int64_t threads) {
  require(threads >= 1, "threads must be at least 1, not " + std::to_string(threads));
  return std::min(threads, kMaxThreads);
}

void check_size(const Model& model, int64_t height, int64_t width) {
  const bool fits = height >= 1 && width >= 1 && height <= kMaxLatents / width &&
                    height * width <= kMaxLatents / (model.y_channels + model.z_channels);
  require(fits, "cannot code latents of " + std::to_string(height) + " x " + std::to_string(width) +
                    ": at least 1 x 1 and less than 2^32 in all");
}

int64_t z_latents(const Model& model, int64_t height, int64_t width) {
  return model.z_channels * ((height + 3) / 4) * ((width + 3) / 4);
}

Parameters blank_parameters(const Model& model, int64_t height, int64_t width) {
  const int64_t latents = model.y_channels * height * width;
  return {std::vector<int16_t>(latents), std::vector<uint8_t>(latents), {}};
}

Parameters planar(Parameters&& found, const Plane& hyper, Team& team) {
  const int64_t area = hyper.height * hyper.width;
  const int64_t channels = static_cast<int64_t>(found.mu.size()) / area;
  Parameters out{transposed(found.mu, area, channels, team),
                 transposed(found.indexes, area, channels, team),
                 std::vector<int8_t>(hyper.channels * area)};
  transpose(hyper.values.data(), area, hyper.channels, hyper.stride, out.hyper.data(), team);
  return out;
}

Parameters parameters(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
                      int64_t width, int64_t quality, int64_t threads) {
  check_size(model, height, width);
  const Affine affine = model.affine_at(quality);
  Team team(std::min(team_size(threads), height * model.slices));
  std::vector<Workspace> spaces(team.size(), model.workspace());
  const Plane hyper = hyper_synthesis(model, affine, z, height, width, team, spaces);
  const Plane plane =
      clamped_plane(y, model.slices, model.slice_channels, height, width, kContextPad);
  const ContextModel context(model, affine, plane, hyper);
  Parameters found = blank_parameters(model, height, width);
  const Field field{found.mu.data(), found.indexes.data()};
  team.for_each(height * model.slices, [&](int64_t item, int64_t member) {
    const Run whole{item / height, item % height, 0, width, 0, 1};
    for (int64_t column = 0; column < width; column += kBatch) {
      const Run run = whole.part(column, std::min(kBatch, width - column));
      context.parameters(run, spaces[member], field);
    }
  });
  return planar(std::move(found), hyper, team);
}

}  // namespace mcm
