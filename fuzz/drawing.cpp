#include "drawing.h"

namespace mcm {
namespace {

template <class T>
std::vector<T> noise(int64_t count, int lost, Random& random) {
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(static_cast<T>(random.next()) >> lost);
  return values;
}

}  // namespace

void Drawing::fill(const pixels::Rendering& rendering, int y_lost, int mu_lost, Random& random) {
  const int64_t area = height * width, count = rendering.y_channels * area;
  y = noise<int16_t>(count, y_lost, random);
  mu = noise<int16_t>(count, mu_lost, random);
  indexes = noise<uint8_t>(count, 0, random);
  for (uint8_t& index : indexes) index = static_cast<uint8_t>(index % rendering.indexes);
  hyper = noise<int8_t>(rendering.hyper_channels * area, 0, random);
}

std::vector<uint8_t> Drawing::draw(const pixels::Rendering& rendering, const pixels::Box& box,
                                   int64_t threads, int64_t rows) const {
  const int64_t across = box.right - box.left;
  std::vector<uint8_t> drawn(3 * (box.bottom - box.top) * across);
  const pixels::Latents latents{y.data(), mu.data(), indexes.data(), hyper.data(), height, width};
  pixels::render(rendering, latents, quality, box, {drawn.data(), 3 * across, 3}, threads, rows);
  return drawn;
}

}  // namespace mcm
