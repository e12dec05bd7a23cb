// mcm.h: arguments checked, exceptions turned into statuses.
#include "../mcm.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "decoder.h"
#include "failure.h"
#include "picture.h"

struct mcm_decoder {
  mcm::c::Decoder decoder;
};

namespace {

using namespace mcm::c;
using mcm::BitstreamError;
using mcm::pixels::Canvas;

constexpr uint32_t kMaxThreads = 64;  // more than any picture's tiles are worth
constexpr int64_t kMaxLatents = (int64_t{1} << 32) - 1;

mcm_status told(mcm_status status, const char* what, char* why) {
  if (why != nullptr) std::snprintf(why, MCM_WHY_SIZE, "%s", what);
  return status;
}

// The status of what `body` does.
template <class Body>
mcm_status guarded(char* why, const Body& body) noexcept {
  try {
    if (why != nullptr) *why = 0;
    body();
    return MCM_OK;
  } catch (const Failure& error) {
    return told(error.status, error.what(), why);
  } catch (const BitstreamError& error) {
    return told(MCM_DAMAGED, error.what(), why);
  } catch (const std::invalid_argument& error) {
    return told(MCM_BAD_ARGUMENT, error.what(), why);
  } catch (const std::bad_alloc&) {
    return told(MCM_NO_MEMORY, mcm_message(MCM_NO_MEMORY), why);
  } catch (const std::length_error&) {
    return told(MCM_NO_MEMORY, mcm_message(MCM_NO_MEMORY), why);
  } catch (const std::exception& error) {
    return told(MCM_FAILED, error.what(), why);
  } catch (...) {
    return told(MCM_FAILED, mcm_message(MCM_FAILED), why);
  }
}

void need(bool holds, const char* message) { require(holds, MCM_BAD_ARGUMENT, message); }

std::string_view bytes_of(const void* stream, size_t size) {
  need(stream != nullptr || size == 0, "no stream");
  return {static_cast<const char*>(stream), size};
}

mcm_options checked(const mcm_options* options) {
  mcm_options out = options == nullptr ? mcm_defaults() : *options;
  need(out.rendering != nullptr, "no name of a rendering");
  need(out.scale == 1 || out.scale == 8 || out.scale == 16, "scale is 1, 8 or 16");
  need(out.threads >= 1, "threads is at least 1");
  out.threads = std::min(out.threads, kMaxThreads);
  return out;
}

bool is_whole(const mcm_options& options) {
  return (options.left | options.top | options.right | options.bottom) == 0;
}

// What is to be drawn, in pixels of the image as it is shown: all that the drawing's pixels stand
// for which the box touches.
Tile box_of(const mcm_options& options, int64_t width, int64_t height) {
  const Tile box = is_whole(options)
                       ? Tile{0, 0, width, height}
                       : Tile{options.left, options.top, options.right, options.bottom};
  need(box.left < box.right && box.right <= width && box.top < box.bottom && box.bottom <= height,
       "the box is not a rectangle within the image");
  return box.in_whole_blocks(options.scale, width, height);
}

mcm_header described(const Header& header) {
  mcm_header out{};
  out.width = static_cast<uint32_t>(header.width);
  out.height = static_cast<uint32_t>(header.height);
  out.channels = static_cast<uint32_t>(header.channels());
  out.quality = static_cast<uint32_t>(header.quality);
  std::memcpy(out.model, header.model.data(), sizeof out.model);
  out.tiles = static_cast<uint64_t>(header.tiles());
  out.tile_width = header.tiled ? static_cast<uint64_t>(header.tile_width) : 0;
  out.tile_height = header.tiled ? static_cast<uint64_t>(header.tile_height) : 0;
  out.gray = header.gray, out.alpha = header.alpha() != nullptr;
  out.transposed = header.transposed;
  return out;
}

// That the model is the stream's, and every latent of a tile has a number of 32 bits.
void check_model(const Decoder& decoder, const Header& header) {
  const std::string_view id(reinterpret_cast<const char*>(decoder.id().data()), 8);
  require(header.model == id, MCM_UNKNOWN_MODEL, "the stream needs another model");
  const Tile largest = header.tile(0).divided(kBlock);
  const int64_t channels = decoder.model().y_channels + decoder.model().z_channels;
  require(largest.height() <= kMaxLatents / channels / largest.width(), MCM_TOO_LARGE,
          "an image of too many latents");
}

// The caller's buffer for a drawing of this size.
Canvas canvas_for(const Tile& drawn, int64_t channels, uint8_t* pixels, size_t row_step,
                  size_t capacity) {
  const size_t row = static_cast<size_t>(drawn.width() * channels);
  const size_t more = static_cast<size_t>(drawn.height() - 1);
  need(pixels != nullptr && row_step >= row, "row_step is less than a row of pixels");
  need(row <= capacity && (more == 0 || row_step <= (capacity - row) / more),
       "the buffer is too small");
  return {pixels, more == 0 ? 0 : static_cast<int64_t>(row_step), channels};
}

struct Target {
  uint8_t* pixels;
  size_t row_step, capacity;
};

void decode_to(const Decoder& decoder, std::string_view stream, const mcm_options& options,
               const Target& target) {
  const Drawer& drawer = decoder.drawer(options.rendering, options.scale);
  Header header = read_header(stream);
  check_pixels(header.width, header.height, options.max_pixels);
  const Tile box = box_of(options, header.width, header.height);
  const Canvas canvas = canvas_for(box.divided(options.scale), header.channels(), target.pixels,
                                   target.row_step, target.capacity);
  const Tile coded = box.turned(header.transposed);
  std::optional<std::vector<int64_t>> wanted;
  if (!is_whole(options)) wanted = tiles_for(header, drawer, coded);
  const Container container = wanted ? open_tiles(stream, std::move(header), *wanted)
                                     : open_whole(stream, std::move(header));
  check_model(decoder, container.header);
  Picture picture(decoder.model(), drawer, container, options.threads);
  const bool turned = container.header.transposed;
  picture.draw(coded, turned ? Canvas{canvas.pixels, canvas.column_step, canvas.row_step} : canvas);
}

}  // namespace

