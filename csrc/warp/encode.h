// Encoding on warps: from latents to visits (warp/launchers.h says what is what). Three launches:
//
//   count_tile      how many latents of a tile are coded, how many are exceptions
//   number_tiles    running sums over the tiles of an image
//   look_up_tile    the visits in the decoder's order; the exceptions
//
// warp/segments.h goes on from there.
#pragma once

#include "launchers.h"
#include "segments.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

constexpr int kTileRounds = kTile / (kWarps * kLanes);
static_assert(kWarps == kLanes, "a warp adds up the counts of all warps");

// What becomes of one latent.
struct Coding {
  bool coded;
  int16_t value, difference;  // the latent; if it is not coded: less what the table says
  Visit visit;
};

// One image that is encoded. Its latents are numbered through z, then y in the stream's order.
struct Source {
  int64_t number, first;
  int32_t area, z_area, z_latents, latents;

  MCM_BODY Source(const Encoding& e, int64_t b) : number(b), first(load(e.latent_at + b)) {
    const int32_t height = load(e.height + b), width = load(e.width + b);
    area = height * width;
    z_area = ((height + 3) / 4) * ((width + 3) / 4);
    z_latents = static_cast<int32_t>(e.z_channels) * z_area;
    latents = z_latents + static_cast<int32_t>(e.y_channels) * area;
  }

  MCM_BODY Coding coding(const Encoding& e, int32_t i) const {
    return i < z_latents ? coding_of_z(e, i) : coding_of_y(e, i - z_latents);
  }

  // The index of a latent as an exception's: z, then y, both planar.
  MCM_BODY int64_t index(const Encoding& e, int32_t i) const {
    if (i < z_latents) return i;
    const int32_t place = load(e.places + load(e.y_at + number) + i - z_latents);
    const int32_t channels = static_cast<int32_t>(e.y_channels);
    return z_latents + int64_t{place % channels} * area + place / channels;
  }

 private:
  MCM_BODY Coding coding_of_z(const Encoding& e, int32_t i) const {
    const TableView tables(e.z_tables);
    const Table table = tables.table(load(e.z_table + number) + i / z_area);
    const int16_t value = load(e.z + load(e.z_at + number) + i);
    if (TableView::certain(table)) return certain(value, table.minimum);
    return {true, value, 0, visit_of(tables.entry_of(table, value), table)};
  }

  MCM_BODY Coding coding_of_y(const Encoding& e, int32_t i) const {
    const TableView tables(e.y_tables);
    const int64_t y_at = load(e.y_at + number);
    const int32_t table_number = load(e.tables + y_at + i);
    const int16_t value = load(e.y + y_at + load(e.places + y_at + i));
    const int16_t base = load(e.bases + y_at + i);
    if (table_number < 0) return certain(value, base);
    const Table table = tables.table(table_number);
    return {true, value, 0, visit_of(tables.entry_of(table, value - base), table)};
  }

  MCM_BODY static Coding certain(int16_t value, int32_t expected) {
    return {false, value, static_cast<int16_t>(value - expected), 0};
  }
};

// The latents of a tile: which image they belong to, and which of its they are.
struct Tile {
  int64_t number, image;
  int32_t first;

  MCM_BODY Tile(const Encoding& e, int64_t tile) : number(tile), image(0) {
    while (image + 1 < e.images && load(e.tile_at + image + 1) <= tile) ++image;
    first = static_cast<int32_t>(tile - load(e.tile_at + image)) * kTile;
  }

  MCM_BODY int32_t latent(const Warp& warp, int round, int lane) const {
    return first + (warp.number() * kTileRounds + round) * kLanes + lane;
  }
};

// What a warp has of coded latents and of exceptions, and what those before it have.
struct TileCounts {
  uint32_t coded[kWarps], exceptions[kWarps];
};

// Calls visit(round, codings, mask of the coded ones, mask of the exceptions).
template <class Visit>
MCM_BODY void for_each_round(const Warp& warp, const Encoding& e, const Tile& tile,
                             const Source& source, const Visit& visit) {
  for (int round = 0; round < kTileRounds; ++round) {
    PerLane<Coding> codings;
    PerLane<bool> coded, exception;
    warp.each([&](int lane) {
      const int32_t i = tile.latent(warp, round, lane);
      codings[lane] = {false, 0, 0, 0};
      if (i < source.latents) codings[lane] = source.coding(e, i);
      coded[lane] = codings[lane].coded;
      exception[lane] = codings[lane].difference != 0;
    });
    visit(round, codings, warp.ballot(coded), warp.ballot(exception));
  }
}

