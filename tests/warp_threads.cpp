// The warp coder's launchers with a thread a warp, as a module of their own.
#include <pybind11/pybind11.h>

#include "../csrc/warp/bindings.h"

PYBIND11_MODULE(warp_threads, module) { mcm::warp::bind_launchers(module); }
