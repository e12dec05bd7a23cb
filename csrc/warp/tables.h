// The tables as the warp coder reads them: one blob, copied to shared memory where it fits.
//
//   for each table: where its cells begin, in bytes from the start of the blob, in bits 4..31 of a
//   word, and `shift` in bits 0..3; minimum, the value of entry 0 (i16); escape, the number of the
//   last entry (u16)
//   cells of each table, of 16 bits: for each 2^shift slots the number of the entry that holds the
//   first of them; then where each entry starts; then 2^14, three times
//
// A table of n entries has the next power of two from 2n on for its 2^(14 - shift) numbers. Two
// loads in a row, of a number and of four starts, then settle an entry that is the first of its
// slots or one of the two after; each entry further on costs another load. With `small` and three
// Kodak images at qualities 20, 50 and 80 the symbols are the first in 92 %, the one after in 6 %.
// Its blobs have 54 KB for y's 253 tables and 34 KB for z's 512. Buckets of 8 bytes that hold all
// of it (tables.h) would save one load a symbol, but are half a megabyte.
#pragma once

#include <cstdint>
#include <vector>

#include "../rans.h"
#include "memory.h"
#include "warp.h"

namespace mcm::warp {

struct alignas(8) Table {
  uint32_t cells_and_shift;
  int16_t minimum;
  uint16_t escape;
};

// Entry `number` owns the slots start .. next - 1.
struct Entry {
  uint32_t number, start, next;
};

// The entry that holds a slot, if it is the first of its 2^shift slots or one of the two after;
// otherwise the second after, which ends before the slot. `memory`: where the blob lies.
template <class Memory>
MCM_BODY Entry find_near(Memory memory, uint32_t cells_and_shift, uint32_t slot) {
  const uint32_t cells = cells_and_shift >> 4, shift = cells_and_shift & 15;
  const uint32_t starts = cells + (2 * kSlots >> shift);
  const uint32_t number = memory.u16(cells + 2 * (slot >> shift));
  const uint32_t at = starts + 2 * number;
  const uint32_t start0 = memory.u16(at), start1 = memory.u16(at + 2), start2 = memory.u16(at + 4);
  const uint32_t start3 = memory.u16(at + 6);
  const bool second = start1 <= slot, third = start2 <= slot;
  return {number + second + third,
          third    ? start2
          : second ? start1
                   : start0,
          third    ? start3
          : second ? start2
                   : start1};
}

// The entry that holds a slot, from one before it on. The last one ends with 2^14, so the search
// ends, too.
template <class Memory>
MCM_BODY Entry find_far(Memory memory, uint32_t cells_and_shift, uint32_t slot, Entry entry) {
  const uint32_t cells = cells_and_shift >> 4, shift = cells_and_shift & 15;
  const uint32_t starts = cells + (2 * kSlots >> shift);
  while (entry.next <= slot) {
    ++entry.number;
    entry.start = entry.next;
    entry.next = memory.u16(starts + 2 * entry.number + 2);
  }
  return entry;
}

class TableView {
 public:
  MCM_BODY explicit TableView(const void* blob) : blob_(blob) {}

  MCM_BODY const void* blob() const { return blob_; }
  MCM_BODY Table table(int32_t number) const { return static_cast<const Table*>(blob_)[number]; }
  MCM_BODY static bool certain(const Table& table) { return table.escape == 1; }

  // The entry that holds a slot.
  MCM_BODY Entry find(const Table& table, uint32_t slot) const {
    const uint16_t* starts = starts_of(table);
    uint32_t number = cells_of(table)[slot >> shift_of(table)];
    uint32_t start = starts[number], next = starts[number + 1], after = starts[number + 2];
    while (next <= slot) {
      start = next;
      next = after;
      ++number;
      if (next <= slot) after = starts[number + 2];
    }
    return {number, start, next};
  }

  // The entry that codes `symbol` (a value less base): the escape if the table does not hold it.
  MCM_BODY Entry entry_of(const Table& table, int32_t symbol) const {
    const uint32_t number = minimum_of(static_cast<uint32_t>(symbol - table.minimum), table.escape);
    const uint16_t* starts = starts_of(table);
    return {number, starts[number], starts[number + 1]};
  }

 private:
  MCM_BODY static uint32_t shift_of(const Table& table) { return table.cells_and_shift & 15; }
  MCM_BODY const uint16_t* cells_of(const Table& table) const {
    const char* cells = static_cast<const char*>(blob_) + (table.cells_and_shift >> 4);
    return reinterpret_cast<const uint16_t*>(cells);
  }
  MCM_BODY const uint16_t* starts_of(const Table& table) const {
    return cells_of(table) + (kSlots >> shift_of(table));
  }

  const void* blob_;
};

// The blob of tables first .. first + count - 1 of those of a model (FORMAT.md, section 2), which
// are sound. std::invalid_argument if they are too many.
std::vector<uint8_t> pack_tables(const int16_t* cdf, const int32_t* start, const int32_t* minimum,
                                 int64_t first, int64_t count);

}  // namespace mcm::warp
