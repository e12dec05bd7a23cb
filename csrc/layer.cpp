#include "layer.h"

namespace mcm {
namespace {

// Four dot products with the same x: rows of weight, `stride` apart.
inline void dot4(const int16_t* weight, int64_t stride, const int16_t* x, int32_t* out) {
  const int16_t *w0 = weight, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int64_t i = 0; i < stride; ++i) {
    s0 += w0[i] * x[i];
    s1 += w1[i] * x[i];
    s2 += w2[i] * x[i];
    s3 += w3[i] * x[i];
  }
  out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

}  // namespace

void accumulate(const Layer& layer, const int16_t* x, int64_t count, int32_t* acc) {
  const int64_t stride = layer.stride / kAlign * kAlign;
  for (int64_t o = 0; o < layer.rows; o += 4) {
    for (int64_t p = 0; p < count; ++p) {
      dot4(&layer.weight[o * stride], stride, x + p * stride, acc + p * layer.rows + o);
    }
  }
}

}  // namespace mcm
