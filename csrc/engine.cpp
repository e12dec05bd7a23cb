#include "engine.h"

#include <string>

#include "errors.h"

namespace mcm {
namespace {

constexpr int64_t kMaxLatents = (int64_t{1} << 32) - 1;

}  // namespace

void check_size(const Model& model, int64_t height, int64_t width) {
  const bool fits = height >= 1 && width >= 1 && height <= kMaxLatents / width &&
                    height * width <= kMaxLatents / (model.y_channels + model.z_channels);
  require(fits, "cannot code latents of " + std::to_string(height) + " x " + std::to_string(width) +
                    ": at least 1 x 1 and less than 2^32 in all");
}

int64_t z_latents(const Model& model, int64_t height, int64_t width) {
  return model.z_channels * ((height + 3) / 4) * ((width + 3) / 4);
}

}  // namespace mcm
