// The engine from several threads at once, each with a team of its own, on one model and one
// rendering: what a service does. Run it under a sanitizer: ThreadSanitizer for the team,
// AddressSanitizer and UndefinedBehaviorSanitizer for the rest.
#include <cstdio>
#include <thread>

#include "case.h"
#include "drawing.h"
#include "model_file.h"

namespace {

using namespace mcm;

constexpr int64_t kHeight = 160, kWidth = 330;
constexpr int64_t kQuality = 6543;

struct Picture {
  std::vector<int16_t> y, z;
  Case coded;
};

Picture picture(const Model& model, int64_t threads) {
  Random random{7};
  Picture out;
  out.y = random_latents(model.y_channels * kHeight * kWidth, 30, random);
  out.z = random_latents(z_latents(model, kHeight, kWidth), 5, random);
  out.coded.height = kHeight, out.coded.width = kWidth, out.coded.quality = kQuality;
  out.coded.coded =
      encode(model, out.y.data(), out.z.data(), kHeight, kWidth, kQuality, threads).coded;
  return out;
}

void there_and_back(const Model& model, const Picture& expected, int64_t threads) {
  const Picture made = picture(model, threads);
  expect(made.coded.coded.segments == expected.coded.coded.segments, "the same bytes");
  const Outcome outcome = decode_case(model, made.coded, threads);
  expect(outcome.intact && outcome.decoded.y == expected.y && outcome.decoded.z == expected.z,
         "the same latents");
  Case damaged = made.coded;
  Bytes& segment = damaged.coded.segments[0];
  segment[segment.size() / 2] ^= 1;
  const Outcome other = decode_case(model, damaged, threads);  // its team is torn down on the way
  expect(!other.intact || !(other == outcome), "damage is not overlooked");
}

std::vector<uint8_t> drawn(const pixels::Rendering& rendering, int64_t threads) {
  Random random{11};
  Drawing drawing;
  drawing.height = 24, drawing.width = 70, drawing.quality = kQuality;
  drawing.fill(rendering, 12, 9, random);
  const int64_t block = rendering.block();
  return drawing.draw(rendering, {3, 9, 23 * block, 68 * block + 1}, threads, 8);
}

}  // namespace

int main() {
  const pixels::Rendering rendering(views_of(golden_rendering()));
  const std::vector<uint8_t> pixels = drawn(rendering, 1);
  const Model model(views_of(golden_tensors()), kSlices);
  const Picture expected = picture(model, 1);
  for (int64_t members = 1; members <= 4; ++members) {
    std::vector<std::thread> callers;
    for (int64_t caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&] {
        there_and_back(model, expected, members);
        expect(drawn(rendering, members) == pixels, "the same pixels");
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  std::puts("4 callers, teams of 1 to 4: the same bytes, latents and pixels");
}
