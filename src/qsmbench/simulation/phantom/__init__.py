"""A numerical head: the susceptibility of an average adult's brain, with its deep nuclei, veins and texture.

chi(r) = sum over tissues of fraction(r) [chi + texture(r)], at 1 mm in MNI space; nothing is downloaded. Template and
fractions: anatomy.py; nuclei: nuclei.py; veins: vessels.py; numbers and their sources: values.py; texture: texture.py.
The magnitude is a spoiled gradient echo of the same fractions, M = sum fraction PD sin(a) (1 - E1) / (1 - cos(a) E1)
exp(-TE R2*), with the template's T1 contrast inside the tissues. In the manner of the head phantom of the second QSM
challenge (Marques 2021, doi 10.1002/mrm.28716), which must be downloaded; this one stands on a template.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.seeds import generator_for
from qsmbench.simulation.phantom.anatomy import Anatomy, Float, load_anatomy
from qsmbench.simulation.phantom.nuclei import draw_nuclei
from qsmbench.simulation.phantom.texture import random_field, tissue_texture
from qsmbench.simulation.phantom.values import NUCLEI, TISSUES, Tissue
from qsmbench.simulation.phantom.vessels import draw_vessels

__all__ = ["LABELS", "Phantom", "head_phantom"]

# 0 to 4, then left nuclei from 11 and right ones from 21, in the order of the table of values
LABELS: dict[int, str] = {0: "background", 1: "csf", 2: "grey_matter", 3: "white_matter", 4: "vein"} | {
    first + i: f"{name}_{side}" for first, side in ((11, "left"), (21, "right")) for i, name in enumerate(NUCLEI)
}

TR, TE, FLIP = 0.045, 0.020, 20.0  # s, s, degrees: a common gradient echo at 3 T, T1- and T2*-weighted
T1_DETAIL = 0.5  # how much of the template's relative contrast inside a tissue reaches the magnitude


@dataclass(frozen=True)
class Phantom:
    """A head: arrays (x, y, z) at 1 mm, in MNI space.

    `chi` is in ppm against CSF and zero outside `mask`; `labels` holds the tissue with the largest fraction (LABELS);
    `magnitude` is a gradient echo in units of the proton density of water; `affine` (4, 4) maps voxels to mm.
    """

    chi: Float
    mask: NDArray[np.bool_]
    labels: NDArray[np.int16]
    magnitude: Float
    affine: NDArray[np.float64]


def tissue_fractions(anatomy: Anatomy, rng: np.random.Generator) -> dict[str, Float]:
    """Return the fraction of every entry of LABELS but the background; they sum to one in the mask."""
    vein = draw_vessels(anatomy, rng)
    nuclei = {f"{name}_{side}": fraction for (name, side), fraction in draw_nuclei(anatomy).items()}
    rest = np.where(anatomy.mask, 1 - sum(nuclei.values()), 0)
    parts = {"csf": anatomy.csf * rest, "grey_matter": anatomy.grey * rest, "white_matter": anatomy.white * rest}
    return {name: np.asarray(part * (1 - vein), np.float32) for name, part in (parts | nuclei).items()} | {"vein": vein}


def tissue_of(label: str) -> Tissue:
    """Return the row of the table for a label's name, "caudate_left" or "csf"."""
    return TISSUES[label.removesuffix("_left").removesuffix("_right")]


def gradient_echo(tissue: Tissue) -> float:
    """Return the spoiled gradient-echo signal of a tissue at TR, TE and FLIP, against the proton density of water."""
    e1, angle = np.exp(-TR / tissue.t1), np.deg2rad(FLIP)
    signal = tissue.proton_density * np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1) * np.exp(-TE * tissue.r2star)
    return float(signal)


def head_phantom(seed: int = 0) -> Phantom:
    """Build the head. The seed changes the small veins and the texture; anatomy and named vessels stay.

    Returns the same bytes for the same seed.
    """
    anatomy = load_anatomy()
    fractions = tissue_fractions(anatomy, generator_for("phantom/vessels", seed))
    field = random_field(anatomy.mask.shape, generator_for("phantom/texture", seed))
    chi = np.zeros(anatomy.mask.shape, np.float32)
    magnitude = np.zeros(anatomy.mask.shape, np.float32)
    best = np.zeros(anatomy.mask.shape, np.float32)
    labels = np.zeros(anatomy.mask.shape, np.int16)
    expected = np.zeros(anatomy.mask.shape, np.float32)
    for label, name in LABELS.items():
        if label == 0:
            continue
        tissue, fraction = tissue_of(name), fractions[name]
        chi += fraction * (tissue.chi + tissue_texture(tissue, fraction, anatomy.t1, field))
        magnitude += fraction * gradient_echo(tissue)
        expected += fraction * np.float32(np.average(anatomy.t1, weights=fraction))
        labels[fraction > best] = label
        best = np.maximum(best, fraction)
    detail = ndimage.gaussian_filter(anatomy.t1, 0.5) - ndimage.gaussian_filter(expected, 0.5)
    magnitude *= 1 + T1_DETAIL * np.clip(detail, -0.3, 0.3)
    mask = anatomy.mask
    return Phantom(
        np.where(mask, chi, 0).astype(np.float32),
        mask,
        np.where(mask, labels, 0).astype(np.int16),
        np.where(mask, magnitude, 0).astype(np.float32),
        anatomy.affine,
    )
