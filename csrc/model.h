// The integers of a model file (FORMAT.md, section 2), checked and packed once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "layer.h"
#include "tables.h"
#include "workspace.h"

namespace mcm {

constexpr int kQualitySteps = 10000;
constexpr int kContexts = 3;    // masked 3x3, 5x5, 7x7
constexpr int kFractions = 16;  // mu counts in sixteenths

enum class Type { kInt8, kInt16, kInt32, kInt64, kOther };

struct Tensor {
  Type type;
  std::vector<int64_t> shape;
  const void* data;  // C-contiguous
};
using Tensors = std::map<std::string, Tensor>;

struct Slice {
  Layer context[kContexts];
  Layer previous;  // no outputs in the first slice
  Layer hidden, head;

  // Multiplications a position.
  int64_t products() const {
    int64_t sum = previous.products() + hidden.products() + head.products();
    for (const Layer& layer : context) sum += layer.products();
    return sum;
  }
};

struct Model {
  int64_t levels = 0, slices = 0;
  int64_t slice_channels = 0, y_channels = 0, z_channels = 0, hyper_channels = 0;
  Layer hyper[3];
  std::vector<Slice> slice;
  Tables tables;
  std::vector<int8_t> half;     // [I]: 2^(shift - 1), or 0
  std::vector<Choice> choices;  // [I, kFractions]: of each fraction of mu

  // Copies what it needs. std::invalid_argument if anything is missing, of a wrong type or shape,
  // or out of the bounds that keep every later sum and every table access in range.
  Model(const Tensors& tensors, int64_t slices);

  // ValueError unless quality is 0..10000.
  Affine affine_at(int64_t quality) const;
  // The number of the table of z's first channel. ValueError likewise.
  int32_t z_table(int64_t quality) const;
  // Multiplications of the context model, for all slices at one position.
  int64_t products() const;
  int64_t indexes() const { return static_cast<int64_t>(half.size()); }
  Workspace workspace() const { return Workspace(max_inputs_, max_rows_); }

 private:
  void load_layers(const Tensors& tensors);
  void load_affine(const Tensors& tensors);
  void load_tables(const Tensors& tensors);
  void prove_bounds(const Layer& layer) const;

  int64_t outputs_ = 0;         // T
  std::vector<int64_t> order_;  // [all packed rows]: 0..T - 1, or kNone
  int64_t max_inputs_ = 0, max_rows_ = 0;
  std::vector<int32_t> multiplier_;  // [levels, T]
  std::vector<int64_t> bias_;        // [levels, T]
};

// A table and what to add to its values. For `mu` in sixteenths (FORMAT.md, section 4):
//
//   s    = shift[index]                        0..4
//   k    = s == 0 ? mu : (mu + 2^(s-1)) >> s
//   base = k >> (4 - s)                        -2048..2048
//   table = first[index] + (k & (2^(4-s) - 1))
//
// k is r >> s with r = mu + half[index], so that base = r >> 4, and the table depends on index and
// r mod 16 alone.
struct Selection {
  Choice choice;
  int32_t base;

  // The latent, if the table is certain.
  int16_t sure() const { return wrap(base + choice.minimum); }
};

inline Selection table_of(const Model& model, int16_t mu, uint8_t index) {
  const int32_t r = mu + model.half[index];
  return {model.choices[kFractions * index + (r & (kFractions - 1))], r >> 4};
}

}  // namespace mcm
