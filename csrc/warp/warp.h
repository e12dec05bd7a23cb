// A block of warps, written once: as it is on a device, and as loops on the host.
//
// A body is a sequence of `block.each_warp(f)`, with a barrier after each; within f(warp), the 32
// lanes go in step from one `warp.each(g)` to the next, and meet in ballots, sums and shuffles.
// What a lane or a warp keeps from one to the next lies in a PerLane or a PerWarp: one value in a
// register on a device, an array on the host.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define MCM_BODY __device__ __forceinline__
#define MCM_UNROLL _Pragma("unroll")
#else
#define MCM_BODY inline
#define MCM_UNROLL
#endif

namespace mcm::warp {

constexpr int kLanes = 32;  // of a warp; a group may have fewer
constexpr int kWarps = 32;  // of a block, at most

// The bits of the lanes before one.
MCM_BODY uint32_t before(uint32_t mask, int lane) { return mask & ((1u << lane) - 1); }

}  // namespace mcm::warp

#ifdef __CUDACC__
#include "on_device.h"
#else
#include "on_host.h"
#endif
