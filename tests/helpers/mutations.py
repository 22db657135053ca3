"""Files damaged as disks, transfers and people damage them, drawn from a generator, and every reader of such files."""

import contextlib
import gzip
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
import yaml
from tiny_run import ROOT

from qsmbench.cli.main import main
from qsmbench.config.load import read_config
from qsmbench.core.errors import InputError
from qsmbench.core.yaml_text import read_mapping
from qsmbench.data.nifti import read_volume, read_volumes
from qsmbench.data.sidecars import read_json
from qsmbench.data.store import StoredSet
from qsmbench.data.stored_arrays import open_array, read_table
from qsmbench.networks.architectures import architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.snapshot import load_snapshot, save_snapshot
from qsmbench.networks.weights import TrainedNetwork, load_network
from qsmbench.provenance.manifest import read_manifest
from qsmbench.provenance.record import read_jobs
from qsmbench.report.display import read_display
from qsmbench.sets.zarr_maps import read_map
from qsmbench.training.live.settings import read_settings

NUMBERS = (0, 1, -1, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
WORDS = ("", "é", "\x1b[31m", "../../x", "a" * 5000, "1e999", "NaN", "{x}", "<b>", "=1+1", "²", "9" * 400)
VALUES = (None, True, False, 0, -1, 10**18, 1e308, [], {}, [[]], [None], {"a": {}}, *WORDS)


def damaged_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes; the beginning, where headers are, is met more often."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        n = len(data)
        if n == 0:
            break
        at = int(rng.integers(min(n, 600) if rng.random() < 0.6 else n))
        kind = int(rng.integers(8))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 64))]
        elif kind == 4:
            data[at:at] = rng.bytes(int(rng.integers(1, 64)))
        elif kind == 5:
            data[at : at + 8] = bytes(min(8, n - at))
        else:
            size = int(rng.choice([2, 4, 8]))
            number = NUMBERS[int(rng.integers(len(NUMBERS)))] % (1 << (8 * size))
            data[at : at + size] = number.to_bytes(size, "little" if kind == 6 else "big")
    return bytes(data)


def damaged_value(value, rng: np.random.Generator):
    """A JSON value with one part of it replaced, renamed, doubled or left out."""
    places = list(_places(value))
    if not places:
        return VALUES[int(rng.integers(len(VALUES)))]
    holder, key = places[int(rng.integers(len(places)))]
    kind = int(rng.integers(6))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[WORDS[int(rng.integers(len(WORDS)))]] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.append(holder[key])
    elif kind == 3:
        nested = holder[key]
        for _ in range(int(rng.integers(1, 60))):
            nested = [nested]
        holder[key] = nested
    else:
        holder[key] = VALUES[int(rng.integers(len(VALUES)))]
    return value


def _places(value):
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def damaged_text(content: bytes, rng: np.random.Generator) -> bytes:
    """JSON or YAML: half as bytes, half as values that are well formed."""
    if rng.random() < 0.4:
        return damaged_bytes(content, rng)
    return json.dumps(damaged_value(yaml.safe_load(content), rng)).encode()


def damaged_network(content: bytes, rng: np.random.Generator) -> bytes:
    """A weights file: other bytes, a text, or a sound torch file with a part left out or of a strange kind."""
    if rng.random() < 0.5:
        at = int(rng.integers(len(content)))
        one_bit = content[:at] + bytes([content[at] ^ 1 << int(rng.integers(8))]) + content[at + 1 :]
        return (one_bit, content[:at], damaged_bytes(content, rng), b"no weights\n")[
            int(rng.choice(4, p=(0.5, 0.2, 0.2, 0.1)))
        ]
    value = torch.load(io.BytesIO(content), weights_only=True)
    if rng.random() < 0.6:
        value = damaged_value(value, rng)
    else:
        key = sorted(value["state"])[int(rng.integers(len(value["state"])))]
        value["state"][key] = _strange_tensors(value["state"][key])[int(rng.integers(10))]
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _strange_tensors(tensor):
    return (
        torch.zeros(1).expand(10**6, 10**6, 10**6), tensor.reshape(-1)[:0], tensor[None], tensor.to(torch.complex64),
        tensor.int(), tensor * torch.nan, tensor.to_sparse(), tensor.to("meta"), tensor.reshape(-1)[:1].expand(10**6),
        tensor.to(torch.float64) * 1e300,
    )  # fmt: skip


