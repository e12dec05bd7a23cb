// The core of the range coder (FORMAT.md, section 6): rANS with 32-bit states and 16-bit words.
//
// A symbol owns `frequency` of the 2^bits slots, from slot `start` on. With a state x:
//
//   put:  if x >= frequency * 2^(32-bits): write the word x mod 2^16; x = x div 2^16
//         x = (x div frequency) * 2^bits + x mod frequency + start
//   get:  slot = x mod 2^bits; find the symbol with start <= slot < start + frequency
//         x = frequency * (x div 2^bits) + slot - start
//         if x < 2^16: x = x * 2^16 + next word
//
// Between symbols 2^16 <= x < 2^32. One word is always enough to get back there, so renormalising
// is an `if`, not a loop: frequency < 2^bits, and a word is as wide as half a state.
//
// Four surprises:
//   * Reverse order. rANS is a stack: the encoder puts the last symbol first.
//   * Backward writes. Its words therefore come out last first and are turned round at the end; the
//     state the encoder ends with is the one the decoder starts with, and a decoder that has read
//     everything stands at the encoder's initial state, 2^16. That is the check against damage.
//   * Interleaving. Visit v uses state v mod (lanes * groups). The lanes of a group share one run
//     of words without any marks: decoding mirrors encoding step by step, so that each lane finds
//     its own word next.
//   * Raw bits are symbols too: bits = 16, frequency = 1, start = the value. x then always falls
//     below 2^16, and its low half was the value: the decoder just replaces it by the next word.
//
// A damaged stream may start a state below 2^16. Nothing overflows then (frequency < 2^14 times
// x div 2^14 < 2^18), only the final states come out wrong.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace mcm {

constexpr int kSymbolBits = 14;
constexpr int kRawBits = 16;
constexpr uint32_t kSlots = 1u << kSymbolBits;
constexpr uint32_t kInitialState = 1u << 16;
constexpr int kMaxLanes = 32;  // of a group
constexpr int kMaxGroups = 32;

MCM_HD inline uint32_t rans_slot(uint32_t x, int bits) { return x & ((1u << bits) - 1); }

MCM_HD inline uint32_t rans_get(uint32_t x, uint32_t start, uint32_t frequency, int bits) {
  return frequency * (x >> bits) + rans_slot(x, bits) - start;
}

MCM_HD inline bool rans_wants_word(uint32_t x) { return x < kInitialState; }

MCM_HD inline uint32_t rans_refill(uint32_t x, uint16_t word) { return x << 16 | word; }

MCM_HD inline bool rans_overflows(uint32_t x, uint32_t frequency, int bits) {
  return x >> (32 - bits) >= frequency;
}

MCM_HD inline uint32_t rans_put(uint32_t x, uint32_t start, uint32_t frequency, int bits) {
  return ((x / frequency) << bits) + x % frequency + start;
}

// Lanes of all groups for a stream that takes `size` bytes with 32 of them.
MCM_HD inline int lanes_for(int64_t size) {
  int lanes = 1;
  while (lanes < kMaxLanes && 200 * 2 * lanes <= size) lanes *= 2;
  while (lanes >= kMaxLanes && lanes < kMaxLanes * kMaxGroups && 400 * 2 * lanes <= size) {
    lanes *= 2;
  }
  return lanes;
}

// A symbol as an encoder puts it: start in bits 0..15, frequency in 16..29, escape in 31.
using Visit = uint32_t;
constexpr Visit kEscapeVisit = 1u << 31;

MCM_HD inline Visit visit_with(uint32_t start, uint32_t frequency, bool escape) {
  return start | frequency << 16 | (escape ? kEscapeVisit : 0);
}
MCM_HD inline uint32_t start_of(Visit visit) { return visit & 0xFFFF; }
MCM_HD inline uint32_t frequency_of(Visit visit) { return (visit & ~kEscapeVisit) >> 16; }

}  // namespace mcm
