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
  static const OwnTensors tensors = [] {
    const char* path = std::getenv("MCM_FUZZ_MODEL");
    try {
      return read_model(path == nullptr ? "model.bin" : path);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s; MCM_FUZZ_MODEL names the file\n", error.what());
      std::exit(2);
    }
  }();
  return tensors;
}

}  // namespace mcm
