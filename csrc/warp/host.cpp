// The launchers of warp/launchers.h for memory of the host: block after block.
#include "decode.h"
#include "encode.h"
#include "image.h"
#include "launchers.h"
#include "segments.h"
#include "symbols.h"
#ifdef MCM_WARP_THREADS
#include <thread>
#include <vector>
#endif

namespace mcm::warp {
namespace {

#ifdef MCM_WARP_THREADS
// The last block first: their order must not matter.
template <class Body>
void for_each_block(int64_t blocks, int warps, const Body& body) {
  for (int64_t number = blocks - 1; number >= 0; --number) {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, warps);
    std::vector<std::thread> threads;
    for (int w = 0; w < warps; ++w) {
      threads.emplace_back([&, w] { body(Block(number, warps, w, &barrier)); });
    }
    for (auto& thread : threads) thread.join();
    pthread_barrier_destroy(&barrier);
  }
}
#else
template <class Body>
void for_each_block(int64_t blocks, int warps, const Body& body) {
  for (int64_t number = 0; number < blocks; ++number) body(Block(number, warps));
}
#endif

}  // namespace

void begin(const Decoding& d, int64_t) {
  for_each_block(d.images, kWarps, [&](const Block& block) { begin_image(block, d); });
}

void decode_z(const Decoding& d, int64_t) {
  Chunk chunk;
  for_each_block(d.images, kWarps, [&](const Block& block) { decode_z_image(block, d, chunk); });
}

void decode_step(const Decoding& d, int64_t) {
  Chunk chunk;
  for_each_block(d.images, kWarps, [&](const Block& block) { decode_step_image(block, d, chunk); });
}

void finish(const Decoding& d, int64_t) {
  for_each_block(d.images, kWarps, [&](const Block& block) { finish_image(block, d); });
}

void encode(const Encoding& e, int64_t) {
  TileCounts counts;
  const int64_t groups = e.images * kMaxGroups;
  for_each_block(e.tiles, kWarps, [&](const Block& block) { count_tile(block, e, counts); });
  for_each_block(e.images, 1, [&](const Block& block) { number_tiles(block, e); });
  for_each_block(e.tiles, kWarps, [&](const Block& block) { look_up_tile(block, e, counts); });
  for_each_block(e.images, 1, [&](const Block& block) { count_first(block, e); });
  for_each_block(groups, 1, [&](const Block& block) { code_chosen(block, e); });
  for_each_block(groups, 1, [&](const Block& block) { gather_group(block, e); });
}

void decode_symbols(const Symbols& a, int64_t) {
  const int64_t blocks = (a.groups + kSymbolsWarps - 1) / kSymbolsWarps;
  for_each_block(blocks, kSymbolsWarps, [&](const Block& block) { decode_groups(block, a); });
}

void encode_symbols(const Symbols& a, int64_t) {
  const int64_t blocks = (a.groups + kSymbolsWarps - 1) / kSymbolsWarps;
  for_each_block(blocks, kSymbolsWarps, [&](const Block& block) { encode_groups(block, a); });
  for_each_block(a.groups, 1, [&](const Block& block) { gather_symbols(block, a); });
}

}  // namespace mcm::warp
