// What the decoder is given, as bytes for a fuzzer:
//
//   u8   height - 1 in its low 3 bits, width - 1 in the next 3, of y
//   u16  quality, modulo 10001
//   u8   log2 of lanes in its low 3 bits, log2 of groups in the next 3
//   u8   E, then E exceptions of 6 bytes: u32 index, i16 difference
//   u16  words for each group
//   for each group 4 bytes a lane and 2 a word, or what is left of the input
//
// Small latents, because what can go wrong does not need large ones, and many bytes that mean
// nothing would only hide those that do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../csrc/engine.h"

namespace mcm {

struct Case {
  int64_t height = 1, width = 1, quality = 0;
  Coded coded;
};

// Any bytes are a case: what is missing is zero, or cut off.
Case parse(const uint8_t* data, size_t size);

// `parse` backwards, as far as the fields above can say it.
Bytes serialise(const Case& input);

// The case of a good stream: random latents, encoded for any number of lanes and groups. The
// encoder would choose a few lanes, so short are these streams.
Case valid_case(const Model& model, uint64_t seed);

// Random bits (SplitMix64).
struct Random {
  uint64_t state;
  uint64_t next();
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
};

// Latents of about `spread`; all of int16 once it is large.
std::vector<int16_t> random_latents(int64_t count, double spread, Random& random);

// They live as long as the segments.
std::vector<std::string_view> views_of(const std::vector<Bytes>& segments);

// A change in one segment whose states take `header` bytes.
void damage_segment(Bytes& segment, size_t header, Random& random);

// Where they were decoded to, or that they could not be.
struct Outcome {
  bool intact = false;
  Decoded decoded;

  bool operator==(const Outcome& other) const;
};

Outcome decode_case(const Model& model, const Case& input, int64_t threads);

// Decodes with one thread. When `thorough`, which takes many times as long, aborts unless the SIMD
// levels agree, and unless what was decoded can be encoded and decoded again. Whether it could be
// decoded at all.
bool check_case(const Model& model, const Case& input, bool thorough);

// Aborts with a message unless it holds.
void expect(bool holds, const char* what);

}  // namespace mcm
