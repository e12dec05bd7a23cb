#include "coder.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "errors.h"

namespace mcm {
namespace {

bool power_of_two(int64_t n, int64_t limit) { return n >= 1 && n <= limit && (n & (n - 1)) == 0; }

void append(Bytes& bytes, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
}

uint32_t u32_at(const uint8_t* at) {
  return at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}

struct Encoder {
  std::vector<uint32_t> states;
  std::vector<std::vector<uint16_t>> words;  // of each group, last first

  Encoder(int lanes, int groups) : states(lanes * groups, kInitialState), words(groups) {}

  void put(size_t state, uint32_t start, uint32_t frequency, int bits) {
    uint32_t& x = states[state];
    if (rans_overflows(x, frequency, bits)) {
      words[state * words.size() / states.size()].push_back(static_cast<uint16_t>(x));
      x >>= 16;
    }
    x = rans_put(x, start, frequency, bits);
  }

  Bytes segment(size_t group, size_t lanes) const {
    Bytes bytes;
    bytes.reserve(4 * lanes + 2 * words[group].size());
    for (size_t lane = 0; lane < lanes; ++lane) append(bytes, states[group * lanes + lane], 4);
    std::for_each(words[group].rbegin(), words[group].rend(),
                  [&](uint16_t word) { append(bytes, word, 2); });
    return bytes;
  }
};

}  // namespace

void check_layout(int64_t lanes, int64_t groups) {
  require(power_of_two(lanes, kMaxLanes),
          "lanes must be a power of two up to 32, not " + std::to_string(lanes));
  require(power_of_two(groups, lanes == kMaxLanes ? kMaxGroups : 1),
          "groups must be a power of two up to 32, and 1 unless there are 32 lanes, not " +
              std::to_string(groups));
}

void Writer::add(const Tables& tables, int32_t table, int32_t base, int32_t value) {
  const int32_t entry = tables.entry_of(table, value - base);
  const bool escape = entry == tables.entries(table) - 1;
  visits_.push_back(
      {static_cast<uint16_t>(tables.start(table, entry)),
       static_cast<uint16_t>(tables.frequency(table, entry) | (escape ? kEscape : 0))});
  if (escape) raw_.push_back(static_cast<uint16_t>(value));
}

std::vector<Bytes> Writer::segments(int lanes, int groups) const {
  Encoder encoder(lanes, groups);
  const size_t mask = encoder.states.size() - 1;
  size_t escapes = raw_.size();
  for (size_t visit = visits_.size(); visit-- > 0;) {
    const auto [start, frequency] = visits_[visit];
    if (frequency & kEscape) encoder.put(visit & mask, raw_[--escapes], 1, kRawBits);
    encoder.put(visit & mask, start, frequency & ~kEscape, kSymbolBits);
  }
  std::vector<Bytes> segments;
  for (int group = 0; group < groups; ++group) segments.push_back(encoder.segment(group, lanes));
  return segments;
}

double Writer::ideal_bits() const {
  double bits = double{kRawBits} * static_cast<double>(raw_.size());
  for (const Visit& visit : visits_) bits += kSymbolBits - std::log2(visit.frequency & ~kEscape);
  return bits;
}

Reader::Reader(const std::vector<std::string_view>& segments, int lanes, int groups)
    : lanes_(lanes), mask_(lanes * groups - 1) {
  require_intact(segments.size() == static_cast<size_t>(groups), "one segment a group expected");
  const size_t header = 4 * static_cast<size_t>(lanes);
  for (const std::string_view segment : segments) {
    require_intact(segment.size() >= header && segment.size() % 2 == 0,
                   "a segment's length does not fit its lanes");
    const auto* bytes = reinterpret_cast<const uint8_t*>(segment.data());
    for (int lane = 0; lane < lanes; ++lane) states_.push_back(u32_at(bytes + 4 * lane));
    words_.push_back({bytes + header, bytes + segment.size()});
  }
}

uint16_t Reader::Words::next() {
  require_intact(at != end, "the coded latents are truncated");
  const uint16_t word = static_cast<uint16_t>(at[0] | at[1] << 8);
  at += 2;
  return word;
}

void Reader::finish() const {
  const bool home =
      std::all_of(states_.begin(), states_.end(), [](uint32_t x) { return x == kInitialState; });
  const bool empty = std::all_of(words_.begin(), words_.end(),
                                 [](const Words& words) { return words.at == words.end; });
  require_intact(home && empty, "the coded latents are damaged");
}

}  // namespace mcm
