#include "kernel.h"

#include <algorithm>
#include <cmath>

#include "../simd.h"

namespace mcm::pixels {
namespace {

void accumulate(const Run& run, int64_t block, int64_t position, int32_t acc[kBlock]) {
  const Layer& layer = *run.layer;
  const int16_t* weight = &layer.weight[block * layer.block_size()];
  std::fill_n(acc, kBlock, 0);
  for (int64_t span = 0; span < layer.spans(); ++span) {
    const int16_t* x = run.window[span] + position * run.step;
    for (int64_t pair = 0; pair < layer.pairs; ++pair, x += 2, weight += 2 * kBlock) {
      for (int64_t o = 0; o < kBlock; ++o)
        acc[o] += weight[2 * o] * x[0] + weight[2 * o + 1] * x[1];
    }
  }
}

int64_t requantize(int64_t acc, const Layer& layer, int64_t row) {
  return (acc * layer.multiplier[row] + layer.bias[row]) >> kShift;
}

int activated(int v, Activation activation, const int16_t* sigmoid) {
  if (activation == Activation::kLeaky) return std::max(v, (v * kSlope + (1 << 14)) >> 15);
  if (activation == Activation::kSigmoid) {
    return sigmoid[std::clamp(v, -kSigmoids, kSigmoids - 1) + kSigmoids];
  }
  return v;
}

template <class Finish>
void each_output(const Run& run, const Finish& finish) {
  int32_t acc[kBlock];
  for (int64_t block = 0; block < run.layer->blocks(); ++block) {
    const int64_t first = block * kBlock;
    const int64_t count = std::min(kBlock, run.layer->outputs - first);
    for (int64_t p = 0; p < run.count; ++p) {
      accumulate(run, block, p, acc);
      for (int64_t o = 0; o < count; ++o) {
        const int64_t v = finish(acc[o], first + o, p * run.stride + first + o);
        run.out[p * run.stride + first + o] =
            static_cast<int16_t>(std::clamp<int64_t>(v, -run.limit, run.limit));
      }
    }
  }
}

}  // namespace

void convolve_scalar(const Run& run) {
  each_output(run, [&](int32_t acc, int64_t row, int64_t at) {
    const int64_t wide = requantize(acc, *run.layer, row);
    int v = static_cast<int>(std::clamp<int64_t>(wide, INT16_MIN, INT16_MAX));
    v = activated(v, run.layer->activation, run.sigmoid);
    if (run.gate) v = (v * run.gate[at] + (1 << 14)) >> 15;
    return run.add ? v + run.add[at] : v;
  });
}

void normalize_scalar(const Run& run) {
  each_output(run, [&](int32_t acc, int64_t row, int64_t at) {
    const int32_t norm = acc + run.layer->beta[row];
    // The rounded root of a whole number below 2^52 never lies beyond the next whole number.
    const int32_t root = static_cast<int32_t>(std::sqrt(static_cast<double>(norm)));
    return requantize(int64_t{run.x[at]} * root, *run.layer, row);
  });
}

void square_scalar(const int16_t* x, int64_t count, int shift, int16_t* out) {
  const int half = 1 << shift >> 1;
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<int16_t>(std::min((x[i] * x[i] + half) >> shift, kMost));
  }
}

void convolve(const Run& run) {
#if MCM_X86
  if (simd() == Simd::kVnni) return convolve_vnni(run);
  if (simd() == Simd::kAvx2) return convolve_avx2(run);
#endif
  convolve_scalar(run);
}

void normalize(const Run& run) {
#if MCM_X86
  if (simd() == Simd::kVnni) return normalize_vnni(run);
  if (simd() == Simd::kAvx2) return normalize_avx2(run);
#endif
  normalize_scalar(run);
}

void square(const int16_t* x, int64_t count, int shift, int16_t* out) {
#if MCM_X86
  if (simd() != Simd::kScalar) return square_avx2(x, count, shift, out);
#endif
  square_scalar(x, count, shift, out);
}

}  // namespace mcm::pixels
