// The range coder for warps (FORMAT.md, sections 5 and 6; rans.h): what its launchers are given.
//
// Each launcher exists twice under the same name: in mcm_fast._CUDA as kernels on a stream, and in
// mcm_fast._C.warp as host code, for memory that the host can read (there `stream` means nothing).
// Both run the same bodies: warp/decode.h, warp/encode.h, warp/symbols.h.
//
// From Python a launcher takes one sequence of ints, the fields of its struct in their order, and
// the stream: decode_step([images, slices, ...], stream). The tuples DECODING, ENCODING and SYMBOLS
// of the module hold the names of the fields in that order. All fields have 64 bits; arrays are
// addresses, C order, of the type and shape that the struct says. B is the number of images. The
// current device must be that of the stream and the arrays. Nothing is read back, nothing waits.
//
// A blob of tables is what mcm_fast._C.warp.pack_tables makes: y's tables in one, all of z's (for
// all levels) in another. It is aligned to 16 bytes.
#pragma once

#include <cstdint>

#include "../rans.h"

namespace mcm::warp {

constexpr int kMaxStates = kMaxLanes * kMaxGroups;  // of one image
constexpr int kSymbolsGroups = 8192;                // of an array, at most
constexpr int kTile = 4096;  // latents that one block of the encoder looks up

// Bits of an image's error.
constexpr int32_t kBadStates = 1;      // a final state is not 2^16
constexpr int32_t kBadWords = 2;       // too few words, or not all of them were read
constexpr int32_t kBadExceptions = 4;  // an exception belongs to a latent that is coded
constexpr int32_t kBadLayout = 8;      // no such lanes or groups, or a segment too short for them
constexpr int32_t kUnfinished = 16;    // decode_step was called too seldom
constexpr int32_t kBadTable = 32;      // of an array: a table's number is out of range

// Decoding of B images: begin, decode_z, then decode_step as often as the largest image has steps
// (or oftener: an image that is done stays as it is), then finish.
struct Decoding {
  int64_t images;          // B; an image of height 0 is an empty place, which is left alone
  int64_t slices;          // S
  int64_t slice_channels;  // M / S
  int64_t z_channels;      // Nz
  int64_t capacity;        // P: the most latents of one step

  const uint8_t* y_tables;  // blob
  int64_t y_tables_size;    // bytes
  const uint8_t* z_tables;  // blob
  int64_t z_tables_size;

  // What the host knows of each image.
  const int32_t* height;         // [B] of y
  const int32_t* width;          // [B]
  const int32_t* lanes;          // [B] of a group
  const int32_t* groups;         // [B]
  const int32_t* z_table;        // [B] number, in the blob, of the table of z's first channel
  const int32_t* exceptions;     // [B]
  const int64_t* y_at;           // [B] where the image's y begins in `y`
  const int64_t* z_at;           // [B] where its z begins in `z`
  const int64_t* difference_at;  // [B] where its differences begin; -1: it has no exceptions

  const uint16_t* payload;      // segments: of each group the states (u32), then the words (u16)
  const int64_t* segment_at;    // [B, 32] where a group's segment begins in `payload`
  const int32_t* segment_size;  // [B, 32] its states and words, in units of 16 bits

  // The coder's memory from one launch to the next. `begin` fills it; Triton kernels read t.
  uint32_t* states;  // [B, 1024]
  int32_t* cursor;   // [B, 32] words of the group that have been read
  int32_t* visit;    // [B] the next visit number, modulo 2^32
  int32_t* t;        // [B] the step that comes next
  int32_t* unused;   // [B] exceptions that have not been met yet
  int32_t* error;    // [B] 0, or the bits above; `finish` completes it

  // The latents of the step t[b] in the order of the stream (slice, row, channel), written by the
  // context step: n = wavefront's positions * slice_channels of them.
  const int32_t* tables;  // [B, P] number in the blob; negative if that table is certain
  const int16_t* bases;   // [B, P] what a symbol is relative to; if certain: the latent's value
  const int32_t* places;  // [B, P] of the latent in the image's y: (row * width + column) * M +
                          // channel

