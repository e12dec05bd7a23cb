// One layer at some positions, and what follows it (layer.h):
//
//   v[p, o] = requantize(sum of weight * input)
//   kActivate: out[p, o] = activate(v)
//   kSaturate: out[p, o] = clamp(v, -32768, 32767)
#pragma once

#include <cstdint>

#include "layer.h"

namespace mcm {

// `pairs` of activations, `offset` activations away from where a position's own begin.
struct Span {
  int64_t offset, pairs;
};

struct Spans {
  const Span* begin;
  int64_t count;
};

struct Inputs {
  const int16_t* const* positions;  // [count]: where each position's activations begin
  int64_t count;
  Spans spans;  // the layer's pairs in all
};

struct Outputs {
  int16_t* begin;  // [count of positions, stride]; the layer's rows of each are written
  int64_t stride;
};

enum class Finish { kActivate, kSaturate };

// By the instructions of simd(); all of them give the same.
void dense(const Layer& layer, const Affine& affine, const Inputs& inputs, Finish finish,
           const Outputs& outputs);

void dense_scalar(const Layer& layer, const Affine& affine, const Inputs& inputs, Finish finish,
                  const Outputs& outputs);
void dense_avx2(const Layer& layer, const Affine& affine, const Inputs& inputs, Finish finish,
                const Outputs& outputs);
void dense_vnni(const Layer& layer, const Affine& affine, const Inputs& inputs, Finish finish,
                const Outputs& outputs);

}  // namespace mcm
