// A model's integers as `seeds.py` writes them, one tensor after another:
//
//   u32 length, name; u8 type (0..3: int8, int16, int32, int64); u32 dimensions, i64 for each;
//   the values, little-endian, in C order
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../csrc/model.h"

namespace mcm {

constexpr int64_t kSlices = 3;

struct OwnTensor {
  Type type = Type::kInt8;
  std::vector<int64_t> shape;
  std::vector<uint8_t> values;

  int64_t elements() const;
  size_t element_size() const { return size_t{1} << static_cast<int>(type); }
};
using OwnTensors = std::map<std::string, OwnTensor>;

// std::runtime_error if it cannot be read.
OwnTensors read_model(const std::string& path);

Tensors views_of(const OwnTensors& tensors);

// The model in the file that the environment variable MCM_FUZZ_MODEL names, and the rendering in
// that of MCM_FUZZ_RENDERING. Ends the process if there is none.
const OwnTensors& golden_tensors();
const OwnTensors& golden_rendering();

}  // namespace mcm
