// Hostile files through the C library's mcm_open and mcm_decode: what opens must decode or refuse a
// good stream at every scale, twice the same.
//
// The input: u8 mode, modulo 8. 0: the rest is the file. 1: the rest is a header, before which its
// length is put. Others: the rest are edits (edits.h) of a good file.
#include <sys/mman.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <string>

#include "../csrc/crc32c.h"
#include "c_calls.h"
#include "edits.h"

namespace {

using namespace mcm;

constexpr size_t kLength = 8;  // bytes that say how long the header is

struct File {
  std::string header, data;
  int64_t stated = -1;  // length of the header; negative: the one that it has

  std::string bytes() const {
    const uint64_t length = stated < 0 ? header.size() : static_cast<uint64_t>(stated);
    std::string out;
    for (size_t i = 0; i < kLength; ++i) out += static_cast<char>(length >> 8 * i);
    return out + header + data;
  }
};

const File& good_file() {
  static const File file = [] {
    const Bytes content = content_of(decoder_path());
    const std::string all(content.begin(), content.end());
    size_t length = 0;
    for (size_t i = kLength; i-- > 0;) length = length << 8 | static_cast<uint8_t>(all[i]);
    return File{all.substr(kLength, length), all.substr(kLength + length)};
  }();
  return file;
}

// The next number in the header from `at` on becomes another.
void set_number(std::string& header, size_t at, int32_t value) {
  static const char* const kExtremes[] = {"0",          "1",   "2147483648",           "-1",
                                          "4294967296", "1e3", "18446744073709551615", "01"};
  const size_t begin = header.find_first_of("0123456789", at);
  if (begin == header.npos) return;
  size_t end = begin;
  while (end < header.size() && std::isdigit(static_cast<unsigned char>(header[end]))) ++end;
  const std::string number = value & 1 ? kExtremes[value >> 1 & 7] : std::to_string(value >> 1);
  header.replace(begin, end - begin, number);
}

// What the header calls `from` is called `to`.
void rename(std::string& header, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = header.find(from, at)) != header.npos; at += to.size()) {
    header.replace(at, from.size(), to);
  }
}

void rename_some(std::string& header, uint16_t place) {
  static const char* const kNames[] = {".faithful.", ".preview8.", ".preview16.", ".other.", "."};
  rename(header, kNames[place & 3], kNames[place / 4 % 5]);  // never from what is everywhere
}

void set_data(std::string& data, const Edit& edit) {
  if (data.empty()) return;
  const size_t at = (size_t{edit.tensor} << 16 | edit.place) % data.size();
  const size_t count = size_t{1} << (edit.kind >> 3 & 3);
  for (size_t i = 0; i < count && at + i < data.size(); ++i) {
    data[at + i] = static_cast<char>(i < 4 ? edit.value >> 8 * i : 0);
  }
}

void change(const Edit& edit, File& file) {
  static const char* const kTokens[] = {"{",  "}",  "[",       "]",    ",",       ":",
                                        "\"", "\\", "\\u0041", "null", "\"I64\"", "\"F32\"",
                                        "-1", "{}", " ",       "[]"};
  const size_t at = edit.place % (file.header.size() + 1);
  switch (edit.kind % 8) {
    case 0:
      if (at < file.header.size()) file.header[at] = static_cast<char>(edit.value);
      break;
    case 1:
      file.header.insert(at, kTokens[edit.value & 15]);
      break;
    case 2:
      file.header.erase(at, edit.value & 63);
      break;
    case 3:
      set_number(file.header, at, edit.value);
      break;
    case 4:
      rename_some(file.header, edit.place);
      break;
    case 5:
      edit.value & 1 ? file.data.resize(file.data.size() / 65536 * edit.place)
                     : static_cast<void>(file.stated = edit.value >> (edit.tensor & 31));
      break;
    default:
      set_data(file.data, edit);
  }
}

std::string file_of(const uint8_t* data, size_t size) {
  const uint8_t mode = *data++;
  --size;
  if (mode % 8 == 1) return File{std::string(data, data + size), {}}.bytes();
  if (mode % 8 == 0) return {data, data + size};
  File file = good_file();
  for (Edit edit; next_edit(data, size, edit);) change(edit, file);
  return file.bytes();
}

// The path of a file in memory.
std::string path_of(const std::string& content) {
  static const int file = memfd_create("model", 0);
  const ssize_t size = static_cast<ssize_t>(content.size());
  expect(ftruncate(file, 0) == 0 && pwrite(file, content.data(), size, 0) == size, "it is written");
  return "/proc/self/fd/" + std::to_string(file);
}

void use(const mcm_decoder* decoder, Random random) {
  expect(mcm_rendering(decoder, 0) != nullptr, "a decoder has a rendering");
  Bytes stream = good_streams().at("chunks.mcm");
  std::copy_n(mcm_model(decoder), 8, &stream[6]);
  repair(stream.data(), stream.size(), stream.size());
  mcm_options how = mcm_defaults();
  for (size_t number = 0; mcm_rendering(decoder, number) != nullptr && number < 2; ++number) {
    how.rendering = mcm_rendering(decoder, number);
    for (const uint32_t scale : {1, 8, 16}) {
      how.scale = scale;
      const Attempt made = attempt_twice(decoder, stream, how, random);
      expect(scale > 1 || made.status != MCM_BAD_ARGUMENT, "a rendering that it names is there");
      expect(made.status != MCM_UNKNOWN_MODEL && made.status != MCM_FOREIGN, "its own stream");
    }
  }
}

// How many files there were, and how many of them opened; printed at the end.
struct Tally {
  int64_t inputs = 0, opened = 0;
  ~Tally() {
    std::fprintf(stderr, "%lld inputs, %lld of them opened\n", static_cast<long long>(inputs),
                 static_cast<long long>(opened));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tally tally;
  if (size == 0) return 0;
  char why[MCM_WHY_SIZE];
  mcm_decoder* decoder = nullptr;
  const mcm_status status = mcm_open(path_of(file_of(data, size)).c_str(), &decoder, why);
  expect((status == MCM_OK) == (decoder != nullptr), "a decoder or an error");
  expect(status == MCM_OK || status == MCM_BAD_MODEL, why);
  ++tally.inputs, tally.opened += decoder != nullptr;
  if (decoder != nullptr) use(decoder, {crc32c(data, size)});
  mcm_close(decoder);
  return 0;
}
