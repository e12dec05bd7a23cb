#include "latents.h"

#include <algorithm>
#include <cstdlib>

namespace mcm::pixels {
namespace {

constexpr int kGainShift = 26, kMeanBits = 10, kHyperLimit = 127;

// What a channel's latents are multiplied by.
struct Gain {
  int64_t factor;
  int shift;

  Gain(const Rendering& rendering, int32_t log2)
      : factor(rendering.exp2[(log2 & 65535) >> 4]), shift(kGainShift - (log2 >> 16)) {}

  int64_t times(int64_t mean) const {
    return (mean * factor + (int64_t{1} << (shift - 1))) >> shift;
  }
};

int64_t conditional_mean(const Rendering& rendering, int y, int mu, int index) {
  const int distance = 16 * y - mu;
  const int64_t nearest = std::min<int64_t>(std::abs(distance), rendering.distances - 1);
  const int step = rendering.means[index * rendering.distances + nearest];
  const int sign = (distance > 0) - (distance < 0);
  return y * (int64_t{1} << kMeanBits) + sign * step;
}

}  // namespace

void latents_in(const Rendering& rendering, const Latents& latents,
                const std::vector<int32_t>& gain, int64_t row, int64_t column, int64_t count,
                int16_t* out) {
  const int64_t area = latents.height * latents.width, at = row * latents.width + column;
  const int64_t stride = rendering.channels[0], limit = rendering.latent_limit;
  for (int64_t c = 0; c < rendering.y_channels; ++c) {
    const Gain by(rendering, gain[c]);
    const int64_t from = c * area + at;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t mean = rendering.plain
                               ? latents.y[from + i] * (int64_t{1} << kMeanBits)
                               : conditional_mean(rendering, latents.y[from + i],
                                                  latents.mu[from + i], latents.indexes[from + i]);
      out[i * stride + c] = static_cast<int16_t>(std::clamp(by.times(mean), -limit, limit));
    }
  }
  for (int64_t c = 0; c < rendering.hyper_channels; ++c) {
    const int8_t* from = latents.hyper + c * area + at;
    int16_t* to = out + rendering.y_channels + c;
    for (int64_t i = 0; i < count; ++i) {
      const int h = std::max<int>(from[i], -kHyperLimit);
      to[i * stride] = static_cast<int16_t>(h * (1 << rendering.hyper_shift));
    }
  }
}

}  // namespace mcm::pixels
