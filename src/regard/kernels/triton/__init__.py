"""Kernels in Triton (Tillet et al. 2019), for CUDA GPUs. None has been measured on one yet.

`import regard` does not import triton: `windowed` and `observed` load the kernels at their first call. Without a GPU
they run in Triton's interpreter (`TRITON_INTERPRET=1`, set before triton is imported), which is what the tests do.
"""
