// Decoding on warps: one block an image, one warp a group (warp/launchers.h says what is what).
//
// The latents of a step are taken in chunks. Those of a chunk that are coded are numbered by a
// count over the block and gathered in shared memory, so that visits lie next to each other; then
// each warp reads the visits of its group, round by round (warp/rounds.h); then all warps write out
// what was read.
#pragma once

#include "image.h"
#include "latents.h"
#include "launchers.h"
#include "rounds.h"
#include "tables.h"
#include "warp.h"

namespace mcm::warp {

constexpr int kRounds = 2;  // latents of a chunk that one lane looks at
constexpr int kShare = kRounds * kLanes;
constexpr int kChunk = kWarps * kShare;

// The latents of a chunk that one warp looks at, and a mask of those that are coded.
struct Share {
  PerLane<Latent> latents[kRounds];
  uint32_t coded[kRounds];
};

// Shared memory: the coded latents of a chunk. All groups together have a word a latent, up to a
// round more, and kLanes more each.
struct Chunk {
  int32_t latents;          // of all chunks
  uint32_t coded;           // of this one
  uint32_t counts[kWarps];  // of each warp's share
  uint32_t read[kWarps];    // words that each group has read
  Record records[kChunk + 1];
  int16_t values[kChunk];
  int32_t places[kChunk];
  uint16_t words[kChunk + kMaxStates + kWarps * kLanes];
};

// Decodes the latents of one source, for one image.
template <class Source>
class LatentDecoder {
 public:
  MCM_BODY LatentDecoder(const Decoding& d, const Image& image, const TableView& tables,
                         const Source& source, const Target& target)
      : d_(d), image_(image), tables_(tables), source_(source), target_(target) {}

  template <class Block>
  MCM_BODY void run(const Block& block, Chunk& chunk) const {
    PerWarp<Reading> readings;
    PerWarp<Share> shares;
    uint32_t visit = d_.visit[image_.number];
    block.each_warp([&](const Warp& warp) {
      Reading& reading = readings[warp.number()];
      open(warp, reading);
      prepare(warp, 0, reading, shares[warp.number()], chunk);
      if (warp.number() == 0) warp.once([&] { chunk.latents = reading.latents; });
    });
    block.await_stage();
    block.mark(1);
    const int32_t latents = chunk.latents;
    for (int32_t first = 0; first < latents; first += kChunk) {
      if (first != 0) {
        block.each_warp([&](const Warp& warp) {
          Reading& reading = readings[warp.number()];
          reading.words.seek(chunk.read[group_of(warp)]);
          prepare(warp, first, reading, shares[warp.number()], chunk);
        });
      }
      block.each_warp([&](const Warp& warp) { gather(warp, shares[warp.number()], chunk); });
      block.mark(2);
      const uint32_t coded = chunk.coded;
      block.each_warp([&](const Warp& warp) {
        Reading& reading = readings[warp.number()];
        if (warp.number() < image_.groups) read<Block>(warp, first, reading, visit, coded, chunk);
      });
      block.mark(3);
      block.each_warp([&](const Warp& warp) { write(warp, coded, chunk); });
      block.mark(4);
      visit += coded;
    }
    block.each_warp([&](const Warp& warp) { close(warp, readings[warp.number()], visit); });
    block.mark(5);
  }

 private:
  // What a warp keeps: of the group that it reads, or whose words it helps to fetch.
  struct Reading {
    int32_t latents;  // of the source
    PerLane<uint32_t> states;
    Words words;
  };

  // Each group has as many warps to fetch its words; the first of them reads it.
  MCM_BODY int group_of(const Warp& warp) const { return warp.number() & (image_.groups - 1); }
  MCM_BODY int32_t states() const { return image_.lanes * image_.groups; }

  MCM_BODY void open(const Warp& warp, Reading& reading) const {
    reading.latents = source_.count(warp);
    const int64_t group = image_.number * kMaxGroups + group_of(warp);
    const int32_t header = states_size(image_.lanes);
    reading.words.open(d_.payload + load(d_.segment_at + group) + header,
                       load(d_.segment_size + group) - header, d_.cursor[group]);
    warp.each([&](int lane) {
      const bool reads = warp.number() < image_.groups && lane < image_.lanes;
      reading.states[lane] = reads ? d_.states[image_.state(warp, lane)] : 0;
    });
  }

  MCM_BODY void close(const Warp& warp, const Reading& reading, uint32_t visit) const {
    if (warp.number() >= image_.groups) return;
    warp.each([&](int lane) {
      if (lane < image_.lanes) d_.states[image_.state(warp, lane)] = reading.states[lane];
    });
    warp.once([&] {
      d_.cursor[image_.group(warp)] = static_cast<int32_t>(reading.words.read());
      if (warp.number() == 0) d_.visit[image_.number] = static_cast<int32_t>(visit);
    });
  }

  // How many words of a group a chunk has room for: one a visit.
  MCM_BODY uint32_t room(int32_t first, int32_t latents) const {
    const int32_t left = latents - first, count = left < kChunk ? left : kChunk;
    const uint32_t shift = count_of(static_cast<uint32_t>(states() - 1));
    return static_cast<uint32_t>((count + states() - 1) >> shift) * image_.lanes;
  }
  MCM_BODY uint16_t* words_of(const Warp& warp, uint32_t room, Chunk& chunk) const {
    return chunk.words + group_of(warp) * (room + kLanes);
  }

