// Independent jobs that may throw, on a few threads.
#pragma once

#include <cstdint>
#include <functional>

namespace mcm::c {

// Calls job(i) for i = 0 .. count - 1 on up to `workers` threads, fewer where the system refuses
// them. What jobs throw is thrown when all have ended: that of the first i.
void share_out(int64_t count, int64_t workers, const std::function<void(int64_t)>& job);

}  // namespace mcm::c
