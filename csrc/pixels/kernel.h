// The kernels: positions next to each other in one row -> all outputs of a layer there.
//
//   convolve     acc, requantised, activated; then gate, add and limit where the run names them
//   normalize    an inverse GDN; its windows hold squares, `x` the values
//   square       min((x^2 + (1 << shift >> 1)) >> shift, 32767)
#pragma once

#include <cstdint>

#include "layer.h"

namespace mcm::pixels {

struct Run {
  const Layer* layer;
  const int16_t* window[kMaxKernel];  // the first position's span in each row
  int64_t step;                       // from a position's spans to the next one's
  int64_t count;                      // of positions
  int16_t* out;                       // [count, stride]; layer->outputs of each are written
  int64_t stride;
  const int16_t* gate;     // as `out`, or null
  const int16_t* add;      // likewise
  const int16_t* x;        // of an inverse GDN: as `out`
  const int16_t* sigmoid;  // [2 kSigmoids + 1]
  int limit;
};

void convolve(const Run& run);
void normalize(const Run& run);
void square(const int16_t* x, int64_t count, int shift, int16_t* out);

// The same at each level of simd.h.
void convolve_scalar(const Run& run);
void convolve_avx2(const Run& run);
void convolve_vnni(const Run& run);
void normalize_scalar(const Run& run);
void normalize_avx2(const Run& run);
void normalize_vnni(const Run& run);
void square_scalar(const int16_t* x, int64_t count, int shift, int16_t* out);
void square_avx2(const int16_t* x, int64_t count, int shift, int16_t* out);

}  // namespace mcm::pixels
