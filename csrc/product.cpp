#include "product.h"

#include "simd.h"

namespace mcm {
namespace {

// The sums of one block of outputs at one position.
void accumulate(const int8_t* weight, const int16_t* position, const Spans& spans,
                int32_t acc[kBlock]) {
  std::fill_n(acc, kBlock, 0);
  for (const Span* span = spans.begin; span < spans.begin + spans.count; ++span) {
    const int16_t* x = position + span->offset;
    for (int64_t pair = 0; pair < span->pairs; ++pair, x += 2, weight += 2 * kBlock) {
      for (int64_t o = 0; o < kBlock; ++o)
        acc[o] += weight[2 * o] * x[0] + weight[2 * o + 1] * x[1];
    }
  }
}

int16_t finished(int32_t v, Finish finish) {
  if (finish == Finish::kActivate) return activate(v);
  return static_cast<int16_t>(std::clamp(v, INT16_MIN, INT16_MAX));
}

}  // namespace

void multiply_scalar(const Product& product) {
  const Layer& layer = *product.layer;
  int32_t acc[kBlock];
  for (int64_t row = 0; row < layer.rows; row += kBlock) {
    const int8_t* weight = &layer.weight[row * layer.pairs * 2];
    const int32_t* multiplier = &product.affine->multiplier[layer.first + row];
    const int64_t* bias = &product.affine->bias[layer.first + row];
    for (int64_t p = 0; p < product.count; ++p) {
      accumulate(weight, product.positions[p], product.spans, acc);
      int16_t* out = product.out + p * product.stride + row;
      for (int64_t o = 0; o < kBlock; ++o) {
        out[o] = finished(requantize(acc[o], multiplier[o], bias[o]), product.finish);
      }
    }
  }
}

void multiply(const Product& product) {
#if MCM_X86
  if (simd() == Simd::kVnni) return multiply_vnni(product);
  if (simd() == Simd::kAvx2) return multiply_avx2(product);
#endif
  multiply_scalar(product);
}

}  // namespace mcm
