// mcm_fast._C.pixels: numpy arrays in and out, checked here or where they are used.
#include "bindings.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>

#include "../errors.h"
#include "render.h"

namespace py = pybind11;

namespace mcm::pixels {
namespace {

using Arrays = std::map<std::string, py::array>;

Type type_of(const py::array& array) {
  if (py::isinstance<py::array_t<int16_t>>(array)) return Type::kInt16;
  if (py::isinstance<py::array_t<int32_t>>(array)) return Type::kInt32;
  if (py::isinstance<py::array_t<int64_t>>(array)) return Type::kInt64;
  return Type::kOther;
}

std::unique_ptr<Rendering> make_rendering(const Arrays& arrays) {
  Tensors tensors;
  std::vector<py::array> contiguous;
  for (const auto& [name, array] : arrays) {
    contiguous.push_back(py::array::ensure(array, py::array::c_style));
    const py::array& a = contiguous.back();
    tensors[name] = {type_of(a), {a.shape(), a.shape() + a.ndim()}, a.data()};
  }
  return std::make_unique<Rendering>(tensors);
}

// A C-contiguous array of exactly this type with `channels` channels of the size of y.
template <class T>
const T* planes(const py::array& array, int64_t channels, const py::array& y,
                const std::string& name) {
  require(py::isinstance<py::array_t<T, py::array::c_style>>(array) && array.ndim() == 3 &&
              array.shape(0) == channels && array.shape(1) == y.shape(1) &&
              array.shape(2) == y.shape(2),
          name + " must be a C-contiguous array of " + std::to_string(channels) +
              " channels, y's size and type " + std::string(py::str(py::dtype::of<T>())));
  return static_cast<const T*>(array.data());
}

py::array_t<uint8_t> rendered(const Rendering& rendering, const py::array& y, const py::array& mu,
                              const py::array& indexes, const py::array& hyper, int64_t quality,
                              const std::array<int64_t, 4>& box, bool transposed, int64_t threads,
                              int64_t rows) {
  require(y.ndim() == 3, "y must have 3 dimensions");
  const int64_t channels = rendering.y_channels;
  const Latents latents{planes<int16_t>(y, channels, y, "y"),
                        planes<int16_t>(mu, channels, y, "mu"),
                        planes<uint8_t>(indexes, channels, y, "indexes"),
                        planes<int8_t>(hyper, rendering.hyper_channels, y, "hyper"),
                        y.shape(1),
                        y.shape(2)};
  const auto [top, left, bottom, right] = box;
  check_box(rendering, latents.height, latents.width, {top, left, bottom, right});
  const int64_t height = bottom - top, width = right - left;
  py::array_t<uint8_t> image(transposed ? std::vector<int64_t>{width, height, 3}
                                        : std::vector<int64_t>{height, width, 3});
  const Canvas canvas{image.mutable_data(), transposed ? 3 : 3 * width,
                      transposed ? 3 * height : 3};
  const py::gil_scoped_release release;
  render(rendering, latents, quality, {top, left, bottom, right}, canvas, threads, rows);
  return image;
}

py::tuple as_tuple(const Box& box) {
  return py::make_tuple(box.top, box.left, box.bottom, box.right);
}

// What a box takes of latents of this size.
py::tuple needed(const Rendering& rendering, int64_t height, int64_t width,
                 const std::array<int64_t, 4>& box) {
  const auto [top, left, bottom, right] = box;
  const Box pixels{top, left, bottom, right};
  check_box(rendering, height, width, pixels);
  const Needs needs = needs_of(rendering, {height, width}, pixels);
  py::list boxes;
  for (const Box& each : needs.tensors) boxes.append(as_tuple(each));
  return py::make_tuple(boxes, needs.products(rendering));
}

}  // namespace

void bind(py::module_ module) {
  using namespace pybind11::literals;
  module.doc() = "Latents to pixels in integers; see csrc/pixels/render.h.";
  py::class_<Rendering>(module, "Rendering")
      .def(py::init(&make_rendering), "tensors"_a)
      .def("render", &rendered, "y"_a, "mu"_a, "indexes"_a, "hyper"_a, "quality"_a, "box"_a,
           "transposed"_a, "threads"_a, "rows"_a, "-> pixels [height, width, 3]")
      .def("needs", &needed, "height"_a, "width"_a, "box"_a,
           "-> the box of each tensor that is made, multiplications of all layers");
}

}  // namespace mcm::pixels
