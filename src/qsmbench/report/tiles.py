"""One slice as a small picture: a map, with its difference from the reference below it, for first screen and cards."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from PIL import Image

from qsmbench.report.figures import WINDOWS, ColourScale
from qsmbench.report.slices import Planes

# Pixels of the longer side of one slice.
_SIDE = 260
_GAP = 3
# Levels a colour scale: two of them, white and the colours outside fit a palette.
_LEVELS = 120


def tile_png(planes: Planes, chi: np.ndarray, reference: np.ndarray | None, plane: str = "axial") -> bytes:
    """Draw ``chi`` in a plane, and ``chi`` - ``reference`` below it where there is one.

    Args:
        planes: where the subject is cut.
        chi: (x, y, z), ppm.
        reference: the same, or None.
        plane: of `qsmbench.report.slices.PLANES`.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    mask = planes.cut(planes.mask, plane)
    pictures = [_coloured(planes.cut(chi, plane), mask, WINDOWS["chi"], 0)]
    if reference is not None:
        pictures.append(_coloured(planes.cut(chi - reference, plane), mask, WINDOWS["error"], _LEVELS + 1))
    wide, tall = planes.extent(plane)
    scale = _SIDE / max(wide, tall)
    size = max(1, round(wide * scale)), max(1, round(tall * scale))
    parts = [np.asarray(Image.fromarray(p, mode="P").resize(size, Image.Resampling.NEAREST)) for p in pictures]
    white = np.full((_GAP, size[0]), 2 * _LEVELS + 2, np.uint8)
    stacked = np.concatenate([part for pair in zip(parts, [white] * len(parts), strict=True) for part in pair][:-1])
    picture = Image.fromarray(stacked, mode="P")
    picture.putpalette(_palette().tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _coloured(values: np.ndarray, mask: np.ndarray, window: ColourScale, first: int) -> np.ndarray:
    """Index of the palette (rows, columns), uint8: levels from ``first`` on, and one after them outside the mask."""
    share = (np.nan_to_num(values) + window.limit) / (2 * window.limit)
    levels = first + np.clip(np.rint(share * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.uint8)
    return np.where(mask & np.isfinite(values), levels, first + _LEVELS).astype(np.uint8)


def _palette() -> np.ndarray:
    steps = np.linspace(0, 1, _LEVELS)
    parts = []
    for name in ("chi", "error"):
        window = WINDOWS[name]
        outside = mpl.colors.to_rgb(window.outside)
        parts += [mpl.colormaps[window.colours](steps)[:, :3], np.array([outside])]
    parts.append(np.ones((1, 3)))
    return np.asarray(np.rint(np.concatenate(parts) * 255), np.uint8)
