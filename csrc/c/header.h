// A stream's header: fields, tile table, list of chunks (FORMAT.md, section 1).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tile.h"

namespace mcm::c {

// What the table says of a tile.
struct Entry {
  int lanes, groups;
  uint32_t exceptions;
  size_t first_word;  // of its groups, in Header::words

  uint64_t states() const { return 4 * static_cast<uint64_t>(lanes) * groups; }
};

struct Chunk {
  std::string_view type;
  uint32_t size;
};

struct Header {
  std::string_view model;  // 8 bytes
  int quality;             // hundredths
  int64_t width, height;   // of the image as the user sees it
  bool transposed, gray, tiled;
  int64_t tile_width, tile_height;  // of coded orientation; of the whole image unless tiled
  std::vector<Entry> entries;
  std::vector<uint32_t> words;  // of each group of each tile
  std::vector<Chunk> chunks;
  size_t size;  // bytes of the header itself, with its checksum

  int64_t coded_width() const { return transposed ? height : width; }
  int64_t coded_height() const { return transposed ? width : height; }
  int64_t across() const { return rounded_up_div(coded_width(), tile_width); }
  int64_t tiles() const { return static_cast<int64_t>(entries.size()); }
  int64_t channels() const { return (gray ? 1 : 3) + (alpha() != nullptr); }

  // Tile i's rectangle.
  Tile tile(int64_t i) const;
  // Bytes of tile i's payload, with its padding.
  uint64_t payload(int64_t i) const;
  // The chunk of alpha, the last of the list, or nullptr.
  const Chunk* alpha() const;
};

// May be ignored, and stands before the tiles.
inline bool is_ignorable(const Chunk& chunk) { return chunk.type[0] >= 'a'; }

// The header at the beginning of `stream`, whose bytes it goes on looking at. Throws Failure and
// BitstreamError.
Header read_header(std::string_view stream);

// Throws Failure for more pixels, counted in whole blocks of 16 x 16: it is memory that the limit
// is for.
void check_pixels(int64_t width, int64_t height, uint64_t max_pixels);

}  // namespace mcm::c
