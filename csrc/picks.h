// What the tables say of some latents, and the latents once the coded ones are read.
//
// A latent is coded, under a table and with a base, or its table is certain: that is its value
// then. The coder wants the coded ones one after the other.
#pragma once

#include <cstdint>
#include <vector>

#include "model.h"

namespace mcm {

struct Picks {
  std::vector<int32_t> tables;  // of the coded ones
  std::vector<int16_t> bases;   // of the coded ones
  std::vector<int16_t> sure;    // of all: the value, if the table is certain
  std::vector<uint8_t> coded;   // of all: 1 or 0

  // Records latent i; if it is coded it becomes coded symbol n. Returns the next n.
  int64_t pick(const Selection& selection, int64_t i, int64_t n) {
    tables[n] = selection.choice.table;
    bases[n] = static_cast<int16_t>(selection.base);
    sure[i] = selection.sure();
    coded[i] = !selection.choice.certain;
    return n + coded[i];
  }

  explicit Picks(int64_t size = 0) { resize(size); }
  void resize(int64_t size) {
    tables.resize(size), bases.resize(size), sure.resize(size), coded.resize(size);
  }

  // Records `count` latents with these parameters: from number i on, the coded ones from n on.
  // Returns the next n.
  int64_t pick(const Model& model, const int16_t* mu, const uint8_t* indexes, int64_t count,
               int64_t i, int64_t n) {
    int32_t* table = &tables[n];
    int16_t *base = &bases[n], *value = &sure[i];
    uint8_t* is_coded = &coded[i];
    for (int64_t c = 0; c < count; ++c) {
      const Selection s = table_of(model, mu[c], indexes[c]);
      *table = s.choice.table;
      *base = static_cast<int16_t>(s.base);
      value[c] = s.sure();
      is_coded[c] = !s.choice.certain;
      table += is_coded[c], base += is_coded[c];
    }
    return table - tables.data();
  }

  // Writes `count` latents from number i on to `values`, the coded ones from `next` on. Returns the
  // next coded value; one beyond the last may be looked at.
  const int16_t* place(int64_t i, int64_t count, const int16_t* next, int16_t* values) const {
    const int16_t* certain = &sure[i];
    const uint8_t* is_coded = &coded[i];
    for (int64_t c = 0; c < count; ++c) {
      const int16_t from_coder = *next, from_table = certain[c];
      values[c] = is_coded[c] ? from_coder : from_table;
      next += is_coded[c];
    }
    return next;
  }
};

}  // namespace mcm
