#include "sight.h"

#include <algorithm>

#include "failure.h"
#include "tile.h"

namespace mcm::c {
namespace {

using pixels::Rendering;

// The positions of a tensor that are looked at.
struct Range {
  int64_t low = INT64_MAX, high = INT64_MIN;

  bool empty() const { return low > high; }
  void add(int64_t first, int64_t last) {
    low = std::min(low, first);
    high = std::max(high, last);
  }
};

int64_t floor_div(int64_t n, int64_t by) { return n >= 0 ? n / by : -((by - 1 - n) / by); }

// From the pixels of `align` latents back to tensor 0.
Range seen_by(const Rendering& rendering, int64_t align) {
  std::vector<Range> seen(rendering.layers.size() + 1);
  seen.back().add(0, align * rendering.block() - 1);
  for (size_t i = rendering.layers.size(); i-- > 0;) {
    const pixels::Layer& layer = rendering.layers[i];
    const Range made = seen[i + 1];
    if (made.empty()) continue;
    for (const int tensor : {layer.gate, layer.add}) {
      if (tensor >= 0) seen[tensor].add(made.low, made.high);
    }
    int64_t low = floor_div(made.low, layer.scale()), high = floor_div(made.high, layer.scale());
    if (layer.kernel == 2) low = 2 * low, high = 2 * high + 1;
    const int64_t around = layer.kernel == 3;
    seen[layer.source].add(low - around, high + around);
  }
  return seen[0];
}

int64_t reach_of(const Rendering& rendering, int64_t align) {
  const Range seen = seen_by(rendering, align);
  if (seen.empty()) return 0;
  const int64_t most = std::max({-seen.low, seen.high - align + 1, int64_t{0}});
  return rounded_up_div(most, align) * align;
}

}  // namespace

Sight sight_of(const Rendering& rendering, const Model& model, int64_t scale) {
  const int least = *std::min_element(rendering.scales.begin(), rendering.scales.end());
  const bool no_means = std::all_of(rendering.means.begin(), rendering.means.end(),
                                    [](int16_t mean) { return mean == 0; });
  Sight sight{int64_t{1} << std::max(0, -least), 0, kBlock / rendering.block(),
              rendering.hyper_channels == 0 && no_means};
  sight.reach = reach_of(rendering, sight.align);
  mcm::require(sight.scale == scale, "the rendering draws at another scale than its name says");
  mcm::require(
      rendering.y_channels == model.y_channels &&
          (rendering.hyper_channels == 0 || rendering.hyper_channels == model.hyper_channels) &&
          (sight.y_alone || model.indexes() <= rendering.indexes),
      "the rendering is another model's");
  return sight;
}

}  // namespace mcm::c
