// The product of a layer with a batch of positions, and what follows it (layer.h).
//
//   v[p, o] = requantize(sum of weight * activation)
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

enum class Finish { kActivate, kSaturate };

struct Product {
  const Layer* layer;
  const Affine* affine;
  const int16_t* const* positions;  // where each position's activations begin
  int64_t count;                    // of positions
  Spans spans;                      // layer->pairs in all
  int16_t* out;                     // [count, stride]; layer->rows of each are written
  int64_t stride;
  Finish finish;
};

void multiply(const Product& product);

void multiply_scalar(const Product& product);
void multiply_avx2(const Product& product);
void multiply_vnni(const Product& product);

}  // namespace mcm
