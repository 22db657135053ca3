"""Real and imaginary parts that belong together: both signs, one gain.

Converters add an offset to store parts as unsigned integers, and scale each file by itself; the angle of what they then
make is wrong. Noise has both signs in both parts (refused where not), and the same size (said where not, in all
echoes): third mixed differences leave little else. All ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError

# So much noisier is one part than the other in every echo; what structure adds to one of them is less (ours).
_UNLIKE = 1.5


def check_parts(real: NDArray[np.float32], imag: NDArray[np.float32], name: str) -> list[str]:
    """Return what is doubtful about parts (n_echoes, x, y, z), one line each.

    Raises:
        InputError: a part has one sign only.
    """
    for part, values in (("real", real), ("imag", imag)):
        if not (values.min() < 0 < values.max()):
            raise InputError(
                f"{name}: part-{part} goes from {values.min():g} to {values.max():g}, but a real or imaginary part has "
                "both signs; take off the offset that it was stored with"
            )
    ratios = [r for a, b in zip(real, imag, strict=True) if (r := _ratio(a, b)) is not None]
    if not ratios or not (min(ratios) > _UNLIKE or max(ratios) < 1 / _UNLIKE):
        return []
    shown = ", ".join(f"{r:.2g}" for r in ratios)
    return [
        f"{name}: the real part's noise is {shown} times the imaginary part's: were the two scaled one by one? The "
        "phase is then wrong; give them as they were reconstructed, or magnitude and phase"
    ]


def _ratio(real: NDArray[np.float32], imag: NDArray[np.float32]) -> float | None:
    sizes = []
    for values in (real, imag):
        rest = values
        for axis in range(3):
            rest = np.diff(rest, axis=axis) if rest.shape[axis] > 1 else rest
        seen = np.abs(rest[rest != 0])
        sizes.append(float(np.median(seen)) if seen.size else 0.0)
    return sizes[0] / sizes[1] if min(sizes) > 0 else None
