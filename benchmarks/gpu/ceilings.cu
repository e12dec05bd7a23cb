// What nothing on this GPU can beat: an edge of a graph, a barrier of a cluster, a load from
// L2. Prints one JSON object a line.
#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace cg = cooperative_groups;

static void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}

__global__ void empty_kernel() {}

__global__ void barrier_kernel(int count, long long* cycles) {
  cg::cluster_group cluster = cg::this_cluster();
  cluster.sync();
  const long long start = clock64();
  for (int i = 0; i < count; ++i) cluster.sync();
  if (threadIdx.x == 0 && blockIdx.x == 0) *cycles = clock64() - start;
}

// Each load's address is what the one before has read.
__global__ void chase_kernel(const int* next, int count, long long* cycles, int* sink) {
  int at = 0;
  for (int i = 0; i < 1024; ++i) at = __ldcg(next + at);
  const long long start = clock64();
  for (int i = 0; i < count; ++i) at = __ldcg(next + at);
  *cycles = clock64() - start;
  *sink = at;
}

static float milliseconds(cudaGraphExec_t graph, cudaStream_t stream, int repeats) {
  cudaEvent_t first, last;
  check(cudaEventCreate(&first), "event");
  check(cudaEventCreate(&last), "event");
  for (int i = 0; i < 200; ++i) check(cudaGraphLaunch(graph, stream), "warm up");
  check(cudaEventRecord(first, stream), "record");
  for (int i = 0; i < repeats; ++i) check(cudaGraphLaunch(graph, stream), "launch");
  check(cudaEventRecord(last, stream), "record");
  check(cudaEventSynchronize(last), "wait");
  float time = 0;
  check(cudaEventElapsedTime(&time, first, last), "time");
  return time / repeats;
}

static void edges(cudaStream_t stream) {
  for (const int count : {32, 512}) {
    cudaGraph_t graph;
    cudaGraphExec_t runnable;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
    for (int i = 0; i < count; ++i) empty_kernel<<<8, 256, 0, stream>>>();
    check(cudaStreamEndCapture(stream, &graph), "end of the capture");
    check(cudaGraphInstantiate(&runnable, graph, 0), "instantiate");
    const float time = milliseconds(runnable, stream, 100);
    std::printf("{\"what\": \"graph of %d empty kernels\", \"us each\": %.3f}\n", count,
                1e3 * time / count);
    std::fflush(stdout);
  }
}

static void barriers(int size, long long* cycles) {
  const int count = 1000;
  check(cudaFuncSetAttribute(barrier_kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
        "cluster size");
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = size;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(size);
  config.blockDim = dim3(256);
  config.attrs = &attribute;
  config.numAttrs = 1;
  check(cudaLaunchKernelEx(&config, barrier_kernel, count, cycles), "cluster");
  check(cudaDeviceSynchronize(), "cluster");
  std::printf("{\"what\": \"barrier of a cluster of %d\", \"cycles\": %lld}\n", size,
              *cycles / count);
  std::fflush(stdout);
}

static void latency(long long* cycles, int* sink) {
  const int size = 1 << 20, count = 4096;  // 4 MB: in L2, not in L1 (and __ldcg goes past that)
  std::vector<int> next(size);
  for (int i = 0; i < size; ++i) next[i] = (i + 4099 * 33) % size;
  int* there;
  check(cudaMalloc(&there, size * sizeof(int)), "memory");
  check(cudaMemcpy(there, next.data(), size * sizeof(int), cudaMemcpyDefault), "copy");
  chase_kernel<<<1, 1>>>(there, count, cycles, sink);
  check(cudaDeviceSynchronize(), "chase");
  std::printf("{\"what\": \"load from L2\", \"cycles\": %lld}\n", *cycles / count);
  std::fflush(stdout);
}

int main() {
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "stream");
  long long* cycles;
  int* sink;
  check(cudaMallocHost(&cycles, sizeof(long long)), "memory");
  check(cudaMallocHost(&sink, sizeof(int)), "memory");
  edges(stream);
  latency(cycles, sink);
  barriers(8, cycles);
  barriers(16, cycles);
}
