// Pixels of a stream: its tiles decoded, joined and drawn (mcm_fast/stream_decoder.py).
//
// An image in tiles is drawn by rows of tiles, so that not all latents are held at once. What the
// entropy model says of y is computed anew for the joined tiles: then they do not show.
#pragma once

#include <map>
#include <vector>

#include "../engine.h"
#include "../pixels/render.h"
#include "container.h"
#include "decoder.h"

namespace mcm::c {

// The tiles that a box in coded orientation needs.
std::vector<int64_t> tiles_for(const Header& header, const Drawer& drawer, const Tile& box);

class Picture {
 public:
  // All of these must outlive it.
  Picture(const Model& model, const Drawer& drawer, const Container& container, int64_t threads)
      : model_(model), drawer_(drawer), container_(container), threads_(threads) {}

  // A box in coded orientation, in whole pixels of the drawing. Throws BitstreamError.
  void draw(const Tile& box, const pixels::Canvas& canvas);

 private:
  // A window's planes as a rendering takes them.
  struct Planes {
    Tile latents;  // where they lie
    std::vector<int16_t> y;
    Parameters parameters;
  };

  const Header& header() const { return container_.header; }
  std::vector<Tile> bands(const Tile& box) const;
  void draw_band(const Tile& band, const pixels::Canvas& canvas);
  void draw_colours(const Tile& band, const pixels::Canvas& canvas);
  void draw_gray(const pixels::Latents& latents, const pixels::Box& box,
                 const pixels::Canvas& canvas) const;
  void decode_tiles(const std::vector<int64_t>& tiles);
  Decoded decode_tile(int64_t tile, int64_t threads) const;
  Planes planes_of(const Tile& window);

  const Model& model_;
  const Drawer& drawer_;
  const Container& container_;
  const int64_t threads_;
  Tile y_seen_{};                       // by the box that is drawn
  std::map<int64_t, Decoded> decoded_;  // tiles that the band needs
};

}  // namespace mcm::c
