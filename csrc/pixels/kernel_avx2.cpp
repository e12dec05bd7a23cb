#include "../simd.h"
#include "kernel.h"

#if MCM_X86

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace mcm::pixels {
namespace {

constexpr int64_t kTile = 6;  // positions: 12 sums, 2 weights and 2 temporaries fill 16 registers

MCM_AVX2 inline __m256i load(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

MCM_AVX2 inline __m256i broadcast_pair(const int16_t* at) {
  int32_t pair;
  std::memcpy(&pair, at, sizeof(pair));
  return _mm256_set1_epi32(pair);
}

// Multipliers and biases of eight outputs: the even ones, then the odd ones.
struct Scale {
  __m256i even_m, odd_m, even_b, odd_b;
};

MCM_AVX2 inline Scale load_scale(const Layer& layer, int64_t row) {
  const __m256i m = load(&layer.multiplier[row]), b0 = load(&layer.bias[row]),
                b1 = load(&layer.bias[row + 4]);
  const __m256i even = _mm256_unpacklo_epi64(b0, b1), odd = _mm256_unpackhi_epi64(b0, b1);
  return {m, _mm256_srli_epi64(m, 32), _mm256_permute4x64_epi64(even, 0xD8),
          _mm256_permute4x64_epi64(odd, 0xD8)};
}

// Eight values v, below 2^23: the low 32 bits of a logical shift are those of an arithmetic one.
// The odd ones are wanted 32 bits higher, so that they shift left.
MCM_AVX2 inline __m256i requantize(__m256i acc, const Scale& s) {
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, s.even_m), s.even_b);
  const __m256i odd =
      _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), s.odd_m), s.odd_b);
  return _mm256_blend_epi32(_mm256_srli_epi64(even, kShift), _mm256_slli_epi64(odd, 32 - kShift),
                            0xAA);
}

MCM_AVX2 inline __m256i looked_up(__m256i v, const int16_t* table) {
  v = _mm256_max_epi32(v, _mm256_set1_epi32(-kSigmoids));
  v = _mm256_min_epi32(v, _mm256_set1_epi32(kSigmoids - 1));
  const __m256i found =
      _mm256_i32gather_epi32(reinterpret_cast<const int*>(table + kSigmoids), v, 2);
  return _mm256_srai_epi32(_mm256_slli_epi32(found, 16), 16);
}

// Sixteen values in order, saturated.
MCM_AVX2 inline __m256i packed(__m256i low, __m256i high) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
}

// How a block of outputs is finished: what all its positions share.
struct Finish {
  Scale low, high;
  __m256i limit;
  int64_t row, valid;
};

MCM_AVX2 inline Finish finish_of(const Run& run, int64_t block) {
  const int64_t row = block * kBlock;
  return {load_scale(*run.layer, row), load_scale(*run.layer, row + 8),
          _mm256_set1_epi16(static_cast<int16_t>(run.limit)), row,
          std::min(kBlock, run.layer->outputs - row)};
}

MCM_AVX2 inline __m256i load_valid(const int16_t* at, int64_t valid) {
  if (valid == kBlock) return load(at);
  int16_t values[kBlock] = {};
  std::memcpy(values, at, valid * sizeof(int16_t));
  return load(values);
}

MCM_AVX2 inline void store(const Run& run, const Finish& f, int64_t at, __m256i v) {
  v = _mm256_min_epi16(v, f.limit);
  v = _mm256_max_epi16(v, _mm256_sub_epi16(_mm256_setzero_si256(), f.limit));
  int16_t* out = run.out + at;
  if (f.valid == kBlock) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
  int16_t values[kBlock];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(values), v);
  std::memcpy(out, values, f.valid * sizeof(int16_t));
}

struct Convolve {
  MCM_AVX2 static inline void finish(const Run& run, const Finish& f, int64_t p, __m256i low,
                                     __m256i high) {
    const int64_t at = p * run.stride + f.row;
    low = requantize(low, f.low), high = requantize(high, f.high);
    if (run.layer->activation == Activation::kSigmoid) {
      low = looked_up(low, run.sigmoid), high = looked_up(high, run.sigmoid);
    }
    __m256i v = packed(low, high);
    if (run.layer->activation == Activation::kLeaky) {
      v = _mm256_max_epi16(v, _mm256_mulhrs_epi16(v, _mm256_set1_epi16(kSlope)));
    }
    if (run.gate) v = _mm256_mulhrs_epi16(v, load_valid(run.gate + at, f.valid));
    if (run.add) v = _mm256_adds_epi16(v, load_valid(run.add + at, f.valid));
    store(run, f, at, v);
  }
};

