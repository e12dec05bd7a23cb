// What compiles for the host and, by nvcc, for a device too.
#pragma once

#ifdef __CUDACC__
#define MCM_HD __host__ __device__
#else
#define MCM_HD
#endif
