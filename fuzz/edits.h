// Changes to the tensors of a good model: numbers, shapes, types, names. In a fuzzer's input each
// takes 8 bytes: u8 tensor, u8 kind, u16 place, i32 value.
#pragma once

#include "model_file.h"

namespace mcm {

struct Edit {
  uint8_t tensor, kind;
  uint16_t place;
  int32_t value;
};
static_assert(sizeof(Edit) == 8, "as in the input");

// The next edit of an input, which becomes shorter by it; false where none is left.
bool next_edit(const uint8_t*& data, size_t& size, Edit& edit);

void change(const Edit& edit, OwnTensors& tensors);

}  // namespace mcm
