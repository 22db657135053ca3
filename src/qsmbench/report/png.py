"""From a matplotlib figure to the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial import KDTree


@contextmanager
def fixed_style() -> Iterator[None]:
    """Matplotlib's defaults with our few changes, whatever the user's own style file says."""
    with mpl.style.context(["default", {"font.size": 9, "font.family": "DejaVu Sans", "axes.titlesize": 9}]):
        yield


def png_bytes(figure: Figure, palette: np.ndarray | None = None) -> bytes:
    """Render to a PNG with a palette, a third of the size in full colour, and with neither date nor version in it.

    Args:
        figure: drawn at its own resolution.
        palette: (n <= 256, 3), uint8; other colours become the nearest of these. By default one fitted to the picture.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    if palette is None:
        picture = Image.fromarray(pixels.copy()).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    else:
        picture = Image.fromarray(_nearest(pixels, palette), mode="P")
        picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _nearest(pixels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Index (rows, columns), uint8, of the palette's colour nearest to each pixel."""
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    # A table of all 16 million colours is quicker than sorting the pixels.
    table = np.zeros(1 << 24, np.uint8)
    table[packed] = 1
    colours = np.flatnonzero(table)
    unpacked = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=1)
    table[colours] = KDTree(palette.astype(np.float64)).query(unpacked.astype(np.float64))[1]
    return np.asarray(table[packed])
