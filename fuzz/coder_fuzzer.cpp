// Any bytes through the range coder alone: the CPU's at every SIMD level, and that of warps as host
// code, the bodies that a GPU runs. All must agree.
//
// The input is a case (case.h): height * width * 32 symbols, whose tables the quality picks.
#include <algorithm>
#include <optional>
#include <string>

#include "../csrc/errors.h"
#include "../csrc/simd.h"
#include "../csrc/warp/launchers.h"
#include "../csrc/warp/tables.h"
#include "case.h"
#include "model_file.h"
#include "mutated.h"

namespace {

using namespace mcm;

using Values = std::vector<int16_t>;
using Numbers = std::vector<int32_t>;

template <class T>
const T* values_of(const char* name) {
  return reinterpret_cast<const T*>(golden_tensors().at(name).values.data());
}

struct Both {
  Tables cpu;
  std::vector<uint8_t> warps;
};

const Both& tables() {
  static const Both both = [] {
    const auto* cdf = values_of<int16_t>("tables.cdf");
    const auto* start = values_of<int32_t>("tables.start");
    const auto* minimum = values_of<int32_t>("tables.minimum");
    const int64_t count = golden_tensors().at("tables.minimum").elements();
    const int64_t size = golden_tensors().at("tables.cdf").elements();
    return Both{Tables(cdf, size, start, minimum, count),
                warp::pack_tables(cdf, start, minimum, 0, count)};
  }();
  return both;
}

Numbers numbers_of(const Case& input) {
  Random random{static_cast<uint64_t>(input.quality)};
  Numbers numbers(input.height * input.width * 32);
  for (int32_t& number : numbers) {
    number = static_cast<int32_t>(random.below(tables().cpu.count()));
  }
  return numbers;
}

std::optional<Values> decoded(const Numbers& numbers, const Coded& coded) {
  try {
    return decode_symbols(tables().cpu, views_of(coded.segments), numbers.data(),
                          static_cast<int64_t>(numbers.size()), coded.lanes, coded.groups);
  } catch (const BitstreamError&) {
    return {};
  }
}

// What an array of the warp coder needs beside its values.
struct Room {
  std::vector<uint16_t> payload, words;
  std::vector<int64_t> at;
  std::vector<int32_t> size;
  std::vector<uint32_t> states;
  int32_t error = 0;

  Room(size_t count, size_t lanes, size_t groups)
      : words(2 * ((count + lanes * groups - 1) / (lanes * groups)) * lanes * groups),
        at(groups),
        size(groups),
        states(lanes * groups) {}

  warp::Symbols symbols(Values& values, const Numbers& numbers, const Coded& coded) {
    const std::vector<uint8_t>& blob = tables().warps;
    return {static_cast<int64_t>(values.size()),
            coded.lanes,
            coded.groups,
            blob.data(),
            static_cast<int64_t>(blob.size()),
            tables().cpu.count(),
            values.data(),
            numbers.data(),
            payload.data(),
            at.data(),
            size.data(),
            words.data(),
            states.data(),
            &error};
  }
};

std::optional<Values> decoded_by_warps(const Numbers& numbers, const Coded& coded) {
  Values values(numbers.size());
  Room room(numbers.size(), coded.lanes, coded.groups);
  for (size_t group = 0; group < coded.segments.size(); ++group) {
    const Bytes& segment = coded.segments[group];
    if (segment.size() % 2 != 0) return {};  // which its interface cannot say
    room.at[group] = static_cast<int64_t>(room.payload.size());
    room.size[group] = static_cast<int32_t>(segment.size() / 2);
    room.payload.resize(room.payload.size() + segment.size() / 2);
    std::copy(segment.begin(), segment.end(),
              reinterpret_cast<uint8_t*>(room.payload.data() + room.at[group]));
  }
  warp::decode_symbols(room.symbols(values, numbers, coded), 0);
  if (room.error != 0) return {};
  return values;
}

std::vector<Bytes> encoded_by_warps(Values values, const Numbers& numbers, const Coded& coded) {
  Room room(numbers.size(), coded.lanes, coded.groups);
  room.payload.resize(room.words.size() + 2 * room.states.size());
  warp::encode_symbols(room.symbols(values, numbers, coded), 0);
  expect(room.error == 0, "the warps can code any values");
  std::vector<Bytes> segments;
  for (size_t group = 0; group < room.at.size(); ++group) {
    const auto* from = reinterpret_cast<const uint8_t*>(room.payload.data() + room.at[group]);
    segments.emplace_back(from, from + 2 * room.size[group]);
  }
  return segments;
}

std::vector<Bytes> encoded(const Values& values, const Numbers& numbers, const Coded& coded) {
  return encode_symbols(tables().cpu, values.data(), numbers.data(),
                        static_cast<int64_t>(values.size()), coded.lanes, coded.groups);
}

// A good stream, of values that are mostly in their tables.
Case valid_symbols(Random& random) {
  Case out;
  out.height = random.below(8) + 1, out.width = random.below(4) + 1;
  out.quality = random.below(kQualitySteps + 1);
  out.coded.lanes = 1 << random.below(6);
  out.coded.groups = out.coded.lanes == kMaxLanes ? 1 << random.below(4) : 1;
  const int64_t spread = int64_t{1} << random.below(17), escapes = random.below(200) + 1;
  const Numbers numbers = numbers_of(out);
  Values values;
  for (const int32_t number : numbers) {
    const int64_t most = random.below(escapes) == 0 ? spread : 4;
    values.push_back(
        wrap(tables().cpu.choice(number).minimum + static_cast<int32_t>(random.below(most))));
  }
  out.coded.segments = encoded(values, numbers, out.coded);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Case input = parse(data, size);
  Coded& coded = input.coded;
  try {
    check_layout(coded.lanes, coded.groups);
  } catch (const std::invalid_argument&) {
    return 0;
  }
  const Numbers numbers = numbers_of(input);
  const std::optional<Values> values = decoded_by_warps(numbers, coded);
  for (const std::string& level : simd_names()) {
    use_simd(level);
    expect(decoded(numbers, coded) == values, "both coders agree at every SIMD level");
  }
  if (!values) return 0;
  coded.segments = encoded_by_warps(*values, numbers, coded);
  for (const std::string& level : simd_names()) {
    use_simd(level);
    expect(encoded(*values, numbers, coded) == coded.segments, "the same bytes");
  }
  expect(decoded(numbers, coded) == values, "what was decoded survives");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  Random random{seed};
  const int64_t choice = random.below(8);
  if (choice >= 6) return LLVMFuzzerMutate(data, size, max_size);
  Case input = choice < 3 ? valid_symbols(random) : parse(data, size);
  std::vector<Bytes>& segments = input.coded.segments;
  for (int64_t changes = random.below(3); changes > 0; --changes) {
    const int64_t group = random.below(static_cast<int64_t>(segments.size()));
    damage_segment(segments[group], 4u * input.coded.lanes, random);
  }
  return mutated(input, data, size, max_size);
}
