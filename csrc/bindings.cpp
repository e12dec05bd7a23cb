// mcm_fast._C: numpy arrays in and out. Every argument is checked here or where it is used;
// the heavy calls run without the interpreter's lock.
#include "warp/bindings.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>

#include "crc32c.h"
#include "engine.h"
#include "errors.h"
#include "pixels/bindings.h"
#include "simd.h"
#include "warp/tables.h"

namespace py = pybind11;

namespace mcm {
namespace {

using Shape = std::vector<int64_t>;

// A C-contiguous array of exactly this type; `name` says which in the error.
template <class T>
const T* data_of(const py::array& array, int64_t dimensions, const std::string& name) {
  require(py::isinstance<py::array_t<T, py::array::c_style>>(array) && array.ndim() == dimensions,
          name + " must be a C-contiguous array of " + std::to_string(dimensions) +
              " dimensions and type " + std::string(py::str(py::dtype::of<T>())));
  return static_cast<const T*>(array.data());
}

// Hands the vector's memory to numpy.
template <class T>
py::array_t<T> to_numpy(std::vector<T>&& values, const Shape& shape) {
  auto* owner = new std::vector<T>(std::move(values));
  const py::capsule release(owner, [](void* p) { delete static_cast<std::vector<T>*>(p); });
  return py::array_t<T>(shape, owner->data(), release);
}

py::list to_bytes(const std::vector<Bytes>& segments) {
  py::list list;
  for (const Bytes& segment : segments) {
    list.append(py::bytes(reinterpret_cast<const char*>(segment.data()), segment.size()));
  }
  return list;
}

// The views live as long as `segments`.
std::vector<std::string_view> views_of(const std::vector<py::bytes>& segments) {
  return {segments.begin(), segments.end()};
}

Type type_of(const py::array& array) {
  if (py::isinstance<py::array_t<int8_t>>(array)) return Type::kInt8;
  if (py::isinstance<py::array_t<int16_t>>(array)) return Type::kInt16;
  if (py::isinstance<py::array_t<int32_t>>(array)) return Type::kInt32;
  if (py::isinstance<py::array_t<int64_t>>(array)) return Type::kInt64;
  return Type::kOther;
}

std::unique_ptr<Model> make_model(const std::map<std::string, py::array>& arrays, int64_t slices) {
  Tensors tensors;
  std::vector<py::array> contiguous;
  for (const auto& [name, array] : arrays) {
    contiguous.push_back(py::array::ensure(array, py::array::c_style));
    const py::array& a = contiguous.back();
    tensors[name] = {type_of(a), Shape(a.shape(), a.shape() + a.ndim()), a.data()};
  }
  return std::make_unique<Model>(tensors, slices);
}

// y and z, checked against each other and the model.
struct Latents {
  const int16_t *y, *z;
  int64_t height, width;

