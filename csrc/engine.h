// The exact entropy model as a whole: latents <-> segments, in integers only.
//
// Shapes: y [M, height, width], z [Nz, ceil(height / 4), ceil(width / 4)], both int16, C order.
// `threads` changes the speed, never the result.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "coder.h"
#include "model.h"
#include "plane.h"

namespace mcm {

struct Parameters {
  std::vector<int16_t> mu;       // [M, height, width], in sixteenths
  std::vector<uint8_t> indexes;  // [M, height, width]
  std::vector<int8_t> hyper;     // [F, height, width]
};

struct Coded {
  int lanes = 1, groups = 1;
  std::vector<int64_t> exception_indexes;  // in z, then y; strictly increasing
  std::vector<int16_t> exception_differences;
  std::vector<Bytes> segments;  // of each group
};

struct Encoded {
  Coded coded;
  Parameters parameters;
};

// What a decoder is given.
struct Stream {
  int64_t lanes, groups;
  const int64_t* exception_indexes;
  const int16_t* exception_differences;
  int64_t exceptions;
  std::vector<std::string_view> segments;
};

struct Decoded {
  std::vector<int16_t> y, z;
  Parameters parameters;
};

// std::invalid_argument unless every latent has a 32-bit index.
void check_size(const Model& model, int64_t height, int64_t width);

int64_t z_latents(const Model& model, int64_t height, int64_t width);

// Of all positions of a part at once, from latents that are known. They depend on no y further than
// 3 latents from the part, and on no z further than 7.
Parameters parameters(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
                      int64_t width, const Part& part, int64_t quality, int64_t threads);

Encoded encode(const Model& model, const int16_t* y, const int16_t* z, int64_t height,
               int64_t width, int64_t quality, int64_t threads);

// Throws BitstreamError if the stream is damaged.
Decoded decode(const Model& model, const Stream& stream, int64_t height, int64_t width,
               int64_t quality, int64_t threads);

// For a part of an image in tiles, without parameters: all of z, and the first `rows` rows of y;
// the others are of no meaning. The stream's end is not looked at unless all rows are wanted.
Decoded decode_rows(const Model& model, const Stream& stream, int64_t height, int64_t width,
                    int64_t rows, int64_t quality, int64_t threads);

// The ideal code length in bits: log2(2^14 / frequency) for each coded latent, 16 for the raw bits
// of each escape, 48 for each exception.
double cost(const Model& model, const int16_t* y, const int16_t* z, int64_t height, int64_t width,
            int64_t quality, int64_t threads);

}  // namespace mcm
