// Calls of ../csrc/mcm.h as a careful caller makes them, and what must hold after each.
#pragma once

#include <map>
#include <string>

#include "../csrc/mcm.h"
#include "case.h"

namespace mcm {

// The file that the environment variable MCM_FUZZ_DECODER names, and the streams in the folder of
// MCM_FUZZ_STREAMS by their files' names. Both end the process if there are none.
const std::string& decoder_path();
const std::map<std::string, Bytes>& good_streams();

Bytes content_of(const std::string& path);

// What came of a decode.
struct Attempt {
  mcm_status status;
  uint32_t width = 0, height = 0, channels = 0;  // 0 where the header, or the size, is refused
  Bytes pixels;                                  // rows without gaps; empty after an error

  bool operator==(const Attempt& other) const {
    return status == other.status && pixels == other.pixels;
  }
};

// Header, size and pixels of a stream, in a buffer of exactly the size that they say, all `fill`
// before, with rows `gap` bytes apart. Aborts if a byte between rows changes, if what has no size
// is decoded, if a status has no explanation, or if it is one that no bytes may lead to.
Attempt attempt(const mcm_decoder* decoder, const Bytes& stream, const mcm_options& how, size_t gap,
                uint8_t fill);

// Twice, into different buffers. Aborts unless both agree: so every pixel is written.
Attempt attempt_twice(const mcm_decoder* decoder, const Bytes& stream, const mcm_options& how,
                      Random& random);

// Makes checksums fit, and the length the one that the header states, as far as it can be read and
// `max_size` allows. Returns the new size.
size_t repair(uint8_t* data, size_t size, size_t max_size);

}  // namespace mcm
