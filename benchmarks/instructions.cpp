// What bench_instructions.py counts: a picture encoded and decoded once, one thread.
//
//   instructions MODEL LATENTS
//
// MODEL as fuzz/model_file.h reads it; LATENTS: int64 slices, height, width, quality, then y and z.
#include <cstdio>
#include <fstream>

#include "../csrc/engine.h"
#include "../fuzz/model_file.h"

int main(int, char** arguments) {
  using namespace mcm;
  const OwnTensors tensors = read_model(arguments[1]);
  std::ifstream file(arguments[2], std::ios::binary);
  int64_t slices, height, width, quality;
  for (int64_t* n : {&slices, &height, &width, &quality}) {
    file.read(reinterpret_cast<char*>(n), sizeof(*n));
  }
  const Model model(views_of(tensors), slices);
  std::vector<int16_t> y(model.y_channels * height * width), z(z_latents(model, height, width));
  for (std::vector<int16_t>* latents : {&y, &z}) {
    file.read(reinterpret_cast<char*>(latents->data()), 2 * latents->size());
  }
  const Coded coded = encode(model, y.data(), z.data(), height, width, quality, 1).coded;
  Stream stream{coded.lanes,
                coded.groups,
                coded.exception_indexes.data(),
                coded.exception_differences.data(),
                static_cast<int64_t>(coded.exception_indexes.size()),
                {}};
  for (const Bytes& segment : coded.segments) {
    stream.segments.emplace_back(reinterpret_cast<const char*>(segment.data()), segment.size());
  }
  const Decoded decoded = decode(model, stream, height, width, quality, 1);
  if (!file || decoded.y != y || decoded.z != z) {
    std::fputs("the latents do not survive\n", stderr);
    return 1;
  }
}
