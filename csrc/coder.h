// Many symbols through the interleaved states of rans.h, with bounds always checked.
//
// A segment holds the bytes of one group: its lanes' states, u32 each, then its words, u16 each,
// all little-endian.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rans.h"
#include "tables.h"

namespace mcm {

using Bytes = std::vector<uint8_t>;

// ValueError unless both are powers of two the format knows.
void check_layout(int64_t lanes, int64_t groups);

// Collects the visits in the decoder's order; `segments` then codes them backwards, as often and
// for as many lanes as needed.
class Writer {
 public:
  // `value` (an int16) is entry `value - base` of the table, or an escape followed by itself.
  void add(const Tables& tables, int32_t table, int32_t base, int32_t value);
  std::vector<Bytes> segments(int lanes, int groups) const;
  double ideal_bits() const;

 private:
  struct Visit {
    uint16_t start, frequency;  // the frequency's top bit marks an escape
  };
  static constexpr uint16_t kEscape = 1u << 15;

  std::vector<Visit> visits_;
  std::vector<uint16_t> raw_;  // the raw bits of the escapes, in order
};

// Reads what Writer wrote. Throws BitstreamError as soon as a segment is exhausted.
class Reader {
 public:
  Reader(const std::vector<std::string_view>& segments, int lanes, int groups);

  int16_t get(const Tables& tables, int32_t table, int32_t base) {
    uint32_t& x = states_[visit_];
    Words& words = words_[visit_ / lanes_];
    visit_ = (visit_ + 1) & mask_;
    const uint32_t slot = rans_slot(x, kSymbolBits);
    const int32_t entry = tables.find(table, slot);
    x = rans_get(x, tables.start(table, entry), tables.frequency(table, entry), kSymbolBits);
    if (rans_wants_word(x)) x = rans_refill(x, words.next());
    if (entry < tables.entries(table) - 1) return wrap(base + tables.minimum(table) + entry);
    const uint32_t raw = rans_slot(x, kRawBits);
    x = rans_refill(x >> kRawBits, words.next());
    return wrap(static_cast<int32_t>(raw));
  }

  // Throws BitstreamError unless every state is back at the start and every word has been read.
  void finish() const;

 private:
  struct Words {
    const uint8_t* at;
    const uint8_t* end;
    uint16_t next();
  };

  std::vector<uint32_t> states_;
  std::vector<Words> words_;
  uint32_t lanes_, mask_, visit_ = 0;
};

}  // namespace mcm
