"""Tissues outside the brain, and lesions, at 3 T; the brain's own are in `qsmbench.simulation.phantom.values`.

Susceptibility (ppm, SI) is relative to water, which lies at -9.04 ppm (Schenck 1996, doi 10.1118/1.597854): air, at
+0.36, is 9.4 ppm above it. In vivo, Buch 2015 (doi 10.1002/mrm.25350) measured air in the sphenoid sinus 9.2 +- 1.3,
bone -2.1 +- 0.6 and calcium (teeth) -3.3 +- 1.2 ppm against soft tissue. Fat lies some tenths of a ppm above water;
0.6 is ours, and it lies in the scalp. Its main peak (methylene, 1.3 ppm) resonates 3.4 ppm below water (4.7 ppm).

Relaxation: muscle T1 1.41 s, T2 50 ms (Stanisz 2005, doi 10.1002/mrm.20605); subcutaneous fat T1 0.37 s, T2 133 ms
(Gold 2004, Am J Roentgenol 183:343-351); cortical bone T1 0.2 s, T2* 0.4 ms (Reichert 2005, Magn Reson Imaging
23:611-618). R2* is 1/T2 plus 10/s of static spread for muscle and fat (ours). Bone is invisible at these
echo times, whatever its proton density.

A haematoma is blood that has lost oxygen: its susceptibility follows from the formula for venous blood at 40 %
saturation. A calcification is tissue of which 30 % is as dense as teeth. Their R2* is that of static dephasing by the
susceptibility inside them, R2' = 2 pi / (9 sqrt 3) gamma B0 |chi|, which is 323/s a ppm at 3 T (Yablonskiy & Haacke
1994, doi 10.1002/mrm.1910320610).
"""

from dataclasses import dataclass
from math import pi, sqrt

from qsmbench.core.units import GAMMA_MHZ_PER_T
from qsmbench.simulation.phantom.values import TISSUES, Tissue, blood_chi

AIR_CHI = 9.4  # ppm against water
FAT_SHIFT = -3.4  # ppm

HEAD_TISSUES: dict[str, Tissue] = {
    "air": Tissue(AIR_CHI, 0.0, 0.0, 0.0, 1.0, 0.0),
    "muscle": Tissue(0.0, 0.0, 0.0, 0.80, 1.41, 30.0),
    "fat": Tissue(0.6, 0.0, 0.0, 0.90, 0.37, 17.5),
    "bone": Tissue(-2.1, 0.0, 0.0, 0.20, 0.20, 2500.0),
    "csf": TISSUES["csf"],
    "cord": TISSUES["white_matter"],
}

HAEMATOMA_SATURATION = 0.40  # within hours of the bleeding
CALCIUM_CHI = -3.3  # ppm, Buch 2015
CALCIUM_SHARE = 0.30


def static_dephasing(chi: float, b0: float = 3.0) -> float:
    """R2' in 1/s of randomly placed sources whose mean susceptibility is ``chi`` (ppm).

    >>> round(static_dephasing(1.0))
    323
    """
    return 2 * pi / (9 * sqrt(3)) * 2 * pi * GAMMA_MHZ_PER_T * b0 * abs(chi)


@dataclass(frozen=True)
class Lesion:
    """An ellipsoid of one tissue in place of what was there.

    Attributes:
        centre: MNI mm.
        semi_axes: mm.
        tissue: what it is made of.
    """

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    tissue: Tissue


def _lesion(chi: float, density: float, t1: float) -> Tissue:
    return Tissue(chi, 0.0, 0.0, density, t1, 20.0 + static_dephasing(chi))


HAEMATOMA = _lesion(blood_chi(HAEMATOMA_SATURATION), 0.85, 1.4)
CALCIFICATION = _lesion(CALCIUM_SHARE * CALCIUM_CHI, 0.35, 0.8)
# Vasogenic oedema: water between the cells; proton density and T1 between grey matter's and CSF's (ours).
OEDEMA = Tissue(0.0, 0.0, 0.0, 0.90, 1.8, 12.0)
