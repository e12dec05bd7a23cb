#include "rendering.h"

#include <algorithm>
#include <cstdlib>

#include "../errors.h"

namespace mcm::pixels {
namespace {

constexpr int64_t kAny = -1;
constexpr int64_t kMaxLayers = 256, kMaxSize = 4096, kMaxScale = 4, kMaxLevels = 256;
constexpr int64_t kAccLimit = int64_t{1} << 31, kNormLimit = int64_t{1} << 30;
constexpr int64_t kProductLimit = int64_t{1} << 53;
constexpr int64_t kExp2s = 4096, kHyperLimit = 127, kLastLimit = 255;
constexpr int kFields = 8, kGainShift = 26;

template <class T>
constexpr Type kTypeOf = Type::kOther;
template <>
constexpr Type kTypeOf<int16_t> = Type::kInt16;
template <>
constexpr Type kTypeOf<int32_t> = Type::kInt32;
template <>
constexpr Type kTypeOf<int64_t> = Type::kInt64;

// The named tensor, of type T and of this shape, where kAny stands for 1 or more.
template <class T>
const Tensor& tensor(const Tensors& tensors, const std::string& name,
                     const std::vector<int64_t>& shape) {
  const auto found = tensors.find(name);
  require(found != tensors.end(), "the rendering has no " + name);
  const Tensor& tensor = found->second;
  require(tensor.type == kTypeOf<T>, name + " has the wrong type");
  bool fits = tensor.shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = tensor.shape[i] >= 1 && (shape[i] == kAny || shape[i] == tensor.shape[i]);
  }
  require(fits, name + " has the wrong shape");
  return tensor;
}

template <class T>
const T* values(const Tensors& tensors, const std::string& name,
                const std::vector<int64_t>& shape) {
  return static_cast<const T*>(tensor<T>(tensors, name, shape).data);
}

template <class T>
void copy(const Tensors& tensors, const std::string& name, int64_t count, std::vector<T>& to) {
  const T* from = values<T>(tensors, name, {count});
  to.assign(from, from + count);
}

int log2_of(const Layer& layer) {
  int bits = 0;
  while (1 << bits < layer.scale()) ++bits;
  return bits - (layer.kernel == 2);
}

// The output that stands in packed row `row`: rows are in the order (i, j, channel).
int64_t output_of(const Layer& layer, int64_t row) {
  const int64_t parts = layer.scale() * layer.scale();
  return row % layer.channels() * parts + row / layer.channels();
}

// weight [outputs, inputs, kernel, kernel] -> [block][span, pair][output][input of the pair]; a
// span's values are in the order (column, input).
void pack_weights(Layer& layer, const int16_t* weight) {
  const int64_t kernel = layer.kernel, taps = kernel * kernel;
  layer.weight.assign(layer.blocks() * layer.block_size(), 0);
  for (int64_t row = 0; row < layer.outputs; ++row) {
    const int16_t* from = weight + output_of(layer, row) * layer.inputs * taps;
    int16_t* to = &layer.weight[row / kBlock * layer.block_size() + row % kBlock * 2];
    for (int64_t i = 0; i < taps * layer.inputs; ++i) {
      const int64_t input = i / taps, span = i % taps / kernel;
      const int64_t at = i % kernel * layer.inputs + input;
      to[(span * layer.pairs + at / 2) * 2 * kBlock + at % 2] = from[i];
    }
  }
}

template <class T>
Values<T> pack_rows(const Layer& layer, const T* from) {
  Values<T> out(layer.blocks() * kBlock, T{0});
  for (int64_t row = 0; row < layer.outputs; ++row) out[row] = from[output_of(layer, row)];
  return out;
}

int64_t magnitude(const int16_t* weight, int64_t count) {
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::abs(int{weight[i]});
  return sum;
}

// No sum leaves 32 bits and no product 53, whatever the operands.
void prove_bounds(const Layer& layer, const int16_t* weight, const int32_t* multiplier,
                  const int64_t* bias, const int32_t* beta, int64_t limit) {
  const int64_t count = layer.inputs * layer.kernel * layer.kernel;
  const int64_t half = int64_t{1} << layer.factor >> 1;
  for (int64_t o = 0; o < layer.outputs; ++o) {
    const int64_t sum = magnitude(weight + o * count, count);
    int64_t largest = sum * limit;
    if (beta) {
      const int64_t square = std::min<int64_t>((limit * limit + half) >> layer.factor, kMost);
      require(beta[o] >= 0 && std::all_of(weight + o * count, weight + (o + 1) * count,
                                          [](int16_t w) { return w >= 0; }),
              "a norm may be negative");
      require(sum * square + beta[o] < kNormLimit, "a norm may leave 30 bits");
      largest = limit * kMost;
    }
    require(largest < kAccLimit, "a sum of weights may leave 32 bits");
    const int64_t b = bias[o], m = std::abs(int64_t{multiplier[o]});
    require(b > -kProductLimit && b < kProductLimit && largest * m + std::abs(b) < kProductLimit,
            "a product may leave 53 bits");
  }
}

}  // namespace

