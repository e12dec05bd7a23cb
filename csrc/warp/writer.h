// One warp writes one group, backwards: the mirror of warp/reader.h.
//
// The words of a round lie in the order in which the reader wants them: those of the lanes in
// order, an escape's raw bits right behind its symbol's word. Rounds grow toward lower addresses.
#pragma once

#include "../rans.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

// A visit of each lane. A lane that is not active has a frequency of 0.
struct Puts {
  PerLane<uint32_t> start, frequency, reciprocal;
  PerLane<bool> escape;
  PerLane<uint16_t> raw;
};

// floor((2^32 - 1) / frequency). high_product(x, reciprocal) is then x div frequency or one less:
// 2^32 / frequency is larger by at most 1, and x < 2^32.
MCM_BODY uint32_t reciprocal_of(uint32_t frequency) { return 0xFFFFFFFF / frequency; }

// rans_put without a division.
MCM_BODY uint32_t put_symbol(uint32_t x, uint32_t start, uint32_t frequency, uint32_t reciprocal) {
  uint32_t quotient = high_product(x, reciprocal), rest = x - quotient * frequency;
  if (rest >= frequency) ++quotient, rest -= frequency;
  return (quotient << kSymbolBits) + rest + start;
}

// How many words a GroupWriter would write. Lanes do not wait for each other.
class WordCounter {
 public:
  MCM_BODY explicit WordCounter(const Warp& warp) {
    warp.each([&](int lane) {
      states_[lane] = kInitialState;
      words_[lane] = 0;
    });
  }
  MCM_BODY uint32_t count(const Warp& warp) const { return warp.sum(words_); }

  MCM_BODY void put(const Warp& warp, const Puts& puts) {
    warp.each([&](int lane) {
      const uint32_t frequency = puts.frequency[lane], before = states_[lane];
      uint32_t x = puts.escape[lane] ? rans_refill(before >> kRawBits, puts.raw[lane]) : before;
      const bool active = frequency != 0;
      const bool overflows = active && rans_overflows(x, frequency, kSymbolBits);
      x = overflows ? x >> 16 : x;
      words_[lane] += overflows + puts.escape[lane];
      x = put_symbol(x, puts.start[lane], frequency, puts.reciprocal[lane]);
      states_[lane] = active ? x : before;
    });
  }

 private:
  PerLane<uint32_t> states_, words_;
};

class GroupWriter {
 public:
  // Words go right before `end`.
  MCM_BODY void open(const Warp& warp, uint16_t* end) {
    end_ = end;
    count_ = 0;
    warp.each([&](int lane) { states_[lane] = kInitialState; });
  }
  MCM_BODY const PerLane<uint32_t>& states() const { return states_; }
  MCM_BODY uint32_t count() const { return count_; }  // words so far

  MCM_BODY void put(const Warp& warp, const Puts& puts) {
    const uint32_t escaping = warp.ballot(puts.escape);
    PerLane<uint16_t> raw_word;
    if (escaping != 0) put_raw(warp, puts, raw_word);
    PerLane<bool> overflows;
    PerLane<uint16_t> word;
    warp.each([&](int lane) {
      uint32_t& x = states_[lane];
      const uint32_t frequency = puts.frequency[lane];
      word[lane] = static_cast<uint16_t>(x);
      overflows[lane] = frequency != 0 && rans_overflows(x, frequency, kSymbolBits);
      if (overflows[lane]) x >>= 16;
      if (frequency != 0) x = put_symbol(x, puts.start[lane], frequency, puts.reciprocal[lane]);
    });
    const uint32_t writing = warp.ballot(overflows);
    count_ += count_of(writing) + count_of(escaping);
    warp.each([&](int lane) {
      uint16_t* at = end_ - static_cast<int64_t>(count_) + count_of(before(writing, lane)) +
                     count_of(before(escaping, lane));
      if (writing >> lane & 1) *at++ = word[lane];
      if (escaping >> lane & 1) *at = raw_word[lane];
    });
  }

 private:
  // Raw bits always write a word: the state's low half, which they replace.
  MCM_BODY void put_raw(const Warp& warp, const Puts& puts, PerLane<uint16_t>& word) {
    warp.each([&](int lane) {
      uint32_t& x = states_[lane];
      word[lane] = static_cast<uint16_t>(x);
      if (puts.escape[lane]) x = rans_refill(x >> kRawBits, puts.raw[lane]);
    });
  }

  PerLane<uint32_t> states_;
  uint16_t* end_;
  uint32_t count_;
};

}  // namespace mcm::warp
