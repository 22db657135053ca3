"""Dipole physics and Fourier helpers; no file access."""
