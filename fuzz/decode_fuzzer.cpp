// Any bytes through the decoder (case.h). Half of the inputs come from good streams: damage far
// from the beginning would otherwise never be reached.
#include <algorithm>
#include <cstring>

#include "case.h"
#include "model_file.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace mcm;

const Model& model() {
  static const Model golden(views_of(golden_tensors()), kSlices);
  return golden;
}

// A few changes that keep the layout of a stream.
void damage(Case& input, Random& random) {
  Coded& coded = input.coded;
  for (int64_t changes = random.below(3) + 1; changes > 0; --changes) {
    Bytes& segment = coded.segments[random.below(static_cast<int64_t>(coded.segments.size()))];
    const size_t at = segment.empty() ? 0 : random.next() % segment.size();
    switch (random.below(7)) {
      case 0:
        if (!segment.empty()) segment[at] ^= 1 << random.below(8);
        break;
      case 1:
        if (!segment.empty()) segment[at] = static_cast<uint8_t>(random.next());
        break;
      case 2:
        segment.resize(segment.size() & ~size_t{1}), segment.insert(segment.end(), 2, 0);
        break;
      case 3:
        if (segment.size() >= 4u * coded.lanes + 2) segment.resize(segment.size() - 2);
        break;
      case 4:
        coded.exception_indexes.push_back(random.below(2048));
        coded.exception_differences.push_back(static_cast<int16_t>(random.next()));
        std::sort(coded.exception_indexes.begin(), coded.exception_indexes.end());
        break;
      case 5:
        input.quality = random.below(kMaxQuality + 1);
        break;
      default:
        input.height = random.below(8) + 1;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Case input = parse(data, size);
  check_case(model(), input);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  Random random{seed};
  const int64_t choice = random.below(8);
  if (choice >= 4) return LLVMFuzzerMutate(data, size, max_size);
  Case input = choice < 3 ? valid_case(model(), random.next()) : parse(data, size);
  if (choice > 0) damage(input, random);
  const Bytes bytes = serialise(input);
  if (bytes.size() > max_size || input.coded.exception_indexes.size() > 255) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
