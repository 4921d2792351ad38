"""Layer 0: records, clock, compiled kernels and the loop. Knows numpy, numba and the standard library only."""
