// The launchers of warp/launchers.h for Python: the same in mcm_fast._C.warp and in mcm_fast._CUDA.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <string>
#include <vector>

#include "../errors.h"
#include "launchers.h"

namespace mcm::warp {

// The names of the fields of each struct, in order.
constexpr const char* kDecodingFields =
    "images slices slice_channels z_channels capacity "
    "y_tables y_tables_size z_tables z_tables_size "
    "height width lanes groups z_table exceptions y_at z_at difference_at "
    "payload segment_at segment_size "
    "states cursor visit t unused error "
    "tables bases places y seen z differences";
constexpr const char* kEncodingFields =
    "images y_channels z_channels tiles y_tables z_tables "
    "height width z_table y_at z_at latent_at tile_at "
    "tables bases places y z "
    "tile_counts visits raw words visit_count first_words "
    "lanes groups states segment_size payload exceptions exception_index exception_difference";
constexpr const char* kSymbolsFields =
    "count lanes groups tables tables_size tables_count values numbers "
    "payload segment_at segment_size words states error";

using Fields = std::vector<int64_t>;

inline void check_blob(const uint8_t* blob, int64_t size) {
  require(reinterpret_cast<uintptr_t>(blob) % 16 == 0 && size >= 0 && size % 16 == 0,
          "a blob of tables must be aligned to 16 bytes, and a multiple of that long");
}

inline void check(const Decoding& d) {
  require(d.images >= 0 && d.images <= INT32_MAX, "a batch has 0 to 2^31 - 1 images");
  check_blob(d.y_tables, d.y_tables_size);
  check_blob(d.z_tables, d.z_tables_size);
}

inline void check(const Encoding& e) {
  require(
      e.images >= 0 && e.images <= INT32_MAX / kMaxGroups && e.tiles >= 0 && e.tiles <= INT32_MAX,
      "too many images or tiles");
  check_blob(e.y_tables, 0);
  check_blob(e.z_tables, 0);
}

inline void check(const Symbols& a) {
  const auto power = [](int64_t n, int64_t most) {
    return n >= 1 && n <= most && (n & (n - 1)) == 0;
  };
  require(power(a.lanes, 32),
          "lanes must be a power of two up to 32, not " + std::to_string(a.lanes));
  require(power(a.groups, a.lanes == 32 ? kSymbolsGroups : 1),
          "groups must be a power of two up to 8192, and 1 unless there are 32 lanes, not " +
              std::to_string(a.groups));
  require(a.count >= 0 && a.count / a.groups < int64_t{1} << 29,
          "a group codes less than 2^29 symbols");
  require(a.tables_count >= 1, "no tables");
  check_blob(a.tables, a.tables_size);
}

template <class Struct>
Struct from_fields(const Fields& fields) {
  static_assert(sizeof(Struct) % sizeof(int64_t) == 0, "all fields have 64 bits");
  const size_t count = sizeof(Struct) / sizeof(int64_t);
  require(fields.size() == count,
          std::to_string(count) + " fields expected, not " + std::to_string(fields.size()));
  Struct value;
  std::memcpy(&value, fields.data(), sizeof(Struct));
  check(value);
  return value;
}

template <class Struct>
void bind(pybind11::module_& module, const char* name, void (*launcher)(const Struct&, int64_t)) {
  using namespace pybind11::literals;
  const auto call = [launcher](const Fields& fields, int64_t stream) {
    const auto arguments = from_fields<Struct>(fields);
    const pybind11::gil_scoped_release release;
    launcher(arguments, stream);
  };
  module.def(name, call, "fields"_a, "stream"_a);
}

inline pybind11::tuple names_in(const char* fields) {
  return pybind11::tuple(pybind11::str(fields).attr("split")());
}

inline void bind_launchers(pybind11::module_& module) {
  module.attr("DECODING") = names_in(kDecodingFields);
  module.attr("ENCODING") = names_in(kEncodingFields);
  module.attr("SYMBOLS") = names_in(kSymbolsFields);
  module.attr("TILE") = kTile;
  bind(module, "begin", begin);
  bind(module, "decode_z", decode_z);
  bind(module, "decode_step", decode_step);
  bind(module, "finish", finish);
  bind(module, "encode", encode);
  bind(module, "decode_symbols", decode_symbols);
  bind(module, "encode_symbols", encode_symbols);
}

}  // namespace mcm::warp
