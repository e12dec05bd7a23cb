#include "container.h"

#include <string>
#include <utility>

#include "../crc32c.h"
#include "cursor.h"

namespace mcm::c {
namespace {

constexpr size_t kChecksum = 4;
constexpr size_t kException = 6;  // u32 index, i16 difference
constexpr size_t kVarint = 5;     // bytes at most

// The parts of a stream one after another. What is missing is told before anything is read.
class Parts {
 public:
  Parts(std::string_view stream, size_t header) : stream_(stream), end_(header) {}

  // The next part, whose checksum follows it.
  std::string_view next(uint64_t size) {
    const uint64_t left = stream_.size() - end_;
    require(size + kChecksum <= left, MCM_TRUNCATED, "truncated stream: its end is missing");
    const std::string_view part = stream_.substr(end_, size);
    end_ += size + kChecksum;
    return part;
  }

  void finish() const {
    require_intact(end_ == stream_.size(), "there are bytes after the stream's end");
  }

 private:
  std::string_view stream_;
  size_t end_;
};

// Where everything lies.
struct Layout {
  std::vector<std::string_view> chunks, tiles;
  std::string_view alpha;
};

Layout layout_of(std::string_view stream, const Header& header) {
  Layout layout;
  Parts parts(stream, header.size);
  for (const Chunk& chunk : header.chunks) {
    if (is_ignorable(chunk)) layout.chunks.push_back(parts.next(chunk.size));
  }
  layout.tiles.reserve(header.tiles());
  for (int64_t i = 0; i < header.tiles(); ++i) {
    layout.tiles.push_back(parts.next(header.payload(i)));
  }
  if (header.alpha()) layout.alpha = parts.next(header.alpha()->size);
  parts.finish();
  return layout;
}

// `part` is followed by its checksum.
void check(std::string_view part) {
  const uint32_t crc = crc32c(reinterpret_cast<const uint8_t*>(part.data()), part.size());
  const std::string_view stated(part.data() + part.size(), kChecksum);
  require_intact(little_endian(stated) == crc, "the checksum of a part differs");
}

// Each tile's zlib stream.
std::vector<std::string_view> alpha_parts(std::string_view chunk, int64_t tiles) {
  require_intact(static_cast<int64_t>(chunk.size()) >= tiles, "alpha of fewer bytes than tiles");
  Cursor cursor(chunk.substr(0, std::min(chunk.size(), kVarint * tiles)), MCM_DAMAGED);
  std::vector<uint32_t> lengths;
  for (int64_t i = 0; i < tiles; ++i) lengths.push_back(cursor.varint());
  std::string_view left = chunk.substr(cursor.position());
  std::vector<std::string_view> parts;
  for (const uint32_t length : lengths) {
    require_intact(length <= left.size(), "alpha's lengths do not add up");
    parts.push_back(left.substr(0, length));
    left.remove_prefix(length);
  }
  require_intact(left.empty(), "alpha's lengths do not add up");
  return parts;
}

void read_exceptions(std::string_view records, Payload& payload) {
  int64_t least = 0;
  for (; !records.empty(); records.remove_prefix(kException)) {
    const int64_t index = static_cast<int64_t>(little_endian(records.substr(0, 4)));
    const int16_t difference = static_cast<int16_t>(little_endian(records.substr(4, 2)));
    require_intact(index >= least && difference != 0, "exceptions out of order or zero");
    payload.exception_indexes.push_back(index);
    payload.exception_differences.push_back(difference);
    least = index + 1;
  }
}

}  // namespace

Payload Container::payload(int64_t tile) const {
  const Entry& entry = header.entries[tile];
  std::string_view left = tiles[tile];
  const auto take = [&](size_t size) {
    const std::string_view part = left.substr(0, size);
    left.remove_prefix(size);
    return part;
  };
  Payload payload;
  read_exceptions(take(kException * entry.exceptions), payload);
  for (int g = 0; g < entry.groups; ++g) {
    const size_t words = header.words[entry.first_word + g];
    payload.segments.push_back(take(entry.states() / entry.groups + 2 * words));
  }
  require_intact(left.find_first_not_of('\0') == left.npos, "padding that is not zero");
  return payload;
}

Container open_whole(std::string_view stream, Header header) {
  Layout layout = layout_of(stream, header);
  for (const std::string_view chunk : layout.chunks) check(chunk);
  Container container{std::move(header), std::move(layout.tiles), {}};
  if (container.header.alpha()) {
    check(layout.alpha);
    container.alpha = alpha_parts(layout.alpha, container.header.tiles());
  }
  for (int64_t i = 0; i < container.header.tiles(); ++i) {
    check(container.tiles[i]);
    container.payload(i);
  }
  return container;
}

Container open_tiles(std::string_view stream, Header header, const std::vector<int64_t>& tiles) {
  Layout layout = layout_of(stream, header);
  Container container{std::move(header), std::move(layout.tiles), {}};
  if (container.header.alpha()) {
    container.alpha = alpha_parts(layout.alpha, container.header.tiles());
  }
  for (const int64_t i : tiles) {
    check(container.tiles[i]);
    container.payload(i);
  }
  return container;
}

}  // namespace mcm::c
