// Any bytes through the decoder (case.h). Most of the inputs come from good streams: damage far
// from the beginning would otherwise never be reached.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "../csrc/crc32c.h"
#include "case.h"
#include "model_file.h"
#include "mutated.h"

namespace {

using namespace mcm;

constexpr uint32_t kThorough = 16;  // of so many inputs one is checked thoroughly
constexpr int64_t kGoodStreams = 4096;

const Model& model() {
  static const Model golden(views_of(golden_tensors()), kSlices);
  return golden;
}

// Encoding takes longer than decoding: good streams are made once.
const Case& good_case(int64_t number) {
  static std::vector<std::optional<Case>> cases(kGoodStreams);
  std::optional<Case>& made = cases[number];
  if (!made) made = valid_case(model(), number);
  return *made;
}

void damage_exceptions(Coded& coded, Random& random) {
  std::vector<int64_t>& indexes = coded.exception_indexes;
  if (!indexes.empty() && random.below(3) == 0) {
    indexes[random.below(static_cast<int64_t>(indexes.size()))] = random.below(2048);
    return;
  }
  indexes.push_back(random.below(random.below(8) == 0 ? int64_t{1} << 32 : 2048));
  coded.exception_differences.push_back(static_cast<int16_t>(random.next()));
  if (random.below(8) > 0) std::sort(indexes.begin(), indexes.end());
}

// A few changes that keep the layout of a stream.
void damage(Case& input, Random& random) {
  Coded& coded = input.coded;
  const int64_t groups = static_cast<int64_t>(coded.segments.size());
  for (int64_t changes = random.below(3) + 1; changes > 0; --changes) {
    const int64_t choice = random.below(16);
    if (choice < 10) {
      damage_segment(coded.segments[random.below(groups)], 4u * coded.lanes, random);
    } else if (choice < 12) {
      damage_exceptions(coded, random);
    } else if (choice == 12) {
      input.quality = random.below(kQualitySteps + 1);
    } else if (choice == 13) {
      input.height = random.below(8) + 1;
    } else if (choice == 14) {
      input.width = random.below(8) + 1;
    } else {
      std::swap(coded.segments[random.below(groups)], coded.segments[random.below(groups)]);
    }
  }
}

// How many inputs there were, and how many could be decoded; printed at the end.
struct Tally {
  int64_t inputs = 0, decoded = 0;
  ~Tally() {
    std::fprintf(stderr, "%lld inputs, %lld of them decoded\n", static_cast<long long>(inputs),
                 static_cast<long long>(decoded));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tally tally;
  const bool thorough = crc32c(data, size) % kThorough == 0;
  ++tally.inputs;
  tally.decoded += check_case(model(), parse(data, size), thorough);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  Random random{seed};
  const int64_t choice = random.below(8);
  if (choice >= 6) return LLVMFuzzerMutate(data, size, max_size);
  Case input = choice < 3 ? good_case(random.below(kGoodStreams)) : parse(data, size);
  if (random.below(32) > 0) damage(input, random);
  return mutated(input, data, size, max_size);
}
