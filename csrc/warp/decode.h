// Decoding on warps: one block an image, one warp a group (warp/launchers.h says what is what).
//
// The latents of a step are taken in chunks. Those of a chunk that are coded are numbered by a
// count over the block and gathered in shared memory, so that visits lie next to each other; then
// each warp reads the visits of its group, round by round.
#pragma once

#include "../wavefront.h"
#include "image.h"
#include "launchers.h"
#include "reader.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

constexpr int kRounds = 2;  // latents of a chunk that one lane looks at
constexpr int kShare = kRounds * kLanes;
constexpr int kChunk = kWarps * kShare;

// A latent that may be coded: `table` is negative if it is certain, and `base` is then its value.
struct Latent {
  int32_t table, base, place;
};

// The latents of a chunk that one warp looks at, and a mask of those that are coded.
struct Share {
  PerLane<Latent> latents[kRounds];
  uint32_t coded[kRounds];
};

// Shared memory: the coded latents of a chunk.
struct Chunk {
  int32_t latents;          // of all chunks
  uint32_t coded;           // of this one
  uint32_t counts[kWarps];  // of each warp's share
  uint16_t tables[kChunk];
  int16_t bases[kChunk];
  int32_t places[kChunk];
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
    return {load(tables + i), load(bases + i), load(places + i)};
  }
};

// Decodes the latents of one source, for one image, to `out`.
template <class Source>
class LatentDecoder {
 public:
  MCM_BODY LatentDecoder(const Decoding& d, const Image& image, const TableView& tables,
                         const Source& source, int16_t* out, const int16_t* differences)
      : d_(d),
        image_(image),
        tables_(tables),
        source_(source),
        out_(out),
        differences_(differences) {}

  // Returns the next visit number.
  template <class Block>
  MCM_BODY void run(const Block& block, Chunk& chunk) const {
    PerWarp<GroupReader> readers;
    PerWarp<Share> shares;
    uint32_t visit = d_.visit[image_.number];
    block.each_warp([&](const Warp& warp) {
      open(warp, readers[warp.number()]);
      if (warp.number() == kWarps - 1) count_latents(warp, chunk);
    });
    for (int32_t first = 0; first < chunk.latents; first += kChunk) {
      block.each_warp(
          [&](const Warp& warp) { inspect(warp, first, shares[warp.number()], chunk); });
      block.each_warp([&](const Warp& warp) { gather(warp, shares[warp.number()], chunk); });
      block.await_stage();
      const uint32_t coded = chunk.coded;
      block.each_warp(
          [&](const Warp& warp) { read(warp, readers[warp.number()], visit, coded, chunk); });
      visit += coded;
    }
    if (chunk.latents == 0) block.await_stage();  // a block must not end before its copies
    block.each_warp([&](const Warp& warp) { close(warp, readers[warp.number()], visit); });
  }

 private:
  MCM_BODY void open(const Warp& warp, GroupReader& reader) const {
    if (warp.number() >= image_.groups) return;
    warp.each([&](int lane) {
      if (lane < image_.lanes) reader.states()[lane] = d_.states[image_.state(warp, lane)];
    });
    const int64_t group = image_.group(warp);
    const int32_t header = states_size(image_.lanes);
    reader.open(warp, d_.payload + load(d_.segment_at + group) + header,
                load(d_.segment_size + group) - header, d_.cursor[group]);
  }

  MCM_BODY void close(const Warp& warp, GroupReader& reader, uint32_t visit) const {
    if (warp.number() >= image_.groups) return;
    warp.each([&](int lane) {
      if (lane < image_.lanes) d_.states[image_.state(warp, lane)] = reader.states()[lane];
    });
    warp.once([&] {
      d_.cursor[image_.group(warp)] = static_cast<int32_t>(reader.read());
      if (warp.number() == 0) d_.visit[image_.number] = static_cast<int32_t>(visit);
    });
  }

  MCM_BODY void count_latents(const Warp& warp, Chunk& chunk) const {
    const int32_t count = source_.count(warp);
    warp.once([&] { chunk.latents = count; });
  }

  MCM_BODY void inspect(const Warp& warp, int32_t first, Share& share, Chunk& chunk) const {
    uint32_t coded = 0;
    MCM_UNROLL for (int round = 0; round < kRounds; ++round) {
      PerLane<bool> is_coded;
      warp.each([&](int lane) {
        const int32_t i = first + warp.number() * kShare + round * kLanes + lane;
        Latent& latent = share.latents[round][lane];
        latent = {-1, 0, -1};  // none
        if (i < chunk.latents) latent = source_.at(i);
        is_coded[lane] = latent.table >= 0;
      });
      share.coded[round] = warp.ballot(is_coded);
      coded += count_of(share.coded[round]);
    }
    warp.once([&] { chunk.counts[warp.number()] = coded; });
  }

