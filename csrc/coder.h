// Many symbols through the interleaved states of rans.h, with bounds always checked.
//
// A segment holds the bytes of one group: its lanes' states, u32 each, then its words, u16 each,
// all little-endian.
//
// Eight lanes at a time where there are that many: eight visits that begin with a multiple of eight
// belong to eight lanes of one group. Words are counted once for the eight. An escape, and the end
// of the words, are left to the code for one visit, so that there is one place where a stream can
// fail.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "rans.h"
#include "tables.h"

namespace mcm {

using Bytes = std::vector<uint8_t>;

constexpr int64_t kEight = 8;

// std::invalid_argument unless FORMAT.md, section 1, has such lanes and groups.
void check_layout(int64_t lanes, int64_t groups);

// Puts visits into the lanes' states, the last visit first.
class BackwardWriter {
 public:
  // At most `visits` of them.
  BackwardWriter(int lanes, int groups, int64_t visits);

  // The visits of numbers first .. first + count - 1; `raw` ends with the raw bits of their
  // escapes.
  void put(const Visit* visits, int64_t first, int64_t count, const uint16_t* raw_end);
  std::vector<Bytes> segments() const;

 private:
  struct Words {
    std::unique_ptr<uint16_t[]> values;  // filled from the end; never initialised
    uint16_t *at, *end;
  };

  void put_symbol(size_t state, uint32_t start, uint32_t frequency, int bits);
  int64_t put_avx2(const Visit* visits, int64_t first, int64_t count);

  std::vector<uint32_t> states_;
  std::vector<Words> words_;
  int lanes_;
};

// Collects the visits in the decoder's order; `segments` then codes them backwards, as often and
// for as many lanes as needed.
class Writer {
 public:
  // At most `visits` of them.
  explicit Writer(int64_t visits) : visits_(new Visit[visits + 1]) {}

  // Appends the visits that have a frequency. Returns true if any is an escape, whose raw bits must
  // follow, or an exception, which has no frequency.
  bool put(const Visit* visits, int64_t count);
  void put_raw(int16_t value) { raw_.push_back(static_cast<uint16_t>(value)); }

  std::vector<Bytes> segments(int lanes, int groups) const;
  double ideal_bits() const;

 private:
  std::unique_ptr<Visit[]> visits_;
  int64_t size_ = 0;
  std::vector<uint16_t> raw_;  // the raw bits of the escapes, in order
};

// Reads what Writer wrote. Throws BitstreamError as soon as a segment is exhausted.
class Reader {
 public:
  Reader(const std::vector<std::string_view>& segments, int lanes, int groups);

  // values[i] = the next symbol under the table numbers[i], plus bases[i] (or 0 if there are none).
  void get(const Tables& tables, const int32_t* numbers, const int16_t* bases, int64_t count,
           int16_t* values);

  // Throws BitstreamError unless every state is back at the start and every word has been read.
  void finish() const;

 private:
  struct Words {
    const uint8_t* at;
    const uint8_t* end;
    uint16_t next();
  };

  int16_t get_one(const Tables& tables, int32_t table, int32_t base);
  int64_t get_avx2(const Tables& tables, const int32_t* numbers, const int16_t* bases,
                   int64_t count, int16_t* values);

  std::vector<uint32_t> states_;
  std::vector<Words> words_;
  uint32_t lanes_, mask_, visit_ = 0;
};

// The coder alone: values[i] under the table numbers[i]. One segment a group.
std::vector<Bytes> encode_symbols(const Tables& tables, const int16_t* values,
                                  const int32_t* numbers, int64_t count, int lanes, int groups);

// Throws BitstreamError as Reader does.
std::vector<int16_t> decode_symbols(const Tables& tables,
                                    const std::vector<std::string_view>& segments,
                                    const int32_t* numbers, int64_t count, int lanes, int groups);

}  // namespace mcm
