// Which latents a launch decodes, and where they go (warp/launchers.h says what is what).
#pragma once

#include <cstdint>

#include "../wavefront.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

// A latent that may be coded: `table` is negative if it is certain, and `base` is then its value.
struct Latent {
  int32_t table, base, place;
};

// Where decoded latents go.
struct Target {
  int16_t* values;
  int8_t* seen;                // nullptr: nobody looks
  const int16_t* differences;  // nullptr: there are none

  MCM_BODY void put(int32_t place, int32_t value) const {
    const auto wrapped = static_cast<int16_t>(value);
    values[place] = wrapped;
    if (seen) seen[place] = static_cast<int8_t>(clamped(wrapped));
  }

 private:
  MCM_BODY static int32_t clamped(int32_t v) { return v > 127 ? 127 : v < -127 ? -127 : v; }
};

struct ZLatents {
  TableView tables;
  int32_t first_table, channels, area;

  MCM_BODY int32_t count(const Warp&) const { return channels * area; }
  MCM_BODY Latent at(int32_t i) const {
    const int32_t number = first_table + i / area;
    const Table table = tables.table(number);
    if (TableView::certain(table)) return {-1, table.minimum, i};
    return {number, 0, i};
  }
};

// Those of step t.
struct YLatents {
  const int32_t* tables;
  const int16_t* bases;
  const int32_t* places;
  int32_t slices, channels, height, width, t;

  MCM_BODY int32_t count(const Warp& warp) const {
    PerLane<uint32_t> positions;
    warp.each([&](int lane) {
      positions[lane] = 0;
      for (int slice = lane; slice < slices; slice += kLanes) {
        positions[lane] += static_cast<uint32_t>(wavefront(t, slice, height, width).count);
      }
    });
    return static_cast<int32_t>(warp.sum(positions)) * channels;
  }
  MCM_BODY Latent at(int32_t i) const {
    return {latest(tables + i), latest(bases + i), latest(places + i)};
  }
};

}  // namespace mcm::warp
