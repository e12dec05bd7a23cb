// Random latents for a rendering, and their pixels.
#pragma once

#include "../csrc/pixels/render.h"
#include "case.h"

namespace mcm {

struct Drawing {
  int64_t height = 1, width = 1, quality = 0;  // of y; in hundredths
  std::vector<int16_t> y, mu;
  std::vector<uint8_t> indexes;
  std::vector<int8_t> hyper;

  // All values of each type, but for the bits of 16 that y and mu lose.
  void fill(const pixels::Rendering& rendering, int y_lost, int mu_lost, Random& random);

  std::vector<uint8_t> draw(const pixels::Rendering& rendering, const pixels::Box& box,
                            int64_t threads, int64_t rows) const;
};

}  // namespace mcm
