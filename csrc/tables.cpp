#include "tables.h"

#include "errors.h"

namespace mcm {

Tables::Tables(const int16_t* cdf, int64_t cdf_size, const int32_t* start, const int32_t* minimum,
               int64_t count) {
  require(count > 0 && start[0] == 0, "tables.start must begin with 0");
  require(count <= kMaxTables, "more than 65536 tables");
  for (int64_t t = 0; t < count; ++t) {
    const std::string name = "table " + std::to_string(t);
    const int64_t size = int64_t{start[t + 1]} - start[t];
    require(size >= 2, name + " has fewer than two entries");
    require(start[t + 1] <= cdf_size, name + " ends beyond tables.cdf");
    require(minimum[t] >= INT16_MIN && minimum[t] + size <= INT16_MAX + 1,
            name + " reaches beyond 16 bits");
    require(cdf[start[t]] == 0, name + " does not begin with 0");
    for (int64_t e = 1; e < size; ++e) {
      require(cdf[start[t] + e] > cdf[start[t] + e - 1], name + " is not strictly increasing");
    }
    require(cdf[start[t] + size - 1] < int32_t{kSlots}, name + " does not end below 2^14");
    add(cdf + start[t], static_cast<int32_t>(size), minimum[t]);
  }
  require(start[count] == cdf_size, "tables.start does not end with the size of tables.cdf");
}

void Tables::add(const int16_t* cdf, int32_t size, int32_t minimum) {
  const int32_t first = static_cast<int32_t>(entries_.size());
  const auto edge = [&](int32_t e) { return e < size ? static_cast<uint64_t>(cdf[e]) : kSlots; };
  table_.push_back({first, minimum, static_cast<uint32_t>(size - 1)});
  for (int32_t e = 0; e < size; ++e) {
    const uint64_t value = static_cast<uint16_t>(minimum + e);
    entries_.push_back(edge(e) | edge(e + 1) << 16 | edge(e + 2) << 32 | value << 48);
    const uint32_t frequency = static_cast<uint32_t>(edge(e + 1) - edge(e));
    visits_.push_back(visit_with(static_cast<uint32_t>(edge(e)), frequency, e == size - 1));
  }
  int32_t entry = 0;
  for (int64_t i = 0; i < kBuckets; ++i) {
    while (edge(entry + 1) <= static_cast<uint64_t>(i << kBucketShift)) ++entry;
    buckets_.push_back(entries_[first + entry]);
  }
}

}  // namespace mcm
