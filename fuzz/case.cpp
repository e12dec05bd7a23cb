#include "case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "../csrc/errors.h"
#include "../csrc/simd.h"

namespace mcm {
namespace {

constexpr int64_t kQualities = kMaxQuality + 1;

struct Input {
  const uint8_t* at;
  size_t left;

  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && left > 0; ++i, ++at, --left) value |= uint64_t{*at} << 8 * i;
    return value;
  }
  Bytes bytes(size_t count) {
    count = std::min(count, left);
    Bytes taken(at, at + count);
    at += count, left -= count;
    return taken;
  }
};

void append(Bytes& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
}

int log2_of(int64_t power) {
  int bits = 0;
  while (power >> (bits + 1) > 0) ++bits;
  return bits;
}

bool same(const Parameters& a, const Parameters& b) {
  return a.mu == b.mu && a.indexes == b.indexes && a.hyper == b.hyper;
}

}  // namespace

Case parse(const uint8_t* data, size_t size) {
  Input in{data, size};
  Case out;
  const uint64_t shape = in.number(1);
  out.height = (shape & 7) + 1, out.width = (shape >> 3 & 7) + 1;
  out.every_level = shape >> 6 & 1;
  out.quality = static_cast<int64_t>(in.number(2)) % kQualities;
  const uint64_t layout = in.number(1);
  out.coded.lanes = 1 << (layout & 7), out.coded.groups = 1 << (layout >> 3 & 7);
  for (uint64_t e = in.number(1); e > 0; --e) {
    out.coded.exception_indexes.push_back(static_cast<int64_t>(in.number(4)));
    out.coded.exception_differences.push_back(static_cast<int16_t>(in.number(2)));
  }
  std::vector<size_t> sizes(out.coded.groups);
  for (size_t& bytes : sizes) bytes = 4 * out.coded.lanes + 2 * in.number(2);
  for (const size_t bytes : sizes) out.coded.segments.push_back(in.bytes(bytes));
  return out;
}

Bytes serialise(const Case& input) {
  const Coded& coded = input.coded;
  Bytes out;
  append(out, (input.height - 1) | (input.width - 1) << 3 | int64_t{input.every_level} << 6, 1);
  append(out, input.quality, 2);
  append(out, log2_of(coded.lanes) | log2_of(coded.groups) << 3, 1);
  append(out, coded.exception_indexes.size(), 1);
  for (size_t e = 0; e < coded.exception_indexes.size(); ++e) {
    append(out, coded.exception_indexes[e], 4);
    append(out, static_cast<uint16_t>(coded.exception_differences[e]), 2);
  }
  for (const Bytes& segment : coded.segments)
    append(out, (segment.size() - 4 * coded.lanes) / 2, 2);
  for (const Bytes& segment : coded.segments) out.insert(out.end(), segment.begin(), segment.end());
  return out;
}

uint64_t Random::next() {
  uint64_t x = state += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

std::vector<int16_t> random_latents(int64_t count, double spread, Random& random) {
  std::vector<int16_t> latents(count);
  for (int16_t& latent : latents) {
    const double uniform = static_cast<double>(random.next() >> 11) * 0x1p-52 - 1;
    const double value = spread * uniform * uniform * uniform;
    latent = static_cast<int16_t>(std::lround(std::clamp(value, -32768.0, 32767.0)));
  }
  return latents;
}

Case valid_case(const Model& model, uint64_t seed) {
  Random random{seed};
  Case out;
  // Small ones more often: they are quick, and hold all that can go wrong at edges.
  const int64_t most = int64_t{1} << random.below(4);
  out.height = random.below(most) + 1, out.width = random.below(most) + 1;
  out.every_level = random.below(8) == 0;
  out.quality = random.below(kQualities);
  const double spread = std::exp2(static_cast<double>(random.below(17)) - 1);
  const auto y = random_latents(model.y_channels * out.height * out.width, spread, random);
  const auto z = random_latents(z_latents(model, out.height, out.width), spread, random);
  out.coded = encode(model, y.data(), z.data(), out.height, out.width, out.quality, 1).coded;
  return out;
}

bool Outcome::operator==(const Outcome& other) const {
  const Decoded &a = decoded, &b = other.decoded;
  return intact == other.intact && a.y == b.y && a.z == b.z && same(a.parameters, b.parameters);
}

Outcome decode_case(const Model& model, const Case& input, int64_t threads) {
  const Coded& coded = input.coded;
  Stream stream{coded.lanes,
                coded.groups,
                coded.exception_indexes.data(),
                coded.exception_differences.data(),
                static_cast<int64_t>(coded.exception_indexes.size()),
                {}};
  for (const Bytes& segment : coded.segments) {
    stream.segments.emplace_back(reinterpret_cast<const char*>(segment.data()), segment.size());
  }
  try {
    return {true, decode(model, stream, input.height, input.width, input.quality, threads)};
  } catch (const BitstreamError&) {
  } catch (const std::invalid_argument&) {  // lanes and groups that the container refuses
  }
  return {};
}

void check_case(const Model& model, const Case& input, int64_t threads) {
  const std::vector<std::string> levels = simd_names();
  use_simd(levels.back());
  const Outcome outcome = decode_case(model, input, threads);
  for (size_t i = 0; input.every_level && i + 1 < levels.size(); ++i) {
    use_simd(levels[i]);
    expect(decode_case(model, input, threads) == outcome, "SIMD levels agree");
  }
  if (!outcome.intact) return;
  const Decoded& found = outcome.decoded;
  Case again = input;
  const Encoded encoded = encode(model, found.y.data(), found.z.data(), input.height, input.width,
                                 input.quality, threads);
  expect(same(encoded.parameters, found.parameters), "both ways agree on the parameters");
  again.coded = encoded.coded;
  expect(decode_case(model, again, threads) == outcome, "what was decoded survives");
}

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace mcm
