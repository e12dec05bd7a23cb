// Hostile renderings, and any latents through good ones: what loads must draw without a sum leaving
// its type, and the same pixels at every SIMD level, with any threads, in any box.
//
// The input: u8 height - 1 in its low 3 bits, width - 1 in the next 3, of y; u16 quality, modulo
// 10001; u8 bits that y and mu lose of 16; then edits of the rendering (edits.h).
#include <algorithm>
#include <stdexcept>

#include "../csrc/crc32c.h"
#include "../csrc/simd.h"
#include "case.h"
#include "drawing.h"
#include "edits.h"

namespace {

using namespace mcm;
using namespace mcm::pixels;

constexpr size_t kHeader = 4;
constexpr int64_t kMostChannels = 256, kMostPixels = 1 << 16;
constexpr uint32_t kThorough = 4;  // of so many inputs one is drawn by every level

Box some_box(int64_t height, int64_t width, Random& random) {
  Box box{random.below(height), random.below(width), 0, 0};
  box.bottom = box.top + 1 + random.below(height - box.top);
  box.right = box.left + 1 + random.below(width - box.left);
  return box;
}

// The pixels of `box` within those of an image `width` wide.
std::vector<uint8_t> cropped(const std::vector<uint8_t>& whole, int64_t width, const Box& box) {
  std::vector<uint8_t> out;
  for (int64_t row = box.top; row < box.bottom; ++row) {
    const auto first = whole.begin() + 3 * (row * width + box.left);
    out.insert(out.end(), first, first + 3 * (box.right - box.left));
  }
  return out;
}

void use(const Rendering& rendering, const uint8_t* input, Random random) {
  if (*std::max_element(rendering.channels.begin(), rendering.channels.end()) > kMostChannels)
    return;
  Drawing drawing;
  drawing.height = (input[0] & 7) + 1, drawing.width = (input[0] >> 3 & 7) + 1;
  drawing.quality = (input[1] | input[2] << 8) % (kQualitySteps + 1);
  drawing.fill(rendering, input[3] & 15, input[3] >> 4, random);
  const int64_t height = drawing.height * rendering.block();
  const int64_t width = drawing.width * rendering.block();
  if (height * width > kMostPixels) return;
  const Box all{0, 0, height, width}, box = some_box(height, width, random);
  const auto whole = drawing.draw(rendering, all, 1, 8);
  expect(drawing.draw(rendering, box, 1, 1 + random.below(9)) == cropped(whole, width, box),
         "a box is the crop of the whole");
  if (random.below(kThorough) > 0) return;
  const std::vector<std::string> levels = simd_names();
  for (const std::string& level : levels) {
    use_simd(level);
    expect(drawing.draw(rendering, all, 2, 1 + random.below(9)) == whole, level.c_str());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeader) return 0;
  const uint8_t* header = data;
  const uint32_t seed = crc32c(data, size);
  data += kHeader, size -= kHeader;
  OwnTensors tensors = golden_rendering();
  for (Edit edit; next_edit(data, size, edit);) change(edit, tensors);
  try {
    const Rendering rendering(views_of(tensors));
    use(rendering, header, {seed});
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
