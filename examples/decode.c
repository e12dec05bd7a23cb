// Decodes a .mcm stream with the C library (docs/c.md):
//
//     decode [--box LEFT TOP RIGHT BOTTOM] [--scale N] [--rendering NAME] [--threads N]
//            MODEL.decoder.safetensors PHOTO.mcm PHOTO.ppm
//
// Writes PGM (gray), PPM (colour) or PAM (with alpha), and ends with the mcm_status of what failed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../csrc/mcm.h"

static int failed(mcm_status status, const char* why) {
  fprintf(stderr, "decode: %s: %s\n", mcm_message(status), why);
  return (int)status;
}

// The whole of a file, to be freed; NULL if it cannot be read.
static unsigned char* read_file(const char* path, size_t* size) {
  size_t room = 65536;
  FILE* file = fopen(path, "rb");
  unsigned char* bytes = file == NULL ? NULL : malloc(room);
  *size = 0;
  while (bytes != NULL) {
    *size += fread(bytes + *size, 1, room - *size, file);
    if (*size < room) break;
    unsigned char* more = realloc(bytes, room *= 2);
    if (more == NULL) free(bytes);
    bytes = more;
  }
  if (bytes != NULL && ferror(file)) {
    free(bytes);
    bytes = NULL;
  }
  if (file != NULL) fclose(file);
  return bytes;
}

static int write_picture(const char* path, const unsigned char* pixels, uint32_t width,
                         uint32_t height, uint32_t channels) {
  FILE* file = fopen(path, "wb");
  if (file == NULL) return 0;
  if (channels == 1 || channels == 3) {
    fprintf(file, "P%c\n%lu %lu\n255\n", channels == 1 ? '5' : '6', (unsigned long)width,
            (unsigned long)height);
  } else {
    fprintf(file, "P7\nWIDTH %lu\nHEIGHT %lu\nDEPTH %lu\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n",
            (unsigned long)width, (unsigned long)height, (unsigned long)channels,
            channels == 2 ? "GRAYSCALE_ALPHA" : "RGB_ALPHA");
  }
  const size_t size = (size_t)width * height * channels;
  const int written = fwrite(pixels, 1, size, file) == size;
  return fclose(file) == 0 && written;
}

static int decode(const mcm_decoder* decoder, const unsigned char* stream, size_t size,
                  const mcm_options* options, const char* path) {
  char why[MCM_WHY_SIZE];
  mcm_header header;
  uint32_t width, height;
  mcm_status status = mcm_read_header(stream, size, &header, why);
  if (status == MCM_OK) status = mcm_size(&header, options, &width, &height, why);
  if (status != MCM_OK) return failed(status, why);
  const size_t row_step = (size_t)width * header.channels, capacity = row_step * height;
  unsigned char* pixels = malloc(capacity);
  if (pixels == NULL) return failed(MCM_NO_MEMORY, "no memory for the pixels");
  status = mcm_decode(decoder, stream, size, options, pixels, row_step, capacity, why);
  int result = MCM_OK;
  if (status != MCM_OK) {
    result = failed(status, why);
  } else if (!write_picture(path, pixels, width, height, header.channels)) {
    result = failed(MCM_NO_FILE, path);
  }
  free(pixels);
  return result;
}

// Takes the options at the beginning of `arguments`; returns how many these are, or -1.
static int read_options(int count, char** arguments, mcm_options* options) {
  int i = 0;
  while (i + 1 < count && strncmp(arguments[i], "--", 2) == 0) {
    const char* name = arguments[i] + 2;
    const uint32_t number = (uint32_t)strtoul(arguments[i + 1], NULL, 10);
    if (strcmp(name, "scale") == 0) {
      options->scale = number;
    } else if (strcmp(name, "threads") == 0) {
      options->threads = number;
    } else if (strcmp(name, "rendering") == 0) {
      options->rendering = arguments[i + 1];
    } else if (strcmp(name, "box") == 0 && i + 4 < count) {
      uint32_t* const sides[] = {&options->left, &options->top, &options->right, &options->bottom};
      for (int side = 0; side < 4; ++side) {
        *sides[side] = (uint32_t)strtoul(arguments[i + 1 + side], NULL, 10);
      }
      i += 3;
    } else {
      return -1;
    }
    i += 2;
  }
  return i;
}

int main(int count, char** arguments) {
  mcm_options options = mcm_defaults();
  const int taken = read_options(count - 1, arguments + 1, &options);
  if (taken < 0 || count - 1 - taken != 3) {
    fputs("decode [OPTIONS] MODEL PHOTO.mcm PHOTO.ppm\n", stderr);
    return MCM_BAD_ARGUMENT;
  }
  char** const paths = arguments + 1 + taken;
  char why[MCM_WHY_SIZE];
  mcm_decoder* decoder;
  const mcm_status status = mcm_open(paths[0], &decoder, why);
  if (status != MCM_OK) return failed(status, why);
  size_t size;
  unsigned char* stream = read_file(paths[1], &size);
  const int result = stream == NULL ? failed(MCM_NO_FILE, paths[1])
                                    : decode(decoder, stream, size, &options, paths[2]);
  free(stream);
  mcm_close(decoder);
  return result;
}
