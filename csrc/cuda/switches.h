// What gpu-check turns on and off to find out what is at fault.
#pragma once

#include <cstdint>
#include <vector>

namespace mcm::warp {

// Tables in shared memory; without, in global memory.
void use_shared_tables(bool use);

// Steps of the wavefront as programmatic dependent launches (mcm_fast/exact/cuda/launch.py); a GPU
// before sm_90 has none.
void use_dependent_launches(bool use);

// Built with MCM_CLOCKS: cycles of the first block of decode_step and decode_z since the last call,
// summed up, of each phase: headers, fetching, gathering, reading, writing, closing. Otherwise
// none.
std::vector<int64_t> phases();

}  // namespace mcm::warp