@dataclass
class Reader:
    """A reader under attack.

    Attributes:
        name: of the kind of file.
        path: of the file that is damaged.
        read: is to return, or to raise InputError.
        damage: makes its bytes.
    """

    name: str
    path: Path
    read: Callable[[], object]
    damage: Callable[[bytes, np.random.Generator], bytes] = damaged_bytes

    def attack(self, n: int, seed: int) -> dict[str, int]:
        """Damage and read ``n`` times; count what came out.

        Raises:
            AssertionError: anything but a value or InputError of one line.
        """
        sound = self.path.read_bytes()
        counts = {"read": 0, "refused": 0}
        try:
            for number in range(n):
                content = self.damage(sound, np.random.default_rng([seed, number]))
                self.path.unlink()
                self.path.write_bytes(content)
                try:
                    self.read()
                    counts["read"] += 1
                except InputError as error:
                    counts["refused"] += 1
                    lines = str(error).splitlines()
                    if not lines or len(lines) > 20 or any(len(line) > 2000 for line in lines):
                        raise AssertionError(f"{self.name}, case {number} of seed {seed}: {error}") from error
                except Exception as error:
                    text = f"{self.name}, case {number} of seed {seed}: {type(error).__name__}: {error}"
                    raise AssertionError(text) from error
        finally:
            self.path.unlink(missing_ok=True)
            self.path.write_bytes(sound)
        return counts


