#include "simd.h"

#include <atomic>
#include <cstdlib>

#include "errors.h"

namespace mcm {
namespace {

constexpr Simd kLevels[] = {Simd::kScalar, Simd::kAvx2, Simd::kVnni};
const char* const kNames[] = {"scalar", "avx2", "vnni"};

bool has(Simd level) {
  if (level == Simd::kScalar) return true;
#if MCM_X86
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  if (level == Simd::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

Simd level_of(const std::string& name) {
  std::string known;
  for (const Simd level : kLevels) {
    const char* candidate = kNames[static_cast<int>(level)];
    if (has(level) && name == candidate) return level;
    if (has(level)) known += std::string(known.empty() ? "" : ", ") + candidate;
  }
  throw std::invalid_argument("no SIMD level " + name + " here: there are " + known);
}

Simd first_choice() {
  const char* name = std::getenv("MCM_FAST_SIMD");
  if (name != nullptr && *name != 0) return level_of(name);
  Simd best = Simd::kScalar;
  for (const Simd level : kLevels) best = has(level) ? level : best;
  return best;
}

std::atomic<Simd>& current() {
  static std::atomic<Simd> level{first_choice()};
  return level;
}

}  // namespace

Simd simd() { return current().load(std::memory_order_relaxed); }

std::vector<std::string> simd_names() {
  std::vector<std::string> names;
  for (const Simd level : kLevels) {
    if (has(level)) names.emplace_back(kNames[static_cast<int>(level)]);
  }
  return names;
}

void use_simd(const std::string& name) { current() = level_of(name); }

}  // namespace mcm
