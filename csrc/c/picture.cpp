#include "picture.h"

#include <utility>

#include "alpha.h"
#include "failure.h"
#include "planes.h"
#include "share_out.h"

namespace mcm::c {
namespace {

using pixels::Canvas;

constexpr int64_t kBand = int64_t{1} << 24;  // pixels, about, that are drawn at once
constexpr int64_t kRows = 8;                 // of a tensor that are computed at once
// Three 3x3 layers of the hyper-synthesis see 1 + 2 + 4 latents, contexts 3: 8 hold them all.
constexpr int64_t kEntropyReach = 8 * kBlock;

// A box -> all that its rendering sees.
Tile window_of(const Header& header, const Sight& sight, const Tile& box) {
  const int64_t pair = sight.align * kBlock;
  const Tile pairs = box.divided(pair);
  const Tile aligned{pairs.left * pair, pairs.top * pair, pairs.right * pair, pairs.bottom * pair};
  return aligned.grown(sight.reach * kBlock, header.coded_width(), header.coded_height());
}

// All that the entropy model sees to speak of a window's y.
Tile seen_by_entropy_model(const Tile& window, const Header& header) {
  const int64_t width = header.coded_width(), height = header.coded_height();
  return window.grown(kEntropyReach, width, height).in_whole_blocks(kBlockZ, width, height);
}

// Gray of colour (FORMAT.md, section 1).
uint8_t luma(int red, int green, int blue) {
  return static_cast<uint8_t>((77 * red + 150 * green + 29 * blue + 128) >> 8);
}

// The canvas from row `down` on, and from byte `by` of each pixel on.
Canvas moved(const Canvas& canvas, int64_t down, int64_t by) {
  return {canvas.pixels + down * canvas.row_step + by, canvas.row_step, canvas.column_step};
}

}  // namespace

std::vector<int64_t> tiles_for(const Header& header, const Sight& sight, const Tile& box) {
  const Tile window = window_of(header, sight, box);
  const Tile seen = sight.y_alone ? window : seen_by_entropy_model(window, header);
  std::vector<int64_t> tiles;
  for (int64_t row = seen.top / header.tile_height;
       row < rounded_up_div(seen.bottom, header.tile_height); ++row) {
    for (int64_t column = seen.left / header.tile_width;
         column < rounded_up_div(seen.right, header.tile_width); ++column) {
      tiles.push_back(row * header.across() + column);
    }
  }
  return tiles;
}

void Picture::draw(const Tile& box, const Canvas& canvas) {
  const int64_t scale = drawer_.sight.scale;
  for (const Tile& band : bands(box)) {
    draw_band(band, moved(canvas, (band.top - box.top) / scale, 0));
  }
}

std::vector<Tile> Picture::bands(const Tile& box) const {
  if (!header().tiled) return {box};
  const int64_t down = header().tile_height;
  const int64_t step = down * std::max<int64_t>(1, kBand / (down * box.width()));
  std::vector<Tile> bands;
  for (int64_t top = box.top; top < box.bottom;) {
    const int64_t bottom = std::min((top / step + 1) * step, box.bottom);
    bands.push_back({box.left, top, box.right, bottom});
    top = bottom;
  }
  return bands;
}

void Picture::draw_band(const Tile& band, const Canvas& canvas) {
  decode_tiles(tiles_for(header(), drawer_.sight, band));
  draw_colours(band, canvas);
  if (header().alpha() == nullptr) return;
  const Canvas alpha = moved(canvas, 0, header().gray ? 1 : 3);
  const int64_t scale = drawer_.sight.scale;
  scale == 1 ? draw_alpha(container_, band, alpha)
             : draw_small_alpha(container_, band, scale, alpha);
}

void Picture::draw_colours(const Tile& band, const Canvas& canvas) {
  const int64_t block = drawer_.rendering.block();
  const Planes planes = planes_of(window_of(header(), drawer_.sight, band));
  const Parameters& said = planes.parameters;
  const pixels::Latents latents{planes.y.data(),   said.mu.data(),          said.indexes.data(),
                                said.hyper.data(), planes.latents.height(), planes.latents.width()};
  const Tile drawn = band.divided(drawer_.sight.scale);
  const int64_t top = planes.latents.top * block, left = planes.latents.left * block;
  const pixels::Box box{drawn.top - top, drawn.left - left, drawn.bottom - top, drawn.right - left};
  if (header().gray) return draw_gray(latents, box, canvas);
  render(drawer_.rendering, latents, header().quality, box, canvas, threads_, kRows);
}

void Picture::draw_gray(const pixels::Latents& latents, const pixels::Box& box,
                        const Canvas& canvas) const {
  const int64_t height = box.bottom - box.top, width = box.right - box.left;
  std::vector<uint8_t> colours(3 * height * width);
  render(drawer_.rendering, latents, header().quality, box, {colours.data(), 3 * width, 3},
         threads_, kRows);
  const uint8_t* from = colours.data();
  for (int64_t row = 0; row < height; ++row) {
    uint8_t* line = canvas.pixels + row * canvas.row_step;
    for (int64_t column = 0; column < width; ++column, from += 3) {
      line[column * canvas.column_step] = luma(from[0], from[1], from[2]);
    }
  }
}

// These tiles; others are forgotten. Tiles share the threads: a step of one tile's wavefront has
// work for a few only.
void Picture::decode_tiles(const std::vector<int64_t>& tiles) {
  std::map<int64_t, Decoded> kept;
  std::vector<int64_t> missing;
  for (const int64_t i : tiles) {
    auto known = decoded_.extract(i);
    known.empty() ? missing.push_back(i) : static_cast<void>(kept.insert(std::move(known)));
  }
  decoded_ = std::move(kept);
  const int64_t count = static_cast<int64_t>(missing.size());
  if (count == 0) return;
  const int64_t workers = std::min(count, threads_);
  std::vector<Decoded> made(count);
  share_out(count, workers,
            [&](int64_t i) { made[i] = decode_tile(missing[i], threads_ / workers); });
  for (int64_t i = 0; i < count; ++i) decoded_[missing[i]] = std::move(made[i]);
}

Decoded Picture::decode_tile(int64_t tile, int64_t threads) const {
  const Payload payload = container_.payload(tile);
  const Entry& entry = header().entries[tile];
  const Stream stream{entry.lanes,
                      entry.groups,
                      payload.exception_indexes.data(),
                      payload.exception_differences.data(),
                      static_cast<int64_t>(payload.exception_indexes.size()),
                      payload.segments};
  const Tile place = header().tile(tile).divided(kBlock);
  Decoded out = decode(model_, stream, place.height(), place.width(), header().quality, threads);
  if (header().tiled || drawer_.sight.y_alone) out.parameters = {};  // said anew, or not asked for
  return out;
}

// y of a window, and what the entropy model of the whole image says of it.
Picture::Planes Picture::planes_of(const Tile& window) {
  const Tile seen =
      header().tiled && !drawer_.sight.y_alone ? seen_by_entropy_model(window, header()) : window;
  const int64_t channels = model_.y_channels;
  Planes out = joined(seen);
  const Tile from = out.latents, to = window.divided(kBlock);
  Parameters& said = out.parameters;
  out.y = cut(std::move(out.y), from, channels, to);
  said.mu = cut(std::move(said.mu), from, channels, to);
  said.indexes = cut(std::move(said.indexes), from, channels, to);
  said.hyper = cut(std::move(said.hyper), from, model_.hyper_channels, to);
  out.latents = to;
  return out;
}

// The same of all that was decoded, or of a part that begins at whole latents of z.
Picture::Planes Picture::joined(const Tile& seen) {
  const int64_t channels = model_.y_channels;
  if (!header().tiled && !drawer_.sight.y_alone) {
    Decoded& only = decoded_.at(0);
    return {header().tile(0).divided(kBlock), std::move(only.y), std::move(only.parameters)};
  }
  Planes out{seen.divided(kBlock), {}, {}};
  const int64_t height = out.latents.height(), width = out.latents.width();
  const Tile seen_z = seen.divided(kBlockZ);
  std::vector<int16_t> z(model_.z_channels * seen_z.height() * seen_z.width());
  out.y.resize(channels * height * width);
  for (const auto& [i, tile] : decoded_) {
    const Tile place = header().tile(i);
    paste(tile.y, place.divided(kBlock), channels, out.latents, out.y);
    paste(tile.z, place.divided(kBlockZ), model_.z_channels, seen_z, z);
  }
  if (drawer_.sight.y_alone) {
    out.parameters.mu.resize(out.y.size());
    out.parameters.indexes.resize(out.y.size());
  } else {
    out.parameters =
        parameters(model_, out.y.data(), z.data(), height, width, header().quality, threads_);
  }
  return out;
}

}  // namespace mcm::c
