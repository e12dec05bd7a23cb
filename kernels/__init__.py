"""Triton kernels of the exact lane; installed as `mcm_fast.kernels`."""
