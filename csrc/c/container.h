// The parts of a stream behind its header, their checksums checked (FORMAT.md, section 1).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "header.h"

namespace mcm::c {

// A tile's payload, as the engine takes it; `segments` look at the stream.
struct Payload {
  std::vector<int64_t> exception_indexes;
  std::vector<int16_t> exception_differences;
  std::vector<std::string_view> segments;  // of each group
};

// Looks at the bytes of the stream.
struct Container {
  Header header;
  std::vector<std::string_view> tiles;  // payloads; of tiles that were asked for they are checked
  std::vector<std::string_view> alpha;  // each tile's zlib stream, if there is alpha

  // What a payload holds. Throws BitstreamError.
  Payload payload(int64_t tile) const;
};

// All of a stream that can be checked without its model: chunks, alpha and every tile. Throws
// Failure and BitstreamError.
Container open_whole(std::string_view stream, Header header);

// The same of these tiles alone, whatever the other parts hold.
Container open_tiles(std::string_view stream, Header header, const std::vector<int64_t>& tiles);

}  // namespace mcm::c