struct Normalize {
  MCM_AVX2 static inline void finish(const Run& run, const Finish& f, int64_t p, __m256i low,
                                     __m256i high) {
    const int64_t at = p * run.stride + f.row;
    const int32_t* beta = &run.layer->beta[f.row];
    const __m256i x = load_valid(run.x + at, f.valid);
    low = product(_mm256_castsi256_si128(x), _mm256_add_epi32(low, load(beta)));
    high = product(_mm256_extracti128_si256(x, 1), _mm256_add_epi32(high, load(beta + 8)));
    store(run, f, at, packed(requantize(low, f.low), requantize(high, f.high)));
  }

  MCM_AVX2 static inline __m256i product(__m128i x, __m256i norm) {
    return _mm256_mullo_epi32(_mm256_cvtepi16_epi32(x), root(norm));
  }

  // floor(sqrt(n)) for n below 2^30. A float's root of a float's n is off by less than 1.
  MCM_AVX2 static inline __m256i root(__m256i n) {
    const __m256i r = _mm256_cvttps_epi32(_mm256_sqrt_ps(_mm256_cvtepi32_ps(n)));
    const __m256i squared = _mm256_mullo_epi32(r, r);
    const __m256i above = _mm256_cmpgt_epi32(squared, n);  // -1 where r is too large
    const __m256i next =
        _mm256_add_epi32(squared, _mm256_add_epi32(_mm256_add_epi32(r, r), _mm256_set1_epi32(1)));
    const __m256i enough = _mm256_cmpgt_epi32(next, n);  // 0 where r is too small
    const __m256i more = _mm256_add_epi32(enough, _mm256_set1_epi32(1));
    return _mm256_add_epi32(_mm256_add_epi32(r, above), more);
  }
};

// One block of outputs at P positions.
template <class Op, int P>
MCM_AVX2 void tile(const Run& run, const Finish& f, int64_t block, int64_t first) {
  const Layer& layer = *run.layer;
  const int64_t step = run.step;
  const int16_t* weight = &layer.weight[block * layer.block_size()];
  __m256i low[P], high[P];
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) low[p] = high[p] = _mm256_setzero_si256();
  for (int64_t span = 0; span < layer.spans(); ++span) {
    const int16_t* x = run.window[span] + first * step;
#pragma GCC unroll 2
    for (int64_t pair = 0; pair < layer.pairs; ++pair, x += 2, weight += 2 * kBlock) {
      const __m256i w0 = load(weight), w1 = load(weight + kBlock);
#pragma GCC unroll 6
      for (int p = 0; p < P; ++p) {
        const __m256i pairs = broadcast_pair(x + p * step);
        low[p] = _mm256_add_epi32(low[p], _mm256_madd_epi16(w0, pairs));
        high[p] = _mm256_add_epi32(high[p], _mm256_madd_epi16(w1, pairs));
      }
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) Op::finish(run, f, first + p, low[p], high[p]);
}

using Tile = void (*)(const Run&, const Finish&, int64_t, int64_t);

template <class Op>
MCM_AVX2 void all_blocks(const Run& run) {
  static constexpr Tile kTiles[] = {tile<Op, 1>, tile<Op, 2>, tile<Op, 3>,
                                    tile<Op, 4>, tile<Op, 5>, tile<Op, 6>};
  for (int64_t block = 0; block < run.layer->blocks(); ++block) {
    const Finish f = finish_of(run, block);
    for (int64_t p = 0; p < run.count; p += kTile) {
      kTiles[std::min(kTile, run.count - p) - 1](run, f, block, p);
    }
  }
}

}  // namespace

MCM_AVX2 void convolve_avx2(const Run& run) { all_blocks<Convolve>(run); }
MCM_AVX2 void normalize_avx2(const Run& run) { all_blocks<Normalize>(run); }

MCM_AVX2 void square_avx2(const int16_t* x, int64_t count, int shift, int16_t* out) {
  const __m256i half = _mm256_set1_epi32(1 << shift >> 1);
  const __m128i by = _mm_cvtsi32_si128(shift);
  const auto squared = [&](__m256i pairs) __attribute__((target("avx2"))) {
    return _mm256_srl_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, pairs), half), by);
  };
  int64_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    const __m256i values = load(x + i), zero = _mm256_setzero_si256();
    // A value beside a zero: the sum of a pair's products is its square.
    const __m256i low = squared(_mm256_unpacklo_epi16(values, zero)),
                  high = squared(_mm256_unpackhi_epi16(values, zero));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_packs_epi32(low, high));
  }
  square_scalar(x + i, count - i, shift, out + i);
}

}  // namespace mcm::pixels

#endif
