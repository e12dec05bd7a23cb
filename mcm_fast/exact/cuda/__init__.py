"""The CUDA engine: Triton kernels and the range coder's launchers, from the host side."""
