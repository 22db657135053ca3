"""Write the heads that live training deforms: phantoms of several seeds, and a measured map where there is one.

    python tools/make_heads.py HEADS_FOLDER [--phantoms 6] [--chi chi.nii.gz --mask mask.nii.gz --axes LPS]

The files are all that a training machine needs beside the package, torch, numpy, scipy and PyYAML.
"""

import argparse
from pathlib import Path

from qsmbench.core.grid import Grid
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.heads.orientation import upright
from qsmbench.simulation.phantom import head_phantom
from qsmbench.simulation.source import Source
from qsmbench.training.live.heads import save_head


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phantoms", type=int, default=6, help="seeds 1, 2, ...; seed 0 is left to tests")
    parser.add_argument("--chi", type=Path, help="a measured map in ppm, B0 along its last axis")
    parser.add_argument("--mask", type=Path, help="its brain mask")
    parser.add_argument("--axes", help="to which side its axes run where the file does not know: LPS for the 2016 map")
    options = parser.parse_args()
    for seed in range(1, options.phantoms + 1):
        phantom = head_phantom(seed)
        grid = Grid.from_affine(phantom.chi.shape, phantom.affine)
        _write(options.folder / f"phantom-{seed}.npz", upright(Source(phantom.chi, phantom.mask, grid, phantom.labels)))
    if options.chi is not None:
        volume = read_volume(options.chi)
        mask = read_mask(options.mask, like=volume) if options.mask else volume.data != 0
        grid = Grid.from_affine(volume.data.shape, volume.affine, (0.0, 0.0, 1.0))
        _write(options.folder / "measured-map.npz", upright(Source(volume.data, mask, grid), options.axes))


def _write(path: Path, source: Source) -> None:
    save_head(path, source.chi, source.mask, source.labels, source.grid.voxel_size)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
