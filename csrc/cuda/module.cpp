// mcm_fast._CUDA: the same launchers as mcm_fast._C.warp, for memory of a device.
#include <pybind11/pybind11.h>

#include "../warp/bindings.h"
#include "switches.h"

PYBIND11_MODULE(_CUDA, module) {
  module.doc() = "The range coder for warps, as CUDA kernels; see csrc/warp/launchers.h.";
  mcm::warp::bind_launchers(module);
  module.def("use_shared_tables", mcm::warp::use_shared_tables);
  module.def("use_dependent_launches", mcm::warp::use_dependent_launches);
  module.def("phases", mcm::warp::phases);
}
