#include "../simd.h"
#include "kernel.h"

#if MCM_X86

#if !defined(__clang__)  // GCC 12 warns of its own header (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace mcm::pixels {
namespace {

static_assert(kBlock == 16);
constexpr int64_t kTile = 12;  // positions: with two blocks their sums fill 24 of 32 registers

MCM_VNNI inline __m512i broadcast_pair(const int16_t* at) {
  int32_t pair;
  std::memcpy(&pair, at, sizeof(pair));
  return _mm512_set1_epi32(pair);
}

// Multipliers and biases of 16 outputs: the even ones, then the odd ones.
struct Scale {
  __m512i even_m, odd_m, even_b, odd_b;
};

MCM_VNNI inline Scale load_scale(const Layer& layer, int64_t row) {
  const __m512i m = _mm512_loadu_si512(&layer.multiplier[row]),
                b0 = _mm512_loadu_si512(&layer.bias[row]),
                b1 = _mm512_loadu_si512(&layer.bias[row + 8]);
  const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
                odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
  return {m, _mm512_srli_epi64(m, 32), _mm512_permutex2var_epi64(b0, even, b1),
          _mm512_permutex2var_epi64(b0, odd, b1)};
}

// Sixteen values v, below 2^23: the low 32 bits of a logical shift are those of an arithmetic one.
// The odd ones are wanted 32 bits higher, so that they shift left.
MCM_VNNI inline __m512i requantize(__m512i acc, const Scale& s) {
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, s.even_m), s.even_b);
  const __m512i odd =
      _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), s.odd_m), s.odd_b);
  return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, kShift),
                                 _mm512_slli_epi64(odd, 32 - kShift));
}

MCM_VNNI inline __m512i looked_up(__m512i v, const int16_t* table) {
  v = _mm512_max_epi32(v, _mm512_set1_epi32(-kSigmoids));
  v = _mm512_min_epi32(v, _mm512_set1_epi32(kSigmoids - 1));
  const __m512i found = _mm512_i32gather_epi32(v, table + kSigmoids, 2);
  return _mm512_srai_epi32(_mm512_slli_epi32(found, 16), 16);
}

// How a block of outputs is finished: what all its positions share.
struct Finish {
  Scale scale;
  __m512i beta;
  __m256i limit;
  __mmask16 valid;
  int64_t row;
};

MCM_VNNI inline Finish finish_of(const Run& run, int64_t block) {
  const int64_t row = block * kBlock, left = run.layer->outputs - row;
  Finish f;
  f.scale = load_scale(*run.layer, row);
  f.beta =
      run.layer->beta.empty() ? _mm512_setzero_si512() : _mm512_loadu_si512(&run.layer->beta[row]);
  f.limit = _mm256_set1_epi16(static_cast<int16_t>(run.limit));
  f.valid = static_cast<__mmask16>(left >= kBlock ? 0xFFFF : (1 << left) - 1);
  f.row = row;
  return f;
}

MCM_VNNI inline void store(const Run& run, const Finish& f, int64_t at, __m256i v) {
  v = _mm256_min_epi16(v, f.limit);
  v = _mm256_max_epi16(v, _mm256_sub_epi16(_mm256_setzero_si256(), f.limit));
  _mm256_mask_storeu_epi16(run.out + at, f.valid, v);
}

struct Convolve {
  MCM_VNNI static inline void finish(const Run& run, const Finish& f, int64_t p, __m512i acc) {
    const int64_t at = p * run.stride + f.row;
    __m512i wide = requantize(acc, f.scale);
    if (run.layer->activation == Activation::kSigmoid) wide = looked_up(wide, run.sigmoid);
    __m256i v = _mm512_cvtsepi32_epi16(wide);
    if (run.layer->activation == Activation::kLeaky) {
      v = _mm256_max_epi16(v, _mm256_mulhrs_epi16(v, _mm256_set1_epi16(kSlope)));
    }
    if (run.gate) v = _mm256_mulhrs_epi16(v, _mm256_maskz_loadu_epi16(f.valid, run.gate + at));
    if (run.add) v = _mm256_adds_epi16(v, _mm256_maskz_loadu_epi16(f.valid, run.add + at));
    store(run, f, at, v);
  }
};