def readers(folder: Path, results: Path) -> list[Reader]:
    """Every reader of files that people or other programs send, on a copy of a run."""
    copy = Path(shutil.copytree(results, folder / "run"))
    data = np.random.default_rng(1).normal(size=(7, 6, 5)).astype(np.float32)
    affine = np.diag([1.0, 1.1, 2.0, 1.0])
    echoes = np.stack([data, data], -1)
    for name, image in (("1", nib.Nifti1Image(data, affine)), ("2", nib.Nifti2Image(echoes, affine))):
        (folder / f"{name}.nii").write_bytes(image.to_bytes())
        (folder / f"{name}.nii.gz").write_bytes(gzip.compress(image.to_bytes(), mtime=0))
    integers = nib.Nifti1Image((data * 1000).astype(np.int16), affine)
    integers.header.set_slope_inter(0.001, 0.0)
    (folder / "scaled.nii").write_bytes(integers.to_bytes())
    (folder / "sidecar.json").write_text(json.dumps({"EchoTime": 0.02, "B0_dir": [0, 0, 1], "ImageType": ["M"]}))
    config = yaml.safe_load((copy / "provenance/config.json").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    buffer = io.BytesIO()
    pd.DataFrame({"set": ["a"] * 50, "value": np.arange(50.0), "message": [""] * 50}).to_parquet(buffer)
    (folder / "t.parquet").write_bytes(buffer.getvalue())
    store, maps = copy / "synthetic/test.zarr", copy / "reconstructions/test/tkd/maps.zarr/chi"
    record = min(copy.glob("provenance/jobs/evaluate-*.json"))
    shard = store / "chi/c/0/0/0/0"
    chunk = maps / "c/1/0/0/0"

    weights, fit = folder / "network.pt", folder / "fit.pt"
    little_network().save(weights)
    save_snapshot(fit, {"network": little_network().state, "progress": [1, 0.5], "rows": [["1", "2"]]})
    display = copy / "report/display.json"

    def volume(name):
        return lambda: read_volume(folder / name)

    def sample():
        stored = StoredSet(store)
        return stored.reference(1), stored.scan(0)

    return [
        Reader("NIfTI-1", folder / "1.nii", volume("1.nii")),
        Reader("NIfTI-1, gzip", folder / "1.nii.gz", volume("1.nii.gz")),
        Reader("NIfTI-1, scaled", folder / "scaled.nii", volume("scaled.nii")),
        Reader("NIfTI-2, echoes", folder / "2.nii", lambda: read_volumes(folder / "2.nii")),
        Reader("NIfTI-2, gzip", folder / "2.nii.gz", lambda: read_volumes(folder / "2.nii.gz")),
        Reader("JSON sidecar", folder / "sidecar.json", lambda: read_json(folder / "sidecar.json"), damaged_text),
        Reader("YAML", folder / "config.yaml", lambda: read_mapping(folder / "config.yaml")),
        Reader("configuration", folder / "config.yaml", lambda: read_config(folder / "config.yaml"), damaged_text),
        Reader("Zarr group", store / "zarr.json", sample, damaged_text),
        Reader("Zarr array", store / "chi/zarr.json", sample, damaged_text),
        Reader("Zarr shard", shard, sample),
        Reader("Zarr map", maps / "zarr.json", lambda: _one_map(maps), damaged_text),
        Reader("Zarr chunk", chunk, lambda: _one_map(maps)),
        Reader("Parquet", folder / "t.parquet", lambda: read_table(folder / "t.parquet")),
        Reader("display", display, lambda: read_display(display), damaged_text),
        Reader("weights", weights, lambda: _usable(load_network(weights).module()), damaged_network),
        Reader("checkpoint", fit, lambda: load_snapshot(fit, "the checkpoint"), damaged_bytes),
        Reader("manifest", copy / "manifest-sha256.txt", lambda: read_manifest(copy)),
        Reader("record of a job", record, lambda: read_jobs(copy), damaged_text),
    ]


# Files that a report is made from, and how they are damaged.
_REPORTED = {
    "report/display.json": damaged_text, "scores.parquet": damaged_bytes, "reconstructions/test/tkd.json": damaged_text,
    "timings/test/tkd.csv": damaged_bytes, "provenance/config.json": damaged_text,
    "synthetic/test.hashes/0.json": damaged_text, "synthetic/test.labels.json": damaged_text,
    "synthetic/test.zarr/zarr.json": damaged_text, "synthetic/test.zarr/chi/zarr.json": damaged_text,
    "synthetic/test.labels.zarr/labels/zarr.json": damaged_text,
    "reconstructions/test/tkd/maps.zarr/chi/zarr.json": damaged_text,
}  # fmt: skip


def commands(folder: Path, results: Path) -> list[Reader]:
    """Commands that read such files and go on with what they hold: some seconds a case, for `benchmarks/fuzz.py`."""
    copy = Path(shutil.copytree(results, folder / "reported"))
    (environment,) = (copy / "provenance/environments").glob("*.json")
    damages = _REPORTED | {str(environment.relative_to(copy)): damaged_text}
    data = np.random.default_rng(1).normal(0, 0.02, size=(7, 6, 5)).astype(np.float32)
    for name, volume in (("field", data), ("mask", np.ones_like(data))):
        nib.Nifti1Image(volume, np.diag([1.0, 1.1, 2.0, 1.0])).to_filename(folder / f"{name}.nii")
    said = {"Units": "ppm", "MagneticFieldStrength": 3, "EchoTime": 0.02, "EchoTimes": [0.01], "B0_dir": [0, 0, 1]}
    (folder / "field.json").write_text(json.dumps(said | {"Warnings": ["a"], "ImagingFrequency": 127.7}))
    live = folder / "live.yaml"
    live.write_bytes((ROOT / "configs/live/meta-qsm.yaml").read_bytes())
    read_settings(live)
    field = ("--local-field", folder / "field.nii", "--mask", folder / "mask.nii", "--out", folder / "chi.nii")
    return [
        *(
            Reader(f"report, {place}", copy / place, lambda: _run("report", copy, "--out-dir", folder / "page"), damage)
            for place, damage in damages.items()
        ),
        Reader("reconstruct, sidecar", folder / "field.json", lambda: _run("reconstruct", "tkd", *field), damaged_text),
        Reader("settings of a training", live, lambda: read_settings(live), damaged_text),
    ]


def _run(*arguments: object) -> None:
    """Type a command; a refusal is what its status says and one line a mistake."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        status = main([str(argument) for argument in arguments])
    if status == 2:
        raise InputError(said.getvalue())
    assert status == 0, said.getvalue()


def _usable(module: torch.nn.Module) -> torch.nn.Module:
    assert all(bool(torch.isfinite(p).all()) for p in module.parameters())
    return module


def little_network() -> TrainedNetwork:
    """A network of a few weights that corrects two first maps."""
    torch.manual_seed(0)
    options = {"channels": 2, "levels": 2, "hidden": (4, 2)}
    kind = architecture("meta-qsm", options)
    options |= {"first_map": "tv", "first_map_regularization": [0.001, 0.01]}
    scaling = Scaling(0.02, 0.05, (0.0, 0.0, 1.0), (0.3, 0.3, 0.3))
    return TrainedNetwork("meta-qsm", options, scaling, kind.module(2).state_dict(), {"steps": 1})


def _one_map(path: Path) -> object:
    return read_map(path.parents[1], 1, open_array(path).shape[1:])
