// One warp reads the visits of one group among those of a chunk, in rounds of up to 32 visits
// (rans.h has the arithmetic). Written for latency: a step of the wavefront waits for its longest
// group, and a round is three loads from shared memory that wait for each other:
//
//   number of the entry by slot  ->  where it and the next two start  ->  the word
//
// Everything else was made ready by all warps of the block (decode.h): a record for each visit, and
// the words that the group can need, one a visit. Values go to shared memory, from where all warps
// write them out. An escape takes a second word, right behind that of its symbol, and leaves the
// path; so do the 2 % of symbols that are neither the first entry of their slots nor the next.
//
// A word past the end of the segment is 0, and none is loaded there.
#pragma once

#include "../rans.h"
#include "memory.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

// A visit: its table's cells and shift (tables.h); base + minimum in bits 0..15, escape in 16..31.
struct Record {
  uint32_t cells_and_shift, base_and_escape;
};

MCM_BODY Record record_of(const Table& table, int32_t base) {
  return {table.cells_and_shift,
          static_cast<uint16_t>(base + table.minimum) | uint32_t{table.escape} << 16};
}

// Which records are a group's: first, first + states, ... up to `end`, a run of `lanes` from each;
// numbers below 0 are none. Behind the last record there is one more, of any table.
struct GroupVisits {
  int32_t first, states, end, lanes;
};

// The words of a group: `count` in the segment, of which those from `base` on lie in shared memory,
// and zeros behind the last; `at` of these have been read.
class Words {
 public:
  MCM_BODY void open(const uint16_t* words, uint32_t count, uint32_t read) {
    words_ = words;
    count_ = count;
    seek(read);
  }
  // From here on they are copied.
  MCM_BODY void seek(uint32_t read) {
    base_ = minimum_of(read, count_ + 1);
    at_ = escapes_ = 0;
  }
  // How many words have been read; more than there are, if a lane wanted more.
  MCM_BODY uint32_t read() const { return minimum_of(base_ + at_, count_ + 1); }

  // One of `parts` warps copies its share of `room` words and those behind them.
  MCM_BODY void fill(const Warp& warp, uint16_t* near, uint32_t room, int part, int parts) {
    warp.each([&](int lane) {
      for (uint32_t i = part * kLanes + lane; i < room + kLanes; i += parts * kLanes) {
        near[i] = static_cast<uint16_t>(word(base_ + i));
      }
    });
  }

  MCM_BODY uint32_t word(uint32_t i) const { return i < count_ ? load(words_ + i) : 0; }
  MCM_BODY uint32_t at() const { return at_; }
  MCM_BODY uint32_t position() const { return base_ + at_; }
  MCM_BODY void advance(uint32_t words) { at_ += words; }
  // Escapes have taken words that others may find missing when there were more than so many.
  MCM_BODY bool run_short(uint32_t escapes, int32_t most) {
    escapes_ += escapes;
    return escapes_ > static_cast<uint32_t>(most);
  }

 private:
  const uint16_t* words_;
  uint32_t count_, base_, at_, escapes_;
};

template <class Memory>
class RoundReader {
 public:
  MCM_BODY RoundReader(Memory tables, const Record* records, int16_t* values, uint16_t* words,
                       uint32_t room)
      : tables_(tables),
        records_(records),
        values_(values),
        near_(words),
        words_(words),
        room_(room) {}

  MCM_BODY void read(const Warp& warp, const GroupVisits& visits, PerLane<uint32_t>& states,
                     Words& words) const {
    PerLane<Pair> next;
    look_up(warp, visits, visits.first, next);
    for (int32_t first = visits.first; first < visits.end; first += visits.states) {
      const PerLane<Pair> records = next;
      look_up(warp, visits, first + visits.states, next);  // while this round waits for its loads
      round(warp, visits, first, records, states, words);
    }
  }