extern "C" {

const char* mcm_message(mcm_status status) {
  switch (status) {
    case MCM_OK:
      return "ok";
    case MCM_FOREIGN:
      return "foreign";
    case MCM_VERSION:
      return "version";
    case MCM_TRUNCATED:
      return "truncated";
    case MCM_DAMAGED:
      return "damaged";
    case MCM_UNKNOWN_MODEL:
      return "unknown model";
    case MCM_TOO_LARGE:
      return "too large";
    case MCM_BAD_ARGUMENT:
      return "bad argument";
    case MCM_NO_FILE:
      return "no file";
    case MCM_BAD_MODEL:
      return "bad model";
    case MCM_NO_MEMORY:
      return "no memory";
    case MCM_FAILED:
      return "failed";
  }
  return "unknown status";
}

mcm_status mcm_read_header(const void* stream, size_t size, mcm_header* header, char* why) {
  return guarded(why, [&] {
    need(header != nullptr, "nowhere to put the header");
    *header = described(read_header(bytes_of(stream, size)));
  });
}

mcm_status mcm_open(const char* path, mcm_decoder** decoder, char* why) {
  return guarded(why, [&] {
    need(path != nullptr && decoder != nullptr, "no path, or nowhere to put the decoder");
    *decoder = nullptr;
    *decoder = new mcm_decoder{Decoder(path)};
  });
}

void mcm_close(mcm_decoder* decoder) { delete decoder; }

const uint8_t* mcm_model(const mcm_decoder* decoder) { return decoder->decoder.id().data(); }

const char* mcm_rendering(const mcm_decoder* decoder, size_t number) {
  const std::vector<std::string>& names = decoder->decoder.names();
  return number < names.size() ? names[number].c_str() : nullptr;
}

mcm_options mcm_defaults(void) { return {"faithful", 0, 0, 0, 0, 1, 1, uint64_t{1} << 28}; }

mcm_status mcm_size(const mcm_header* header, const mcm_options* options, uint32_t* width,
                    uint32_t* height, char* why) {
  return guarded(why, [&] {
    need(header != nullptr && width != nullptr && height != nullptr, "nowhere to put the size");
    const mcm_options how = checked(options);
    check_pixels(header->width, header->height, how.max_pixels);
    const Tile drawn = box_of(how, header->width, header->height).divided(how.scale);
    *width = static_cast<uint32_t>(drawn.width());
    *height = static_cast<uint32_t>(drawn.height());
  });
}

mcm_status mcm_decode(const mcm_decoder* decoder, const void* stream, size_t size,
                      const mcm_options* options, uint8_t* pixels, size_t row_step, size_t capacity,
                      char* why) {
  return guarded(why, [&] {
    need(decoder != nullptr, "no decoder");
    decode_to(decoder->decoder, bytes_of(stream, size), checked(options),
              {pixels, row_step, capacity});
  });
}

}  // extern "C"
