#include "header.h"

#include <string>

#include "../crc32c.h"
#include "cursor.h"

namespace mcm::c {
namespace {

constexpr std::string_view kMagic = "MCM\x1a";
constexpr uint8_t kVersion = 1;
constexpr uint8_t kTransposed = 1, kGray = 2, kChunks = 4, kTiles = 8, kUnknown = 0x30;
constexpr int kQualitySteps = 10000;
constexpr int64_t kTileUnit = 64;
constexpr int64_t kShortestEntry = 3;  // bytes: lanes, exceptions, words of one group
constexpr int64_t kPixelsPerByte = 32768;
constexpr uint32_t kMaxChunks = 255;
constexpr std::string_view kAlpha = "Alph";

// Checks magic, version and flags, in this order; returns the flags.
uint8_t read_start(Cursor& cursor, Header& header) {
  const std::string_view magic = cursor.take(std::min(kMagic.size(), cursor.left()));
  require(!magic.empty() && magic == kMagic.substr(0, magic.size()), MCM_FOREIGN,
          "not an MCM stream");
  const uint8_t version = cursor.byte();
  require(version == kVersion, MCM_VERSION,
          "format version " + std::to_string(version) + ", this reader knows version 1 only");
  const uint8_t flags = cursor.byte();
  header.model = cursor.take(8);
  header.quality = static_cast<int>(little_endian(cursor.take(2)));
  require((flags & kUnknown) == 0, MCM_VERSION, "unknown flags: this reader knows no such streams");
  return flags;
}

void read_size(Cursor& cursor, uint8_t flags, Header& header) {
  header.width = cursor.varint();
  header.height = cursor.varint();
  require_intact(header.width > 0 && header.height > 0, "an image of no pixels");
  header.transposed = (flags & kTransposed) != 0;
  header.gray = (flags & kGray) != 0;
  header.tiled = (flags & kTiles) != 0;
  header.tile_width = header.tiled ? cursor.varint() * kTileUnit : header.coded_width();
  header.tile_height = header.tiled ? cursor.varint() * kTileUnit : header.coded_height();
  require_intact(header.tile_width > 0 && header.tile_height > 0, "tiles of no pixels");
}

Entry read_entry(Cursor& cursor, std::vector<uint32_t>& words) {
  const uint8_t layout = cursor.byte();
  const int lanes = layout & 15, groups = layout >> 4;
  require_intact(lanes <= 5, "more than 32 lanes");
  require_intact(groups == 0 || (lanes == 5 && groups <= 5), "groups that no writer makes");
  const Entry entry{1 << lanes, 1 << groups, cursor.varint(), words.size()};
  for (int g = 0; g < entry.groups; ++g) words.push_back(cursor.varint());
  return entry;
}

void read_table(Cursor& cursor, Header& header) {
  const int64_t tiles = header.across() * rounded_up_div(header.coded_height(), header.tile_height);
  require_intact(!header.tiled || tiles > 1, "a flag for tiles, and a single one");
  require(tiles <= static_cast<int64_t>(cursor.left()) / kShortestEntry, MCM_TRUNCATED,
          "truncated stream: it cannot hold its table of tiles");
  header.entries.reserve(tiles);
  for (int64_t i = 0; i < tiles; ++i) {
    header.entries.push_back(read_entry(cursor, header.words));
  }
}

bool is_type(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

void read_chunks(Cursor& cursor, Header& header) {
  const uint32_t count = cursor.varint();
  require_intact(count > 0 && count <= kMaxChunks, "not 1..255 chunks");
  for (uint32_t i = 0; i < count; ++i) {
    Chunk chunk{cursor.take(4), 0};
    require_intact(is_type(chunk.type), "a chunk's type is not of letters");
    for (const Chunk& other : header.chunks) {
      require_intact(other.type != chunk.type, "two chunks of one type");
    }
    require_intact(header.alpha() == nullptr || !is_ignorable(chunk), "a chunk in the wrong place");
    require(is_ignorable(chunk) || chunk.type == kAlpha, MCM_VERSION,
            "unknown chunk that must not be ignored: made by a newer writer");
    chunk.size = cursor.varint();
    header.chunks.push_back(chunk);
  }
}

}  // namespace

Tile Header::tile(int64_t i) const {
  const int64_t left = i % across() * tile_width, top = i / across() * tile_height;
  return {left, top, std::min(left + tile_width, coded_width()),
          std::min(top + tile_height, coded_height())};
}

uint64_t Header::payload(int64_t i) const {
  const Entry& entry = entries[i];
  uint64_t body = 6 * uint64_t{entry.exceptions} + entry.states();
  for (int g = 0; g < entry.groups; ++g) body += 2 * uint64_t{words[entry.first_word + g]};
  const Tile place = tile(i);
  const uint64_t pixels = static_cast<uint64_t>(place.width()) * place.height();
  return std::max(body, (pixels + kPixelsPerByte - 1) / kPixelsPerByte);
}

const Chunk* Header::alpha() const {
  return chunks.empty() || chunks.back().type != kAlpha ? nullptr : &chunks.back();
}

Header read_header(std::string_view stream) {
  Cursor cursor(stream, MCM_TRUNCATED);
  Header header{};
  const uint8_t flags = read_start(cursor, header);
  read_size(cursor, flags, header);
  read_table(cursor, header);
  if (flags & kChunks) read_chunks(cursor, header);
  const size_t body = cursor.position();
  const uint64_t stated = little_endian(cursor.take(4));
  const uint32_t crc = crc32c(reinterpret_cast<const uint8_t*>(stream.data()), body);
  require_intact(stated == crc, "the checksum of the header differs");
  require_intact(header.quality <= kQualitySteps, "a quality above 10000 hundredths");
  header.size = cursor.position();
  return header;
}

void check_pixels(int64_t width, int64_t height, uint64_t max_pixels) {
  const uint64_t blocks = static_cast<uint64_t>(rounded_up_div(width, kBlock)) *
                          static_cast<uint64_t>(rounded_up_div(height, kBlock));
  require(blocks <= max_pixels / (kBlock * kBlock), MCM_TOO_LARGE,
          "an image of " + std::to_string(width) + "x" + std::to_string(height) +
              ": the limit is " + std::to_string(max_pixels) + " pixels");
}

}  // namespace mcm::c
