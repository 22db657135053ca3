"""Who is scanned: one head a case, different in size, pose, veins, texture and what is wrong with it.

Sizes are factors on the MNI template, which is larger than an average adult's head (mean brain volume 1.88 l in its
mask): 0.88 to 0.92 lead to 1.28 to 1.47 l inside the skull, the usual range. A putaminal haematoma is the commonest
one; calcifications lie here in the pallidum (the commonest place) and the frontal white matter. The iron case follows
pantothenate-kinase-associated neurodegeneration, with 2.5 times the susceptibility of a control's pallidum
("Quantitative Iron Measurements in the Basal Ganglia of NBIA Patients Using QSM", 3 T, 27 patients), and raises
substantia nigra likewise and the other nuclei by half, as in ageing (Li 2014, doi 10.1002/hbm.22360).
Places and sizes of lesions are ours.

This module is data: it imports nothing heavy.
"""

from dataclasses import dataclass, field

from qsmbench.simulation.acquisition.tissues import CALCIFICATION, HAEMATOMA, OEDEMA, Lesion

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ScannedCase:
    """One subject.

    Attributes:
        name: also the BIDS subject label.
        description: one line.
        size: factors on the template along x, y, z.
        head_pose: rotation of the head in the scanner about x, y, z, degrees.
        slice_tilt: rotation of the imaging volume about the scanner's x axis, degrees; B0 is off by as much.
        iron: factor on the susceptibility of nuclei, by their names.
        lesions: later ones replace earlier ones.
    """

    name: str
    description: str
    size: Triple = (0.89, 0.88, 0.89)
    head_pose: Triple = (4.0, -1.5, 2.0)
    slice_tilt: float = 0.0
    iron: dict[str, float] = field(default_factory=dict)
    lesions: tuple[Lesion, ...] = ()


CASES: dict[str, ScannedCase] = {
    case.name: case
    for case in (
        ScannedCase("healthy", "healthy volunteer"),
        ScannedCase(
            "hemorrhage",
            "haematoma of the right putamen with oedema, and five microbleeds",
            size=(0.88, 0.87, 0.88),
            head_pose=(-3.0, 2.0, -2.5),
            lesions=(
                Lesion((30.0, -6.0, 4.0), (10.5, 14.5, 11.5), OEDEMA),
                Lesion((30.0, -6.0, 4.0), (6.5, 10.0, 7.5), HAEMATOMA),
                *(
                    Lesion(place, (1.7, 1.7, 1.7), HAEMATOMA)
                    for place in (
                        (-26.0, -14.0, 30.0),
                        (-33.0, -58.0, 14.0),
                        (24.0, 34.0, 20.0),
                        (-13.0, -16.0, 6.0),
                        (38.0, -40.0, 28.0),
                    )
                ),
            ),
        ),
        ScannedCase(
            "calcification",
            "calcified pallida and a calcification in the left frontal white matter",
            size=(0.90, 0.88, 0.90),
            head_pose=(6.0, 1.0, 1.0),
            lesions=(
                Lesion((19.0, -3.0, 0.0), (2.6, 5.0, 3.0), CALCIFICATION),
                Lesion((-19.0, -2.0, -0.5), (2.2, 4.5, 2.6), CALCIFICATION),
                Lesion((-24.0, 30.0, 18.0), (4.0, 3.5, 3.5), CALCIFICATION),
            ),
        ),
        ScannedCase(
            "iron",
            "strong iron in the deep grey matter",
            size=(0.88, 0.88, 0.90),
            head_pose=(2.0, -2.0, -1.0),
            iron={
                "pallidum": 2.5, "substantia_nigra": 2.5,
                "putamen": 1.5, "caudate": 1.5, "red_nucleus": 1.5, "dentate": 1.5,
            },
        ),
        ScannedCase(
            "oblique",
            "healthy volunteer, slices tilted by 15 degrees against the scanner's axes",
            size=(0.89, 0.87, 0.88),
            head_pose=(12.0, 1.5, -1.5),
            slice_tilt=15.0,
        ),
    )
}  # fmt: skip
