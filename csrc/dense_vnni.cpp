// The layers of dense.h with AVX-512 VNNI: twelve positions a tile, sixteen outputs a block.
#include "dense.h"
#include "simd.h"

#if MCM_X86

#if !defined(__clang__)  // GCC 12 warns of its own header (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <cstring>

namespace mcm {
namespace {

// Positions: their sums, and as many addresses as there are registers.
constexpr int64_t kTile = 12;

// A block of 16 outputs fills one register, as sums and as 16-bit weights of a pair of inputs.
static_assert(kBlock == 16);

MCM_VNNI inline __m512i weights(const int8_t* at) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

MCM_VNNI inline __m512i broadcast_pair(const int16_t* at) {
  int32_t pair;
  std::memcpy(&pair, at, sizeof(pair));
  return _mm512_set1_epi32(pair);
}

// Multipliers and biases of 16 outputs: the even ones, then the odd ones.
struct Scale {
  __m512i even_m, odd_m, even_b, odd_b;
};

MCM_VNNI inline Scale load_scale(const int32_t* multiplier, const int64_t* bias) {
  const __m512i m = _mm512_loadu_si512(multiplier), b0 = _mm512_loadu_si512(bias),
                b1 = _mm512_loadu_si512(bias + 8);
  const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
                odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
  return {m, _mm512_srli_epi64(m, 32), _mm512_permutex2var_epi64(b0, even, b1),
          _mm512_permutex2var_epi64(b0, odd, b1)};
}

// Sixteen values v; the shifts as in dense_avx2.cpp.
MCM_VNNI inline __m512i requantize(__m512i acc, const Scale& s) {
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, s.even_m), s.even_b);
  const __m512i odd =
      _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), s.odd_m), s.odd_b);
  return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, kShift),
                                 _mm512_slli_epi64(odd, 32 - kShift));
}

MCM_VNNI inline __m256i saturate(__m512i v) { return _mm512_cvtsepi32_epi16(v); }

MCM_VNNI inline __m256i activate(__m512i v) {
  v = _mm512_max_epi32(v, _mm512_srai_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(2)), 2));
  const __m256i most = _mm256_set1_epi16(kLimit), least = _mm256_set1_epi16(-kLimit);
  return _mm256_max_epi16(_mm256_min_epi16(saturate(v), most), least);
}

// One block of outputs at P positions -> out [P, stride].
template <int P>
MCM_VNNI void dense_tile(const int8_t* weight, const int16_t* const* positions, const Spans& spans,
                         const Scale& scale, Finish finish, int16_t* out, int64_t stride) {
  __m512i acc[P];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) acc[p] = _mm512_setzero_si512();
  for (const Span* span = spans.begin; span < spans.begin + spans.count; ++span) {
    const int16_t* x[P];
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) x[p] = positions[p] + span->offset;
    for (int64_t i = 0; i < 2 * span->pairs; i += 2, weight += 2 * kBlock) {
      const __m512i w = weights(weight);
#pragma GCC unroll 12
      for (int p = 0; p < P; ++p) {
        acc[p] = _mm512_dpwssd_epi32(acc[p], w, broadcast_pair(x[p] + i));
      }
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p, out += stride) {
    const __m512i v = requantize(acc[p], scale);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        finish == Finish::kActivate ? activate(v) : saturate(v));
  }
}

using DenseTile = void (*)(const int8_t*, const int16_t* const*, const Spans&, const Scale&, Finish,
                           int16_t*, int64_t);
constexpr DenseTile kDenseTile[] = {dense_tile<1>, dense_tile<2>,  dense_tile<3>,  dense_tile<4>,
                                    dense_tile<5>, dense_tile<6>,  dense_tile<7>,  dense_tile<8>,
                                    dense_tile<9>, dense_tile<10>, dense_tile<11>, dense_tile<12>};

}  // namespace

MCM_VNNI void dense_vnni(const Layer& layer, const Affine& affine, const Inputs& inputs,
                         Finish finish, const Outputs& outputs) {
  for (int64_t row = 0; row < layer.rows; row += kBlock) {
    const int8_t* weight = layer.weight.data() + row * layer.pairs * 2;
    const Scale scale = load_scale(affine.multiplier.data() + layer.first + row,
                                   affine.bias.data() + layer.first + row);
    for (int64_t p = 0; p < inputs.count; p += kTile) {
      const int64_t tile = std::min(kTile, inputs.count - p);
      kDenseTile[tile - 1](weight, inputs.positions + p, inputs.spans, scale, finish,
                           outputs.begin + p * outputs.stride + row, outputs.stride);
    }
  }
}

}  // namespace mcm

#endif