Rendering::Rendering(const Tensors& tensors) {
  const Tensor& list = tensor<int32_t>(tensors, "layers", {kAny, kFields});
  const int64_t count = list.shape[0];
  require(count <= kMaxLayers, "more than 256 layers");
  load_input(tensors);
  const int32_t* rows = static_cast<const int32_t*>(list.data);
  for (int64_t i = 0; i < count; ++i) load_layer(tensors, rows + i * kFields, i == count - 1);
  require(channels.back() == 3, "the last layer makes no image of 3 channels");
  require(scales.back() >= 0, "the image is smaller than its latents");
}

void Rendering::load_input(const Tensors& tensors) {
  const int32_t* input = values<int32_t>(tensors, "input", {2});
  latent_limit = input[0], hyper_shift = input[1];
  require(latent_limit > 0 && latent_limit <= kMost, "the latents' limit is not within 16 bits");
  require(hyper_shift >= 0 && hyper_shift <= 8 && kHyperLimit << hyper_shift <= kMost,
          "hyper features leave 16 bits");
  const Tensor& gains = tensor<int32_t>(tensors, "gain", {kAny, kAny});
  levels = gains.shape[0], y_channels = gains.shape[1];
  require(levels >= 2 && levels <= kMaxLevels, "not 2..256 levels");
  const int32_t* gain = static_cast<const int32_t*>(gains.data);
  gain_.assign(gain, gain + levels * y_channels);
  for (const int32_t g : gain_) {
    const int t = kGainShift - (g >> 16);
    require(t >= 1 && t <= 52, "a gain is out of range");
  }
  copy(tensors, "exp2", kExp2s, exp2);
  for (const int32_t e : exp2) require(e >= 0 && e <= 1 << 17, "exp2 leaves 0..2^17");
  const Tensor& table = tensor<int16_t>(tensors, "means", {kAny, kAny});
  indexes = table.shape[0], distances = table.shape[1];
  require(indexes <= 256 && distances <= INT32_MAX, "more than 256 indexes");
  const int16_t* mean = static_cast<const int16_t*>(table.data);
  means.assign(mean, mean + indexes * distances);
  plain = std::all_of(means.begin(), means.end(), [](int16_t m) { return m == 0; });
  copy(tensors, "sigmoid", 2 * kSigmoids, sigmoid);
  for (const int16_t s : sigmoid) require(s >= -kMost, "sigmoid leaves -32767..32767");
  sigmoid.push_back(0);
  const Tensor& first = tensor<int16_t>(tensors, "0.weight", {kAny, kAny, kAny, kAny});
  hyper_channels = first.shape[1] - y_channels;
  require(hyper_channels >= 0 && first.shape[1] <= kMaxSize, "0.weight has the wrong shape");
  channels = {first.shape[1]};
  scales = {0};
  limits_ = {std::max<int64_t>(latent_limit, kHyperLimit << hyper_shift)};
}

