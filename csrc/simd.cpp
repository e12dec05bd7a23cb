#include "simd.h"

#include <atomic>
#include <cstdlib>

#include "errors.h"

namespace mcm {
namespace {

const char* const kNames[] = {"scalar", "avx2"};

bool has(Simd level) {
  if (level == Simd::kScalar) return true;
#if MCM_X86
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
#else
  return false;
#endif
}

Simd level_of(const std::string& name) {
  std::string known;
  for (const Simd level : {Simd::kScalar, Simd::kAvx2}) {
    const char* candidate = kNames[static_cast<int>(level)];
    if (has(level) && name == candidate) return level;
    if (has(level)) known += std::string(known.empty() ? "" : ", ") + candidate;
  }
  throw std::invalid_argument("no SIMD level " + name + " here: there are " + known);
}

Simd first_choice() {
  const char* name = std::getenv("MCM_FAST_SIMD");
  if (name != nullptr && *name != 0) return level_of(name);
  return has(Simd::kAvx2) ? Simd::kAvx2 : Simd::kScalar;
}

std::atomic<Simd>& current() {
  static std::atomic<Simd> level{first_choice()};
  return level;
}

}  // namespace

Simd simd() { return current().load(std::memory_order_relaxed); }

std::vector<std::string> simd_names() {
  std::vector<std::string> names;
  for (const Simd level : {Simd::kScalar, Simd::kAvx2}) {
    if (has(level)) names.emplace_back(kNames[static_cast<int>(level)]);
  }
  return names;
}

void use_simd(const std::string& name) { current() = level_of(name); }

}  // namespace mcm
