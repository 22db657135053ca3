"""Every susceptibility and relaxation value of the phantom, in one table.

Susceptibility (ppm, SI) is relative to cerebrospinal fluid, which lies within 0.02 ppm of water. Tissue values are
rounded means for middle-aged adults. They follow the contrast of the head phantom of the second QSM challenge
(Marques 2021, doi 10.1002/mrm.28716: grey 0.020, white -0.030, CSF 0.019 there, against 0 here); the deep nuclei are
rounded from the ranges that Deistung 2013 (doi 10.1016/j.neuroimage.2012.09.055), Li 2014 (doi 10.1002/hbm.22360) and
Treit 2021 (doi 10.1002/hbm.25569) report at 7 and 3 T. In vivo means scatter by about 0.02 ppm from study to study
with the reference and the age; the table is a consensus to two digits and no single paper's column.

The nuclei rise with their iron (Hallgren and Sourander 1958, doi 10.1111/j.1471-4159.1958.tb12607.x), with which
susceptibility correlates at r = 0.97 over nuclei in Persson 2015 (PMC4737643) and at 0.88 in this table, where the
dentate lies above the line.

Venous blood is computed: chi = 4 pi Hct [chi_do (1 - Y) + chi_oxy], with the susceptibility of deoxygenated against
oxygenated red cells chi_do and of oxygenated cells against water chi_oxy measured by Jain 2012
(doi 10.1002/mrm.23282), after Weisskoff and Kiihne 1992 (doi 10.1002/mrm.1910240219), whose lower 0.18 ppm (cgs) the
later work did not confirm.

T1 and R2* feed the magnitude alone. Grey and white matter are those of Wansapura 1999 at 3 T
(doi 10.1002/(SICI)1522-2586(199904)9:4<531::AID-JMRI4>3.0.CO;2-L); the rest is rounded to the usual 3 T range.
"""

from dataclasses import dataclass
from math import pi

HAEMATOCRIT = 0.40  # large vessels, mean of women and men
VENOUS_SATURATION = 0.65  # oxygen extraction of 35 % in the sagittal sinus: Lundberg 2022, PMC9305937
CHI_DO_CGS = 0.273  # ppm, Jain 2012
CHI_OXY_CGS = -0.008  # ppm, Jain 2012


def blood_chi(saturation: float, haematocrit: float = HAEMATOCRIT) -> float:
    """Return the susceptibility of blood against water, ppm (SI), at an oxygen saturation (Jain 2012).

    >>> round(blood_chi(0.65), 2), blood_chi(0.98) < 0
    (0.44, True)
    """
    return 4 * pi * haematocrit * (CHI_DO_CGS * (1 - saturation) + CHI_OXY_CGS)


@dataclass(frozen=True)
class Tissue:
    """Properties of one tissue; `chi` in ppm against CSF, `t1` in s, `r2star` in 1/s at 3 T, `iron` in mg/100 g."""

    chi: float
    chi_std: float  # ppm, of the random part of the texture; see texture.py
    chi_t1: float  # ppm for one standard deviation of the T1 image within the tissue
    proton_density: float  # against water
    t1: float
    r2star: float
    iron: float | None = None  # Hallgren and Sourander 1958, fresh weight


# chi_t1 is negative where myelin brightens the T1 image and positive where iron does, as in the R1 and R2* modulation
# of Marques 2021. The sizes are ours: together with chi_std they give the 0.01 ppm spread inside a region that
# published standard deviations within nuclei and white matter (0.01-0.03 ppm, noise included) allow.
TISSUES: dict[str, Tissue] = {
    "csf": Tissue(0.000, 0.002, 0.000, 1.00, 4.00, 1.0),
    "grey_matter": Tissue(0.020, 0.008, 0.003, 0.82, 1.33, 21.0, iron=4.0),  # iron: cortical areas span 2.9 to 5.0
    "white_matter": Tissue(-0.030, 0.007, -0.004, 0.70, 0.83, 21.5, iron=4.24),
    "caudate": Tissue(0.045, 0.008, 0.005, 0.80, 1.25, 22.0, iron=9.28),
    "putamen": Tissue(0.050, 0.009, 0.005, 0.80, 1.20, 24.0, iron=13.32),
    "pallidum": Tissue(0.130, 0.014, 0.006, 0.73, 0.95, 36.0, iron=21.30),
    "thalamus": Tissue(0.010, 0.009, -0.005, 0.77, 1.10, 21.0, iron=4.76),
    "red_nucleus": Tissue(0.100, 0.010, 0.005, 0.74, 1.00, 32.0, iron=19.48),
    "substantia_nigra": Tissue(0.110, 0.012, 0.005, 0.74, 1.05, 34.0, iron=18.46),
    "dentate": Tissue(0.095, 0.012, 0.005, 0.76, 1.05, 28.0, iron=10.35),
    "vein": Tissue(blood_chi(VENOUS_SATURATION), 0.000, 0.000, 0.80, 1.60, 45.0),
}
NUCLEI = ("caudate", "putamen", "pallidum", "thalamus", "red_nucleus", "substantia_nigra", "dentate")
