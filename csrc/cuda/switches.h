// What gpu-check turns off to find out what is at fault.
#pragma once

#include <cstdint>
#include <vector>

namespace mcm::warp {

// Tables in shared memory; without, in global memory.
void use_shared_tables(bool use);

// Built with MCM_CLOCKS: cycles of the first block of decode_step and decode_z since the last call,
// summed up, of each phase: headers, fetching, gathering, reading, writing, closing. Otherwise
// none.
std::vector<int64_t> phases();

}  // namespace mcm::warp
