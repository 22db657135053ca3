"""Veins and venous sinuses: the named ones where anatomy puts them, the small ones grown at random.

Named vessels run through control points in MNI mm read from the template: the straight sinus is its bright line in the
midline, the internal cerebral veins lie in the roof of the third ventricle. Diameters: internal cerebral vein 1.5 to
2.05 mm over 37 mm (Hou 2021, doi 10.7150/ijms.54891), transverse sinuses 6.65 mm right and 5.37 mm left (58 healthy
adults, J Transl Neurosci 2024, doi 10.3868/j.issn.2096-0689.2024.01.003); the others are rounded to the usual size on
venograms. The sinuses lie on the edge of the brain mask, which keeps part of them.

Small veins follow smooth fields and therefore do not tangle: medullary veins run straight from the ventricle's wall
outwards, veins in sulci climb to the surface inside the CSF, and cortical veins run over the convexity to the
superior sagittal sinus, each in its own sector. Diameters 0.4 to 2 mm. Their number and course are ours.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.simulation.phantom.anatomy import Anatomy, Float
from qsmbench.simulation.phantom.tubes import Points, Tube, fill_tubes, smooth_curve

# x, y, z, radius (mm), right side; mirrored to the left
PAIRED = {
    "internal cerebral": [
        (2.6, 1.0, 7.5, 0.75), (2.2, -3.0, 11.5, 0.8), (1.9, -10.0, 14.0, 0.85), (1.7, -18.0, 12.5, 0.9),
        (1.5, -26.0, 8.5, 1.0), (1.0, -33.0, 5.5, 1.05), (0.0, -37.0, 4.8, 1.1),
    ],
    "thalamostriate": [
        (2.6, 1.0, 7.5, 0.7), (5.0, 1.0, 11.5, 0.7), (9.0, -2.0, 15.5, 0.65), (13.0, -7.0, 18.5, 0.6),
        (16.0, -14.0, 19.5, 0.5), (18.0, -20.0, 19.0, 0.4),
    ],
    "septal": [
        (2.6, 1.0, 7.5, 0.5), (2.0, 6.0, 7.0, 0.5), (2.2, 13.0, 6.5, 0.45), (5.0, 20.0, 7.0, 0.4),
        (10.0, 25.0, 8.0, 0.3),
    ],
    "basal of Rosenthal": [
        (13.0, 1.0, -17.0, 0.6), (16.0, -6.0, -17.0, 0.7), (18.5, -15.0, -14.5, 0.8), (18.0, -24.0, -8.0, 0.85),
        (12.5, -32.0, -3.0, 0.9), (5.0, -37.0, 2.0, 1.0), (0.0, -38.5, 5.0, 1.0),
    ],
}  # fmt: skip
GALEN = [(0.0, -37.0, 4.8, 1.5), (0.0, -41.0, 6.0, 1.8), (0.0, -45.5, 10.0, 1.9), (0.0, -50.0, 14.5, 2.0)]
STRAIGHT = [(0.0, -50.0, 14.5, 1.9), (0.0, -61.0, 4.5, 2.0), (0.0, -73.0, -6.5, 2.2), (0.0, -86.0, -18.0, 2.6)]
TRANSVERSE = [
    (0.0, -86.0, -18.0), (12.0, -92.0, -20.0), (26.0, -93.0, -20.0), (39.0, -88.0, -19.5), (47.5, -78.5, -21.5),
    (53.0, -66.5, -23.5), (55.5, -55.0, -26.5), (53.5, -46.0, -30.5), (48.5, -41.0, -36.0), (44.0, -39.0, -44.0),
]  # fmt: skip
TRANSVERSE_RADIUS = {"right": 3.3, "left": 2.7}
SAGITTAL_RADIUS = (1.2, 3.2)  # grows from the crista galli to the confluence of sinuses
CENTRE = np.array([0.0, -18.0, 10.0])  # rays from here reach the convexity once

N_CORTICAL = 11  # trunks a hemisphere; 8 to 12 bridging veins a side reach the sagittal sinus
N_MEDULLARY = 45  # a hemisphere, of the hundreds that there are: those wide enough to see
N_SULCAL = 90  # in all


def surface_points(anatomy: Anatomy, directions: Points, depth: float) -> Points:
    """Return where rays from CENTRE leave the mask, less `depth` mm, for unit `directions` (n, 3)."""
    reach = np.arange(0, 120, 0.5)
    along = CENTRE + directions[:, None, :] * reach[:, None]
    voxels = np.rint(anatomy.voxels(along)).astype(int)
    size = np.array(anatomy.mask.shape)
    hit = np.all((voxels >= 0) & (voxels < size), axis=-1)
    hit &= anatomy.mask[tuple(np.clip(voxels, 0, size - 1).reshape(-1, 3).T)].reshape(hit.shape)
    last = reach[hit.shape[1] - 1 - np.argmax(hit[:, ::-1], axis=1)]
    smooth = ndimage.gaussian_filter1d(last, 4, mode="nearest")
    points: Points = CENTRE + directions * (smooth - depth)[:, None]
    return points


def _named(table: Sequence[tuple[float, ...]], mirror: bool = False) -> Tube:
    points = np.array(table)
    if mirror:
        points[:, 0] *= -1
    return Tube(*smooth_curve(points[:, :3], points[:, 3]))


def sinuses(anatomy: Anatomy) -> list[Tube]:
    """Return superior sagittal, straight and transverse sinus."""
    angle = np.linspace(np.deg2rad(-14), np.deg2rad(199), 120)  # from anterior over the vertex to the confluence
    rays = np.stack([np.zeros_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    arch = np.concatenate([surface_points(anatomy, rays, 1.0)[:-6:6], np.array([STRAIGHT[-1][:3]])])
    tubes = [Tube(*smooth_curve(arch, np.linspace(*SAGITTAL_RADIUS, len(arch)))), _named(STRAIGHT)]
    for side, sign in (("right", 1), ("left", -1)):
        points = np.array(TRANSVERSE) * [sign, 1, 1]
        tubes.append(Tube(*smooth_curve(points, TRANSVERSE_RADIUS[side])))
    return tubes


def deep_veins() -> list[Tube]:
    """Return the internal cerebral veins with their tributaries, the basal veins and the vein of Galen."""
    paired = [_named(table, mirror) for table in PAIRED.values() for mirror in (False, True)]
    return [*paired, _named(GALEN)]


def _wander(count: int, size: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth random walk around zero, about `size` high."""
    noise = ndimage.gaussian_filter1d(rng.standard_normal(count), count / 4, mode="reflect")
    walk: NDArray[np.float64] = size * (noise - noise[-1]) / np.std(noise)
    return walk