  Latents(const Model& model, const py::array& y_array, const py::array& z_array)
      : y(data_of<int16_t>(y_array, 3, "y")),
        z(data_of<int16_t>(z_array, 3, "z")),
        height(y_array.shape(1)),
        width(y_array.shape(2)) {
    require(y_array.shape(0) == model.y_channels,
            "y must have " + std::to_string(model.y_channels) + " channels, not " +
                std::to_string(y_array.shape(0)));
    check_size(model, height, width);
    require(z_array.shape(0) == model.z_channels && z_array.shape(1) == (height + 3) / 4 &&
                z_array.shape(2) == (width + 3) / 4,
            "z must have " + std::to_string(model.z_channels) +
                " channels and a quarter of y's height and width, rounded up");
  }
};

py::tuple parameters_to_numpy(const Model& model, Parameters&& p, int64_t height, int64_t width) {
  return py::make_tuple(to_numpy(std::move(p.mu), {model.y_channels, height, width}),
                        to_numpy(std::move(p.indexes), {model.y_channels, height, width}),
                        to_numpy(std::move(p.hyper), {model.hyper_channels, height, width}));
}

py::tuple parameters_of(const Model& model, const py::array& y, const py::array& z,
                        const std::optional<std::array<int64_t, 4>>& part, int64_t quality,
                        int64_t threads) {
  const Latents in(model, y, z);
  const auto [top, left, bottom, right] =
      part.value_or(std::array<int64_t, 4>{0, 0, in.height, in.width});
  Parameters p;
  {
    const py::gil_scoped_release release;
    p = parameters(model, in.y, in.z, in.height, in.width, {top, left, bottom, right}, quality,
                   threads);
  }
  return parameters_to_numpy(model, std::move(p), bottom - top, right - left);
}

py::tuple encode_latents(const Model& model, const py::array& y, const py::array& z,
                         int64_t quality, int64_t threads) {
  const Latents in(model, y, z);
  Encoded out;
  {
    const py::gil_scoped_release release;
    out = encode(model, in.y, in.z, in.height, in.width, quality, threads);
  }
  Coded& coded = out.coded;
  const int64_t exceptions = static_cast<int64_t>(coded.exception_indexes.size());
  return py::make_tuple(coded.lanes, coded.groups,
                        to_numpy(std::move(coded.exception_indexes), {exceptions}),
                        to_numpy(std::move(coded.exception_differences), {exceptions}),
                        to_bytes(coded.segments)) +
         parameters_to_numpy(model, std::move(out.parameters), in.height, in.width);
}

// Without parameters where only some rows are asked for.
py::tuple decode_latents(const Model& model, int64_t lanes, int64_t groups,
                         const py::array& indexes, const py::array& differences,
                         const std::vector<py::bytes>& segments, int64_t height, int64_t width,
                         std::optional<int64_t> rows, int64_t quality, int64_t threads) {
  const Stream stream{lanes,
                      groups,
                      data_of<int64_t>(indexes, 1, "exception_indexes"),
                      data_of<int16_t>(differences, 1, "exception_differences"),
                      indexes.shape(0),
                      views_of(segments)};
  require(differences.shape(0) == stream.exceptions,
          "as many exception_differences as exception_indexes expected");
  Decoded out;
  {
    const py::gil_scoped_release release;
    out = rows ? decode_rows(model, stream, height, width, *rows, quality, threads)
               : decode(model, stream, height, width, quality, threads);
  }
  const py::tuple latents = py::make_tuple(
      to_numpy(std::move(out.y), {model.y_channels, height, width}),
      to_numpy(std::move(out.z), {model.z_channels, (height + 3) / 4, (width + 3) / 4}));
  if (rows) return latents;
  return latents + parameters_to_numpy(model, std::move(out.parameters), height, width);
}

double cost_of(const Model& model, const py::array& y, const py::array& z, int64_t quality,
               int64_t threads) {
  const Latents in(model, y, z);
  const py::gil_scoped_release release;
  return cost(model, in.y, in.z, in.height, in.width, quality, threads);
}

Tables make_tables(const py::array& cdf, const py::array& start, const py::array& minimum) {
  const int16_t* edges = data_of<int16_t>(cdf, 1, "cdf");
  const int32_t* starts = data_of<int32_t>(start, 1, "start");
  const int32_t* minima = data_of<int32_t>(minimum, 1, "minimum");
  require(start.shape(0) == minimum.shape(0) + 1, "start must have one entry more than minimum");
  return Tables(edges, cdf.shape(0), starts, minima, minimum.shape(0));
}

void check_numbers(const Tables& tables, const int32_t* numbers, int64_t count) {
  const uint32_t last = static_cast<uint32_t>(tables.count() - 1);
  uint32_t bad = 0;  // its top bit is set by a number below 0 or above the last
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t number = static_cast<uint32_t>(numbers[i]);
    bad |= number | (last - number);
  }
  require(bad >> 31 == 0, "a table's number is not in 0.." + std::to_string(last));
}

py::list encode_symbols_of(const py::array& cdf, const py::array& start, const py::array& minimum,
                           const py::array& values, const py::array& numbers, int64_t lanes,
                           int64_t groups) {
  check_layout(lanes, groups);
  const Tables tables = make_tables(cdf, start, minimum);
  const int16_t* value = data_of<int16_t>(values, 1, "values");
  const int32_t* number = data_of<int32_t>(numbers, 1, "numbers");
  const int64_t count = values.shape(0);
  require(numbers.shape(0) == count, "as many numbers as values expected");
  std::vector<Bytes> segments;
  {
    const py::gil_scoped_release release;
    check_numbers(tables, number, count);
    segments = encode_symbols(tables, value, number, count, static_cast<int>(lanes),
                              static_cast<int>(groups));
  }
  return to_bytes(segments);
}

py::array_t<int16_t> decode_symbols_of(const py::array& cdf, const py::array& start,
                                       const py::array& minimum,
                                       const std::vector<py::bytes>& segments,
                                       const py::array& numbers, int64_t lanes, int64_t groups) {
  check_layout(lanes, groups);
  const Tables tables = make_tables(cdf, start, minimum);
  const int32_t* number = data_of<int32_t>(numbers, 1, "numbers");
  const int64_t count = numbers.shape(0);
  const std::vector<std::string_view> views = views_of(segments);
  std::vector<int16_t> values;
  {
    const py::gil_scoped_release release;
    check_numbers(tables, number, count);
    values = decode_symbols(tables, views, number, count, static_cast<int>(lanes),
                            static_cast<int>(groups));
  }
  return to_numpy(std::move(values), {count});
}

py::array_t<uint8_t> pack_tables(const py::array& cdf, const py::array& start,
                                 const py::array& minimum, int64_t first, int64_t count) {
  const int64_t all = make_tables(cdf, start, minimum).count();
  require(first >= 0 && count >= 0 && first <= all - count,
          "no tables " + std::to_string(first) + " to " + std::to_string(first + count) + " of " +
              std::to_string(all));
  std::vector<uint8_t> blob =
      warp::pack_tables(data_of<int16_t>(cdf, 1, "cdf"), data_of<int32_t>(start, 1, "start"),
                        data_of<int32_t>(minimum, 1, "minimum"), first, count);
  const int64_t size = static_cast<int64_t>(blob.size());
  return to_numpy(std::move(blob), {size});
}

void bind_warp(py::module_ module) {
  using namespace pybind11::literals;
  module.doc() = "The range coder for warps, as host code; see csrc/warp/launchers.h.";
  module.def("pack_tables", &pack_tables, "cdf"_a, "start"_a, "minimum"_a, "first"_a, "count"_a,
             "-> a blob of tables first .. first + count - 1");
  warp::bind_launchers(module);
}

uint32_t crc32c_of(const py::bytes& bytes) {
  const std::string_view view = bytes;
  const py::gil_scoped_release release;
  return crc32c(reinterpret_cast<const uint8_t*>(view.data()), view.size());
}

void translate_errors(std::exception_ptr error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const BitstreamError& e) {
    const py::object type = py::module_::import("mcm_fast.errors").attr("BitstreamError");
    PyErr_SetString(type.ptr(), e.what());
  }
}

}  // namespace

