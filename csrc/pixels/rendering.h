// The integers of a rendering (FORMAT.md, "Pixels"), checked and packed once.
#pragma once

#include "../model.h"
#include "layer.h"
#include "pool.h"

namespace mcm::pixels {

struct Rendering {
  int64_t y_channels = 0, hyper_channels = 0;  // channels of y, and of the hyper features
  int64_t levels = 0, indexes = 0, distances = 0;
  int latent_limit = 0, hyper_shift = 0;
  std::vector<Layer> layers;
  std::vector<int64_t> channels;  // of each tensor
  std::vector<int> scales;        // log2 of each tensor's positions a latent
  std::vector<int16_t> means;     // [indexes, distances]
  bool plain;                     // they are all 0: mu and indexes do not matter
  std::vector<int32_t> exp2;      // [4096]
  std::vector<int16_t> sigmoid;   // [4096 + 1]: a lookup reads 32 bits

  mutable Pool pool;

  // Copies what it needs. std::invalid_argument if anything is missing, of a wrong type or shape,
  // or out of the bounds that keep every later sum and access in range.
  explicit Rendering(const Tensors& tensors);

  // log2 gains in 16.16 of each channel of y. std::invalid_argument unless quality is 0..10000.
  std::vector<int32_t> gain_at(int64_t quality) const;

  int64_t block() const { return int64_t{1} << scales.back(); }  // pixels a latent

 private:
  void load_input(const Tensors& tensors);
  void load_layer(const Tensors& tensors, const int32_t* row, bool last);
  void check_fields(const Layer& layer, bool last) const;
  void check_operands(const Layer& layer) const;

  std::vector<int32_t> gain_;  // [levels, y_channels]
  std::vector<int64_t> limits_;
};

}  // namespace mcm::pixels
