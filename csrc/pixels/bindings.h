#pragma once

#include <pybind11/pybind11.h>

namespace mcm::pixels {

void bind(pybind11::module_ module);

}  // namespace mcm::pixels
