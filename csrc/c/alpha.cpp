#include "alpha.h"

#include <zlib.h>

#include <cstdlib>
#include <new>

#include "failure.h"

namespace mcm::c {
namespace {

using pixels::Canvas;
using Row = std::vector<uint8_t>;

class Inflater {
 public:
  explicit Inflater(std::string_view data) {
    zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    zlib_.avail_in = static_cast<uInt>(data.size());  // a varint's, so it fits
    if (inflateInit(&zlib_) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&zlib_); }

  // Exactly `size` bytes.
  void take(uint8_t* out, int64_t size) {
    while (size > 0) {
      const int64_t wanted = std::min(size, kPiece);
      const int64_t made = wanted - inflate_to(out, wanted);
      require_intact(made > 0, "alpha does not inflate to its tile's rows");
      out += made, size -= made;
    }
  }

  // No byte more, the checksum holds, and nothing follows.
  void finish() {
    uint8_t more;
    require_intact(inflate_to(&more, 1) == 1 && status_ == Z_STREAM_END && zlib_.avail_in == 0,
                   "alpha is not its tile's rows");
  }

 private:
  static constexpr int64_t kPiece = 1 << 30;  // zlib counts in 32 bits

  // Returns what is left of the room.
  int64_t inflate_to(uint8_t* out, int64_t room) {
    zlib_.next_out = out;
    zlib_.avail_out = static_cast<uInt>(room);
    status_ = inflate(&zlib_, Z_NO_FLUSH);
    if (status_ == Z_MEM_ERROR) throw std::bad_alloc();
    require_intact(status_ == Z_OK || status_ == Z_STREAM_END || status_ == Z_BUF_ERROR,
                   "alpha does not inflate");
    return zlib_.avail_out;
  }

  z_stream zlib_{};
  int status_ = Z_OK;
};

// Of left, up and corner the nearest to left + up - corner; ties in this order.
int paeth(int left, int up, int corner) {
  const int to_left = std::abs(up - corner), to_up = std::abs(left - corner);
  const int to_corner = std::abs(left + up - 2 * corner);
  if (to_left <= to_up && to_left <= to_corner) return left;
  return to_up <= to_corner ? up : corner;
}

int guess(int filter, int left, int up, int corner) {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4:
      return paeth(left, up, corner);
    default:
      return 0;
  }
}

// Rows hold their filter, then their pixels; `above` is one whose filter is undone.
void undo_filter(Row& row, const Row& above) {
  const int filter = row[0];
  require_intact(filter <= 4, "alpha has an unknown filter");
  int left = 0, corner = 0;
  for (size_t i = 1; i < row.size(); ++i) {
    left = row[i] = static_cast<uint8_t>(row[i] + guess(filter, left, above[i], corner));
    corner = above[i];
  }
}

// What a box shows of a tile; `to` begins at the box.
void draw_tile(std::string_view data, const Tile& tile, const Tile& box, const Canvas& to) {
  const Tile shown = tile.shared_with(box);
  Row row(tile.width() + 1), above(tile.width() + 1);
  Inflater inflater(data);
  for (int64_t y = tile.top; y < tile.bottom; ++y) {
    inflater.take(row.data(), static_cast<int64_t>(row.size()));
    undo_filter(row, above);
    if (y >= shown.top && y < shown.bottom) {
      uint8_t* line = to.pixels + (y - box.top) * to.row_step;
      for (int64_t x = shown.left; x < shown.right; ++x) {
        line[(x - box.left) * to.column_step] = row[x - tile.left + 1];
      }
    }
    row.swap(above);
  }
  inflater.finish();
}

}  // namespace

void draw_alpha(const Container& container, const Tile& box, const Canvas& to) {
  for (int64_t i = 0; i < container.header.tiles(); ++i) {
    const Tile tile = container.header.tile(i);
    if (tile.meets(box)) draw_tile(container.alpha[i], tile, box, to);
  }
}

void draw_small_alpha(const Container& container, const Tile& box, int64_t scale,
                      const Canvas& to) {
  Row plane(box.width() * box.height());
  draw_alpha(container, box, {plane.data(), box.width(), 1});
  for (int64_t top = 0; top < box.height(); top += scale) {
    for (int64_t left = 0; left < box.width(); left += scale) {
      const int64_t bottom = std::min(top + scale, box.height());
      const int64_t right = std::min(left + scale, box.width());
      const int64_t count = (bottom - top) * (right - left);
      int64_t sum = 0;
      for (int64_t y = top; y < bottom; ++y) {
        for (int64_t x = left; x < right; ++x) sum += plane[y * box.width() + x];
      }
      to.pixels[top / scale * to.row_step + left / scale * to.column_step] =
          static_cast<uint8_t>((2 * sum + count) / (2 * count));
    }
  }
}

}  // namespace mcm::c
