// SHA-256 (FIPS 180-4), for ids alone: nothing secret is hashed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mcm::c {

class Sha256 {
 public:
  void update(std::string_view bytes);
  std::array<uint8_t, 32> digest();

 private:
  void absorb();

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> block_{};
  size_t filled_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace mcm::c
