// Kernels on a stream, every error checked. The current device is the stream's: the runtime that is
// linked in here takes the context that is current, whoever made it so (torch.cuda.device does).
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace mcm::warp {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

// `dependent`: it may begin before what is before it on the stream has ended, and waits itself.
template <class Arguments>
void launch(const char* name, void (*kernel)(Arguments), int64_t blocks, int threads,
            int64_t stream, const Arguments& arguments, int64_t shared = 0,
            bool dependent = false) {
  if (blocks == 0) return;
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = static_cast<size_t>(shared);
  config.stream = reinterpret_cast<cudaStream_t>(stream);
  config.attrs = &early;
  config.numAttrs = dependent ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, arguments), name);
}

inline std::atomic<bool> shared_tables{true};  // may tables be copied to shared memory?
inline std::atomic<bool> dependent_launches{false};

// How much dynamic shared memory a kernel may have on the current device, in bytes. It is allowed
// all of that, once and for all: a limit for each launch would be another thread's limit, too.
template <auto kKernel>
int64_t shared_room(const char* name) {
  constexpr int kDevices = 64;
  static std::array<std::atomic<int64_t>, kDevices>
      rooms{};  // one more than the room; 0: not known
  int device = 0, most = 0;
  check(cudaGetDevice(&device), name);
  const int64_t known = device < kDevices ? rooms[device].load() : 0;
  if (known != 0) return known - 1;
  cudaFuncAttributes attributes;
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check(cudaFuncGetAttributes(&attributes, kKernel), name);
  const int room = most - static_cast<int>(attributes.sharedSizeBytes);
  check(cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, room), name);
  if (device < kDevices) rooms[device] = int64_t{room} + 1;
  return room;
}

// `kStaged` needs `size` bytes of shared memory besides its own; `kDirect` runs where a block
// cannot have that much.
template <auto kStaged, auto kDirect, class Arguments>
void launch_staged(const char* name, int64_t size, int64_t blocks, int threads, int64_t stream,
                   const Arguments& arguments, bool dependent = false) {
  if (!shared_tables || size > shared_room<kStaged>(name)) {
    return launch(name, kDirect, blocks, threads, stream, arguments, 0, dependent);
  }
  launch(name, kStaged, blocks, threads, stream, arguments, size, dependent);
}

}  // namespace mcm::warp
