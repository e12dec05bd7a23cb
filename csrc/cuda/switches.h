// What gpu-check turns off to find out what is at fault.
#pragma once

namespace mcm::warp {

// Tables in shared memory; without, in global memory.
void use_shared_tables(bool use);

}  // namespace mcm::warp
