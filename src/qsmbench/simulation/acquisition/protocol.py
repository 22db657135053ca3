"""The two protocols of the papers, and what they have in common with every multi-echo spoiled gradient echo.

Research: Liu & Koch 2019 (Meta-QSM, arXiv:1908.00206): 3 T, 0.5x0.5x2.0 mm, 320x256 in plane, echoes at 10.4, 17.4,
24.4 and 31.4 ms, TR 58.6 ms. Clinical: the same, a susceptibility-weighted product sequence: 0.7639x0.7639x3.0 mm
(220 mm over 288), 46 to 54 slices, seven echoes from 12.6 ms every 4.1 ms, TR 39.7 ms, flip angle 15 degrees. The
papers give no flip angle for research; 15 degrees there too, between the Ernst angles of white matter (21) and grey
matter (17) and that of CSF (7) at its TR.

The field of view of 320 x 256 voxels of 0.5 mm is 160 x 128 mm, which holds an average adult's brain and not the whole
head: the long side lies along anterior-posterior, and what the head has beyond it is oversampled and cut off, as
"no phase wrap" does on a scanner. The head is simulated whole in any case.

This module is configuration: it imports neither numpy nor torch.
"""

from math import ceil, prod, sqrt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Triple = tuple[float, float, float]
# The keys of `cases.CASES`, which is not imported here because it needs the phantom.
CaseName = Literal["healthy", "hemorrhage", "calcification", "iron", "oblique"]


class Protocol(BaseModel):
    """A 3-D multi-echo spoiled gradient echo, axial: x runs left to right, y back to front, z upwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["research", "clinical"] = Field(description="which of the papers' protocols")
    voxel_size: Triple = Field(description="mm")
    matrix: tuple[int, int, int] = Field(description="voxels of the image along x, y, z")
    echo_times: tuple[float, ...] = Field(description="s")
    repetition_time: float = Field(description="s")
    flip_angle: float = Field(description="degrees")
    b0: float = Field(3.0, description="T")
    # Ours: about what such scans have at 3 T with a head array of 32 channels.
    snr: float = Field(description="brain's mean magnitude at echo 1 over the noise's SD")

    def scaled(self, scale: Triple) -> "Protocol":
        """The same field of view in voxels larger by ``scale`` along each axis, rounded to whole voxels.

        The SNR goes with a voxel's volume and the root of the number of encoded lines, as at the same bandwidth and TR
        (Edelstein 1986, doi 10.1002/mrm.1910030413).
        """
        matrix = tuple(max(8, ceil(n / s - 1e-9)) for n, s in zip(self.matrix, scale, strict=True))
        size = tuple(v * n / m for v, n, m in zip(self.voxel_size, self.matrix, matrix, strict=True))
        volume = prod(v / w for v, w in zip(size, self.voxel_size, strict=True))
        lines = prod(m / n for m, n in zip(matrix[1:], self.matrix[1:], strict=True))
        return self.model_copy(update={"matrix": matrix, "voxel_size": size, "snr": self.snr * volume * sqrt(lines)})


RESEARCH = Protocol(
    name="research",
    voxel_size=(0.5, 0.5, 2.0),
    matrix=(256, 320, 64),
    echo_times=(0.0104, 0.0174, 0.0244, 0.0314),
    repetition_time=0.0586,
    flip_angle=15.0,
    snr=30.0,
)
CLINICAL = Protocol(
    name="clinical",
    voxel_size=(0.7639, 0.7639, 3.0),
    matrix=(288, 288, 50),
    echo_times=(0.0126, 0.0167, 0.0208, 0.0249, 0.0290, 0.0331, 0.0372),
    repetition_time=0.0397,
    flip_angle=15.0,
    snr=40.0,
)
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (RESEARCH, CLINICAL)}
