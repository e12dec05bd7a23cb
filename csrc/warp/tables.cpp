#include "tables.h"

#include <cstring>

#include "../errors.h"

namespace mcm::warp {
namespace {

constexpr int64_t kMaxBytes = 1 << 28;  // what Table::cells_and_shift can tell

// The cells of a table of `size` entries.
void append_cells(const int16_t* cdf, int32_t size, int shift, std::vector<uint16_t>& cells) {
  int32_t entry = 0;
  for (uint32_t slot = 0; slot < kSlots; slot += 1u << shift) {
    while (entry + 1 < size && static_cast<uint32_t>(cdf[entry + 1]) <= slot) ++entry;
    cells.push_back(static_cast<uint16_t>(entry));
  }
  cells.insert(cells.end(), cdf, cdf + size);
  cells.insert(cells.end(), 3, kSlots);
}

}  // namespace

std::vector<uint8_t> pack_tables(const int16_t* cdf, const int32_t* start, const int32_t* minimum,
                                 int64_t first, int64_t count) {
  require(count <= UINT16_MAX + 1, "the warp coder takes at most 65536 tables");
  std::vector<Table> tables;
  std::vector<uint16_t> cells;
  const size_t cells_at = count * sizeof(Table) / sizeof(uint16_t);
  for (int64_t t = first; t < first + count; ++t) {
    const int32_t size = start[t + 1] - start[t];
    int shift = kSymbolBits;
    while (shift > 0 && int32_t{kSlots} >> shift < 2 * size) --shift;
    const size_t at = 2 * (cells_at + cells.size());
    require(at < kMaxBytes, "the tables are too large for the warp coder");
    tables.push_back({static_cast<uint32_t>(at << 4 | shift), static_cast<int16_t>(minimum[t]),
                      static_cast<uint16_t>(size - 1)});
    append_cells(cdf + start[t], size, shift, cells);
  }
  const size_t bytes = 2 * (cells_at + cells.size());
  std::vector<uint8_t> blob((bytes + 15) / 16 * 16);
  std::memcpy(blob.data(), tables.data(), 2 * cells_at);
  std::memcpy(blob.data() + 2 * cells_at, cells.data(), bytes - 2 * cells_at);
  return blob;
}

}  // namespace mcm::warp
