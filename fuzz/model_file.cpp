#include "model_file.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace mcm {
namespace {

template <class T>
T read(std::ifstream& file) {
  T value{};
  file.read(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

OwnTensors named_by(const char* variable, const char* otherwise) {
  const char* path = std::getenv(variable);
  try {
    return read_model(path == nullptr ? otherwise : path);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s; %s names the file\n", error.what(), variable);
    std::exit(2);
  }
}

}  // namespace

int64_t OwnTensor::elements() const {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  return count;
}

OwnTensors read_model(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  OwnTensors tensors;
  while (file && file.peek() != std::ifstream::traits_type::eof()) {
    std::string name(read<uint32_t>(file), 0);
    file.read(name.data(), static_cast<std::streamsize>(name.size()));
    OwnTensor& tensor = tensors[name];
    tensor.type = static_cast<Type>(read<uint8_t>(file));
    tensor.shape.resize(read<uint32_t>(file));
    for (int64_t& n : tensor.shape) n = read<int64_t>(file);
    tensor.values.resize(tensor.elements() * tensor.element_size());
    file.read(reinterpret_cast<char*>(tensor.values.data()),
              static_cast<std::streamsize>(tensor.values.size()));
  }
  if (!file || tensors.empty()) throw std::runtime_error("cannot read the model " + path);
  return tensors;
}

Tensors views_of(const OwnTensors& tensors) {
  Tensors views;
  for (const auto& [name, tensor] : tensors) {
    views[name] = {tensor.type, tensor.shape, tensor.values.data()};
  }
  return views;
}

const OwnTensors& golden_tensors() {
  static const OwnTensors tensors = named_by("MCM_FUZZ_MODEL", "model.bin");
  return tensors;
}

const OwnTensors& golden_rendering() {
  static const OwnTensors tensors = named_by("MCM_FUZZ_RENDERING", "rendering.bin");
  return tensors;
}

}  // namespace mcm
