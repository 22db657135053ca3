"""Texture inside a tissue: chi is not constant in any region of a real head.

delta chi = chi_std g(r) + chi_t1 t(r). g is a Gaussian random field of unit variance: white noise through a Gaussian
of standard deviation CORRELATION / 2, so that the correlation exp(-d^2 / CORRELATION^2) falls to 1/e at CORRELATION.
t is the T1 image within the tissue, in standard deviations, clipped at two: Marques 2021 (doi 10.1002/mrm.28716) lets
R1 and R2* of the subject modulate chi within each tissue likewise. Both have zero mean over the tissue, which
therefore keeps the mean of the table.
"""

import numpy as np
from scipy import ndimage

from qsmbench.simulation.phantom.anatomy import Float
from qsmbench.simulation.phantom.values import Tissue

CORRELATION = 3.0  # mm; ours: a few voxels, the size of structures seen inside nuclei at 7 T (Deistung 2013)


def random_field(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Return a Gaussian random field on 1 mm voxels, zero mean, unit variance, correlation length CORRELATION."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, CORRELATION / 2, mode="wrap")
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def tissue_texture(tissue: Tissue, fraction: Float, t1: Float, field: Float) -> Float:
    """Return delta chi in ppm where `fraction` of the tissue is above zero, with zero weighted mean."""
    where = fraction > 0
    weight = fraction[where].astype(np.float64)
    bright = t1[where].astype(np.float64)
    mean = np.average(bright, weights=weight)
    spread = np.sqrt(np.average((bright - mean) ** 2, weights=weight))
    delta = tissue.chi_std * field[where] + tissue.chi_t1 * np.clip((bright - mean) / spread, -2, 2)
    texture = np.zeros(fraction.shape, np.float32)
    texture[where] = delta - np.average(delta, weights=weight)
    return texture