PYBIND11_MODULE(_C, module) {
  using namespace pybind11::literals;
  module.doc() = "The C++ engine of mcm_fast; see csrc/engine.h and FORMAT.md.";
  py::register_local_exception_translator(translate_errors);
  py::class_<Model>(module, "Model")
      .def(py::init(&make_model), "tensors"_a, "slices"_a)
      .def("parameters", &parameters_of, "y"_a, "z"_a, "part"_a, "quality"_a, "threads"_a,
           "-> mu, indexes, hyper of a part, or of all (None)")
      .def("encode", &encode_latents, "y"_a, "z"_a, "quality"_a, "threads"_a,
           "-> lanes, groups, exception_indexes, exception_differences, segments, mu, indexes, "
           "hyper")
      .def("decode", &decode_latents, "lanes"_a, "groups"_a, "exception_indexes"_a,
           "exception_differences"_a, "segments"_a, "height"_a, "width"_a, "rows"_a, "quality"_a,
           "threads"_a, "-> y, z; of all rows (None) also mu, indexes, hyper")
      .def("cost", &cost_of, "y"_a, "z"_a, "quality"_a, "threads"_a, "-> bits");
  module.def("encode_symbols", &encode_symbols_of, "cdf"_a, "start"_a, "minimum"_a, "values"_a,
             "numbers"_a, "lanes"_a, "groups"_a, "-> segments");
  module.def("decode_symbols", &decode_symbols_of, "cdf"_a, "start"_a, "minimum"_a, "segments"_a,
             "numbers"_a, "lanes"_a, "groups"_a, "-> values (int16)");
  module.def(
      "simd", [] { return simd_names()[static_cast<size_t>(simd())]; }, "-> the level in use");
  module.def("simd_names", &simd_names, "-> the levels of this processor");
  module.def("use_simd", &use_simd, "name"_a);
  module.def("crc32c", &crc32c_of, "data"_a);
  bind_warp(module.def_submodule("warp"));
  pixels::bind(module.def_submodule("pixels"));
}

}  // namespace mcm