  int16_t* y;                  // at y_at: [height, width, M]
  int8_t* seen;                // the same, clamped to -127..127: what the context step reads
  int16_t* z;                  // at z_at: [Nz, ceil(height / 4), ceil(width / 4)]
  const int16_t* differences;  // at difference_at: of z, then of y, in the orders of z and y above
};

// Encoding of B images: one call of `encode`. "Per latent" arrays hold, at latent_at[b], one entry
// for each latent of z and y of image b.
struct Encoding {
  int64_t images;
  int64_t y_channels;  // M
  int64_t z_channels;  // Nz
  int64_t tiles;       // of all images: tile_at[B]

  const uint8_t* y_tables;  // blob
  const uint8_t* z_tables;  // blob

  const int32_t* height;     // [B] of y
  const int32_t* width;      // [B]
  const int32_t* z_table;    // [B] as above
  const int64_t* y_at;       // [B] where y, and its tables, bases and places begin
  const int64_t* z_at;       // [B]
  const int64_t* latent_at;  // [B] where the "per latent" arrays begin
  const int32_t* tile_at;    // [B + 1] first tile: the sum of ceil(latents / kTile) before

  // All latents of y in the order of the stream (t, slice, row, channel); otherwise as above.
  const int32_t* tables;  // at y_at
  const int16_t* bases;   // at y_at
  const int32_t* places;  // at y_at
  const int16_t* y;       // at y_at: [height, width, M]
  const int16_t* z;       // at z_at

  // Scratch.
  int32_t* tile_counts;  // [tiles, 2]
  Visit* visits;         // per latent
  uint16_t* raw;         // per latent
  uint16_t* words;       // [2 * per latent + 2048 B]
  int32_t* visit_count;  // [B]
  int32_t* first_words;  // [B]

  // Results.
  int32_t* lanes;                 // [B]
  int32_t* groups;                // [B]
  uint32_t* states;               // [B, 1024]
  int32_t* segment_size;          // [B, 32] in units of 16 bits; 0 beyond the last group
  uint16_t* payload;              // [2 * per latent + 2048 B] all segments of all images, in order
  int32_t* exceptions;            // [B]
  int64_t* exception_index;       // per latent: of z, then y, both planar; in the stream's order
  int16_t* exception_difference;  // per latent
};

// The coder alone: value i is coded under table numbers[i] with visit number i. One segment a
// group, as in Decoding. encode_symbols writes what decode_symbols reads.
struct Symbols {
  int64_t count;
  int64_t lanes;   // of a group: a power of two up to 32
  int64_t groups;  // a power of two up to 8192; 1 unless there are 32 lanes

  const uint8_t* tables;  // blob
  int64_t tables_size;    // bytes
  int64_t tables_count;

  int16_t* values;         // [count]
  const int32_t* numbers;  // [count]

  uint16_t* payload;      // [2 * count rounded up to lanes * groups, + 2 * lanes * groups]
  int64_t* segment_at;    // [groups]
  int32_t* segment_size;  // [groups] in units of 16 bits
  uint16_t* words;        // encoder's scratch: [2 * count rounded up to lanes * groups]
  uint32_t* states;       // encoder's scratch: [lanes * groups]
  int32_t* error;         // [1] the bits above; the caller sets it to 0
};

void begin(const Decoding& d, int64_t stream);
// z, all at once; advances the visit number.
void decode_z(const Decoding& d, int64_t stream);
// One step of the wavefront of each image: writes y, advances the visit number and t.
void decode_step(const Decoding& d, int64_t stream);
// Completes `error`.
void finish(const Decoding& d, int64_t stream);

void encode(const Encoding& e, int64_t stream);

void decode_symbols(const Symbols& a, int64_t stream);
void encode_symbols(const Symbols& a, int64_t stream);

}  // namespace mcm::warp
