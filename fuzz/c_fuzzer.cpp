// Any bytes as a stream, through the C library's functions (../csrc/mcm.h) with a good decoder's
// file: header, size and pixels, whole, a box, previews, any number of threads.
//
// The input is the stream. Its checksum picks the options.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../csrc/crc32c.h"
#include "c_calls.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace mcm;

constexpr uint64_t kMaxPixels = 1 << 16;
constexpr int64_t kBoxes = 4;                          // of a good stream
constexpr size_t kFlags = 5, kModel = 6, kStart = 16;  // places in a stream; of the image's size

const mcm_decoder* decoder() {
  static mcm_decoder* const opened = [] {
    mcm_decoder* out = nullptr;
    char why[MCM_WHY_SIZE];
    if (mcm_open(decoder_path().c_str(), &out, why) == MCM_OK) return out;
    std::fprintf(stderr, "%s\n", why);
    std::exit(2);
  }();
  return opened;
}

// How many inputs there were, and how many were pictures; printed at the end.
struct Tally {
  int64_t inputs = 0, decoded = 0;
  ~Tally() {
    std::fprintf(stderr, "%lld inputs, %lld of them decoded\n", static_cast<long long>(inputs),
                 static_cast<long long>(decoded));
  }
};

// A rectangle within the image; one in eight is any.
void set_box(mcm_options& how, const mcm_header& header, Random& random) {
  if (random.below(8) == 0 || header.width == 0 || header.height == 0) {
    for (uint32_t* side : {&how.left, &how.top, &how.right, &how.bottom}) {
      *side = static_cast<uint32_t>(random.next()) >> random.below(32);
    }
    return;
  }
  how.left = static_cast<uint32_t>(random.below(header.width));
  how.top = static_cast<uint32_t>(random.below(header.height));
  how.right = static_cast<uint32_t>(how.left + 1 + random.below(header.width - how.left));
  how.bottom = static_cast<uint32_t>(how.top + 1 + random.below(header.height - how.top));
}

mcm_options some_options(Random& random) {
  constexpr uint32_t kScales[] = {1, 1, 8, 16};
  mcm_options how = mcm_defaults();
  how.max_pixels = kMaxPixels;
  how.scale = kScales[random.below(4)];
  how.rendering = mcm_rendering(decoder(), random.below(2));
  if (random.below(8) == 0) how.threads = static_cast<uint32_t>(2 + random.below(3));
  return how;
}

// The pixels of a box are those of the whole.
void check_crop(const Attempt& box, const Attempt& whole, const mcm_options& how) {
  expect(box.status == MCM_OK, "a box of a good stream is good");
  const size_t left = how.left / how.scale, top = how.top / how.scale;
  const size_t row = size_t{box.width} * box.channels;
  for (size_t y = 0; y < box.height; ++y) {
    const uint8_t* from = &whole.pixels[((top + y) * whole.width + left) * whole.channels];
    expect(std::equal(from, from + row, &box.pixels[y * row]), "a box is the crop of the whole");
  }
}

// A buffer that is one byte too small is refused.
void check_small(const Bytes& stream, const mcm_options& how, const Attempt& whole) {
  Bytes buffer(whole.pixels.size() - 1);
  buffer.shrink_to_fit();
  const size_t row = size_t{whole.width} * whole.channels;
  expect(mcm_decode(decoder(), stream.data(), stream.size(), &how, buffer.data(), row,
                    buffer.size(), nullptr) == MCM_BAD_ARGUMENT,
         "a small buffer is refused");
}

size_t put_good_stream(uint8_t* data, size_t max_size, Random& random) {
  const auto& streams = good_streams();
  const int64_t number = random.below(static_cast<int64_t>(streams.size()));
  const Bytes& stream = std::next(streams.begin(), number)->second;
  const size_t size = std::min(stream.size(), max_size);
  std::copy_n(stream.begin(), size, data);
  return size;
}

// Other flags, another size of as many latents perhaps, extreme varints.
void damage_header(uint8_t* data, size_t size, Random& random) {
  static const std::string kVarints[] = {{"", 1}, "\1", "\x7f", "\x80\1", "\xff\xff\xff\xff\xf"};
  if (random.below(2) == 0) data[kFlags] ^= 1 << random.below(8) % 7;
  if (random.below(8) == 0) data[kFlags + 9 + random.below(2)] = random.next() & 63;
  const size_t side = kStart + random.below(3);
  if (random.below(4) == 0 && side < size) data[side] ^= random.below(16);
  if (random.below(4) > 0) return;
  const std::string& varint = kVarints[random.below(5)];
  const size_t at = kStart + random.below(64);
  if (at + varint.size() <= size) std::copy(varint.begin(), varint.end(), data + at);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tally tally;
  const Bytes stream(data, data + size);
  Random random{crc32c(data, size)};
  mcm_options how = some_options(random);
  const Attempt whole = attempt_twice(decoder(), stream, how, random);
  ++tally.inputs;
  tally.decoded += whole.status == MCM_OK;
  mcm_header header{};
  mcm_read_header(data, size, &header, nullptr);
  for (int64_t boxes = whole.status == MCM_OK ? kBoxes : 1; boxes > 0; --boxes) {
    mcm_options part = how;
    set_box(part, header, random);
    const Attempt box = attempt_twice(decoder(), stream, part, random);
    if (whole.status == MCM_OK && box.status != MCM_BAD_ARGUMENT) check_crop(box, whole, part);
  }
  if (whole.status == MCM_OK && whole.pixels.size() > 1) check_small(stream, how, whole);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  Random random{seed};
  if (random.below(2) > 0) size = put_good_stream(data, max_size, random);
  if (random.below(2) > 0) size = LLVMFuzzerMutate(data, size, max_size);
  if (size < kStart) return size;
  if (random.below(16) > 0) {
    std::memcpy(data, "MCM\x1a\1", kFlags);
    std::memcpy(data + kModel, mcm_model(decoder()), 8);
  }
  damage_header(data, size, random);
  return random.below(16) > 0 ? repair(data, size, max_size) : size;
}
