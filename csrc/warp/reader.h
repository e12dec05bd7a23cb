// One warp reads one group: its lanes' states, and its words as the lanes come to need them.
//
// In one round, up to 32 visits, each lane takes a symbol and renormalises: the lanes that need a
// word are counted by a ballot, and each finds its own behind those of the lanes before it. An
// escape takes a second word, right behind that of its symbol.
//
// Words are read ahead, 32 at a time: `window` holds the words base .. base + 31, `ahead` the 32
// after them. A word past the end is 0, and `base` stays where the end is known to have been
// passed, so that a damaged segment costs no more time than a sound one.
#pragma once

#include "../rans.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

// A visit of each lane: what it codes, if it is `active`.
struct Visits {
  PerLane<bool> active;
  PerLane<Table> table;
  PerLane<int32_t> base;
};

class GroupReader {
 public:
  // Goes on in the words of a segment, of which `read` have been read.
  MCM_BODY void open(const Warp& warp, const uint16_t* words, uint32_t count, uint32_t read) {
    words_ = words;
    count_ = count;
    seek(warp, read);
  }
  MCM_BODY PerLane<uint32_t>& states() { return states_; }

  // How many words have been read; more than there are, if a lane wanted more.
  MCM_BODY uint32_t read() const { return minimum_of(base_ + offset_, count_ + 1); }

  // values[lane] = what each active lane reads, modulo 2^16.
  MCM_BODY void get(const Warp& warp, const TableView& tables, const Visits& visits,
                    PerLane<int32_t>& values) {
    PerLane<bool> wants, escapes;
    warp.each([&](int lane) {
      wants[lane] = escapes[lane] = false;
      if (!visits.active[lane]) return;
      uint32_t& x = states_[lane];
      const Table& table = visits.table[lane];
      const Entry entry = tables.find(table, rans_slot(x, kSymbolBits));
      x = rans_get(x, entry.start, entry.next - entry.start, kSymbolBits);
      values[lane] = visits.base[lane] + table.minimum + static_cast<int32_t>(entry.number);
      wants[lane] = rans_wants_word(x);
      escapes[lane] = entry.number == table.escape;
    });
    const uint32_t wanting = warp.ballot(wants), escaping = warp.ballot(escapes);
    if (escaping == 0) {
      refill(warp, wanting);
    } else {
      refill_and_escape(warp, wanting, escaping, values);
    }
  }

 private:
  MCM_BODY uint32_t word(uint32_t i) const { return i < count_ ? load(words_ + i) : 0; }

  MCM_BODY void seek(const Warp& warp, uint32_t read) {
    base_ = minimum_of(read, count_ + 1);
    offset_ = 0;
    warp.each([&](int lane) {
      window_[lane] = word(base_ + lane);
      ahead_[lane] = word(base_ + kLanes + lane);
    });
  }

  // A word for each lane of `wanting`.
  MCM_BODY void refill(const Warp& warp, uint32_t wanting) {
    PerLane<uint32_t> at, near, far;
    warp.each([&](int lane) { at[lane] = offset_ + count_of(before(wanting, lane)); });
    warp.shuffle(window_, at, near);
    warp.shuffle(ahead_, at, far);
    warp.each([&](int lane) {
      const uint32_t word = at[lane] < kLanes ? near[lane] : far[lane];
      uint32_t& x = states_[lane];
      if (wanting >> lane & 1) x = rans_refill(x, static_cast<uint16_t>(word));
    });
    offset_ += count_of(wanting);
    if (offset_ >= kLanes) advance(warp);
  }

  MCM_BODY void advance(const Warp& warp) {
    offset_ -= kLanes;
    base_ = minimum_of(base_ + kLanes, count_ + 1);
    warp.each([&](int lane) {
      window_[lane] = ahead_[lane];
      ahead_[lane] = word(base_ + kLanes + lane);
    });
  }

  // The rare case, without the window: up to 64 words.
  MCM_BODY void refill_and_escape(const Warp& warp, uint32_t wanting, uint32_t escaping,
                                  PerLane<int32_t>& values) {
    const uint32_t first = base_ + offset_;
    warp.each([&](int lane) {
      uint32_t at = first + count_of(before(wanting, lane)) + count_of(before(escaping, lane));
      uint32_t& x = states_[lane];
      if (wanting >> lane & 1) x = rans_refill(x, static_cast<uint16_t>(word(at++)));
      if (escaping >> lane & 1) {
        values[lane] = static_cast<int32_t>(rans_slot(x, kRawBits));
        x = rans_refill(x >> kRawBits, static_cast<uint16_t>(word(at)));
      }
    });
    seek(warp, first + count_of(wanting) + count_of(escaping));
  }

  PerLane<uint32_t> states_, window_, ahead_;
  const uint16_t* words_;
  uint32_t count_, base_, offset_;
};

}  // namespace mcm::warp
