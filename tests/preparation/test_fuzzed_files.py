"""Sidecars and headers with whatever somebody wrote: no traceback, status 0 or 2, nothing written that is not whole."""

import json
import random
import warnings

import nibabel as nib
import numpy as np
import pytest
from little_bids import write_bids

from qsmbench.cli.main import main
from qsmbench.core.grid import Grid
from qsmbench.preparation.echoes import Echoes

N_EACH = 100
VALUES = [None, True, -1, 0, 0.0, 1e-9, 1e9, 1e400, float("nan"), 10**400, "", "0.005", "rad", [], [1], [0, 0, None]]
VALUES += [[0, 0, 1], [1, 2, "x"], {}, {"a": 1}, "é\x00", [[1, 2, 3]], 3, 0.01]
KEYS = ["EchoTime", "MagneticFieldStrength", "B0_dir", "Units", "Manufacturer", "EchoTimes"]
TEXTS = ["", "{", "[]", "null", "3", '"x"', "\ufeff{}", "{}" * 2, "[" * 3000]
FIELDS = ["dim", "pixdim", "datatype", "bitpix", "vox_offset", "scl_slope", "scl_inter", "xyzt_units", "qform_code"]
FIELDS += ["sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "srow_y", "srow_z", "dim_info"]
QUICK = ["--option", "mask.method=whole", "--option", "background.radius=3", "--option", "background.max_iterations=2"]


def tiny():
    shape = (8, 9, 7)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    rng = np.random.default_rng(0)
    phase = np.stack([a * x + y * z for a in (4.0, 8.0)]) + 0.05 * rng.standard_normal((2, *shape))
    wrapped = np.angle(np.exp(1j * phase)).astype(np.float32)
    return Echoes(wrapped, np.ones((2, *shape), np.float32), Grid(shape, (2.0, 2.0, 2.0)), (0.005, 0.010), 3.0, "tiny")


def spoilt_header(path, draw):
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header.from_fileobj(path.open("rb"), check=False)
    for field in draw.sample(FIELDS, draw.randint(1, 3)):
        start, size = header.template_dtype.fields[field][1], header.template_dtype.fields[field][0].itemsize
        kind = draw.randint(0, 3)
        new = [bytes(size), b"\xff" * size, bytes(draw.randrange(256) for _ in range(size))][min(kind, 2)]
        content[start : start + size] = new
    if draw.random() < 0.1:
        content = content[: draw.randrange(len(content))]
    path.write_bytes(bytes(content))


def whole(folder):
    """Every file that was written is readable and has its sidecar."""
    for path in folder.rglob("*.nii.gz"):
        assert np.asarray(nib.load(path).dataobj).size
        json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert not [p for p in folder.rglob("*") if p.name.startswith(".tmp")]


@pytest.mark.parametrize("what", ["sidecar", "header", "field"])
def test_fuzzed(tmp_path, what, capsys):
    draw = random.Random(what)
    statuses = []
    for n in range(N_EACH):
        folder, out = tmp_path / str(n), tmp_path / f"{n}-out"
        root = write_bids(folder, tiny())
        anat = root / "sub-01" / "anat"
        # Plain files: the header can be spoilt where it lies.
        for path in list(anat.glob("*.nii.gz")):
            nib.save(nib.load(path), path.with_name(path.name.removesuffix(".gz")))
            path.unlink()
        images = sorted(anat.glob("*.nii"))
        if what == "header":
            spoilt_header(draw.choice(images), draw)
        else:
            path = draw.choice(sorted(anat.glob("*.json")) if what == "sidecar" else [images[0].with_suffix(".json")])
            content = json.loads(path.read_text())
            for key in draw.sample(KEYS, draw.randint(1, 3)):
                content[key] = draw.choice(VALUES)
            path.write_text(draw.choice(TEXTS) if draw.random() < 0.15 else json.dumps(content), encoding="utf-8")
        with warnings.catch_warnings():
            # Numbers of a spoilt header overflow in nibabel before anyone can look at them.
            warnings.simplefilter("ignore", RuntimeWarning)
            if what == "field":
                files = ["--local-field", str(images[0]), "--mask", str(images[0])]
                out.mkdir()
                status = main(["reconstruct", "tkd", *files, "--out", str(out / "chi.nii.gz")])
            else:
                status = main(["prepare", "--bids", str(root), "--out-dir", str(out), *QUICK])
        assert status in (0, 2), capsys.readouterr().err
        statuses.append(status)
        if status == 2:
            assert not out.exists() or not list(out.iterdir())
        whole(out)
    assert set(statuses) == {0, 2}
