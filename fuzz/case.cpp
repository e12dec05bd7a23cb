#include "case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "../csrc/errors.h"
#include "../csrc/simd.h"
#include "../csrc/wavefront.h"

namespace mcm {
namespace {

constexpr int64_t kQualities = kQualitySteps + 1;

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

// The latents' visits one by one, in the order of the stream.
class Coding {
 public:
  Coding(const Model& model, int64_t latents) : model_(model), writer_(latents) {}

  void add(const Selection& selection, int16_t value, int64_t index) {
    if (selection.choice.certain) {
      const int16_t difference = wrap(value - selection.sure());
      if (difference != 0) exceptions_.emplace_back(index, difference);
      return;
    }
    const Visit visit = model_.tables.visit_of(selection.choice.table, value - selection.base);
    writer_.put(&visit, 1);
    if (visit & kEscapeVisit) writer_.put_raw(value);
  }

  Coded coded(int lanes, int groups) {
    Coded out{lanes, groups, {}, {}, writer_.segments(lanes, groups)};
    std::sort(exceptions_.begin(), exceptions_.end());
    for (const auto& [index, difference] : exceptions_) {
      out.exception_indexes.push_back(index);
      out.exception_differences.push_back(difference);
    }
    return out;
  }

 private:
  const Model& model_;
  Writer writer_;
  std::vector<std::pair<int64_t, int16_t>> exceptions_;
};

Coding coding_of(const Model& model, const std::vector<int16_t>& y, const std::vector<int16_t>& z,
                 const Case& at) {
  const int64_t h = at.height, w = at.width, z_size = static_cast<int64_t>(z.size());
  const int64_t z_area = z_size / model.z_channels;
  const Parameters p = parameters(model, y.data(), z.data(), h, w, {0, 0, h, w}, at.quality, 1);
  Coding coding(model, z_size + static_cast<int64_t>(y.size()));
  for (int64_t i = 0; i < z_size; ++i) {
    const int32_t table = model.z_table(at.quality) + static_cast<int32_t>(i / z_area);
    coding.add({model.tables.choice(table), 0}, z[i], i);
  }
  for_each_position(h, w, model.slices, [&](int64_t slice, int64_t row, int64_t column) {
    int64_t i = (slice * model.slice_channels * h + row) * w + column;
    for (int64_t c = 0; c < model.slice_channels; ++c, i += h * w) {
      coding.add(table_of(model, p.mu[i], p.indexes[i]), y[i], z_size + i);
    }
  });
  return coding;
}

Stream stream_of(const Coded& coded) {
  return {coded.lanes,
          coded.groups,
          coded.exception_indexes.data(),
          coded.exception_differences.data(),
          static_cast<int64_t>(coded.exception_indexes.size()),
          views_of(coded.segments)};
}

// Whether the planes of a part, of so many channels, are those of the whole.
template <class T>
bool is_crop(const std::vector<T>& found, const std::vector<T>& whole, const Part& part,
             const Case& at) {
  size_t n = 0;
  for (size_t row = 0; row < whole.size() / at.width; ++row) {
    const int64_t r = static_cast<int64_t>(row) % at.height;
    if (r < part.top || r >= part.bottom) continue;
    for (int64_t column = part.left; column < part.right; ++column) {
      if (found.at(n++) != whole[row * at.width + column]) return false;
    }
  }
  return n == found.size();
}

// What is computed for a part of an image is that of the whole.
void check_parts(const Model& model, const Case& input, const Decoded& whole) {
  const int64_t h = input.height, w = input.width, rows = h / 2;
  const Decoded first = decode_rows(model, stream_of(input.coded), h, w, rows, input.quality, 1);
  expect(first.z == whole.z, "z of the first rows");
  for (size_t i = 0; i < whole.y.size(); ++i) {
    const bool seen = static_cast<int64_t>(i) / w % h < rows;
    expect(!seen || first.y[i] == whole.y[i], "y of the first rows");
  }
  const Part part{rows, w / 3, h, w};
  const Parameters said =
      parameters(model, whole.y.data(), whole.z.data(), h, w, part, input.quality, 1);
  expect(is_crop(said.mu, whole.parameters.mu, part, input), "mu of a part");
  expect(is_crop(said.indexes, whole.parameters.indexes, part, input), "indexes of a part");
  expect(is_crop(said.hyper, whole.parameters.hyper, part, input), "hyper features of a part");
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
  append(out, (input.height - 1) | (input.width - 1) << 3, 1);
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
  out.quality = random.below(kQualities);
  const double spread = std::exp2(static_cast<double>(random.below(17)) - 1);
  const auto y = random_latents(model.y_channels * out.height * out.width, spread, random);
  const auto z = random_latents(z_latents(model, out.height, out.width), spread, random);
  const int lanes = 1 << random.below(6);
  const int groups = lanes == kMaxLanes ? 1 << random.below(4) : 1;
  out.coded = coding_of(model, y, z, out).coded(lanes, groups);
  return out;
}

std::vector<std::string_view> views_of(const std::vector<Bytes>& segments) {
  std::vector<std::string_view> views;
  for (const Bytes& segment : segments) {
    views.emplace_back(reinterpret_cast<const char*>(segment.data()), segment.size());
  }
  return views;
}

void damage_segment(Bytes& segment, size_t header, Random& random) {
  const size_t at = segment.empty() ? 0 : random.next() % segment.size();
  switch (random.below(6)) {
    case 0:
      if (!segment.empty()) segment[at] ^= 1 << random.below(8);
      break;
    case 1:
      if (!segment.empty()) segment[at] = static_cast<uint8_t>(random.next());
      break;
    case 2:
      segment.resize(segment.size() & ~size_t{1}), segment.insert(segment.end(), 2, 0);
      break;
    case 3:
      if (segment.size() >= header + 2) segment.resize(segment.size() - 2);
      break;
    case 4:
      if (segment.size() >= header) segment.resize(header + (segment.size() - header) / 4 * 2);
      break;
    default:  // ones and zeros are where carries and escapes are
      std::fill(segment.begin() + at, segment.end(), random.below(2) ? 0xFF : 0);
  }
}

bool Outcome::operator==(const Outcome& other) const {
  const Decoded &a = decoded, &b = other.decoded;
  return intact == other.intact && a.y == b.y && a.z == b.z && same(a.parameters, b.parameters);
}

Outcome decode_case(const Model& model, const Case& input, int64_t threads) {
  try {
    return {true, decode(model, stream_of(input.coded), input.height, input.width, input.quality,
                         threads)};
  } catch (const BitstreamError&) {
  } catch (const std::invalid_argument&) {  // lanes and groups that the container refuses
  }
  return {};
}

bool check_case(const Model& model, const Case& input, bool thorough) {
  static const std::vector<std::string> levels = simd_names();
  use_simd(levels.back());
  const Outcome outcome = decode_case(model, input, 1);
  if (!thorough) return outcome.intact;
  for (size_t i = 0; i + 1 < levels.size(); ++i) {
    use_simd(levels[i]);
    expect(decode_case(model, input, 1) == outcome, "SIMD levels agree");
  }
  if (!outcome.intact) return false;
  const Decoded& decoded = outcome.decoded;
  Case again = input;
  const Encoded encoded = encode(model, decoded.y.data(), decoded.z.data(), input.height,
                                 input.width, input.quality, 1);
  expect(same(encoded.parameters, decoded.parameters), "both ways agree on the parameters");
  const int64_t h = input.height, w = input.width;
  const int16_t *y = decoded.y.data(), *z = decoded.z.data();
  expect(same(parameters(model, y, z, h, w, {0, 0, h, w}, input.quality, 1), decoded.parameters),
         "so do the parameters alone");
  expect(cost(model, y, z, h, w, input.quality, 1) >= 0, "a code has a length");
  check_parts(model, input, decoded);
  again.coded = encoded.coded;
  expect(decode_case(model, again, 1) == outcome, "what was decoded survives");
  return true;
}

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace mcm
