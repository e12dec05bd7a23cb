// .mcm streams to pixels, from C99 on: the same pixels on every machine (docs/c.md).
//
//     mcm_decoder* decoder;
//     mcm_header header;
//     uint32_t width, height;
//     mcm_open("small.decoder.safetensors", &decoder, NULL);
//     mcm_read_header(stream, size, &header, NULL);
//     mcm_size(&header, NULL, &width, &height, NULL);
//     size_t row = (size_t)width * header.channels;
//     uint8_t* pixels = malloc(row * height);
//     mcm_decode(decoder, stream, size, NULL, pixels, row, row * height, NULL);
//     mcm_close(decoder);
//
// Every function that can fail returns a status, and says more in `why`: MCM_WHY_SIZE bytes of the
// caller's, or NULL. There is no global state; any number of threads may use one decoder, and each
// stream, buffer and `why` belongs to one call at a time.
#ifndef MCM_H
#define MCM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MCM_API __attribute__((visibility("default")))
#else
#define MCM_API
#endif

#define MCM_WHY_SIZE 256

typedef enum {
  MCM_OK = 0,
  // Why bytes are not a stream that can be decoded: mcm_fast.Reason, in its order.
  MCM_FOREIGN = 1,        // not an MCM stream at all
  MCM_VERSION = 2,        // of a newer format, or with a part that this reader must not ignore
  MCM_TRUNCATED = 3,      // the end is missing
  MCM_DAMAGED = 4,        // no writer makes such bytes
  MCM_UNKNOWN_MODEL = 5,  // made with another model than the decoder's
  MCM_TOO_LARGE = 6,      // above the caller's limit
  // The caller's.
  MCM_BAD_ARGUMENT = 16,
  MCM_NO_FILE = 17,    // the model's file cannot be read
  MCM_BAD_MODEL = 18,  // it is not a decoder's, or a number in it breaks a bound
  MCM_NO_MEMORY = 19,
  MCM_FAILED = 20  // something else: please report it
} mcm_status;

// What a status means, in a few words; of a stream's, the value of mcm_fast.Reason.
MCM_API const char* mcm_message(mcm_status status);

// What a stream's header says.
typedef struct {
  uint32_t width, height;            // of the image as it is shown, in pixels
  uint32_t channels;                 // 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha
  uint32_t quality;                  // in hundredths, 0..10000
  uint8_t model[8];                  // the id of the model that it needs
  uint64_t tiles;                    // coding tiles, at least 1
  uint64_t tile_width, tile_height;  // their sides in pixels, in coded orientation; 0 for one tile
  int gray, alpha, transposed;       // 0 or 1
} mcm_header;

// `stream`: its bytes, or as many of the first as hold the header (MCM_TRUNCATED: more are needed).
MCM_API mcm_status mcm_read_header(const void* stream, size_t size, mcm_header* header, char* why);

// A model's file, ready for use.
typedef struct mcm_decoder mcm_decoder;

// Opens the file that `mcm-fast export --decoder` writes. It stays open until the decoder is
// closed.
MCM_API mcm_status mcm_open(const char* path, mcm_decoder** decoder, char* why);

// NULL is nothing to close. No call may use the decoder any more.
MCM_API void mcm_close(mcm_decoder* decoder);

// The 8 bytes of the id of the model whose streams it decodes.
MCM_API const uint8_t* mcm_model(const mcm_decoder* decoder);

// The name of its rendering number 0, 1, ...; NULL behind the last.
MCM_API const char* mcm_rendering(const mcm_decoder* decoder, size_t number);

// What to decode, and how. Begin with mcm_defaults(): later versions may add fields.
typedef struct {
  const char* rendering;              // "faithful"
  uint32_t left, top, right, bottom;  // the part of the image; all 0: the whole
  uint32_t scale;                     // 1; 8 or 16: a preview, if the model's file has them
  uint32_t threads;                   // 1; changes the speed, never the pixels
  uint64_t max_pixels;                // 2^28; larger images are refused, in whole blocks of 16 x 16
} mcm_options;

MCM_API mcm_options mcm_defaults(void);

// The size of what mcm_decode writes: of the box, or of the preview's pixels that the box touches.
// Refuses what is above `max_pixels`, before memory is taken for it.
// NULL for `options` stands for mcm_defaults().
MCM_API mcm_status mcm_size(const mcm_header* header, const mcm_options* options, uint32_t* width,
                            uint32_t* height, char* why);

// Decodes a whole stream to `pixels`, header.channels bytes each, rows from the top, `row_step`
// bytes apart; `capacity` is the buffer's size in bytes. A box is the crop of the whole, to the
// last bit; what it does not need is not looked at, but for the stream's length. After an error the
// buffer may hold anything.
MCM_API mcm_status mcm_decode(const mcm_decoder* decoder, const void* stream, size_t size,
                              const mcm_options* options, uint8_t* pixels, size_t row_step,
                              size_t capacity, char* why);

#ifdef __cplusplus
}
#endif

#endif
