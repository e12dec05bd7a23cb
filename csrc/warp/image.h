// One image of a batch that is decoded on warps: how it begins and ends.
#pragma once

#include "../rans.h"
#include "../wavefront.h"
#include "launchers.h"
#include "warp.h"

namespace mcm::warp {

// The number of words of 16 bits that hold the states of a group.
MCM_BODY int32_t states_size(int32_t lanes) { return 2 * lanes; }

MCM_BODY uint32_t state_at(const uint16_t* segment, int lane) {
  return segment[2 * lane] | uint32_t{segment[2 * lane + 1]} << 16;
}

struct Image {
  int64_t number;
  int32_t height, width, lanes, groups;

  MCM_BODY Image(const Decoding& d, int64_t b)
      : number(b),
        height(load(d.height + b)),
        width(load(d.width + b)),
        lanes(load(d.lanes + b)),
        groups(load(d.groups + b)) {}

  MCM_BODY int32_t z_area() const { return ((height + 3) / 4) * ((width + 3) / 4); }
  MCM_BODY int64_t steps(const Decoding& d) const {
    return wavefront_steps(height, width, d.slices);
  }
  MCM_BODY bool empty() const { return height == 0; }
  // Nothing to decode, or nothing that could be.
  MCM_BODY bool idle(const Decoding& d) const { return empty() || d.error[number] & kBadLayout; }

  MCM_BODY int64_t group(const Warp& warp) const { return number * kMaxGroups + warp.number(); }
  MCM_BODY int64_t state(const Warp& warp, int lane) const {
    return number * kMaxStates + warp.number() * lanes + lane;
  }

  MCM_BODY bool layout_fits(const Decoding& d) const {
    const auto power = [](int32_t n, int32_t most) {
      return n >= 1 && n <= most && (n & (n - 1)) == 0;
    };
    if (!power(lanes, kLanes) || !power(groups, lanes == kLanes ? kMaxGroups : 1)) return false;
    for (int g = 0; g < groups; ++g) {
      if (d.segment_size[number * kMaxGroups + g] < states_size(lanes)) return false;
    }
    return true;
  }
};

template <class Block>
MCM_BODY void begin_image(const Block& block, const Decoding& d) {
  const Image image(d, block.number());
  const int64_t b = image.number;
  const bool fits = image.empty() || image.layout_fits(d);
  block.each_warp([&](const Warp& warp) {
    if (warp.number() == 0) {
      warp.once([&] {
        d.visit[b] = d.t[b] = 0;
        d.unused[b] = d.exceptions[b];
        d.error[b] = fits ? 0 : kBadLayout;
      });
    }
    if (image.empty() || !fits || warp.number() >= image.groups) return;
    const int64_t group = image.group(warp);
    warp.once([&] { d.cursor[group] = 0; });
    warp.each([&](int lane) {
      if (lane >= image.lanes) return;
      d.states[image.state(warp, lane)] = state_at(d.payload + d.segment_at[group], lane);
    });
  });
}

template <class Block>
MCM_BODY void finish_image(const Block& block, const Decoding& d) {
  const Image image(d, block.number());
  const int64_t b = image.number;
  const bool idle = image.idle(d);
  block.each_warp([](const Warp&) {});  // all have read `error` before anyone adds to it
  if (idle) return;
  block.each_warp([&](const Warp& warp) {
    if (warp.number() >= image.groups) return;
    PerLane<bool> wrong;
    warp.each([&](int lane) {
      wrong[lane] = lane < image.lanes && d.states[image.state(warp, lane)] != kInitialState;
    });
    const int64_t group = image.group(warp);
    int32_t bits = warp.ballot(wrong) != 0 ? kBadStates : 0;
    if (d.cursor[group] != d.segment_size[group] - states_size(image.lanes)) bits |= kBadWords;
    if (d.unused[b] != 0) bits |= kBadExceptions;
    if (d.t[b] < image.steps(d)) bits |= kUnfinished;
    if (bits != 0) warp.once([&] { set_bits(&d.error[b], bits); });
  });
}

}  // namespace mcm::warp
