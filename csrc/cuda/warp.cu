// The launchers of warp/launchers.h on a device: each body as a kernel on the given stream.
#include "../warp/decode.h"
#include "../warp/encode.h"
#include "../warp/image.h"
#include "../warp/launchers.h"
#include "../warp/segments.h"
#include "../warp/symbols.h"
#include "launch.h"
#include "switches.h"

namespace mcm::warp {
namespace {

constexpr int kImageThreads = kWarps * kLanes;
constexpr int kSymbolsThreads = kSymbolsWarps * kLanes;
constexpr int kGatherThreads = 8 * kLanes;

#define MCM_KERNEL(threads) __global__ void __launch_bounds__(threads, 1)

MCM_KERNEL(kImageThreads) begin_kernel(const __grid_constant__ Decoding d) {
  begin_image(Block<false>(), d);
}

template <bool kStages>
MCM_KERNEL(kImageThreads)
decode_z_kernel(const __grid_constant__ Decoding d) {
  __shared__ Chunk chunk;
  decode_z_image(Block<kStages>(), d, chunk);
}

template <bool kStages, bool kDependent>
MCM_KERNEL(kImageThreads)
decode_step_kernel(const __grid_constant__ Decoding d) {
  __shared__ Chunk chunk;
  decode_step_image(Block<kStages, kDependent>(), d, chunk);
}

MCM_KERNEL(kImageThreads) finish_kernel(const __grid_constant__ Decoding d) {
  finish_image(Block<false>(), d);
}

MCM_KERNEL(kImageThreads) count_kernel(const __grid_constant__ Encoding e) {
  __shared__ TileCounts counts;
  count_tile(Block<false>(), e, counts);
}

MCM_KERNEL(kLanes) number_kernel(const __grid_constant__ Encoding e) {
  number_tiles(Block<false>(), e);
}

MCM_KERNEL(kImageThreads) look_up_kernel(const __grid_constant__ Encoding e) {
  __shared__ TileCounts counts;
  look_up_tile(Block<false>(), e, counts);
}

MCM_KERNEL(kLanes) count_first_kernel(const __grid_constant__ Encoding e) {
  count_first(Block<false>(), e);
}

MCM_KERNEL(kLanes) code_chosen_kernel(const __grid_constant__ Encoding e) {
  code_chosen(Block<false>(), e);
}

MCM_KERNEL(kGatherThreads) gather_kernel(const __grid_constant__ Encoding e) {
  gather_group(Block<false>(), e);
}

template <bool kStages>
MCM_KERNEL(kSymbolsThreads)
decode_symbols_kernel(const __grid_constant__ Symbols a) {
  decode_groups(Block<kStages>(), a);
}

template <bool kStages>
MCM_KERNEL(kSymbolsThreads)
encode_symbols_kernel(const __grid_constant__ Symbols a) {
  encode_groups(Block<kStages>(), a);
}

MCM_KERNEL(kGatherThreads) gather_symbols_kernel(const __grid_constant__ Symbols a) {
  gather_symbols(Block<false>(), a);
}

}  // namespace

void use_shared_tables(bool use) { shared_tables = use; }
void use_dependent_launches(bool use) { dependent_launches = use; }

std::vector<int64_t> phases() {
#ifdef MCM_CLOCKS
  long long clocks[kPhases];
  check(cudaMemcpyFromSymbol(clocks, phase_clocks, sizeof(clocks)), "phases");
  const long long zeros[kPhases] = {};
  check(cudaMemcpyToSymbol(phase_clocks, zeros, sizeof(zeros)), "phases");
  return {clocks, clocks + kPhases};
#else
  return {};
#endif
}

void begin(const Decoding& d, int64_t stream) {
  launch("begin", begin_kernel, d.images, kImageThreads, stream, d);
}

void decode_z(const Decoding& d, int64_t stream) {
  launch_staged<decode_z_kernel<true>, decode_z_kernel<false>>("decode_z", d.z_tables_size,
                                                               d.images, kImageThreads, stream, d);
}

namespace {

template <bool kDependent>
void decode_step_as(const Decoding& d, int64_t stream) {
  launch_staged<decode_step_kernel<true, kDependent>, decode_step_kernel<false, kDependent>>(
      "decode_step", d.y_tables_size, d.images, kImageThreads, stream, d, kDependent);
}

}  // namespace

void decode_step(const Decoding& d, int64_t stream) {
  dependent_launches ? decode_step_as<true>(d, stream) : decode_step_as<false>(d, stream);
}

void finish(const Decoding& d, int64_t stream) {
  launch("finish", finish_kernel, d.images, kImageThreads, stream, d);
}

void encode(const Encoding& e, int64_t stream) {
  const int64_t groups = e.images * kMaxGroups;
  launch("count", count_kernel, e.tiles, kImageThreads, stream, e);
  launch("number", number_kernel, e.images, kLanes, stream, e);
  launch("look_up", look_up_kernel, e.tiles, kImageThreads, stream, e);
  launch("count_first", count_first_kernel, e.images, kLanes, stream, e);
  launch("code_chosen", code_chosen_kernel, groups, kLanes, stream, e);
  launch("gather", gather_kernel, groups, kGatherThreads, stream, e);
}

void decode_symbols(const Symbols& a, int64_t stream) {
  const int64_t blocks = (a.groups + kSymbolsWarps - 1) / kSymbolsWarps;
  launch_staged<decode_symbols_kernel<true>, decode_symbols_kernel<false>>(
      "decode_symbols", a.tables_size, blocks, kSymbolsThreads, stream, a);
}

void encode_symbols(const Symbols& a, int64_t stream) {
  const int64_t blocks = (a.groups + kSymbolsWarps - 1) / kSymbolsWarps;
  launch_staged<encode_symbols_kernel<true>, encode_symbols_kernel<false>>(
      "encode_symbols", a.tables_size, blocks, kSymbolsThreads, stream, a);
  launch("gather_symbols", gather_symbols_kernel, a.groups, kGatherThreads, stream, a);
}

}  // namespace mcm::warp