void Rendering::load_layer(const Tensors& tensors, const int32_t* row, bool last) {
  const std::string name = std::to_string(layers.size()) + ".";
  require(row[0] >= 0 && row[0] <= 1 && row[3] >= 0 && row[3] <= 2, name + " is of no kind");
  Layer layer;
  layer.operation = static_cast<Operation>(row[0]);
  layer.source = row[1], layer.kernel = row[2];
  layer.activation = static_cast<Activation>(row[3]);
  layer.gate = row[4], layer.add = row[5], layer.factor = row[6], layer.limit = row[7];
  check_fields(layer, last);
  layer.inputs = channels[layer.source];
  const Tensor& weight =
      tensor<int16_t>(tensors, name + "weight", {kAny, layer.inputs, layer.kernel, layer.kernel});
  layer.outputs = weight.shape[0];
  require(layer.outputs <= kMaxSize && layer.outputs % (layer.scale() * layer.scale()) == 0,
          name + "weight has the wrong number of outputs");
  const bool gdn = layer.operation == Operation::kInverseGdn;
  require(!gdn || layer.outputs == layer.inputs, name + "weight is not square");
  const int16_t* w = static_cast<const int16_t*>(weight.data);
  const int32_t* m = values<int32_t>(tensors, name + "multiplier", {layer.outputs});
  const int64_t* b = values<int64_t>(tensors, name + "bias", {layer.outputs});
  const int32_t* beta = gdn ? values<int32_t>(tensors, name + "beta", {layer.outputs}) : nullptr;
  prove_bounds(layer, w, m, b, beta, limits_[layer.source]);
  layer.pairs = (layer.kernel * layer.inputs + 1) / 2;
  pack_weights(layer, w);
  layer.multiplier = pack_rows(layer, m);
  layer.bias = pack_rows(layer, b);
  if (gdn) layer.beta = pack_rows(layer, beta);
  channels.push_back(layer.channels());
  scales.push_back(scales[layer.source] + log2_of(layer));
  limits_.push_back(layer.limit);
  check_operands(layer);
  layers.push_back(std::move(layer));
}

void Rendering::check_fields(const Layer& layer, bool last) const {
  const int64_t i = static_cast<int64_t>(layers.size());
  const auto exists = [&](int tensor) { return tensor >= -1 && tensor <= i; };
  const bool conv = layer.operation == Operation::kConv;
  const bool plain = layer.activation == Activation::kNone && layer.gate < 0 && layer.add < 0;
  const int f = layer.factor;
  bool sound = layer.source >= 0 && exists(layer.source) && exists(layer.gate) &&
               exists(layer.add) && layer.kernel >= 1 && layer.kernel <= kMaxKernel;
  sound = sound && layer.limit > 0 && layer.limit <= kMost;
  sound = sound && (conv ? f == 1 || f == 2 || f == 4 || f == 8 || f == 16 : f >= 0 && f <= 30);
  sound = sound && (conv || (plain && layer.kernel == 1));
  sound = sound && (!last || (conv && plain && layer.limit == kLastLimit));
  require(sound, "layer " + std::to_string(i) + " has impossible fields");
}

void Rendering::check_operands(const Layer& layer) const {
  require(std::abs(scales.back()) <= kMaxScale, "a tensor's scale is not within 2^-4..2^4");
  for (const int other : {layer.gate, layer.add}) {
    require(other < 0 || (channels[other] == channels.back() && scales[other] == scales.back()),
            "a gate or an addend differs in channels or scale");
  }
}

std::vector<int32_t> Rendering::gain_at(int64_t quality) const {
  require(quality >= 0 && quality <= kQualitySteps,
          "quality must be in 0..10000, not " + std::to_string(quality));
  const int64_t position = quality * (levels - 1);
  const int64_t low = std::min(position / kQualitySteps, levels - 2);
  const int64_t fraction = position - low * kQualitySteps;
  std::vector<int32_t> out(y_channels);
  for (int64_t c = 0; c < y_channels; ++c) {
    const int64_t a = gain_[low * y_channels + c], b = gain_[(low + 1) * y_channels + c];
    const int64_t step = (b - a) * fraction + kQualitySteps / 2;
    const int64_t floor =
        step >= 0 ? step / kQualitySteps : -((kQualitySteps - 1 - step) / kQualitySteps);
    out[c] = static_cast<int32_t>(a + floor);
  }
  return out;
}

}  // namespace mcm::pixels