def cortical_veins(anatomy: Anatomy, rng: np.random.Generator) -> list[Tube]:
    """Return veins over the convexity: trunks to the sagittal sinus, each with one to three tributaries."""
    tubes = []
    for sign in (-1, 1):
        # sectors from the frontal pole (0) to the occiput: the angle from anterior at which the trunk meets the sinus
        edges = np.linspace(np.deg2rad(15), np.deg2rad(170), N_CORTICAL + 1)
        for start, stop in pairwise(edges):
            sector = rng.uniform(start + 0.1 * (stop - start), stop - 0.1 * (stop - start))
            lowest = np.deg2rad(rng.uniform(28, 82))  # how far down the side it begins; 0 is the midline
            away = np.linspace(lowest, np.deg2rad(1.0), 60)
            # veins behind the coronal suture turn forward before they enter, against the sinus's flow
            drift = np.deg2rad(14) * (away / lowest) * np.clip((sector - 1.2) / 1.2, -0.3, 1) + _wander(60, 0.06, rng)
            trunk = _on_surface(anatomy, sign, sector + drift, away)
            top = rng.uniform(0.55, 1.0)
            tubes.append(Tube(*smooth_curve(trunk, np.linspace(0.35 * top, top, len(trunk)))))
            for _ in range(rng.integers(1, 4)):
                join = int(rng.integers(12, 48))
                apart = rng.choice([-1, 1]) * rng.uniform(0.08, 0.16)
                below = rng.uniform(0.12, 0.3)
                back = np.linspace(1, 0, 30)
                course = (sector + drift)[join] + apart * back**1.3 + _wander(30, 0.02, rng) * back
                branch = _on_surface(anatomy, sign, course, away[join] + below * back)
                end = max(0.3, 0.75 * (0.35 + 0.65 * join / 59) * top)
                tubes.append(Tube(*smooth_curve(branch, np.linspace(0.28, end, len(branch)))))
    return tubes


def _on_surface(anatomy: Anatomy, sign: int, sector: Points, away: Points) -> Points:
    """Return points 1.5 mm under the mask's edge at angles `sector` around x and `away` from the midplane."""
    rays = np.stack([sign * np.sin(away), np.cos(away) * np.cos(sector), np.cos(away) * np.sin(sector)], axis=1)
    return surface_points(anatomy, rays, 1.5)[::4]


