// Kernels on a stream, every error checked. The current device is the stream's: the runtime that is
// linked in here takes the context that is current, whoever made it so (torch.cuda.device does).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace mcm::warp {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

template <class Arguments>
void launch(const char* name, void (*kernel)(Arguments), int64_t blocks, int threads,
            int64_t stream, const Arguments& arguments, int64_t shared = 0) {
  if (blocks == 0) return;
  kernel<<<static_cast<unsigned>(blocks), threads, static_cast<size_t>(shared),
           reinterpret_cast<cudaStream_t>(stream)>>>(arguments);
  check(cudaGetLastError(), name);
}

// `staged` needs `size` bytes of shared memory besides its own; `direct` runs where a block cannot
// have that much.
template <class Arguments>
void launch_staged(const char* name, void (*staged)(Arguments), void (*direct)(Arguments),
                   int64_t size, int64_t blocks, int threads, int64_t stream,
                   const Arguments& arguments) {
  int device = 0, most = 0;
  cudaFuncAttributes attributes;
  check(cudaGetDevice(&device), name);
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check(cudaFuncGetAttributes(&attributes, staged), name);
  if (size + static_cast<int64_t>(attributes.sharedSizeBytes) > most) {
    return launch(name, direct, blocks, threads, stream, arguments);
  }
  check(cudaFuncSetAttribute(staged, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(size)),
        name);
  launch(name, staged, blocks, threads, stream, arguments, size);
}

}  // namespace mcm::warp
