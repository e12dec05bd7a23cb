// CRC-32C (Castagnoli): reflected polynomial 82F63B78, initial value and final xor FFFFFFFF.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mcm {

// remainders[k][byte]: the remainder of `byte` followed by k zero bytes.
using Remainders = std::array<std::array<uint32_t, 256>, 8>;

inline Remainders crc32c_remainders() {
  Remainders table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
    table[0][byte] = crc;
  }
  for (size_t k = 1; k < table.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = table[k - 1][byte];
      table[k][byte] = crc >> 8 ^ table[0][crc & 255];
    }
  }
  return table;
}

// Eight bytes a step: their eight remainders do not wait for each other.
inline uint32_t crc32c(const uint8_t* data, size_t size) {
  static const Remainders table = crc32c_remainders();
  uint32_t crc = 0xFFFFFFFFu;
  for (; size >= 8; data += 8, size -= 8) {
    uint32_t next = 0;
    for (int i = 0; i < 4; ++i) next ^= table[7 - i][(crc >> 8 * i & 255) ^ data[i]];
    for (int i = 4; i < 8; ++i) next ^= table[7 - i][data[i]];
    crc = next;
  }
  for (; size > 0; ++data, --size) crc = crc >> 8 ^ table[0][(crc ^ *data) & 255];
  return crc ^ 0xFFFFFFFFu;
}

}  // namespace mcm
