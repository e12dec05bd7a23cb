#include "sight.h"

#include <algorithm>

#include "failure.h"
#include "tile.h"

namespace mcm::c {
Sight sight_of(const pixels::Rendering& rendering, const Model& model, int64_t scale) {
  const int least = *std::min_element(rendering.scales.begin(), rendering.scales.end());
  const bool no_means = std::all_of(rendering.means.begin(), rendering.means.end(),
                                    [](int16_t mean) { return mean == 0; });
  const Sight sight{int64_t{1} << std::max(0, -least), kBlock / rendering.block(),
                    rendering.hyper_channels == 0 && no_means};
  mcm::require(sight.scale == scale, "the rendering draws at another scale than its name says");
  mcm::require(
      rendering.y_channels == model.y_channels &&
          (rendering.hyper_channels == 0 || rendering.hyper_channels == model.hyper_channels) &&
          (sight.y_alone || model.indexes() <= rendering.indexes),
      "the rendering is another model's");
  return sight;
}

}  // namespace mcm::c
