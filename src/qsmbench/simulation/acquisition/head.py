"""A whole head around a brain: membranes, skull, scalp, face and neck, and the air in it.

Every voxel holds a mixture of tissues; what the acquisition needs of it are chi, the signal right after excitation,
S = sum f PD sin(a) (1 - E1) / (1 - cos(a) E1) with E1 = exp(-TR / T1) (spoiled gradient echo: Ernst & Anderson 1966,
doi 10.1063/1.1719961), and R2*, weighted by that signal. Veins and lesions are left out: they are drawn later on the
finer grid of the acquisition.

The brain comes from the phantom or from any susceptibility map. Around it lie shells at fixed distances: 2.5 mm of
fluid and membranes, 6.5 mm of bone (mean thickness of the adult calvaria: Lillie 2016, J Bone Miner Res 31:299-307),
6 mm of scalp, its outer half fat. Face, neck, orbits and the cavities are ellipsoids and tubes in MNI mm, placed by the
template's landmarks and with the usual adult sizes (maxillary sinus 26 x 34 x 33 mm, sphenoid 22 x 22 x 20 mm, ear
canal 25 x 7 mm; Gray's Anatomy); they yield to the brain and 3.5 mm around it. All of this is ours and approximate: it
is there to make the strong background fields above sinuses and ear canals that background removal has to cope with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.seeds import generator_for
from qsmbench.simulation.acquisition.protocol import Protocol
from qsmbench.simulation.acquisition.tissues import HEAD_TISSUES
from qsmbench.simulation.phantom import LABELS, T1_DETAIL, tissue_of
from qsmbench.simulation.phantom.anatomy import Anatomy, load_anatomy
from qsmbench.simulation.phantom.nuclei import draw_nuclei
from qsmbench.simulation.phantom.texture import random_field, tissue_texture
from qsmbench.simulation.phantom.tubes import Tube
from qsmbench.simulation.phantom.values import NUCLEI, TISSUES, Tissue
from qsmbench.simulation.phantom.vessels import vessel_tubes
from qsmbench.simulation.source import Source

Float: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]
F64: TypeAlias = NDArray[np.float64]

MEMBRANES, SKULL, SCALP = 2.5, 6.5, 6.0  # mm
FAT = 3.0  # mm of the scalp and of the skin elsewhere
CLEARANCE = 3.5  # mm between brain and air: thin bone, dura and fluid
# Corners of the head's box in MNI mm.
LOW, HIGH = np.array([-92.0, -130.0, -150.0]), np.array([92.0, 112.0, 104.0])
# Box of the brain mask of the phantom, in MNI mm: where another map's brain is put to.
BRAIN_LOW, BRAIN_HIGH = np.array([-72.0, -107.0, -72.0]), np.array([72.0, 73.0, 82.0])
MAPS = ("chi", "signal", "r2star", "fat")
SMOOTHING = 2.0  # mm, of the distances that the shells are cut from
EDGE = 1.5  # mm over which one tissue gives way to the next

Ellipsoid: TypeAlias = tuple[float, float, float, float, float, float]

# Centre and semi-axes, MNI mm; pairs are given on the right and mirrored.
FACE: Sequence[Ellipsoid] = [(0, 40, -62, 60, 58, 62), (0, 0, -58, 62, 80, 50), (0, 94, -58, 11, 13, 20)]
NECK: Ellipsoid = (0, -32, 0, 54, 58, 0)  # an elliptic cylinder from the skull base down
ORBITS: Sequence[Ellipsoid] = [(32, 68, -32, 12, 12, 12)]
AIR_MIDLINE: Sequence[Ellipsoid] = [
    (0, 62, -62, 6, 30, 20),  # nasal cavity
    (0, 14, -36, 11, 11, 10),  # sphenoid sinus
    (0, 12, -70, 12, 9, 26),  # nasopharynx
    (0, 8, -112, 11, 9, 42),  # throat
]
AIR_PAIRED: Sequence[Ellipsoid] = [
    (11, 79.5, -6, 9, 4.5, 13),  # frontal sinus
    (8, 48, -34, 5, 18, 11),  # ethmoid cells
    (27, 50, -58, 13, 17, 16.5),  # maxillary sinus
    (56, -34, -44, 8, 9, 13),  # mastoid cells
    (43, -20, -42, 3.5, 4, 4),  # middle ear
]
EAR_CANALS = ((45.0, -20.0, -42.0), (95.0, -22.0, -45.0), 3.5)  # from, to, radius


@dataclass(frozen=True, eq=False)
class WholeHead:
    """A head in its own axes.

    Attributes:
        chi: (x, y, z) ppm against water; air included.
        signal: (x, y, z) after excitation, in units of the proton density of water.
        r2star: (x, y, z) 1/s.
        fat: (x, y, z) share of the signal that is fat's.
        brain: (x, y, z) float, share of each voxel in the brain.
        to_mm: (4, 4) voxels to MNI mm.
        tubes: veins in MNI mm; empty where the map shows its own.
    """

    chi: Float
    signal: Float
    r2star: Float
    fat: Float
    brain: Float
    to_mm: NDArray[np.float64]
    tubes: tuple[Tube, ...]


def excited_signal(density: float, t1: float, protocol: Protocol) -> float:
    """Spoiled gradient-echo signal at TE = 0 for a proton density against water and a T1 in s."""
    e1, angle = np.exp(-protocol.repetition_time / t1), np.deg2rad(protocol.flip_angle)
    return float(density * np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1))


def phantom_head(protocol: Protocol, iron: dict[str, float], seed: int) -> WholeHead:
    """Build the head of the embedded phantom.

    Args:
        protocol: sets the contrast.
        iron: factors on the susceptibility of nuclei; their R2* rises with it, by 125/s a ppm (the slope over the
            nuclei of the phantom's table).
        seed: of veins and texture.
    """
    anatomy = load_anatomy()
    rng = generator_for("acquisition/vessels", seed)
    tubes = tuple(vessel_tubes(anatomy, rng))
    fractions = _tissue_fractions(anatomy)
    field = random_field(anatomy.mask.shape, generator_for("acquisition/texture", seed))
    shape = anatomy.mask.shape
    chi, signal, decay, expected = (np.zeros(shape, np.float32) for _ in range(4))
    for name, fraction in fractions.items():
        tissue = _with_iron(tissue_of(name), iron.get(name.rsplit("_", 1)[0], 1.0))
        chi += fraction * (tissue.chi + tissue_texture(tissue, fraction, anatomy.t1, field))
        bright = fraction * np.float32(excited_signal(tissue.proton_density, tissue.t1, protocol))
        signal += bright
        decay += bright * np.float32(tissue.r2star)
        expected += fraction * np.float32(np.average(anatomy.t1, weights=fraction))
    r2star = decay / np.maximum(signal, np.float32(1e-6))
    detail = ndimage.gaussian_filter(anatomy.t1, 0.5) - ndimage.gaussian_filter(expected, 0.5)
    signal *= 1 + np.float32(T1_DETAIL) * np.clip(detail, -0.3, 0.3)
    inner = {"chi": chi, "signal": signal, "r2star": np.asarray(r2star, np.float32)}
    return _around(anatomy.mask, inner, anatomy.affine, protocol, tubes)


def map_head(source: Source, protocol: Protocol) -> WholeHead:
    """Build a head around any susceptibility map, whose brain is put where the template's lies.

    Where the map comes without tissues all of the brain has the proton density and T1 of grey and white matter's mean;
    R2* rises with |chi| by 125/s a ppm.
    """
    grid = source.grid
    axes, signs = _canonical(grid.matrix)
    chi, mask = (np.transpose(v, axes)[signs] for v in (source.chi, source.mask))
    size = np.array(grid.voxel_size)[list(axes)]
    inside = np.argwhere(mask)
    low, high = inside.min(0), inside.max(0)
    scale = (BRAIN_HIGH - BRAIN_LOW) / np.maximum(high - low, 1)
    # One factor for all axes keeps the voxels' proportions, and the map's own size.
    factor = float(np.mean(scale / size))
    affine = np.diag([*(size * factor), 1.0])
    affine[:3, 3] = (BRAIN_LOW + BRAIN_HIGH) / 2 - size * factor * (low + high) / 2
    grey, white = TISSUES["grey_matter"], TISSUES["white_matter"]
    bright = np.mean([excited_signal(t.proton_density, t.t1, protocol) for t in (grey, white)])
    signal = np.where(mask, np.float32(bright), np.float32(0))
    r2star = np.where(mask, np.float32(20.0) + np.float32(IRON_R2STAR) * np.abs(chi), np.float32(0))
    inner = {"chi": np.where(mask, chi, np.float32(0)), "signal": signal, "r2star": r2star}
    return _around(np.asarray(mask, bool), inner, affine, protocol, ())


IRON_R2STAR = 125.0  # 1/s a ppm


def _with_iron(tissue: Tissue, factor: float) -> Tissue:
    more = tissue.chi * (factor - 1)
    values = {**tissue.__dict__, "chi": tissue.chi + more, "r2star": tissue.r2star + IRON_R2STAR * more}
    return Tissue(**values)


def _tissue_fractions(anatomy: Anatomy) -> dict[str, Float]:
    """As the phantom's, without veins."""
    nuclei = {f"{name}_{side}": part for (name, side), part in draw_nuclei(anatomy).items()}
    rest = np.where(anatomy.mask, 1 - sum(nuclei.values()), 0)
    parts = {"csf": anatomy.csf * rest, "grey_matter": anatomy.grey * rest, "white_matter": anatomy.white * rest}
    known = set(LABELS.values()) | set(NUCLEI)
    return {name: np.asarray(part, np.float32) for name, part in (parts | nuclei).items() if name in known}


def _canonical(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[slice, slice, slice]]:
    """Order and direction of axes that bring a volume closest to right-anterior-superior."""
    turned = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    axes = [-1, -1, -1]
    for _ in range(3):
        world, voxel = np.unravel_index(np.argmax(turned), (3, 3))
        axes[int(world)] = int(voxel)
        turned[world, :] = turned[:, voxel] = -1.0
    x, y, z = (slice(None, None, 1 if affine[w, a] > 0 else -1) for w, a in enumerate(axes))
    return (axes[0], axes[1], axes[2]), (x, y, z)


def _around(
    mask: Bool,
    inner: dict[str, Float],
    to_mm: NDArray[np.float64],
    protocol: Protocol,
    tubes: tuple[Tube, ...],
) -> WholeHead:
    """Put the brain into a box that holds the head, and fill the rest of it."""
    voxel = np.diag(to_mm)[:3]
    before = np.maximum(0, np.ceil((to_mm[:3, 3] - LOW) / voxel)).astype(int)
    after = np.maximum(0, np.ceil((HIGH - to_mm[:3, 3]) / voxel).astype(int) + 1 - mask.shape)
    pad = list(zip(before, after, strict=True))
    to_mm = to_mm.copy()
    to_mm[:3, 3] -= before * voxel
    mask = np.pad(mask, pad)
    inner = {key: np.pad(volume, pad) for key, volume in inner.items()}
    outer = _surroundings(mask, to_mm, protocol)
    return WholeHead(
        chi=np.where(mask, inner["chi"], outer["chi"]),
        signal=np.where(mask, inner["signal"], outer["signal"]),
        r2star=np.where(mask, inner["r2star"], outer["r2star"]),
        fat=np.where(mask, np.float32(0), outer["fat"]),
        brain=mask.astype(np.float32),
        to_mm=to_mm,
        tubes=tubes,
    )


def _surroundings(mask: Bool, to_mm: NDArray[np.float64], protocol: Protocol) -> dict[str, Float]:
    """Chi, signal, R2* and fat of every voxel around the brain, layer upon layer, with partial volume.

    Edges of 9.4 ppm must be smooth: steps of a whole voxel in a slanted surface make a field that reaches far inside.
    """
    voxel = np.diag(to_mm)[:3]
    x, y, z = (to_mm[a, 3] + voxel[a] * np.arange(mask.shape[a]) for a in range(3))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    far = _signed_distance(mask, voxel)
    # Bone must not reach into the voxels that share the brain's edge.
    membranes = max(MEMBRANES, 1.75 * float(voxel.max()))

    face = _outside(FACE, x, y, z)
    neck = NECK[3] * (np.sqrt((x / NECK[3]) ** 2 + ((y - NECK[1]) / NECK[4]) ** 2) - 1)
    cranium = far - np.float32(membranes + SKULL + SCALP)
    body = np.minimum(np.minimum(cranium, face), np.maximum(neck, z + 20.0)) < 0
    # Unions of bodies meet in creases; skin does not.
    body = ndimage.gaussian_filter(body.astype(np.float32), 4.0 / voxel, truncate=2.5) > 0.5
    skin = np.minimum(_signed_distance(body, voxel), cranium)

    column = np.sqrt(x**2 + (y + 45.0) ** 2) + 0 * z
    below = np.maximum(z + 66.0, skin)
    orbits = np.maximum(_outside([*ORBITS, *_mirrored(ORBITS)], x, y, z), membranes - far)
    cavities = _outside([*AIR_MIDLINE, *AIR_PAIRED, *_mirrored(AIR_PAIRED)], x, y, z)
    cavities = np.maximum(cavities, skin + np.float32(FAT))
    air = np.minimum(cavities, np.minimum(_ear_canal(x, y, z, -1.0), _ear_canal(x, y, z, 1.0)))
    layers = (
        # (tissue, distance to its surface in mm, negative inside), later ones on top
        ("fat", skin),
        ("muscle", skin + np.float32(FAT)),
        ("bone", np.maximum(far - np.float32(membranes + SKULL), skin)),
        ("bone", np.maximum(np.maximum(column - 18.0, z + 74.0), np.maximum(skin, y + 30.0))),
        ("csf", orbits),
        ("air", np.maximum(air, CLEARANCE - far)),
        ("csf", far - np.float32(membranes)),
        # The spinal canal and cord go on where the template ends, so that the brain stem does not end in bone.
        ("csf", np.maximum(column - 9.5, below)),
        ("cord", np.maximum(column - 6.0, below)),
    )
    maps = {key: np.full(mask.shape, _value("air", key, protocol), np.float32) for key in MAPS}
    for tissue, distance in layers:
        share = np.clip(0.5 - distance / np.float32(EDGE), 0, 1).astype(np.float32)
        for key in MAPS:
            maps[key] += share * (np.float32(_value(tissue, key, protocol)) - maps[key])
    # R2* counts by the signal: bone, which has none, must not darken the voxels that it shares.
    maps["r2star"] /= np.maximum(maps["signal"], np.float32(1e-6))
    return maps


def _value(name: str, key: str, protocol: Protocol) -> float:
    tissue = HEAD_TISSUES[name]
    bright = excited_signal(tissue.proton_density, tissue.t1, protocol)
    return {"chi": tissue.chi, "signal": bright, "r2star": bright * tissue.r2star, "fat": float(name == "fat")}[key]


def _signed_distance(inside: Bool, voxel: NDArray[np.float64]) -> Float:
    """Distance to a body's surface in mm, negative inside, without the surface's voxel steps."""
    outwards = ndimage.distance_transform_edt(~inside, sampling=voxel).astype(np.float32)
    outwards -= ndimage.distance_transform_edt(inside, sampling=voxel).astype(np.float32)
    return np.asarray(ndimage.gaussian_filter(outwards, SMOOTHING / voxel, truncate=3.0), np.float32)


def _mirrored(bodies: Sequence[Ellipsoid]) -> list[Ellipsoid]:
    return [(-cx, cy, cz, a, b, c) for cx, cy, cz, a, b, c in bodies]


def _outside(bodies: Sequence[Ellipsoid], x: F64, y: F64, z: F64) -> Float:
    """About the distance in mm to the nearest of the ellipsoids' surfaces, negative inside; exact at the surface."""
    nearest = np.full((x.size, y.size, z.size), np.inf, np.float32)
    for cx, cy, cz, a, b, c in bodies:
        u, v, w = (x - cx) / a, (y - cy) / b, (z - cz) / c
        radius = np.sqrt(u**2 + v**2 + w**2)
        slope = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2) / np.maximum(radius, 1e-3)
        nearest = np.minimum(nearest, ((radius - 1) / np.maximum(slope, 1e-3)).astype(np.float32))
    return nearest


def _ear_canal(x: F64, y: F64, z: F64, sign: float) -> Float:
    start, stop, radius = EAR_CANALS
    along = (sign * x - start[0]) / (stop[0] - start[0])
    off = np.sqrt(
        (y - start[1] - along * (stop[1] - start[1])) ** 2 + (z - start[2] - along * (stop[2] - start[2])) ** 2
    )
    return np.maximum(off - radius, start[0] - sign * x).astype(np.float32)