 private:
  MCM_BODY void look_up(const Warp& warp, const GroupVisits& visits, int32_t first,
                        PerLane<Pair>& records) const {
    warp.each([&](int lane) {
      const auto i = static_cast<uint32_t>(first + lane), end = static_cast<uint32_t>(visits.end);
      records[lane] = records_.pair(minimum_of(i, end) * sizeof(Record));
    });
  }

  MCM_BODY void round(const Warp& warp, const GroupVisits& visits, int32_t first,
                      const PerLane<Pair>& records, PerLane<uint32_t>& states, Words& words) const {
    PerLane<Entry> entries;
    PerLane<bool> active, late, wants, escapes;
    warp.each([&](int lane) {
      const uint32_t slot = rans_slot(states[lane], kSymbolBits);
      entries[lane] = find_near(tables_, records[lane].first, slot);
      active[lane] = lane < visits.lanes &&
                     static_cast<uint32_t>(first + lane) < static_cast<uint32_t>(visits.end);
      late[lane] = active[lane] && entries[lane].next <= slot;
    });
    if (warp.any(late)) {
      warp.each([&](int lane) {
        if (!late[lane]) return;
        const uint32_t slot = rans_slot(states[lane], kSymbolBits);
        entries[lane] = find_far(tables_, records[lane].first, slot, entries[lane]);
      });
    }
    PerLane<uint32_t> x;
    warp.each([&](int lane) {
      const Entry& entry = entries[lane];
      x[lane] = rans_get(states[lane], entry.start, entry.next - entry.start, kSymbolBits);
      wants[lane] = active[lane] && rans_wants_word(x[lane]);
      escapes[lane] = active[lane] && entry.number == records[lane].second >> 16;
    });
    const uint32_t wanting = warp.ballot(wants);
    if (warp.any(escapes)) {
      escape(warp, visits, first, active, wanting, escapes, records, entries, x, states, words);
      return;
    }
    warp.each([&](int lane) {
      const uint32_t word = near_.u16(2 * (words.at() + count_of(before(wanting, lane))));
      if (wants[lane]) x[lane] = rans_refill(x[lane], static_cast<uint16_t>(word));
      if (!active[lane]) return;
      states[lane] = x[lane];
      values_.put_u16(2 * (first + lane), records[lane].second + entries[lane].number);
    });
    words.advance(count_of(wanting));
  }

  // The rare case, with the words as they lie in the segment: up to 64 of them.
  MCM_BODY void escape(const Warp& warp, const GroupVisits& visits, int32_t first,
                       const PerLane<bool>& active, uint32_t wanting, const PerLane<bool>& escapes,
                       const PerLane<Pair>& records, const PerLane<Entry>& entries,
                       PerLane<uint32_t>& x, PerLane<uint32_t>& states, Words& words) const {
    const uint32_t escaping = warp.ballot(escapes), begin = words.position();
    warp.each([&](int lane) {
      if (!active[lane]) return;
      uint32_t at = begin + count_of(before(wanting, lane)) + count_of(before(escaping, lane));
      uint32_t value = records[lane].second + entries[lane].number;
      if (wanting >> lane & 1) {
        x[lane] = rans_refill(x[lane], static_cast<uint16_t>(words.word(at++)));
      }
      if (escaping >> lane & 1) {
        value = rans_slot(x[lane], kRawBits);
        x[lane] = rans_refill(x[lane] >> kRawBits, static_cast<uint16_t>(words.word(at)));
      }
      states[lane] = x[lane];
      values_.put_u16(2 * (first + lane), value);
    });
    words.advance(count_of(wanting) + count_of(escaping));
    // There is room for a word a visit, and `kLanes` more: only here can it become too small.
    if (!words.run_short(count_of(escaping), visits.lanes)) return;
    words.seek(words.position());
    warp.sync();  // all lanes have read what is written over
    words.fill(warp, words_, room_, 0, 1);
    warp.sync();
  }

  Memory tables_;
  Near records_, values_, near_;
  uint16_t* words_;
  uint32_t room_;
};

}  // namespace mcm::warp