struct Normalize {
  MCM_VNNI static inline void finish(const Run& run, const Finish& f, int64_t p, __m512i acc) {
    const int64_t at = p * run.stride + f.row;
    const __m512i norm = _mm512_add_epi32(acc, f.beta);
    const __m256i x = _mm256_maskz_loadu_epi16(f.valid, run.x + at);
    const __m512i product = _mm512_mullo_epi32(_mm512_cvtepi16_epi32(x), root(norm));
    store(run, f, at, _mm512_cvtsepi32_epi16(requantize(product, f.scale)));
  }

  // floor(sqrt(n)) for n below 2^30. A float's root of a float's n is off by less than 1.
  MCM_VNNI static inline __m512i root(__m512i n) {
    const __m512i one = _mm512_set1_epi32(1);
    __m512i r = _mm512_cvttps_epi32(_mm512_sqrt_ps(_mm512_cvtepi32_ps(n)));
    const __m512i squared = _mm512_mullo_epi32(r, r);
    const __mmask16 above = _mm512_cmpgt_epi32_mask(squared, n);
    // (r + 1)^2 <= n
    const __m512i next = _mm512_add_epi32(squared, _mm512_add_epi32(_mm512_add_epi32(r, r), one));
    const __mmask16 below = _mm512_cmple_epi32_mask(next, n);
    r = _mm512_mask_sub_epi32(r, above, r, one);
    return _mm512_mask_add_epi32(r, below, r, one);
  }
};

// The sums of one or two (kTwo) blocks of outputs at P positions: acc [1 or 2, P, kBlock].
//
// A function of its own that ends with the sums in memory: GCC would otherwise keep them there
// throughout.
template <bool kTwo, int P>
__attribute__((noinline)) MCM_VNNI void accumulate(const Run& run, int64_t block, int64_t first,
                                                   __m512i* acc) {
  const Layer& layer = *run.layer;
  const int64_t size = layer.block_size(), step = run.step;
  const int16_t* weight = &layer.weight[block * size];
  __m512i low[P], high[P];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) low[p] = high[p] = _mm512_setzero_si512();
  for (int64_t span = 0; span < layer.spans(); ++span) {
    const int16_t* x = run.window[span] + first * step;
    for (int64_t pair = 0; pair < layer.pairs; ++pair, x += 2, weight += 2 * kBlock) {
      const __m512i w0 = _mm512_load_si512(weight);
      const __m512i w1 = kTwo ? _mm512_load_si512(weight + size) : w0;
#pragma GCC unroll 12
      for (int p = 0; p < P; ++p) {
        const __m512i pairs = broadcast_pair(x + p * step);
        low[p] = _mm512_dpwssd_epi32(low[p], w0, pairs);
        if (kTwo) high[p] = _mm512_dpwssd_epi32(high[p], w1, pairs);
      }
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) {
    acc[p] = low[p];
    if (kTwo) acc[P + p] = high[p];
  }
}

using Accumulate = void (*)(const Run&, int64_t, int64_t, __m512i*);

template <bool kTwo>
constexpr Accumulate kAccumulate[] = {
    accumulate<kTwo, 1>, accumulate<kTwo, 2>,  accumulate<kTwo, 3>,  accumulate<kTwo, 4>,
    accumulate<kTwo, 5>, accumulate<kTwo, 6>,  accumulate<kTwo, 7>,  accumulate<kTwo, 8>,
    accumulate<kTwo, 9>, accumulate<kTwo, 10>, accumulate<kTwo, 11>, accumulate<kTwo, 12>};

template <class Op, bool kTwo>
MCM_VNNI void blocks(const Run& run, int64_t block) {
  const Finish low = finish_of(run, block), high = finish_of(run, kTwo ? block + 1 : block);
  __m512i acc[2 * kTile];
  for (int64_t first = 0; first < run.count; first += kTile) {
    const int64_t count = std::min(kTile, run.count - first);
    kAccumulate<kTwo>[count - 1](run, block, first, acc);
    for (int64_t p = 0; p < count; ++p) {
      Op::finish(run, low, first + p, acc[p]);
      if (kTwo) Op::finish(run, high, first + p, acc[count + p]);
    }
  }
}

template <class Op>
MCM_VNNI void all_blocks(const Run& run) {
  const int64_t count = run.layer->blocks();
  int64_t block = 0;
  for (; block + 2 <= count; block += 2) blocks<Op, true>(run, block);
  if (block < count) blocks<Op, false>(run, block);
}

}  // namespace

MCM_VNNI void convolve_vnni(const Run& run) { all_blocks<Convolve>(run); }
MCM_VNNI void normalize_vnni(const Run& run) { all_blocks<Normalize>(run); }

}  // namespace mcm::pixels

#endif
