// What the tables say about a batch of latents, and the latents from it.
//
// A latent is coded, under a table and with a base, or its table is certain and it is known. The
// coder wants those that are coded one after the other.
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

  explicit Picks(int64_t size = 0) { resize(size); }
  void resize(int64_t size) {
    tables.resize(size), bases.resize(size), sure.resize(size), coded.resize(size);
  }

  // Latent i of all, coded number n if it is coded; returns how many are coded up to it.
  int64_t pick(const Tables& all, const Selection& selection, int64_t i, int64_t n) {
    const auto [table, base] = selection;
    tables[n] = table;
    bases[n] = static_cast<int16_t>(base);
    sure[i] = wrap(base + all.minimum(table));
    coded[i] = !all.certain(table);
    return n + coded[i];
  }
};

}  // namespace mcm
