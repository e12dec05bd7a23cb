// Takes the bytes of a stream one after another.
#pragma once

#include <cstdint>
#include <string_view>

#include "failure.h"

namespace mcm::c {

class Cursor {
 public:
  // `at_end`: the status where bytes are missing.
  Cursor(std::string_view bytes, mcm_status at_end) : bytes_(bytes), at_end_(at_end) {}

  size_t left() const { return bytes_.size() - position_; }
  size_t position() const { return position_; }

  std::string_view take(size_t count) {
    require(count <= left(), at_end_, "truncated stream: it ends within its header");
    position_ += count;
    return bytes_.substr(position_ - count, count);
  }

  uint8_t byte() { return static_cast<uint8_t>(take(1)[0]); }

  // LEB128 (FORMAT.md, section 1).
  uint32_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const uint8_t next = byte();
      value |= uint64_t{next & 127u} << shift;
      if (next < 128) {
        require_intact(next != 0 || shift == 0, "a varint longer than needed");
        require_intact(value <= UINT32_MAX, "a varint above 2^32 - 1");
        return static_cast<uint32_t>(value);
      }
    }
    throw BitstreamError("a varint of more than 5 bytes");
  }

 private:
  std::string_view bytes_;
  mcm_status at_end_;
  size_t position_ = 0;
};

inline uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace mcm::c