MCM_BODY void count_warp(const Warp& warp, const Encoding& e, const Tile& tile,
                         const Source& source, TileCounts& counts) {
  uint32_t coded = 0, exceptions = 0;
  for_each_round(warp, e, tile, source,
                 [&](int, const PerLane<Coding>&, uint32_t coded_mask, uint32_t exception_mask) {
                   coded += count_of(coded_mask);
                   exceptions += count_of(exception_mask);
                 });
  warp.once([&] {
    counts.coded[warp.number()] = coded;
    counts.exceptions[warp.number()] = exceptions;
  });
}

template <class Block>
MCM_BODY void count_tile(const Block& block, const Encoding& e, TileCounts& counts) {
  const Tile tile(e, block.number());
  const Source source(e, tile.image);
  block.each_warp([&](const Warp& warp) { count_warp(warp, e, tile, source, counts); });
  block.each_warp([&](const Warp& warp) {
    if (warp.number() != 0) return;
    PerLane<uint32_t> coded, exceptions;
    warp.each([&](int lane) {
      coded[lane] = counts.coded[lane];
      exceptions[lane] = counts.exceptions[lane];
    });
    const uint32_t all_coded = warp.sum(coded), all_exceptions = warp.sum(exceptions);
    warp.once([&] {
      e.tile_counts[2 * tile.number] = static_cast<int32_t>(all_coded);
      e.tile_counts[2 * tile.number + 1] = static_cast<int32_t>(all_exceptions);
    });
  });
}

// tile_counts[2 * tile + which] of one image become the sums of those before; returns their sum.
MCM_BODY int32_t running_sums(const Warp& warp, const Encoding& e, int64_t image, int which) {
  const int32_t end = e.tile_at[image + 1];
  int32_t total = 0;
  for (int32_t first = e.tile_at[image]; first < end; first += kLanes) {
    PerLane<uint32_t> counts, sums;
    warp.each([&](int lane) {
      const int64_t tile = first + lane;
      counts[lane] = tile < end ? static_cast<uint32_t>(e.tile_counts[2 * tile + which]) : 0;
      sums[lane] = counts[lane];
    });
    warp.accumulate(sums);
    warp.each([&](int lane) {
      const int64_t tile = first + lane;
      if (tile >= end) return;
      e.tile_counts[2 * tile + which] = total + static_cast<int32_t>(sums[lane] - counts[lane]);
    });
    total += static_cast<int32_t>(warp.sum(counts));
  }
  return total;
}

template <class Block>
MCM_BODY void number_tiles(const Block& block, const Encoding& e) {
  const int64_t image = block.number();
  block.each_warp([&](const Warp& warp) {
    const int32_t visits = running_sums(warp, e, image, 0);
    const int32_t exceptions = running_sums(warp, e, image, 1);
    warp.once([&] {
      e.visit_count[image] = visits;
      e.exceptions[image] = exceptions;
    });
  });
}

MCM_BODY void look_up_warp(const Warp& warp, const Encoding& e, const Tile& tile,
                           const Source& source, const TileCounts& counts) {
  PerLane<uint32_t> coded, exceptions;
  warp.each([&](int lane) {
    const bool is_before = lane < warp.number();
    coded[lane] = is_before ? counts.coded[lane] : 0;
    exceptions[lane] = is_before ? counts.exceptions[lane] : 0;
  });
  int64_t visit = source.first + e.tile_counts[2 * tile.number] + warp.sum(coded);
  int64_t exception = source.first + e.tile_counts[2 * tile.number + 1] + warp.sum(exceptions);
  for_each_round(
      warp, e, tile, source,
      [&](int round, const PerLane<Coding>& codings, uint32_t coded_mask, uint32_t exception_mask) {
        warp.each([&](int lane) {
          const Coding& coding = codings[lane];
          if (coding.coded) {
            const int64_t at = visit + count_of(before(coded_mask, lane));
            e.visits[at] = coding.visit;
            e.raw[at] = static_cast<uint16_t>(coding.value);
          }
          if (coding.difference != 0) {
            const int64_t at = exception + count_of(before(exception_mask, lane));
            e.exception_index[at] = source.index(e, tile.latent(warp, round, lane));
            e.exception_difference[at] = coding.difference;
          }
        });
        visit += count_of(coded_mask);
        exception += count_of(exception_mask);
      });
}

template <class Block>
MCM_BODY void look_up_tile(const Block& block, const Encoding& e, TileCounts& counts) {
  const Tile tile(e, block.number());
  const Source source(e, tile.image);
  block.each_warp([&](const Warp& warp) { count_warp(warp, e, tile, source, counts); });
  block.each_warp([&](const Warp& warp) { look_up_warp(warp, e, tile, source, counts); });
}

}  // namespace mcm::warp
