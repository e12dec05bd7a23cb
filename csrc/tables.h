// Cumulative frequency tables (FORMAT.md, section 5).
//
// Entry e of a table stands for the value base + minimum + e, modulo 2^16 into -32768..32767; the
// last entry is the escape. A table with two entries is 'certain': its latents are not coded.
//
// Packing: all entries of all tables in one array, 8 bytes each, so that one load tells a slot's
// entry from its successor:
//
//   bits 0..15   start
//   bits 16..31  next   = start + frequency; 2^14 in the escape, and only there
//   bits 32..47  after  = the next entry's `next`
//   bits 48..63  minimum + e
//
// and, for each table and each 2^6 slots, the entry that holds the first of them, once more: a
// slot's entry is that one, its successor, or (rarely) one further on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rans.h"

namespace mcm {

// A table, as much of it as is needed without the coder.
struct Choice {
  int32_t table;
  int16_t minimum;
  bool certain;
};

class Tables {
 public:
  static constexpr int kBucketShift = 6;
  static constexpr int64_t kBuckets = kSlots >> kBucketShift;
  static constexpr int64_t kMaxTables = 1 << 16;  // a small file must not make large buckets

  Tables() = default;
  // cdf [cdf_size], start [count + 1], minimum [count]; std::invalid_argument if a table is
  // unsound.
  Tables(const int16_t* cdf, int64_t cdf_size, const int32_t* start, const int32_t* minimum,
         int64_t count);

  int64_t count() const { return static_cast<int64_t>(table_.size()); }
  Choice choice(int32_t table) const {
    const Table& t = table_[table];
    return {table, static_cast<int16_t>(t.minimum), t.escape == 1};
  }

  // What the encoder codes for `symbol` (a value less base): the escape if the table does not hold
  // it.
  Visit visit_of(int32_t table, int32_t symbol) const {
    const Table& t = table_[table];
    const uint32_t entry = static_cast<uint32_t>(symbol - t.minimum);
    return visits_[t.first + std::min(entry, t.escape)];
  }

  // The entry with start <= slot < next.
  uint64_t find(int32_t table, uint32_t slot) const {
    const uint64_t first = buckets_[table * kBuckets + (slot >> kBucketShift)];
    if (slot < next(first)) return first;
    const Table& t = table_[table];
    const uint64_t* entry = &entries_[t.first + (value(first) - t.minimum)];
    while (next(*entry) <= slot) ++entry;
    return *entry;
  }

  static uint32_t start(uint64_t entry) { return entry & 0xFFFF; }
  static uint32_t next(uint64_t entry) { return entry >> 16 & 0xFFFF; }
  static int16_t value(uint64_t entry) { return static_cast<int16_t>(entry >> 48); }
  static bool escape(uint64_t entry) { return next(entry) == kSlots; }

  const uint64_t* buckets() const { return buckets_.data(); }  // [count, kBuckets]

 private:
  struct alignas(16) Table {
    int32_t first, minimum;
    uint32_t escape;  // the last entry
  };

  void add(const int16_t* cdf, int32_t size, int32_t minimum);

  std::vector<Table> table_;
  std::vector<uint64_t> entries_, buckets_;
  std::vector<Visit> visits_;  // of each entry
};

// A value as the format stores it: modulo 2^16 into -32768..32767.
inline int16_t wrap(int32_t value) {
  return static_cast<int16_t>(static_cast<uint16_t>(static_cast<uint32_t>(value)));
}

}  // namespace mcm
