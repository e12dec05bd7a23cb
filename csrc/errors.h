// The two ways to refuse: a caller's mistake, and damaged bytes.
#pragma once

#include <stdexcept>
#include <string>

namespace mcm {

// Damaged bytes; mcm_fast.errors.BitstreamError in Python.
struct BitstreamError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A caller's mistake; ValueError in Python.
inline void require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument(message);
}

inline void require_intact(bool holds, const char* message) {
  if (!holds) throw BitstreamError(message);
}

}  // namespace mcm
