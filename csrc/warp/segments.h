// Encoding on warps: from visits to segments (warp/launchers.h says what is what). Three launches:
//
//   count_first     how many words there are with 32 states, one warp an image
//   code_chosen     with as many states as that size can afford, one warp a group
//   gather_group    all segments, one behind the other
//
// A warp fetches what it codes some rounds ahead: memory is slower than the coder.
#pragma once

#include "../rans.h"
#include "launchers.h"
#include "tables.h"
#include "warp.h"
#include "writer.h"

namespace mcm::warp {

constexpr int kAhead = 4;  // rounds

MCM_BODY Visit visit_of(const Entry& entry, const Table& table) {
  return visit_with(entry.start, entry.next - entry.start, entry.number == table.escape);
}

// Which visits a group has: numbers first + lane + round * states, below `count`.
struct Rounds {
  int64_t first, states, count;
  int32_t lanes;

  MCM_BODY Rounds(int64_t group, int32_t lanes, int64_t groups, int64_t count)
      : first(group * lanes), states(lanes * groups), count(count), lanes(lanes) {}

  MCM_BODY int64_t size() const { return (count + states - 1) / states; }
  MCM_BODY int64_t capacity() const { return 2 * lanes * size(); }  // words of the group
  MCM_BODY int64_t visit(int64_t round, int lane) const { return first + lane + round * states; }
  MCM_BODY bool active(int64_t round, int lane) const {
    return lane < lanes && round >= 0 && visit(round, lane) < count;
  }
};

// What a warp needs for some rounds.
template <class Fetched>
struct Batch {
  PerLane<Fetched> fetched[kAhead];

  template <class Source>
  MCM_BODY void fetch(const Warp& warp, const Source& source, const Rounds& rounds, int64_t round) {
    MCM_UNROLL for (int k = 0; k < kAhead; ++k) {
      warp.each([&](int lane) {
        fetched[k][lane] = Fetched{};
        if (!rounds.active(round + k, lane)) return;
        fetched[k][lane] = source.fetch(rounds.visit(round + k, lane));
      });
    }
  }
};

// What to put in one round.
template <class Source, class Fetched>
MCM_BODY void look_up_puts(const Warp& warp, const Source& source, const Rounds& rounds,
                           int64_t round, const PerLane<Fetched>& fetched, Puts& puts) {
  warp.each([&](int lane) {
    puts.start[lane] = puts.frequency[lane] = puts.reciprocal[lane] = 0;
    puts.raw[lane] = 0;
    puts.escape[lane] = false;
    if (!rounds.active(round, lane)) return;
    const Visit visit = source.visit(fetched[lane]);
    puts.start[lane] = start_of(visit);
    puts.frequency[lane] = frequency_of(visit);
    puts.reciprocal[lane] = reciprocal_of(puts.frequency[lane]);
    puts.escape[lane] = (visit & kEscapeVisit) != 0;
    puts.raw[lane] = static_cast<uint16_t>(fetched[lane].value);
  });
}

// All visits of a group, the last round first.
template <class Source, class Writer>
MCM_BODY void put_rounds(const Warp& warp, const Source& source, const Rounds& rounds,
                         Writer& writer) {
  Batch<typename Source::Fetched> next;
  int64_t round = (rounds.size() - 1) / kAhead * kAhead;
  next.fetch(warp, source, rounds, round);
  for (; round >= 0; round -= kAhead) {
    Puts puts[kAhead];
    MCM_UNROLL for (int k = 0; k < kAhead; ++k) {
      look_up_puts(warp, source, rounds, round + k, next.fetched[k], puts[k]);
    }
    next.fetch(warp, source, rounds, round - kAhead);
    MCM_UNROLL for (int k = kAhead - 1; k >= 0; --k) writer.put(warp, puts[k]);
  }
}

// The visits of one image.
struct VisitSource {
  struct Fetched {
    Visit visit = 0;
    uint16_t value = 0;
  };
  const Visit* visits;
  const uint16_t* raw;

  MCM_BODY Fetched fetch(int64_t i) const { return {load(visits + i), load(raw + i)}; }
  MCM_BODY Visit visit(const Fetched& fetched) const { return fetched.visit; }
};

// One group of one image, and where it is written.
struct CodedGroup {
  int64_t image, first;
  int32_t group, lanes, groups;
  Rounds rounds;

