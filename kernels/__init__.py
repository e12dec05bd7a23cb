"""Triton kernels; installed as `mcm_fast.kernels`. They import nothing else of the package."""
