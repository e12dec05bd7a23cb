// What ends a call before its time. Also caught at the C boundary: BitstreamError (damaged bytes)
// and std::invalid_argument of the engine (../errors.h), and std::bad_alloc.
#pragma once

#include <stdexcept>
#include <string>

#include "../errors.h"
#include "../mcm.h"

namespace mcm::c {

struct Failure : std::runtime_error {
  Failure(mcm_status status, const std::string& message)
      : std::runtime_error(message), status(status) {}
  mcm_status status;
};

inline void require(bool holds, mcm_status status, const std::string& message) {
  if (!holds) throw Failure(status, message);
}

}  // namespace mcm::c
