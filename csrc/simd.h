// Which instructions the kernels use. Every level gives the same integers; the tests compare them.
//
// A new level is one more name here, one more file of kernels, and one more branch where
// dense.cpp and coder.cpp choose. MCM_FAST_SIMD in the environment names the first choice.
#pragma once

#include <string>
#include <vector>

#if defined(__x86_64__)
#define MCM_X86 1
#define MCM_AVX2 __attribute__((target("avx2,popcnt")))
#define MCM_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#else
#define MCM_X86 0
#endif

namespace mcm {

enum class Simd { kScalar, kAvx2, kVnni };  // each has what those before it have

// The level in use.
Simd simd();

// The names of the levels that this processor has, the slowest first.
std::vector<std::string> simd_names();

// Changes the level for all later calls. std::invalid_argument for a name not in simd_names().
void use_simd(const std::string& name);

}  // namespace mcm
