"""Grey matter, white matter and CSF of an average head: the ICBM 152 template at 1 mm.

The symmetric nonlinear 2009a template (Fonov 2011, doi 10.1016/j.neuroimage.2010.07.033) with its tissue probability
maps comes with nilearn, so nothing is downloaded. CSF is what grey and white leave over. An average of 152 heads blurs
the cortex; raising the probabilities to a power and normalising them again takes part of that blur back.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

SHARPENING = 2.0  # ours: the cortical ribbon regains its 2 to 4 mm, and voxels of mixed tissue remain mixed
RIM = 3  # voxels: grey matter thinner than this beside a ventricle is averaging, not tissue


@dataclass(frozen=True)
class Anatomy:
    """Tissue fractions, (x, y, z) at 1 mm; `grey + white + csf` is one inside `mask` and zero outside.

    `depth` is the distance to the edge of the mask, `from_ventricles` that to the ventricles, both in mm.
    """

    grey: Float
    white: Float
    csf: Float
    t1: Float
    mask: Bool
    depth: Float
    from_ventricles: Float
    affine: NDArray[np.float64]

    def voxels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn MNI coordinates (n, 3) in mm into voxel coordinates (n, 3)."""
        moved: NDArray[np.float64] = points - self.affine[:3, 3]
        return moved


def ventricles(csf: Float, depth: Float) -> Bool:
    """Return the CSF that lies deep in the brain: `depth` is the distance to the mask's edge in mm."""
    pools, _ = ndimage.label((csf > 0.5) & (depth > 25))
    sizes = np.bincount(pools.ravel())
    sizes[0] = 0
    kept: Bool = sizes[pools] > 500
    return kept


def _distance(inside: Bool) -> Float:
    return np.asarray(ndimage.distance_transform_edt(inside), dtype=np.float32)


def load_anatomy(margin: int = 4) -> Anatomy:
    """Return the template cropped to the brain, with `margin` empty voxels around it.

    The brain stem reaches the template's lowest slice and ends there. The crop keeps x symmetric about the midline,
    so that flipping the first axis swaps left and right.
    """

    def array(image: Any) -> Float:
        return np.pad(np.asarray(image.dataobj, dtype=np.float32), margin)

    image = datasets.load_mni152_brain_mask(resolution=1)
    mask = array(image) > 0.5
    inside = np.argwhere(mask)
    lower, upper = inside.min(0) - margin, inside.max(0) + margin + 1
    middle = round(float(-image.affine[0, 3])) + margin
    reach = max(middle - int(lower[0]), int(upper[0]) - 1 - middle)
    lower[0], upper[0] = middle - reach, middle + reach + 1
    crop = tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ (lower - margin)

    mask = mask[crop]
    t1 = array(datasets.load_mni152_template(resolution=1))[crop]
    grey = np.clip(array(datasets.load_mni152_gm_template(resolution=1))[crop], 0, 1)
    white = np.clip(array(datasets.load_mni152_wm_template(resolution=1))[crop], 0, 1)
    csf = np.clip(1 - grey - white, 0, 1)
    powers = [np.where(mask, part, 0) ** SHARPENING for part in (grey, white, csf)]
    total = np.maximum(sum(powers), np.finfo(np.float32).tiny)
    grey, white, csf = (np.where(mask, part / total, 0).astype(np.float32) for part in powers)

    depth = _distance(mask)
    from_ventricles = _distance(~ventricles(csf, depth))
    # the average shows a thin grey line around the ventricles, where white matter meets CSF: give it back to these
    thin = grey - ndimage.grey_opening(grey, size=(RIM, RIM, RIM))
    rim = np.where(from_ventricles <= RIM, thin, 0).astype(np.float32)
    grey, white, csf = grey - rim, white + rim * np.float32(0.5), csf + rim * np.float32(0.5)
    return Anatomy(grey, white, csf, np.where(mask, t1, 0), mask, depth, from_ventricles, affine)
