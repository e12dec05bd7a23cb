// The coder alone on warps: any number of symbols, each with the number of its table
// (warp/launchers.h says what is what). One warp a group, some groups a block.
//
// Each round of a group reads 32 numbers that lie next to each other, and reads or writes the
// values that go with them.
#pragma once

#include "../rans.h"
#include "image.h"
#include "launchers.h"
#include "reader.h"
#include "segments.h"
#include "tables.h"
#include "warp.h"
#include "writer.h"

namespace mcm::warp {

constexpr int kSymbolsWarps = 8;  // of a block

MCM_BODY Rounds rounds_of(const Symbols& a, int64_t group) {
  return Rounds(group, static_cast<int32_t>(a.lanes), a.groups, a.count);
}

// The numbers of tables, and the values if they are to be coded.
template <bool kWithValues>
struct SymbolSource {
  struct Fetched {
    int32_t number = 0;
    int16_t value = 0;
  };
  const Symbols& a;
  const TableView& tables;

  MCM_BODY Fetched fetch(int64_t i) const {
    return {load(a.numbers + i), kWithValues ? load(a.values + i) : int16_t{0}};
  }
  // A number that is out of range is an error, and as good as 0.
  MCM_BODY Table table(const Fetched& fetched) const {
    if (static_cast<uint64_t>(fetched.number) < static_cast<uint64_t>(a.tables_count)) {
      return tables.table(fetched.number);
    }
    set_bits(a.error, kBadTable);
    return tables.table(0);
  }
  MCM_BODY Visit visit(const Fetched& fetched) const {
    const Table own = table(fetched);
    return visit_of(tables.entry_of(own, fetched.value), own);
  }
};

// Reads one round and stores its values.
MCM_BODY void read_round(const Warp& warp, const Symbols& a, const TableView& tables,
                         const Rounds& rounds, int64_t round, const Visits& visits,
                         GroupReader& reader) {
  PerLane<int32_t> values;
  reader.get(warp, tables, visits, values);
  warp.each([&](int lane) {
    if (!visits.active[lane]) return;
    a.values[rounds.visit(round, lane)] = static_cast<int16_t>(values[lane]);
  });
}

MCM_BODY void read_rounds(const Warp& warp, const Symbols& a, const TableView& tables,
                          const Rounds& rounds, GroupReader& reader) {
  const SymbolSource<false> source{a, tables};
  Batch<SymbolSource<false>::Fetched> next;
  next.fetch(warp, source, rounds, 0);
  for (int64_t round = 0; round < rounds.size(); round += kAhead) {
    Visits visits[kAhead];
    MCM_UNROLL for (int k = 0; k < kAhead; ++k) {
      warp.each([&](int lane) {
        visits[k].active[lane] = rounds.active(round + k, lane);
        if (!visits[k].active[lane]) return;
        visits[k].table[lane] = source.table(next.fetched[k][lane]);
        visits[k].base[lane] = 0;
      });
    }
    next.fetch(warp, source, rounds, round + kAhead);
    MCM_UNROLL for (int k = 0; k < kAhead; ++k) {
      read_round(warp, a, tables, rounds, round + k, visits[k], reader);
    }
  }
}

// Returns the bits of what is wrong.
MCM_BODY int32_t decode_group(const Warp& warp, const Symbols& a, const TableView& tables,
                              int64_t group) {
  const Rounds rounds = rounds_of(a, group);
  const int32_t header = states_size(rounds.lanes), size = a.segment_size[group];
  if (size < header) return kBadLayout;
  const uint16_t* segment = a.payload + a.segment_at[group];
  GroupReader reader;
  reader.open(warp, segment + header, size - header, 0);
  warp.each([&](int lane) {
    reader.states()[lane] = lane < rounds.lanes ? state_at(segment, lane) : kInitialState;
  });
  read_rounds(warp, a, tables, rounds, reader);
  PerLane<bool> away;
  warp.each([&](int lane) { away[lane] = reader.states()[lane] != kInitialState; });
  const bool all_read = reader.read() == static_cast<uint32_t>(size - header);
  return (warp.ballot(away) != 0 ? kBadStates : 0) | (all_read ? 0 : kBadWords);
}

MCM_BODY void encode_group(const Warp& warp, const Symbols& a, const TableView& tables,
                           int64_t group) {
  const Rounds rounds = rounds_of(a, group);
  GroupWriter writer;
  writer.open(warp, a.words + (group + 1) * rounds.capacity());
  put_rounds(warp, SymbolSource<true>{a, tables}, rounds, writer);
  warp.each([&](int lane) {
    if (lane < rounds.lanes) a.states[group * rounds.lanes + lane] = writer.states()[lane];
  });
  warp.once([&] {
    a.segment_size[group] = states_size(rounds.lanes) + static_cast<int32_t>(writer.count());
  });
}

// Calls code(warp, tables, group) for each group of a block.
template <class Block, class Code>
MCM_BODY void for_each_group(const Block& block, const Symbols& a, const Code& code) {
  const TableView tables(block.staged(a.tables, a.tables_size));
  block.await_stage();
  block.each_warp([&](const Warp& warp) {
    const int64_t group = int64_t{block.number()} * kSymbolsWarps + warp.number();
    if (group < a.groups) code(warp, tables, group);
  });
}

template <class Block>
MCM_BODY void decode_groups(const Block& block, const Symbols& a) {
  for_each_group(block, a, [&](const Warp& warp, const TableView& tables, int64_t group) {
    const int32_t bits = decode_group(warp, a, tables, group);
    if (bits != 0) warp.once([&] { set_bits(a.error, bits); });
  });
}

template <class Block>
MCM_BODY void encode_groups(const Block& block, const Symbols& a) {
  for_each_group(block, a, [&](const Warp& warp, const TableView& tables, int64_t group) {
    encode_group(warp, a, tables, group);
  });
}

// One block a segment: finds its place and copies it there.
template <class Block>
MCM_BODY void gather_symbols(const Block& block, const Symbols& a) {
  const int64_t group = block.number();
  const Rounds rounds = rounds_of(a, group);
  const int32_t words = a.segment_size[group] - states_size(rounds.lanes);
  block.each_warp([&](const Warp& warp) {
    const int64_t at = sum_of_first(warp, a.segment_size, group);
    if (warp.number() == 0) warp.once([&] { a.segment_at[group] = at; });
    gather_segment(warp, block.warps(), a.states + group * rounds.lanes, rounds.lanes,
                   a.words + (group + 1) * rounds.capacity() - words, words, a.payload + at);
  });
}

}  // namespace mcm::warp
