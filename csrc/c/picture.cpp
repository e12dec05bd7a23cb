#include "picture.h"

#include <utility>

#include "../context.h"
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
constexpr int64_t kEntropyReach = 8 * kBlock, kContextReach = kContextPad * kBlock;

// A box -> all that its rendering sees, in whole pairs of latents if it pairs them.
Tile window_of(const Header& header, const Drawer& drawer, const Tile& box) {
  const int64_t width = header.coded_width(), height = header.coded_height();
  const Tile drawn = box.divided(drawer.sight.scale);
  const Tile all = Tile{0, 0, width, height}.divided(kBlock);
  const pixels::Box seen = pixels::needs_of(drawer.rendering, {all.height(), all.width()},
                                            {drawn.top, drawn.left, drawn.bottom, drawn.right})
                               .tensors[0];
  const Tile pixels{seen.left * kBlock, seen.top * kBlock, seen.right * kBlock,
                    seen.bottom * kBlock};
  return pixels.in_whole_blocks(drawer.sight.align * kBlock, width, height);
}

// All that the entropy model sees to speak of a window's y.
Tile seen_by_entropy_model(const Tile& window, const Header& header) {
  const int64_t width = header.coded_width(), height = header.coded_height();
  return window.grown(kEntropyReach, width, height).in_whole_blocks(kBlockZ, width, height);
}

// The y of it.
Tile seen_by_contexts(const Tile& window, const Header& header) {
  const int64_t width = header.coded_width(), height = header.coded_height();
  return window.grown(kContextReach, width, height).in_whole_blocks(kBlock, width, height);
}

// The y that a window's pixels depend on, of an image in tiles.
Tile y_seen(const Header& header, const Drawer& drawer, const Tile& window) {
  return drawer.sight.y_alone ? window : seen_by_contexts(window, header);
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

std::vector<int64_t> tiles_for(const Header& header, const Drawer& drawer, const Tile& box) {
  const Tile window = window_of(header, drawer, box);
  const Tile seen = drawer.sight.y_alone ? window : seen_by_entropy_model(window, header);
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
  y_seen_ = y_seen(header(), drawer_, window_of(header(), drawer_, box));
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
  decode_tiles(tiles_for(header(), drawer_, band));
  draw_colours(band, canvas);
  if (header().alpha() == nullptr) return;
  const Canvas alpha = moved(canvas, 0, header().gray ? 1 : 3);
  const int64_t scale = drawer_.sight.scale;
  scale == 1 ? draw_alpha(container_, band, alpha)
             : draw_small_alpha(container_, band, scale, alpha);
}

void Picture::draw_colours(const Tile& band, const Canvas& canvas) {
  const int64_t block = drawer_.rendering.block();
  const Planes planes = planes_of(window_of(header(), drawer_, band));
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
  const Tile place = header().tile(tile).divided(kBlock), seen = y_seen_.divided(kBlock);
  const int64_t height = place.height(), width = place.width(), quality = header().quality;
  if (!header().tiled && !drawer_.sight.y_alone) {
    return decode(model_, stream, height, width, quality, threads);
  }
  // An image without tiles is read to its end, so that damage is found whatever is asked for.
  int64_t rows = height;
  if (header().tiled) rows = place.meets(seen) ? std::min(height, seen.bottom - place.top) : 0;
  return decode_rows(model_, stream, height, width, rows, quality, threads);
}

// y of a window, and what the entropy model of the whole image says of it. An image without tiles
// is not cut.
Picture::Planes Picture::planes_of(const Tile& window) {
  if (!header().tiled && !drawer_.sight.y_alone) {
    Decoded& only = decoded_.at(0);
    return {header().tile(0).divided(kBlock), std::move(only.y), std::move(only.parameters)};
  }
  const bool y_alone = drawer_.sight.y_alone;
  const Tile seen = y_alone ? window : seen_by_entropy_model(window, header());
  const Tile mine = seen.divided(kBlock), mine_z = seen.divided(kBlockZ);
  const int64_t channels = model_.y_channels, height = mine.height(), width = mine.width();
  std::vector<int16_t> y(channels * height * width);
  std::vector<int16_t> z(y_alone ? 0 : model_.z_channels * mine_z.height() * mine_z.width());
  for (const auto& [i, tile] : decoded_) {
    const Tile place = header().tile(i);
    paste(tile.y, place.divided(kBlock), channels, mine, y);
    if (!y_alone) paste(tile.z, place.divided(kBlockZ), model_.z_channels, mine_z, z);
  }
  Planes out{window.divided(kBlock), {}, {}};
  const Part part{out.latents.top - mine.top, out.latents.left - mine.left,
                  out.latents.bottom - mine.top, out.latents.right - mine.left};
  if (y_alone) {
    out.parameters.mu.resize(y.size());
    out.parameters.indexes.resize(y.size());
  } else {
    out.parameters =
        parameters(model_, y.data(), z.data(), height, width, part, header().quality, threads_);
  }
  out.y = cut(std::move(y), mine, channels, out.latents);
  return out;
}

}  // namespace mcm::c
