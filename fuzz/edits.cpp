#include "edits.h"

#include <cstring>
#include <iterator>

namespace mcm {
namespace {

constexpr int64_t kLargest = 1 << 18;  // elements of a reshaped tensor

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

}  // namespace

bool next_edit(const uint8_t*& data, size_t& size, Edit& edit) {
  if (size < sizeof(Edit)) return false;
  std::memcpy(&edit, data, sizeof edit);
  data += sizeof(Edit), size -= sizeof(Edit);
  return true;
}

void change(const Edit& edit, OwnTensors& tensors) {
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
    default:
      set_value(chosen->second, edit.place, edit.value);
  }
}

}  // namespace mcm
