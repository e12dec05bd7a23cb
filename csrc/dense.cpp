#include "dense.h"

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

}  // namespace

void dense_scalar(const Layer& layer, const Affine& affine, const Inputs& inputs, Finish finish,
                  const Outputs& outputs) {
  int32_t acc[kBlock];
  for (int64_t row = 0; row < layer.rows; row += kBlock) {
    const int8_t* weight = &layer.weight[row * layer.pairs * 2];
    const int32_t* multiplier = &affine.multiplier[layer.first + row];
    const int64_t* bias = &affine.bias[layer.first + row];
    for (int64_t p = 0; p < inputs.count; ++p) {
      accumulate(weight, inputs.positions[p], inputs.spans, acc);
      int16_t* out = outputs.begin + p * outputs.stride + row;
      for (int64_t o = 0; o < kBlock; ++o) {
        const int32_t v = requantize(acc[o], multiplier[o], bias[o]);
        out[o] = finish == Finish::kActivate ? activate(v) : saturate(v);
      }
    }
  }
}

void dense(const Layer& layer, const Affine& affine, const Inputs& inputs, Finish finish,
           const Outputs& outputs) {
#if MCM_X86
  if (simd() == Simd::kVnni) return dense_vnni(layer, affine, inputs, finish, outputs);
  if (simd() == Simd::kAvx2) return dense_avx2(layer, affine, inputs, finish, outputs);
#endif
  dense_scalar(layer, affine, inputs, finish, outputs);
}

}  // namespace mcm
