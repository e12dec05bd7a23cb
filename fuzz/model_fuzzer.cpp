// Hostile weights: a good model with some numbers, shapes, types or names changed. Whatever loads
// must be safe to use: the bounds that loading proves are what keeps later sums in range.
//
// The input is a list of edits (edits.h), of which one kind names the number of slices.
#include <stdexcept>

#include "../csrc/crc32c.h"
#include "case.h"
#include "edits.h"

namespace {

using namespace mcm;

constexpr int kSlicesKind = 4;

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
  for (Edit edit; next_edit(data, size, edit);) {
    if (edit.kind % 8 == kSlicesKind && edit.place % 4 == 0) {
      slices = edit.value;
    } else {
      change(edit, tensors);
    }
  }
  try {
    const Model model(views_of(tensors), slices);
    use(model, {seed});
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