def _climb(anatomy: Anatomy, start: Points, force: Sequence[Float], n_steps: int, aside: NDArray[np.float64]) -> Points:
    """Follow a vector field from `start` (mm) in 1 mm steps, turned by one constant small vector `aside`."""
    points = [start]
    for _ in range(n_steps):
        where = anatomy.voxels(points[-1][None]).T
        push = np.array([ndimage.map_coordinates(part, where, order=1, mode="nearest")[0] for part in force])
        size = float(np.linalg.norm(push))
        if size < 1e-4:
            break
        step = push / size + aside
        points.append(points[-1] + step / np.linalg.norm(step))
    return np.array(points)


def medullary_veins(anatomy: Anatomy, rng: np.random.Generator) -> list[Tube]:
    """Return veins that fan out from the upper outer wall of the lateral ventricles through the white matter."""
    away = ndimage.gaussian_filter(anatomy.from_ventricles, 4)
    gradient = list(np.gradient(away))
    shell = (away > 2.5) & (away < 4.0) & (anatomy.white > 0.9)
    candidates = np.argwhere(shell) + anatomy.affine[:3, 3]
    lateral = np.abs(candidates[:, 0])
    candidates = candidates[(candidates[:, 2] > 18) & (lateral > 10) & (lateral < 34)]
    tubes = []
    for sign in (-1, 1):
        chosen: list[Points] = []
        for start in rng.permutation(candidates[np.sign(candidates[:, 0]) == sign]):
            if len(chosen) == N_MEDULLARY:
                break
            if chosen and np.min(np.linalg.norm(np.array(chosen) - start, axis=1)) < 3.5:
                continue
            chosen.append(start)
            path = _climb(anatomy, start, gradient, int(rng.integers(12, 26)), 0.1 * rng.standard_normal(3))
            where = np.rint(anatomy.voxels(path)).astype(int)
            inside = anatomy.white[tuple(where.T)] > 0.6
            length = len(path) if inside.all() else int(np.argmin(inside))
            if length < 10:
                continue
            wide = rng.uniform(0.25, 0.42)
            control = path[:length:3]
            tubes.append(Tube(*smooth_curve(control, np.linspace(wide, 0.2, len(control)))))
    return tubes


def sulcal_veins(anatomy: Anatomy, rng: np.random.Generator) -> list[Tube]:
    """Return veins that rise from the depth of sulci to the surface, held in the CSF."""
    depth = anatomy.depth
    fluid = ndimage.gaussian_filter(anatomy.csf, 1.0)
    outwards = np.gradient(-ndimage.gaussian_filter(depth, 3))
    ridge = np.gradient(fluid)
    force = [(a + 6 * b).astype(np.float32) for a, b in zip(outwards, ridge, strict=True)]
    candidates = np.argwhere((anatomy.csf > 0.5) & (depth > 7) & (depth < 20)) + anatomy.affine[:3, 3]
    candidates = candidates[(candidates[:, 2] > -5) & (np.abs(candidates[:, 0]) > 6)]
    tubes: list[Tube] = []
    chosen: list[Points] = []
    for start in rng.permutation(candidates):
        if len(chosen) == N_SULCAL:
            break
        if chosen and np.min(np.linalg.norm(np.array(chosen) - start, axis=1)) < 9:
            continue
        chosen.append(start)
        path = _climb(anatomy, start, force, 22, 0.15 * rng.standard_normal(3))
        path = ndimage.gaussian_filter1d(path, 2, axis=0, mode="nearest")
        where = np.rint(anatomy.voxels(path)).astype(int)
        inside = depth[tuple(where.T)] > 1.0
        length = len(path) if inside.all() else int(np.argmin(inside))
        if length < 10:
            continue
        control = path[:length:3]
        tubes.append(Tube(*smooth_curve(control, np.linspace(0.28, rng.uniform(0.4, 0.65), len(control)))))
    return tubes


def vessel_tubes(anatomy: Anatomy, rng: np.random.Generator) -> list[Tube]:
    """Return every vein and sinus."""
    tubes = sinuses(anatomy) + deep_veins()
    return tubes + cortical_veins(anatomy, rng) + medullary_veins(anatomy, rng) + sulcal_veins(anatomy, rng)


def draw_vessels(anatomy: Anatomy, rng: np.random.Generator) -> Float:
    """Return the fraction of venous blood in every voxel of the mask."""
    return np.where(anatomy.mask, fill_tubes(anatomy, vessel_tubes(anatomy, rng)), 0).astype(np.float32)
