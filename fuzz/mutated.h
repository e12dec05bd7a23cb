// How a fuzzer's mutator ends.
#pragma once

#include <cstring>

#include "case.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace mcm {

// Writes a case over the input of a fuzzer and returns its size. If the case does not fit, or has
// more exceptions than its byte can say, libFuzzer changes the input instead.
inline size_t mutated(const Case& changed, uint8_t* data, size_t size, size_t max_size) {
  const Bytes bytes = serialise(changed);
  if (bytes.size() > max_size || changed.coded.exception_indexes.size() > 255) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace mcm
