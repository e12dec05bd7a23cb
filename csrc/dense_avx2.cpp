// The layers of dense.h with AVX2: six positions a tile, sixteen outputs a block.
#include "dense.h"
#include "simd.h"

#if MCM_X86

#include <immintrin.h>

#include <cstring>

namespace mcm {
namespace {

constexpr int64_t kTile = 6;  // positions: 12 sums, 2 weights and 2 temporaries fill 16 registers

MCM_AVX2 inline __m256i weights(const int8_t* at) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

MCM_AVX2 inline __m256i broadcast_pair(const int16_t* at) {
  int32_t pair;
  std::memcpy(&pair, at, sizeof(pair));
  return _mm256_set1_epi32(pair);
}

MCM_AVX2 inline __m256i load(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

// acc [P, kBlock]: the sums of one block of outputs at P positions.
template <int P>
MCM_AVX2 void accumulate(const int8_t* weight, const int16_t* const* positions, const Spans& spans,
                         int32_t* acc) {
  __m256i low[P], high[P];
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) low[p] = high[p] = _mm256_setzero_si256();
  for (const Span* span = spans.begin; span < spans.begin + spans.count; ++span) {
    const int16_t* x[P];
#pragma GCC unroll 6
    for (int p = 0; p < P; ++p) x[p] = positions[p] + span->offset;
    for (int64_t i = 0; i < 2 * span->pairs; i += 2, weight += 2 * kBlock) {
      const __m256i w0 = weights(weight), w1 = weights(weight + kBlock);
#pragma GCC unroll 6
      for (int p = 0; p < P; ++p) {
        const __m256i pair = broadcast_pair(x[p] + i);
        low[p] = _mm256_add_epi32(low[p], _mm256_madd_epi16(w0, pair));
        high[p] = _mm256_add_epi32(high[p], _mm256_madd_epi16(w1, pair));
      }
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p, acc += kBlock) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc), low[p]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + 8), high[p]);
  }
}

using Accumulate = void (*)(const int8_t*, const int16_t* const*, const Spans&, int32_t*);
constexpr Accumulate kAccumulate[] = {accumulate<1>, accumulate<2>, accumulate<3>,
                                      accumulate<4>, accumulate<5>, accumulate<6>};

// Multipliers and biases of eight outputs: the even ones, then the odd ones.
struct Scale {
  __m256i even_m, odd_m, even_b, odd_b;
};

MCM_AVX2 inline Scale load_scale(const int32_t* multiplier, const int64_t* bias) {
  const __m256i m = load(multiplier), b0 = load(bias), b1 = load(bias + 4);
  const __m256i even = _mm256_unpacklo_epi64(b0, b1), odd = _mm256_unpackhi_epi64(b0, b1);
  return {m, _mm256_srli_epi64(m, 32), _mm256_permute4x64_epi64(even, 0xD8),
          _mm256_permute4x64_epi64(odd, 0xD8)};
}

// Eight values v. An arithmetic shift by 24 is a logical one in the 32 bits that are kept; the odd
// ones are wanted 32 bits higher, so that they shift left by 8.
MCM_AVX2 inline __m256i requantize(const int32_t* acc, const Scale& s) {
  const __m256i a = load(acc);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, s.even_m), s.even_b);
  const __m256i odd =
      _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), s.odd_m), s.odd_b);
  return _mm256_blend_epi32(_mm256_srli_epi64(even, kShift), _mm256_slli_epi64(odd, 32 - kShift),
                            0xAA);
}

// Sixteen values v, in two registers, clamped to 16 bits.
MCM_AVX2 inline __m256i saturate(__m256i v0, __m256i v1) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(v0, v1), 0xD8);
}

MCM_AVX2 inline __m256i leak(__m256i v) {
  return _mm256_max_epi32(v, _mm256_srai_epi32(_mm256_add_epi32(v, _mm256_set1_epi32(2)), 2));
}

MCM_AVX2 inline __m256i activate(__m256i v0, __m256i v1) {
  const __m256i most = _mm256_set1_epi16(kLimit), least = _mm256_set1_epi16(-kLimit);
  return _mm256_max_epi16(_mm256_min_epi16(saturate(leak(v0), leak(v1)), most), least);
}

// A block of outputs at `count` positions: acc [count, kBlock] -> out [count, stride].
MCM_AVX2 void finish_block(const int32_t* acc, int64_t count, const int32_t* multiplier,
                           const int64_t* bias, Finish finish, int16_t* out, int64_t stride) {
  const Scale low = load_scale(multiplier, bias), high = load_scale(multiplier + 8, bias + 8);
  for (int64_t p = 0; p < count; ++p, acc += kBlock, out += stride) {
    const __m256i v0 = requantize(acc, low), v1 = requantize(acc + 8, high);
    const __m256i a = finish == Finish::kActivate ? activate(v0, v1) : saturate(v0, v1);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), a);
  }
}

}  // namespace

MCM_AVX2 void dense_avx2(const Layer& layer, const Affine& affine, const Inputs& inputs,
                         Finish finish, const Outputs& outputs) {
  int32_t acc[kTile * kBlock];
  for (int64_t row = 0; row < layer.rows; row += kBlock) {
    const int8_t* weight = layer.weight.data() + row * layer.pairs * 2;
    const int64_t scale = layer.first + row;
    for (int64_t p = 0; p < inputs.count; p += kTile) {
      const int64_t tile = std::min(kTile, inputs.count - p);
      kAccumulate[tile - 1](weight, inputs.positions + p, inputs.spans, acc);
      finish_block(acc, tile, affine.multiplier.data() + scale, affine.bias.data() + scale, finish,
                   outputs.begin + p * outputs.stride + row, outputs.stride);
    }
  }
}

}  // namespace mcm

#endif
