#include "coder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "errors.h"
#include "simd.h"

namespace mcm {
namespace {

constexpr int64_t kChunk = 4096;  // visits that are looked up, then coded, while in L1

bool power_of_two(int64_t n, int64_t limit) { return n >= 1 && n <= limit && (n & (n - 1)) == 0; }

template <class T>
void append(Bytes& bytes, const T* values, size_t count) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are little-endian");
  const auto* from = reinterpret_cast<const uint8_t*>(values);
  bytes.insert(bytes.end(), from, from + count * sizeof(T));
}

uint32_t u32_at(const uint8_t* at) {
  return at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}

bool in_eights(size_t lanes) { return MCM_X86 && simd() >= Simd::kAvx2 && lanes >= kEight; }

}  // namespace

void check_layout(int64_t lanes, int64_t groups) {
  require(power_of_two(lanes, kMaxLanes),
          "lanes must be a power of two up to 32, not " + std::to_string(lanes));
  require(power_of_two(groups, lanes == kMaxLanes ? kMaxGroups : 1),
          "groups must be a power of two up to 32, and 1 unless there are 32 lanes, not " +
              std::to_string(groups));
}

BackwardWriter::BackwardWriter(int lanes, int groups, int64_t visits)
    : states_(lanes * groups, kInitialState), words_(groups), lanes_(lanes) {
  // A visit writes at most two words; eight of them write all eight places below.
  const int64_t rounds = visits / static_cast<int64_t>(states_.size()) + 1;
  const int64_t size = 2 * rounds * lanes + kEight;
  for (Words& words : words_) {
    words.values.reset(new uint16_t[size]);
    words.at = words.end = words.values.get() + size;
  }
}

inline void BackwardWriter::put_symbol(size_t state, uint32_t start, uint32_t frequency, int bits) {
  uint32_t& x = states_[state];
  if (rans_overflows(x, frequency, bits)) {
    *--words_[state / lanes_].at = static_cast<uint16_t>(x);
    x >>= 16;
  }
  x = rans_put(x, start, frequency, bits);
}

void BackwardWriter::put(const Visit* visits, int64_t first, int64_t count,
                         const uint16_t* raw_end) {
  const int64_t mask = static_cast<int64_t>(states_.size()) - 1;
  const bool eights = in_eights(lanes_);
  while (count > 0) {
    if (eights && (first + count) % kEight == 0) count = put_avx2(visits, first, count);
    if (count == 0) return;
    const Visit visit = visits[--count];
    const size_t state = (first + count) & mask;
    if (visit & kEscapeVisit) put_symbol(state, *--raw_end, 1, kRawBits);
    put_symbol(state, start_of(visit), frequency_of(visit), kSymbolBits);
  }
}

std::vector<Bytes> BackwardWriter::segments() const {
  std::vector<Bytes> segments(words_.size());
  for (size_t group = 0; group < words_.size(); ++group) {
    const Words& words = words_[group];
    const size_t count = words.end - words.at;
    segments[group].reserve(4 * lanes_ + 2 * count);
    append(segments[group], &states_[group * lanes_], lanes_);
    append(segments[group], words.at, count);
  }
  return segments;
}

bool Writer::put(const Visit* visits, int64_t count) {
  Visit* to = &visits_[size_];
  bool more = false;
  for (int64_t i = 0; i < count; ++i) {
    const Visit visit = visits[i];
    const bool coded = frequency_of(visit) != 0;
    *to = visit;
    to += coded;
    more |= coded ? visit >> 31 : visit != 0;
  }
  size_ = to - visits_.get();
  return more;
}

std::vector<Bytes> Writer::segments(int lanes, int groups) const {
  BackwardWriter writer(lanes, groups, size_);
  writer.put(visits_.get(), 0, size_, raw_.data() + raw_.size());
  return writer.segments();
}

double Writer::ideal_bits() const {
  double bits = double{kRawBits} * static_cast<double>(raw_.size());
  for (int64_t i = 0; i < size_; ++i) bits += kSymbolBits - std::log2(frequency_of(visits_[i]));
  return bits;
}

std::vector<Bytes> encode_symbols(const Tables& tables, const int16_t* values,
                                  const int32_t* numbers, int64_t count, int lanes, int groups) {
  BackwardWriter writer(lanes, groups, count);
  std::vector<Visit> visits(kChunk);
  std::vector<uint16_t> raw(kChunk);
  for (int64_t first = (count - 1) / kChunk * kChunk; first >= 0; first -= kChunk) {
    const int64_t size = std::min(kChunk, count - first);
    int64_t escapes = 0;
    for (int64_t i = 0; i < size; ++i) {
      const int16_t value = values[first + i];
      visits[i] = tables.visit_of(numbers[first + i], value);
      if (visits[i] & kEscapeVisit) raw[escapes++] = static_cast<uint16_t>(value);
    }
    writer.put(visits.data(), first, size, raw.data() + escapes);
  }
  return writer.segments();
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

inline uint16_t Reader::Words::next() {
  require_intact(at != end, "the coded latents are truncated");
  const uint16_t word = static_cast<uint16_t>(at[0] | at[1] << 8);
  at += 2;
  return word;
}

inline int16_t Reader::get_one(const Tables& tables, int32_t table, int32_t base) {
  uint32_t& x = states_[visit_];
  Words& words = words_[visit_ / lanes_];
  visit_ = (visit_ + 1) & mask_;
  const uint64_t entry = tables.find(table, rans_slot(x, kSymbolBits));
  const uint32_t start = Tables::start(entry);
  x = rans_get(x, start, Tables::next(entry) - start, kSymbolBits);
  if (rans_wants_word(x)) x = rans_refill(x, words.next());
  if (!Tables::escape(entry)) return wrap(base + Tables::value(entry));
  const uint32_t raw = rans_slot(x, kRawBits);
  x = rans_refill(x >> kRawBits, words.next());
  return wrap(static_cast<int32_t>(raw));
}

void Reader::get(const Tables& tables, const int32_t* numbers, const int16_t* bases, int64_t count,
                 int16_t* values) {
  const bool eights = in_eights(lanes_);
  for (int64_t i = 0; i < count;) {
    if (eights && visit_ % kEight == 0) {
      i += get_avx2(tables, numbers + i, bases ? bases + i : nullptr, count - i, values + i);
    }
    if (i == count) return;
    values[i] = get_one(tables, numbers[i], bases ? bases[i] : 0);
    ++i;
  }
}

void Reader::finish() const {
  const bool home =
      std::all_of(states_.begin(), states_.end(), [](uint32_t x) { return x == kInitialState; });
  const bool empty = std::all_of(words_.begin(), words_.end(),
                                 [](const Words& words) { return words.at == words.end; });
  require_intact(home && empty, "the coded latents are damaged");
}

std::vector<int16_t> decode_symbols(const Tables& tables,
                                    const std::vector<std::string_view>& segments,
                                    const int32_t* numbers, int64_t count, int lanes, int groups) {
  std::vector<int16_t> values(count);
  Reader reader(segments, lanes, groups);
  reader.get(tables, numbers, nullptr, count, values.data());
  reader.finish();
  return values;
}

#if !MCM_X86
int64_t BackwardWriter::put_avx2(const Visit*, int64_t, int64_t count) { return count; }
int64_t Reader::get_avx2(const Tables&, const int32_t*, const int16_t*, int64_t, int16_t*) {
  return 0;
}
#endif

}  // namespace mcm
