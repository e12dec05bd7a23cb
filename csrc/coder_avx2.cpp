// The coder for eight lanes at a time (coder.h). rans.h says what is computed.
#include "coder.h"
#include "simd.h"

#if MCM_X86

#include <immintrin.h>

#include <array>

namespace mcm {
namespace {

// For each mask of lanes that write or read a word: how the words spread over the lanes.
struct Spread {
  // from[mask][lane]: which of the next words lane `lane` reads, if its bit is set.
  // to[mask][i]: the lane whose word goes to place i of 8, the last word to place 7.
  alignas(64) std::array<std::array<uint8_t, kEight>, 256> from{}, to{};

  constexpr Spread() {
    for (int mask = 0; mask < 256; ++mask) {
      uint8_t words = 0;
      for (uint8_t lane = 0; lane < kEight; ++lane) {
        if (mask >> lane & 1) from[mask][lane] = words++;
      }
      int place = kEight;
      for (int lane = kEight - 1; lane >= 0; --lane) {
        if (mask >> lane & 1) to[mask][--place] = static_cast<uint8_t>(lane);
      }
    }
  }
};
constexpr Spread kSpread;

MCM_AVX2 inline __m256i widened(const uint8_t* eight) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(eight)));
}

MCM_AVX2 inline __m256i load(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

MCM_AVX2 inline void store(void* at, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(at), v);
}

MCM_AVX2 inline uint32_t mask_of(__m256i lanes) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

// The low 16 bits of eight lanes.
MCM_AVX2 inline __m128i narrowed(__m256i v) {
  const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
  const __m256i packed = _mm256_packus_epi32(low, low);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0xD8));
}

// Fields of eight entries (tables.h).
struct Entries {
  __m256i edges;  // start and next
  __m256i rest;   // after and value
};

MCM_AVX2 inline Entries gather(const uint64_t* buckets, __m256i number) {
  const auto* base = reinterpret_cast<const long long*>(buckets);
  const __m256i order = _mm256_permute4x64_epi64(number, 0xD8);
  const __m256i a = _mm256_i32gather_epi64(base, _mm256_castsi256_si128(order), 8);
  const __m256i b = _mm256_i32gather_epi64(base, _mm256_extracti128_si256(order, 1), 8);
  const __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
  return {_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
          _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xDD))};
}

// start, next and value of the entry that holds a slot.
struct Found {
  __m256i start, next, value;
};

// The same for the lanes of `mask`, one by one.
MCM_AVX2 __attribute__((noinline)) void search(const Tables& tables, __m256i table, __m256i slot,
                                               uint32_t mask, Found& found) {
  alignas(32) int32_t t[kEight], s[kEight], start[kEight], next[kEight], value[kEight];
  store(t, table), store(s, slot);
  store(start, found.start), store(next, found.next), store(value, found.value);
  for (; mask != 0; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    const uint64_t entry = tables.find(t[lane], s[lane]);
    start[lane] = Tables::start(entry);
    next[lane] = Tables::next(entry);
    value[lane] = Tables::value(entry);
  }
  found = {load(start), load(next), load(value)};
}

MCM_AVX2 inline Found find(const Tables& tables, __m256i table, __m256i slot) {
  const __m256i low = _mm256_set1_epi32(0xFFFF);
  const __m256i bucket = _mm256_srli_epi32(slot, Tables::kBucketShift);
  const __m256i row = _mm256_slli_epi32(table, kSymbolBits - Tables::kBucketShift);
  const Entries e = gather(tables.buckets(), _mm256_add_epi32(row, bucket));
  const __m256i start = _mm256_and_si256(e.edges, low), next = _mm256_srli_epi32(e.edges, 16);
  const __m256i after = _mm256_and_si256(e.rest, low), value = _mm256_srai_epi32(e.rest, 16);
  const __m256i first = _mm256_cmpgt_epi32(next, slot), second = _mm256_cmpgt_epi32(after, slot);
  const __m256i one = _mm256_set1_epi32(1);
  Found found{_mm256_blendv_epi8(next, start, first), _mm256_blendv_epi8(after, next, first),
              _mm256_add_epi32(value, _mm256_andnot_si256(first, one))};
  const uint32_t beyond = mask_of(second) ^ 0xFF;
  if (__builtin_expect(beyond != 0, 0)) search(tables, table, slot, beyond, found);
  return found;
}

// x div f and x mod f for x < f * 2^18: a quotient in single precision is off by one at most.
struct Division {
  __m256i quotient, remainder;
};

