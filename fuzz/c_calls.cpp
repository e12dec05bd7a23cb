#include "c_calls.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "../csrc/c/header.h"
#include "../csrc/crc32c.h"
#include "../csrc/errors.h"

namespace mcm {
namespace {

constexpr size_t kChecksum = 4, kFirst = 16;  // bytes of the header up to the image's size

// A buffer for `why`, and that it is used as promised.
class Why {
 public:
  char* text() { return text_.get(); }

  mcm_status checked(mcm_status status) const {
    const size_t length = strnlen(text_.get(), MCM_WHY_SIZE);
    expect(length < MCM_WHY_SIZE, "an explanation ends");
    expect((length == 0) == (status == MCM_OK), "errors are explained, and nothing else");
    expect(status != MCM_FAILED && status != MCM_NO_FILE, text_.get());
    return status;
  }

 private:
  std::unique_ptr<char[]> text_{new char[MCM_WHY_SIZE]};
};

void expect_gaps(const Bytes& buffer, size_t row, size_t step, uint8_t fill) {
  for (size_t i = 0; i < buffer.size(); ++i) {
    expect(i % step < row || buffer[i] == fill, "bytes between rows stay");
  }
}

void put_checksum(uint8_t* data, size_t end) {
  const uint32_t crc = crc32c(data, end);
  for (size_t i = 0; i < kChecksum; ++i) data[end + i] = static_cast<uint8_t>(crc >> 8 * i);
}

// Where the header ends: of all beginnings of a stream the shortest that is not too short.
size_t header_end(const uint8_t* data, size_t size) {
  mcm_header header;
  size_t least = kFirst, most = size + 1;
  while (least < most) {
    const size_t middle = least + (most - least) / 2;
    const bool short_of_it =
        middle <= size && mcm_read_header(data, middle, &header, nullptr) == MCM_TRUNCATED;
    short_of_it ? least = middle + 1 : most = middle;
  }
  return least;
}

// The sizes of the parts behind the header.
std::vector<uint64_t> parts_of(const c::Header& header) {
  std::vector<uint64_t> sizes;
  for (const c::Chunk& chunk : header.chunks) {
    if (c::is_ignorable(chunk)) sizes.push_back(chunk.size);
  }
  for (int64_t i = 0; i < header.tiles(); ++i) sizes.push_back(header.payload(i));
  if (header.alpha() != nullptr) sizes.push_back(header.alpha()->size);
  return sizes;
}

std::string named_by(const char* variable) {
  const char* path = std::getenv(variable);
  if (path != nullptr) return path;
  std::fprintf(stderr, "%s is not set\n", variable);
  std::exit(2);
}

}  // namespace

const std::string& decoder_path() {
  static const std::string path = named_by("MCM_FUZZ_DECODER");
  return path;
}

const std::map<std::string, Bytes>& good_streams() {
  static const std::map<std::string, Bytes> streams = [] {
    std::map<std::string, Bytes> out;
    for (const auto& file : std::filesystem::directory_iterator(named_by("MCM_FUZZ_STREAMS"))) {
      out[file.path().filename()] = content_of(file.path());
    }
    expect(!out.empty(), "there are good streams");
    return out;
  }();
  return streams;
}

Bytes content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes out{std::istreambuf_iterator<char>(file), {}};
  if (!out.empty()) return out;
  std::fprintf(stderr, "cannot read %s\n", path.c_str());
  std::exit(2);
}

Attempt attempt(const mcm_decoder* decoder, const Bytes& stream, const mcm_options& how, size_t gap,
                uint8_t fill) {
  Why why;
  mcm_header header{};
  Attempt out{};
  out.status = why.checked(mcm_read_header(stream.data(), stream.size(), &header, why.text()));
  if (out.status == MCM_OK) {
    out.status = why.checked(mcm_size(&header, &how, &out.width, &out.height, why.text()));
  }
  const bool sized = out.status == MCM_OK;
  if (sized) out.channels = header.channels;
  const size_t row = size_t{out.width} * out.channels, step = row + gap;
  Bytes buffer(sized ? step * (out.height - 1) + row : 0, fill);
  buffer.shrink_to_fit();
  uint8_t nothing = fill;
  const mcm_status status =
      why.checked(mcm_decode(decoder, stream.data(), stream.size(), &how,
                             sized ? buffer.data() : &nothing, step, buffer.size(), why.text()));
  expect(nothing == fill, "a buffer of no bytes stays");
  expect(sized || status == out.status || status >= MCM_BAD_ARGUMENT,
         "a stream is refused for one reason");
  out.status = status;
  if (!sized) return out;
  expect_gaps(buffer, row, step, fill);
  if (status != MCM_OK) return out;
  for (size_t y = 0; y < out.height; ++y) {
    out.pixels.insert(out.pixels.end(), &buffer[y * step], &buffer[y * step] + row);
  }
  return out;
}

Attempt attempt_twice(const mcm_decoder* decoder, const Bytes& stream, const mcm_options& how,
                      Random& random) {
  const uint8_t fill = static_cast<uint8_t>(random.next());
  const Attempt first = attempt(decoder, stream, how, random.below(2) * random.below(9), fill);
  expect(attempt(decoder, stream, how, random.below(2) * random.below(9), ~fill) == first,
         "the same pixels twice");
  return first;
}

size_t repair(uint8_t* data, size_t size, size_t max_size) {
  size_t end = header_end(data, size);
  if (end > size || end < kFirst + kChecksum) return size;
  put_checksum(data, end - kChecksum);
  try {
    const c::Header header = c::read_header({reinterpret_cast<const char*>(data), end});
    for (const uint64_t part : parts_of(header)) {
      if (part + kChecksum > max_size - end) return size;
      const size_t next = end + part + kChecksum;
      if (next > size) std::fill(data + std::max(size, end), data + next, 0);
      put_checksum(data + end, part);
      size = std::max(size, next), end = next;
    }
  } catch (const std::runtime_error&) {  // a header that no repair makes good
    return size;
  }
  return end;
}

}  // namespace mcm
