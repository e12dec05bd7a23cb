// Hostile weights: a good model with some numbers, shapes, types or names changed. Whatever loads
// must be safe to use: the bounds that loading proves are what keeps later sums in range.
//
// The input is a list of edits of 8 bytes: u8 tensor, u8 kind, u16 place, i32 value.
#include <cstring>
#include <iterator>

#include "../csrc/crc32c.h"
#include "case.h"
#include "model_file.h"

namespace {

using namespace mcm;

constexpr int64_t kLargest = 1 << 18;  // elements of a reshaped tensor

struct Edit {
  uint8_t tensor, kind;
  uint16_t place;
  int32_t value;
};
static_assert(sizeof(Edit) == 8, "as in the input");

// One element becomes `value`, times 2^24 in the 64-bit ones: their bounds lie there.
void set_value(OwnTensor& tensor, uint16_t place, int64_t value) {
  if (tensor.type == Type::kOther || tensor.values.empty()) return;
  const size_t size = tensor.element_size();
  if (size == 8) value *= int64_t{1} << 24;
  std::memcpy(&tensor.values[place % (tensor.values.size() / size) * size], &value, size);
}

void set_shape(OwnTensor& tensor, uint16_t place, int64_t value) {
  if (tensor.shape.empty()) return;
  tensor.shape[place % tensor.shape.size()] = value;
  int64_t elements = 1;
  for (const int64_t n : tensor.shape) {
    elements = n < 0 || n > kLargest ? kLargest + 1 : elements * n;
    if (elements > kLargest) return tensor.shape.clear();
  }
  tensor.values.resize(elements * 8, 1);
}

void apply(const Edit& edit, OwnTensors& tensors, int64_t& slices) {
  if (tensors.empty()) return;
  const auto chosen = std::next(tensors.begin(), edit.tensor % tensors.size());
  switch (edit.kind % 8) {
    case 0:
      set_shape(chosen->second, edit.place, edit.value);
      break;
    case 1:
      set_shape(chosen->second, edit.place, edit.value & 15);
      break;
    case 2:
      chosen->second.type = static_cast<Type>(edit.value & 3);
      chosen->second.values.resize(chosen->second.elements() * 8);
      break;
    case 3:
      if (edit.place % 4 == 0) tensors.erase(chosen);
      break;
    case 4:
      if (edit.place % 4 == 0) slices = edit.value;
      break;
    default:
      set_value(chosen->second, edit.place, edit.value);
  }
}

// Latents beyond the activations' range, so that sums are at their largest.
void use(const Model& model, Random random) {
  if (model.y_channels > 512 || model.z_channels > 512) return;
  Case input;
  input.width = 2, input.quality = random.below(kQualitySteps + 1);
  const auto y = random_latents(model.y_channels * 2, 1000, random);
  const auto z = random_latents(model.z_channels, 1000, random);
  input.coded = encode(model, y.data(), z.data(), 1, 2, input.quality, 1).coded;
  const Outcome outcome = decode_case(model, input, 1);
  expect(outcome.intact && outcome.decoded.y == y && outcome.decoded.z == z, "latents survive");
  check_case(model, input, random.below(4) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  OwnTensors tensors = golden_tensors();
  int64_t slices = kSlices;
  const uint64_t seed = crc32c(data, size);
  for (; size >= sizeof(Edit); data += sizeof(Edit), size -= sizeof(Edit)) {
    Edit edit;
    std::memcpy(&edit, data, sizeof edit);
    apply(edit, tensors, slices);
  }
  try {
    const Model model(views_of(tensors), slices);
    use(model, {seed});
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
