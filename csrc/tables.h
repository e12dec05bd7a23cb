// Cumulative frequency tables (FORMAT.md, section 5).
//
// Entry e of a table stands for the value base + minimum + e, modulo 2^16 into -32768..32767; the
// last entry is the escape. A table with two entries is 'certain': its latents are not coded.
#pragma once

#include <cstdint>
#include <vector>

#include "rans.h"

namespace mcm {

class Tables {
 public:
  Tables() = default;
  // cdf [cdf_size], start [count + 1], minimum [count]; std::invalid_argument if a table is
  // unsound.
  Tables(const int16_t* cdf, int64_t cdf_size, const int32_t* start, const int32_t* minimum,
         int64_t count);

  int64_t count() const { return static_cast<int64_t>(minimum_.size()); }
  int32_t entries(int32_t table) const { return start_[table + 1] - start_[table] - 1; }
  bool certain(int32_t table) const { return entries(table) == 2; }
  int32_t minimum(int32_t table) const { return minimum_[table]; }

  uint32_t start(int32_t table, int32_t entry) const { return cdf_[start_[table] + entry]; }
  uint32_t frequency(int32_t table, int32_t entry) const {
    const uint16_t* edge = &cdf_[start_[table] + entry];
    return edge[1] - edge[0];
  }

  // The entry of `symbol` (a value less base): the escape if the table does not hold it.
  int32_t entry_of(int32_t table, int32_t symbol) const {
    const int32_t escape = entries(table) - 1, entry = symbol - minimum_[table];
    return entry >= 0 && entry < escape ? entry : escape;
  }

  // The entry with start <= slot < start + frequency.
  int32_t find(int32_t table, uint32_t slot) const {
    const uint16_t* edge = &cdf_[start_[table]];
    int32_t entry = hint_[table * kHints + (slot >> kHintShift)];
    while (edge[entry + 1] <= slot) ++entry;
    return entry;
  }

 private:
  static constexpr int kHintShift = 8;
  static constexpr int64_t kHints = kSlots >> kHintShift;

  void add(const int16_t* cdf, int32_t size);

  std::vector<uint16_t> cdf_;     // each table followed by its end, 2^14
  std::vector<uint16_t> hint_;    // [count, kHints]: the entry that holds slot 256 i
  std::vector<int32_t> start_;    // [count + 1]
  std::vector<int32_t> minimum_;  // [count]
};

// A value as the format stores it: modulo 2^16 into -32768..32767.
inline int16_t wrap(int32_t value) {
  return static_cast<int16_t>(static_cast<uint16_t>(static_cast<uint32_t>(value)));
}

}  // namespace mcm