  MCM_BODY CodedGroup(const Encoding& e, int64_t image, int32_t group, int32_t all_lanes)
      : image(image),
        first(e.latent_at[image]),
        group(group),
        lanes(all_lanes < kLanes ? all_lanes : kLanes),
        groups(all_lanes < kLanes ? 1 : all_lanes / kLanes),
        rounds(group, lanes, groups, e.visit_count[image]) {}

  // Where the group's words end. All groups of an image have room for 2 words a visit and lane.
  MCM_BODY uint16_t* words_end(const Encoding& e) const {
    return e.words + 2 * first + 2 * kMaxStates * image + (group + 1) * rounds.capacity();
  }
  MCM_BODY uint32_t* states(const Encoding& e) const {
    return e.states + image * kMaxStates + group * lanes;
  }

  MCM_BODY VisitSource source(const Encoding& e) const { return {e.visits + first, e.raw + first}; }

  // Returns how many words there are.
  MCM_BODY int32_t code(const Warp& warp, const Encoding& e) const {
    GroupWriter writer;
    writer.open(warp, words_end(e));
    put_rounds(warp, source(e), rounds, writer);
    warp.each([&](int lane) {
      if (lane < lanes) states(e)[lane] = writer.states()[lane];
    });
    return static_cast<int32_t>(writer.count());
  }
};

// rans.h's, from the size of an image with 32 states.
MCM_BODY int32_t lanes_for(const Encoding& e, int64_t image) {
  return mcm::lanes_for(4 * kLanes + 2 * int64_t{e.first_words[image]});
}

template <class Block>
MCM_BODY void count_first(const Block& block, const Encoding& e) {
  const CodedGroup group(e, block.number(), 0, kLanes);
  block.each_warp([&](const Warp& warp) {
    WordCounter counter(warp);
    put_rounds(warp, group.source(e), group.rounds, counter);
    const uint32_t words = counter.count(warp);
    warp.once([&] { e.first_words[group.image] = static_cast<int32_t>(words); });
  });
}

// One block for each possible group of each image.
template <class Block>
MCM_BODY void code_chosen(const Block& block, const Encoding& e) {
  const int64_t image = block.number() / kMaxGroups;
  const int32_t number = block.number() % kMaxGroups, all_lanes = lanes_for(e, image);
  const CodedGroup group(e, image, number, all_lanes);
  block.each_warp([&](const Warp& warp) {
    const int32_t words = number < group.groups ? group.code(warp, e) : 0;
    warp.once([&] {
      const int32_t size = 2 * group.lanes + words;
      e.segment_size[block.number()] = number < group.groups ? size : 0;
      if (number != 0) return;
      e.lanes[image] = group.lanes;
      e.groups[image] = group.groups;
    });
  });
}

// One of `warps` writes its part of a segment: the states of the lanes, then `count` words.
MCM_BODY void gather_segment(const Warp& warp, int warps, const uint32_t* states, int32_t lanes,
                             const uint16_t* words, int32_t count, uint16_t* segment) {
  warp.each([&](int lane) {
    if (warp.number() == 0 && lane < lanes) {
      segment[2 * lane] = static_cast<uint16_t>(states[lane]);
      segment[2 * lane + 1] = static_cast<uint16_t>(states[lane] >> 16);
    }
    for (int32_t i = warp.number() * kLanes + lane; i < count; i += warps * kLanes) {
      segment[2 * lanes + i] = words[i];
    }
  });
}

// The sum of the first `count` of some sizes.
MCM_BODY int64_t sum_of_first(const Warp& warp, const int32_t* sizes, int64_t count) {
  int64_t total = 0;
  for (int64_t first = 0; first < count; first += kLanes) {
    PerLane<uint32_t> some;
    warp.each([&](int lane) {
      some[lane] = first + lane < count ? static_cast<uint32_t>(sizes[first + lane]) : 0;
    });
    total += warp.sum(some);
  }
  return total;
}

template <class Block>
MCM_BODY void gather_group(const Block& block, const Encoding& e) {
  const int64_t image = block.number() / kMaxGroups;
  const CodedGroup group(e, image, block.number() % kMaxGroups, lanes_for(e, image));
  if (group.group >= group.groups) return;
  const int32_t words = e.segment_size[block.number()] - 2 * group.lanes;
  block.each_warp([&](const Warp& warp) {
    const int64_t at = sum_of_first(warp, e.segment_size, block.number());
    gather_segment(warp, block.warps(), group.states(e), group.lanes, group.words_end(e) - words,
                   words, e.payload + at);
  });
}

}  // namespace mcm::warp