  // Fetches what a warp can: its share of the latents, and of a group's words.
  MCM_BODY void prepare(const Warp& warp, int32_t first, Reading& reading, Share& share,
                        Chunk& chunk) const {
    inspect(warp, first, reading.latents, share, chunk);
    const uint32_t words = room(first, reading.latents);
    reading.words.fill(warp, words_of(warp, words, chunk), words, warp.number() / image_.groups,
                       kWarps / image_.groups);
  }

  MCM_BODY void inspect(const Warp& warp, int32_t first, int32_t latents, Share& share,
                        Chunk& chunk) const {
    uint32_t coded = 0;
    MCM_UNROLL for (int round = 0; round < kRounds; ++round) {
      PerLane<bool> is_coded;
      warp.each([&](int lane) {
        const int32_t i = first + warp.number() * kShare + round * kLanes + lane;
        Latent& latent = share.latents[round][lane];
        latent = {-1, 0, -1};  // none
        if (i < latents) latent = source_.at(i);
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
        chunk.records[at] = record_of(tables_.table(latent.table), latent.base);
        chunk.places[at] = latent.place;
      });
      next += count_of(share.coded[round]);
      exceptions += count_of(warp.ballot(is_exception));
    }
    warp.once([&] {
      if (warp.number() == kWarps - 1) {
        chunk.coded = next;
        chunk.records[next] = record_of(tables_.table(0), 0);
      }
      if (exceptions != 0) {
        subtract(&d_.unused[image_.number], static_cast<int32_t>(exceptions));
      }
    });
  }

  // Is it an exception?
  MCM_BODY bool place_certain(const Latent& latent) const {
    const int16_t* differences = target_.differences;
    const int16_t difference = differences ? load(differences + latent.place) : int16_t{0};
    target_.put(latent.place, latent.base + difference);
    return difference != 0;
  }

  // The visits of a warp's group among visit .. visit + coded - 1, which are those of the chunk.
  template <class Block>
  MCM_BODY void read(const Warp& warp, int32_t first, Reading& reading, uint32_t visit,
                     uint32_t coded, Chunk& chunk) const {
    using Memory = typename Block::Memory;
    const int32_t begin =
        warp.number() * image_.lanes - static_cast<int32_t>(visit & (states() - 1));
    const GroupVisits visits{begin, states(), static_cast<int32_t>(coded), image_.lanes};
    const uint32_t words = room(first, reading.latents);
    RoundReader<Memory>(Memory(tables_.blob()), chunk.records, chunk.values,
                        words_of(warp, words, chunk), words)
        .read(warp, visits, reading.states, reading.words);
    warp.once([&] { chunk.read[warp.number()] = reading.words.read(); });
  }

  MCM_BODY void write(const Warp& warp, uint32_t coded, const Chunk& chunk) const {
    MCM_UNROLL for (int round = 0; round < kRounds; ++round) {
      warp.each([&](int lane) {
        const uint32_t i = (round * kWarps + warp.number()) * kLanes + lane;
        if (i < coded) target_.put(chunk.places[i], chunk.values[i]);
      });
    }
  }

  const Decoding& d_;
  const Image& image_;
  const TableView& tables_;
  const Source& source_;
  const Target& target_;
};

MCM_BODY const int16_t* differences_of(const Decoding& d, const Image& image) {
  const int64_t at = d.difference_at[image.number];
  return at < 0 ? nullptr : d.differences + at;
}

template <class Block>
MCM_BODY void decode_z_image(const Block& block, const Decoding& d, Chunk& chunk) {
  const TableView tables(block.staged(d.z_tables, d.z_tables_size));
  block.await_stage();  // which latents are certain, the tables tell
  const Image image(d, block.number());
  const int64_t b = image.number;
  if (image.idle(d)) return;
  const ZLatents source{tables, d.z_table[b], static_cast<int32_t>(d.z_channels), image.z_area()};
  const Target target{d.z + d.z_at[b], nullptr, differences_of(d, image)};
  LatentDecoder<ZLatents>(d, image, tables, source, target).run(block, chunk);
}

template <class Block>
MCM_BODY void decode_step_image(const Block& block, const Decoding& d, Chunk& chunk) {
  block.let_next_begin();
  const TableView tables(block.staged(d.y_tables, d.y_tables_size));
  const Image image(d, block.number());
  const int64_t b = image.number;
  block.await_launch();
  const int32_t t = d.t[b];
  if (image.idle(d) || t >= image.steps(d)) {
    block.await_stage();  // a block must not end before its copies
    return;
  }
  block.mark(0);
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
  const Target target{d.y + d.y_at[b], d.seen + d.y_at[b], differences};
  LatentDecoder<YLatents>(d, image, tables, source, target).run(block, chunk);
  block.each_warp([&](const Warp& warp) {
    if (warp.number() == 0) warp.once([&] { d.t[b] = t + 1; });
  });
}

}  // namespace mcm::warp