MCM_AVX2 inline Division divide(__m256i x, __m256i f) {
  const __m256 high = _mm256_cvtepi32_ps(_mm256_srli_epi32(x, 16));
  const __m256 low = _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(0xFFFF)));
  const __m256 whole = _mm256_add_ps(_mm256_mul_ps(high, _mm256_set1_ps(65536.0f)), low);
  __m256i q = _mm256_cvttps_epi32(_mm256_div_ps(whole, _mm256_cvtepi32_ps(f)));
  __m256i r = _mm256_sub_epi32(x, _mm256_mullo_epi32(q, f));
  const __m256i under = _mm256_srai_epi32(r, 31);
  q = _mm256_add_epi32(q, under);
  r = _mm256_add_epi32(r, _mm256_and_si256(under, f));
  const __m256i within = _mm256_cmpgt_epi32(f, r),
                over = _mm256_xor_si256(within, _mm256_set1_epi32(-1));
  return {_mm256_sub_epi32(q, over), _mm256_sub_epi32(r, _mm256_and_si256(over, f))};
}

}  // namespace

// Codes whole eights from the end; returns how many visits are left.
MCM_AVX2 int64_t BackwardWriter::put_avx2(const Visit* visits, int64_t first, int64_t count) {
  const int64_t mask = static_cast<int64_t>(states_.size()) - 1;
  const int group_shift = __builtin_ctz(lanes_);
  for (; count >= kEight; count -= kEight) {
    const __m256i visit = load(visits + count - kEight);
    if (mask_of(visit) != 0) break;  // an escape
    const int64_t state = (first + count - kEight) & mask;
    uint16_t*& at = words_[state >> group_shift].at;
    __m256i x = load(&states_[state]);
    const __m256i start = _mm256_and_si256(visit, _mm256_set1_epi32(0xFFFF));
    const __m256i frequency = _mm256_srli_epi32(visit, 16);
    const __m256i room = _mm256_cmpgt_epi32(frequency, _mm256_srli_epi32(x, 32 - kSymbolBits));
    const uint32_t full = mask_of(room) ^ 0xFF;
    const __m256i words = _mm256_permutevar8x32_epi32(x, widened(kSpread.to[full].data()));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at - kEight), narrowed(words));
    at -= __builtin_popcount(full);
    x = _mm256_blendv_epi8(_mm256_srli_epi32(x, 16), x, room);
    const Division d = divide(x, frequency);
    const __m256i shifted = _mm256_slli_epi32(d.quotient, kSymbolBits);
    store(&states_[state], _mm256_add_epi32(_mm256_add_epi32(shifted, d.remainder), start));
  }
  return count;
}

// Decodes whole eights; returns how many values that makes.
MCM_AVX2 int64_t Reader::get_avx2(const Tables& tables, const int32_t* numbers,
                                  const int16_t* bases, int64_t count, int16_t* values) {
  const int group_shift = __builtin_ctz(lanes_);
  const __m256i slots = _mm256_set1_epi32(kSlots - 1);
  int64_t done = 0;
  for (; done + kEight <= count; done += kEight) {
    Words& words = words_[visit_ >> group_shift];
    if (words.end - words.at < 2 * kEight) break;
    __m256i x = load(&states_[visit_]);
    const __m256i slot = _mm256_and_si256(x, slots);
    const Found found = find(tables, load(numbers + done), slot);
    // next = 2^14 is bit 14, and only an escape has it.
    if (mask_of(_mm256_slli_epi32(found.next, 31 - kSymbolBits)) != 0) break;
    const __m256i frequency = _mm256_sub_epi32(found.next, found.start);
    x = _mm256_add_epi32(_mm256_mullo_epi32(frequency, _mm256_srli_epi32(x, kSymbolBits)),
                         _mm256_sub_epi32(slot, found.start));
    const __m256i wants = _mm256_cmpeq_epi32(_mm256_srli_epi32(x, 16), _mm256_setzero_si256());
    const uint32_t mask = mask_of(wants);
    const __m256i next =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words.at)));
    const __m256i word = _mm256_permutevar8x32_epi32(next, widened(kSpread.from[mask].data()));
    const __m256i refilled = _mm256_or_si256(_mm256_slli_epi32(x, 16), word);
    words.at += 2 * __builtin_popcount(mask);
    store(&states_[visit_], _mm256_blendv_epi8(x, refilled, wants));
    visit_ = (visit_ + kEight) & mask_;
    __m128i value = narrowed(found.value);
    if (bases) {
      const __m128i base = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bases + done));
      value = _mm_add_epi16(value, base);
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values + done), value);
  }
  return done;
}

}  // namespace mcm

#endif