  // The coded latents of a share go into the chunk, the certain ones where they belong.
  MCM_BODY void gather(const Warp& warp, const Share& share, Chunk& chunk) const {
    PerLane<uint32_t> counts;
    warp.each([&](int lane) { counts[lane] = lane < warp.number() ? chunk.counts[lane] : 0; });
    uint32_t next = warp.sum(counts), exceptions = 0;
    MCM_UNROLL for (int round = 0; round < kRounds; ++round) {
      PerLane<bool> is_exception;
      warp.each([&](int lane) {
        const Latent& latent = share.latents[round][lane];
        is_exception[lane] = latent.table < 0 && latent.place >= 0 && place_certain(latent);
        if (latent.table < 0) return;
        const uint32_t at = next + count_of(before(share.coded[round], lane));
        chunk.tables[at] = static_cast<uint16_t>(latent.table);
        chunk.bases[at] = static_cast<int16_t>(latent.base);
        chunk.places[at] = latent.place;
      });
      next += count_of(share.coded[round]);
      exceptions += count_of(warp.ballot(is_exception));
    }
    warp.once([&] {
      if (warp.number() == kWarps - 1) chunk.coded = next;
      if (exceptions != 0) {
        subtract(&d_.unused[image_.number], static_cast<int32_t>(exceptions));
      }
    });
  }

  // Is it an exception?
  MCM_BODY bool place_certain(const Latent& latent) const {
    const int16_t difference = differences_ ? load(differences_ + latent.place) : int16_t{0};
    out_[latent.place] = static_cast<int16_t>(latent.base + difference);
    return difference != 0;
  }

  // The visits of a warp's group among visit .. visit + coded - 1, which are those of the chunk.
  MCM_BODY void read(const Warp& warp, GroupReader& reader, uint32_t visit, uint32_t coded,
                     const Chunk& chunk) const {
    if (warp.number() >= image_.groups) return;
    const int32_t states = image_.lanes * image_.groups, end = static_cast<int32_t>(coded);
    int32_t first = warp.number() * image_.lanes - static_cast<int32_t>(visit & (states - 1));
    Visits next;
    look_up(warp, first, end, chunk, next);
    for (; first < end; first += states) {
      const Visits visits = next;
      look_up(warp, first + states, end, chunk, next);  // while this round waits for its words
      PerLane<int32_t> values;
      reader.get(warp, tables_, visits, values);
      warp.each([&](int lane) {
        if (!visits.active[lane]) return;
        out_[chunk.places[first + lane]] = static_cast<int16_t>(values[lane]);
      });
    }
  }

  MCM_BODY void look_up(const Warp& warp, int32_t first, int32_t end, const Chunk& chunk,
                        Visits& visits) const {
    warp.each([&](int lane) {
      const int32_t i = first + lane;
      visits.active[lane] = lane < image_.lanes && i >= 0 && i < end;
      if (!visits.active[lane]) return;
      visits.table[lane] = tables_.table(chunk.tables[i]);
      visits.base[lane] = chunk.bases[i];
    });
  }

  const Decoding& d_;
  const Image& image_;
  const TableView& tables_;
  const Source& source_;
  int16_t* out_;
  const int16_t* differences_;  // nullptr: there are none
};

MCM_BODY const int16_t* differences_of(const Decoding& d, const Image& image) {
  const int64_t at = d.difference_at[image.number];
  return at < 0 ? nullptr : d.differences + at;
}

template <class Block>
MCM_BODY void decode_z_image(const Block& block, const Decoding& d, Chunk& chunk) {
  const Image image(d, block.number());
  const int64_t b = image.number;
  if (image.idle(d)) return;
  const TableView tables(block.staged(d.z_tables, d.z_tables_size));
  const ZLatents source{tables, d.z_table[b], static_cast<int32_t>(d.z_channels), image.z_area()};
  block.await_stage();
  LatentDecoder<ZLatents>(d, image, tables, source, d.z + d.z_at[b], differences_of(d, image))
      .run(block, chunk);
}

template <class Block>
MCM_BODY void decode_step_image(const Block& block, const Decoding& d, Chunk& chunk) {
  const Image image(d, block.number());
  const int64_t b = image.number;
  const int32_t t = d.t[b];
  if (image.idle(d) || t >= image.steps(d)) return;
  const TableView tables(block.staged(d.y_tables, d.y_tables_size));
  const YLatents source{d.tables + b * d.capacity,
                        d.bases + b * d.capacity,
                        d.places + b * d.capacity,
                        static_cast<int32_t>(d.slices),
                        static_cast<int32_t>(d.slice_channels),
                        image.height,
                        image.width,
                        t};
  const int16_t* differences = differences_of(d, image);
  if (differences) differences += d.z_channels * image.z_area();
  LatentDecoder<YLatents>(d, image, tables, source, d.y + d.y_at[b], differences).run(block, chunk);
  block.each_warp([&](const Warp& warp) {
    if (warp.number() == 0) warp.once([&] { d.t[b] = t + 1; });
  });
}

}  // namespace mcm::warp
