// Threads that share one decoder: `threads MODEL STREAM...`. Each decodes every stream, whole and
// as a preview, and must get what the first thread got alone. For ThreadSanitizer.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../csrc/mcm.h"

enum { kThreads = 4, kMaxStreams = 64, kMaxBytes = 1 << 20 };

typedef struct {
  unsigned char* bytes;
  size_t size;
  unsigned char* pixels[2];  // at scale 1 and 8
} picture;

static mcm_decoder* decoder;
static picture pictures[kMaxStreams];
static int count;

static size_t decoded(const picture* from, int small, uint32_t threads, unsigned char* pixels) {
  mcm_options options = mcm_defaults();
  mcm_header header;
  uint32_t width, height;
  options.scale = small ? 8 : 1;
  options.threads = threads;
  mcm_status status = mcm_read_header(from->bytes, from->size, &header, NULL);
  if (status == MCM_OK) status = mcm_size(&header, &options, &width, &height, NULL);
  const size_t row = (size_t)width * header.channels, size = row * height;
  if (status == MCM_OK) {
    status = mcm_decode(decoder, from->bytes, from->size, &options, pixels, row, size, NULL);
  }
  if (status != MCM_OK) exit((int)status);
  return size;
}

static void* work(void* argument) {
  unsigned char* pixels = malloc(kMaxBytes);
  for (int i = 0; i < 2 * count; ++i) {
    const picture* expected = &pictures[i / 2];
    const size_t size = decoded(expected, i % 2, 2, pixels);
    const unsigned char* alone = expected->pixels[i % 2];
    if (alone != NULL && memcmp(pixels, alone, size) != 0) exit(99);
  }
  free(pixels);
  return argument;
}

static void run(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
}

int main(int arguments, char** paths) {
  const mcm_status status = arguments < 3 ? MCM_BAD_ARGUMENT : mcm_open(paths[1], &decoder, NULL);
  if (status != MCM_OK) return (int)status;
  for (count = 0; count < arguments - 2 && count < kMaxStreams; ++count) {
    FILE* file = fopen(paths[count + 2], "rb");
    if (file == NULL) return MCM_NO_FILE;
    pictures[count].bytes = malloc(kMaxBytes);
    pictures[count].size = fread(pictures[count].bytes, 1, kMaxBytes, file);
    fclose(file);
  }
  run();  // the renderings are read meanwhile
  for (int i = 0; i < 2 * count; ++i) {
    pictures[i / 2].pixels[i % 2] = malloc(kMaxBytes);
    decoded(&pictures[i / 2], i % 2, 1, pictures[i / 2].pixels[i % 2]);
  }
  run();
  for (int i = 0; i < 2 * count; ++i) {
    free(pictures[i / 2].pixels[i % 2]);
    if (i % 2) free(pictures[i / 2].bytes);
  }
  mcm_close(decoder);
  return 0;
}
