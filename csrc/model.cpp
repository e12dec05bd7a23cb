#include "model.h"

#include <cstdlib>
#include <numeric>
#include <utility>

#include "errors.h"
#include "plane.h"

namespace mcm {
namespace {

constexpr int64_t kMaxSlices = 256;
constexpr int64_t kAny = -1;

template <class T>
constexpr Type kTypeOf = Type::kOther;
template <>
constexpr Type kTypeOf<int8_t> = Type::kInt8;
template <>
constexpr Type kTypeOf<int16_t> = Type::kInt16;
template <>
constexpr Type kTypeOf<int32_t> = Type::kInt32;
template <>
constexpr Type kTypeOf<int64_t> = Type::kInt64;

std::string words(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

// The named tensor, of type T and of this shape, where kAny stands for 1 or more.
template <class T>
const Tensor& tensor(const Tensors& tensors, const std::string& name,
                     const std::vector<int64_t>& shape) {
  const auto found = tensors.find(name);
  require(found != tensors.end(), "the model has no tensor " + name);
  const Tensor& tensor = found->second;
  require(tensor.type == kTypeOf<T>, name + " has the wrong type");
  bool fits = tensor.shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = tensor.shape[i] >= 1 && (shape[i] == kAny || shape[i] == tensor.shape[i]);
  }
  require(fits, name + " has the wrong shape " + words(tensor.shape));
  return tensor;
}

template <class T>
const T* values(const Tensor& tensor) {
  return static_cast<const T*>(tensor.data);
}

std::vector<int64_t> counted(int64_t n, int64_t length) {
  std::vector<int64_t> numbers(length, kNone);
  std::iota(numbers.begin(), numbers.begin() + n, 0);
  return numbers;
}

// 3x3 over a plane's channels: [outputs, channels, tap] -> (tap, channel). With depth-to-space the
// outputs of one part stand together: row part * outputs / 4 + c is output 4 c + part.
Layer load_convolution(const Tensors& tensors, const std::string& name, int64_t channels,
                       bool depth_to_space) {
  const Tensor& weight = tensor<int8_t>(tensors, name, {kAny, channels, 3, 3});
  const int64_t outputs = weight.shape[0], width = plane_stride(channels);
  require(!depth_to_space || outputs % 4 == 0, name + " needs a multiple of 4 outputs");
  std::vector<int64_t> rows = counted(outputs, outputs), columns(9 * width, kNone);
  for (int64_t row = 0; depth_to_space && row < outputs; ++row) {
    rows[row] = row % (outputs / 4) * 4 + row / (outputs / 4);
  }
  for (int64_t i = 0; i < 9 * channels; ++i)
    columns[i / channels * width + i % channels] = i % channels * 9 + i / channels;
  return pack_weight(values<int8_t>(weight), outputs, 9 * channels, std::move(rows), columns);
}

// Taps over the planes of `slices`: [outputs, tap, slice, channel] -> (slice, tap, channel).
Layer load_taps(const Tensors& tensors, const std::string& name, int64_t taps, int64_t slices,
                int64_t channels) {
  const Tensor& weight = tensor<int8_t>(tensors, name, {kAny, taps, slices * channels});
  const int64_t outputs = weight.shape[0], width = plane_stride(channels);
  std::vector<int64_t> columns(slices * taps * width, kNone);
  for (int64_t slice = 0; slice < slices; ++slice) {
    for (int64_t i = 0; i < taps * channels; ++i) {
      const int64_t tap = i / channels, channel = i % channels;
      columns[(slice * taps + tap) * width + channel] = (tap * slices + slice) * channels + channel;
    }
  }
  return pack_weight(values<int8_t>(weight), outputs, taps * slices * channels,
                     counted(outputs, outputs), columns);
}

Layer load_matrix(const Tensors& tensors, const std::string& name, int64_t outputs,
                  int64_t inputs) {
  const Tensor& weight = tensor<int8_t>(tensors, name, {outputs, inputs});
  return pack_weight(values<int8_t>(weight), weight.shape[0], inputs,
                     counted(weight.shape[0], weight.shape[0]),
                     counted(inputs, rounded_up(inputs, 2)));
}

Slice load_slice(const Tensors& tensors, int64_t k, int64_t channels, int64_t hyper_channels) {
  const std::string name = "slice." + std::to_string(k) + ".";
  Slice slice;
  int64_t inputs = hyper_channels;
  for (int64_t i = 0; i < kContexts; ++i) {
    const std::string size = std::to_string(2 * i + 3);
    slice.context[i] =
        load_taps(tensors, name + "context" + size + ".weight", 2 * (i + 1) * (i + 2), 1, channels);
    inputs += slice.context[i].outputs;
  }
  if (k > 0) slice.previous = load_taps(tensors, name + "previous.weight", 9, k, channels);
  inputs += slice.previous.outputs;
  slice.hidden = load_matrix(tensors, name + "hidden.weight", kAny, inputs);
  slice.head = load_matrix(tensors, name + "head.weight", 2 * channels, slice.hidden.outputs);
  return slice;
}

// a + floor(((b - a) f + 5000) / 10000) without overflow for |a|, |b| < 2^62 and f in 0..10000.
int64_t interpolate(int64_t a, int64_t b, int64_t f) {
  int64_t quotient = (b - a) / kQualitySteps, remainder = (b - a) % kQualitySteps;
  if (remainder < 0) --quotient, remainder += kQualitySteps;
  return a + quotient * f + (remainder * f + kQualitySteps / 2) / kQualitySteps;
}

void check_quality(int64_t quality) {
  require(quality >= 0 && quality <= kQualitySteps,
          "quality must be in 0..10000, not " + std::to_string(quality));
}

}  // namespace

Model::Model(const Tensors& tensors, int64_t slices) : slices(slices) {
  require(slices >= 1 && slices <= kMaxSlices,
          "slices must be in 1..256, not " + std::to_string(slices));
  load_layers(tensors);
  load_affine(tensors);
  load_tables(tensors);
}

void Model::load_layers(const Tensors& tensors) {
  z_channels = tensor<int8_t>(tensors, "hyper.0.weight", {kAny, kAny, 3, 3}).shape[1];
  slice_channels = tensor<int8_t>(tensors, "slice.0.context3.weight", {kAny, 4, kAny}).shape[2];
  y_channels = slices * slice_channels;
  int64_t channels = z_channels;
  for (int64_t i = 0; i < 3; ++i) {
    const std::string name = "hyper." + std::to_string(i) + ".weight";
    hyper[i] = load_convolution(tensors, name, channels, i < 2);
    channels = i == 2 ? hyper[i].outputs : hyper[i].outputs / 4;
  }
  hyper_channels = channels;
  for (int64_t k = 0; k < slices; ++k) {
    slice.push_back(load_slice(tensors, k, slice_channels, hyper_channels));
  }
}

void Model::load_affine(const Tensors& tensors) {
  std::vector<Layer*> layers = {&hyper[0], &hyper[1], &hyper[2]};
  for (Slice& s : slice) {
    for (Layer& context : s.context) layers.push_back(&context);
    layers.insert(layers.end(), {&s.previous, &s.hidden, &s.head});
  }
  for (Layer* layer : layers) {
    layer->first = static_cast<int64_t>(order_.size());
    for (const int64_t source : layer->source) {
      order_.push_back(source == kNone ? kNone : outputs_ + source);
    }
    outputs_ += layer->outputs;
    max_inputs_ = std::max(max_inputs_, 2 * layer->pairs);
    max_rows_ = std::max(max_rows_, layer->rows);
  }
  const Tensor& multiplier = tensor<int32_t>(tensors, "multiplier", {kAny, outputs_});
  levels = multiplier.shape[0];
  require(levels >= 2, "a model has at least two levels");
  const Tensor& bias = tensor<int64_t>(tensors, "bias", {levels, outputs_});
  const int64_t size = levels * outputs_;
  multiplier_.assign(values<int32_t>(multiplier), values<int32_t>(multiplier) + size);
  bias_.assign(values<int64_t>(bias), values<int64_t>(bias) + size);
  for (const Layer* layer : layers) prove_bounds(*layer);
}

void Model::prove_bounds(const Layer& layer) const {
  for (int64_t row = 0; row < layer.rows; ++row) {
    const int64_t output = order_[layer.first + row], sum = kLimit * layer.magnitude[row];
    if (output == kNone) continue;
    require(sum < kAccLimit, "a sum of weights may overflow 32 bits");
    for (int64_t level = 0; level < levels; ++level) {
      const int64_t at = level * outputs_ + output;
      const int64_t multiplier = std::abs(int64_t{multiplier_[at]}), bias = bias_[at];
      require(bias > -kBiasLimit && bias < kBiasLimit &&
                  sum * multiplier + std::abs(bias) < kProductLimit,
              "multiplier and bias of output " + std::to_string(output) + " at level " +
                  std::to_string(level) + " may overflow");
    }
  }
}

void Model::load_tables(const Tensors& tensors) {
  const Tensor& cdf = tensor<int16_t>(tensors, "tables.cdf", {kAny});
  const Tensor& minimum = tensor<int32_t>(tensors, "tables.minimum", {kAny});
  const int64_t count = minimum.shape[0];
  const Tensor& start = tensor<int32_t>(tensors, "tables.start", {count + 1});
  tables = Tables(values<int16_t>(cdf), cdf.shape[0], values<int32_t>(start),
                  values<int32_t>(minimum), count);
  const int64_t y_tables = count - levels * z_channels;
  const Tensor& shifts = tensor<int8_t>(tensors, "tables.shift", {kAny});
  const int64_t indexes = shifts.shape[0];
  require(indexes <= 256, "more than 256 indexes");
  const Tensor& firsts = tensor<int32_t>(tensors, "tables.first", {indexes});
  const int8_t* shift = values<int8_t>(shifts);
  const int32_t* first = values<int32_t>(firsts);
  for (int64_t i = 0; i < indexes; ++i) {
    require(shift[i] >= 0 && shift[i] <= 4, "tables.shift must be in 0..4");
    require(first[i] >= 0 && first[i] <= y_tables - (kFractions >> shift[i]),
            "tables.first points beyond the tables of y");
    half.push_back(static_cast<int8_t>(1 << shift[i] >> 1));
    for (int32_t r = 0; r < kFractions; ++r)
      choices.push_back(tables.choice(first[i] + (r >> shift[i])));
  }
}

int64_t Model::products() const {
  int64_t sum = 0;
  for (const Slice& s : slice) sum += s.products();
  return sum;
}

Affine Model::affine_at(int64_t quality) const {
  check_quality(quality);
  const int64_t position = quality * (levels - 1);
  const int64_t level = std::min(position / kQualitySteps, levels - 2);
  const int64_t f = position - kQualitySteps * level;
  Affine affine;
  affine.multiplier.resize(order_.size());
  affine.bias.resize(order_.size());
  for (size_t i = 0; i < order_.size(); ++i) {
    if (order_[i] == kNone) continue;
    const int64_t at = level * outputs_ + order_[i], next = at + outputs_;
    affine.multiplier[i] = static_cast<int32_t>(interpolate(multiplier_[at], multiplier_[next], f));
    affine.bias[i] = interpolate(bias_[at], bias_[next], f);
  }
  return affine;
}

int32_t Model::z_table(int64_t quality) const {
  check_quality(quality);
  const int64_t position = quality * (levels - 1);
  const int64_t level = (2 * position + kQualitySteps) / (2 * kQualitySteps);
  return static_cast<int32_t>(tables.count() - (levels - level) * z_channels);
}

}  // namespace mcm
