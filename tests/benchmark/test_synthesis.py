"""Synthetic sets as jobs make them: killed, out of order, out of disk, from several heads; and looked at."""

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from forked_command import start
from little_set import N_SHARDS, SPEC, contents, create, make_source, shard_arguments, write_config, write_head

from qsmbench.benchmark.disk import check_disk, disk_need, disk_plan
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.source import load_heads
from qsmbench.benchmark.synthesis import recipe_hash, sample_of
from qsmbench.cli.main import main
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data import disk
from qsmbench.data.layout import shard_files
from qsmbench.data.store import StoredSet, attributes
from qsmbench.heads.orientation import upright
from qsmbench.sets.samples import SyntheticSet
from qsmbench.simulation.source import Heads, Source

N_KILLS = 20


def test_killed_jobs_leave_nothing_half_and_a_second_run_completes_the_set(
    tmp_path, tmp_path_factory, source, undisturbed
):
    """SIGKILL at random moments: each file that is there is whole, and in the end all bytes are the same."""
    assert create(tmp_path, source) == 0
    whole = contents(undisturbed)
    log = tmp_path_factory.mktemp("log") / "log"
    for _ in range(2):
        # The first one waits for the server to load; the second takes as long as a job does.
        begin = time.perf_counter()
        start(shard_arguments(tmp_path, 0), log).join()
        duration = time.perf_counter() - begin
    shutil.rmtree(tmp_path / "synthetic/set.hashes")
    for file in shard_files(0):
        (tmp_path / "synthetic/set.zarr" / file).unlink()
    rng = np.random.default_rng()
    kills = 0
    for attempt in range(10 * N_KILLS):
        process = start(shard_arguments(tmp_path, attempt % N_SHARDS), log)
        time.sleep(float(rng.uniform(0, duration)))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        for name, content in contents(tmp_path).items():
            if not name.endswith(".partial") and ".tmp-" not in name:
                assert content == whole[name], f"{name} is half written"
        if kills == N_KILLS:
            break
    assert kills == N_KILLS
    for shard in (2, 0, 1):
        process = start(shard_arguments(tmp_path, shard), log)
        process.join()
        assert process.exitcode == 0
    assert {n: c for n, c in contents(tmp_path).items() if ".tmp-" not in n} == whole


def test_another_order_of_jobs_gives_the_same_bytes(tmp_path, source, undisturbed):
    assert create(tmp_path, source) == 0
    for shard in (2, 0, 1):
        assert main(shard_arguments(tmp_path, shard)) == 0
    assert contents(tmp_path) == contents(undisturbed)


def test_a_full_disk_ends_the_job_without_a_record(tmp_path, source, undisturbed, tmp_path_factory):
    """The system refuses to write beyond 20 kB a file, as it does where the disk is full."""
    assert create(tmp_path, source) == 0
    log = tmp_path_factory.mktemp("log") / "log"
    process = start(shard_arguments(tmp_path, 1), log, 20_000)
    process.join()
    assert process.exitcode == 1
    assert log.read_text().splitlines() == ["qsmbench step make-shard: File too large"]
    assert not (tmp_path / "synthetic/set.hashes" / "1.json").exists()
    assert not (tmp_path / "synthetic/set.zarr" / "chi/c/1/0/0/0").exists()
    assert main(shard_arguments(tmp_path, 1)) == 0
    made, whole = contents(tmp_path), contents(undisturbed)
    assert all(made[f"synthetic/set.zarr/{file}"] == whole[f"synthetic/set.zarr/{file}"] for file in shard_files(1))


def test_too_little_disk_is_said_before_anything_is_made(tmp_path, source, monkeypatch, capsys):
    assert create(tmp_path, source) == 0
    monkeypatch.setattr(disk, "free_bytes", lambda folder: 1000)
    assert main(shard_arguments(tmp_path, 0)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("qsmbench step make-shard: shard 0 of set takes about 0.1 MB, but only 0.0 MB are free at")
    assert not (tmp_path / "synthetic/set.hashes").exists()


def test_the_plan_says_what_the_disk_must_hold(tmp_path, undisturbed):
    config = {
        "source": {"kind": "phantom"},
        "results": str(tmp_path / "results"),
        "synthetic": {"train": SPEC, "test": SPEC | {"role": "test"}},
        "methods": {"tkd": {}},
    }
    need = disk_need(Run(check_config(config)))
    assert list(need) == ["train", "test", "reconstructions", "inspection", "report"]
    # More than it takes, but not twice as much; a shard's index and padding weigh on samples as little as these.
    taken = disk.folder_bytes(undisturbed / "synthetic/set.zarr") - sum(
        p.stat().st_size for p in (undisturbed / "synthetic/set.zarr").rglob("zarr.json")
    )
    assert taken < 2.5 * need["train"]
    config["synthetic"]["train"] = SPEC | {"n_samples": 10**6, "recipe": SPEC["recipe"] | {"shape": [512, 512, 512]}}
    assert "disk: about" in disk_plan(Run(check_config(config))) and "free" in disk_plan(Run(check_config(config)))
    with pytest.raises(InputError, match=r"what is still to be made takes about .* GB, but only .* GB are free"):
        check_disk(Run(check_config(config)))


def test_the_estimate_is_above_what_full_samples_take():
    """30,000 samples of the paper's size: 36 GB by measurement on 2,000 (docs/synthesis.md)."""
    assert 36e9 < disk.set_bytes((128, 128, 64), 30_000, noisy=False) < 60e9


def test_metadata_of_another_recipe_is_refused(tmp_path, source, capsys):
    assert create(tmp_path, source, SPEC | {"recipe": SPEC["recipe"] | {"contrast": {"enabled": False}}}) == 0
    write_config(tmp_path, {"set": SPEC})
    assert main(shard_arguments(tmp_path, 0)) == 2
    assert "was made for another recipe, seed or source" in capsys.readouterr().err


def test_recipe_hash_follows_what_samples_depend_on(undisturbed, source):
    stored = attributes(undisturbed / "synthetic/set.zarr")
    about = json.loads((source / "source.json").read_text())["heads"]
    spec = SyntheticSet.model_validate(SPEC)
    assert stored["recipe_hash"] == recipe_hash("set", spec, 7, about)
    assert recipe_hash("set", spec.model_copy(update={"n_samples": 99}), 7, about) == stored["recipe_hash"]
    others = [
        recipe_hash("other", spec, 7, about),
        recipe_hash("set", spec, 8, about),
        recipe_hash("set", SyntheticSet.model_validate(SPEC | {"recipe": {}}), 7, about),
        recipe_hash("set", spec, 7, [about[0] | {"files": {}}]),
    ]
    assert len({*others, stored["recipe_hash"]}) == 5


def test_a_set_that_takes_anothers_draws_differs_only_in_what_the_recipe_says(mixed):
    """Same head, shapes, pose, contrast and noise level at another voxel size; a set of its own name has others."""
    heads, spec = load_heads(mixed), SyntheticSet.model_validate(SPEC)
    finer = {"shape": [32, 32, 24], "voxel_size": {"min": [2.0, 2.0, 3.0], "max": [2.0, 2.0, 3.0]}}
    linked = SyntheticSet.model_validate(SPEC | {"recipe": finer, "draws_of": "set"})
    assert (spec.drawn_as("set"), linked.drawn_as("finer")) == ("set", "set")
    for number in range(4):
        one = sample_of(heads, spec.recipe, seed=7, name="set", number=number)
        other = sample_of(heads, linked.recipe, seed=7, name=linked.drawn_as("finer"), number=number)
        apart = sample_of(heads, linked.recipe, seed=7, name="finer", number=number)
        assert other.voxel_size == (2.0, 2.0, 3.0) != one.voxel_size
        same = {k for k in one.parameters if k in other.parameters and one.parameters[k] == other.parameters[k]}
        assert same >= {"head", "rotation", "size", "gain", "gamma", "tissue", "n_shapes", "noise_sd"}
        assert apart.parameters["rotation"] != one.parameters["rotation"]


def test_linked_sets_through_the_commands(tmp_path, source):
    """With the same recipe a set that takes another's draws is that set, samples and labels, byte for byte."""
    folders = {}
    for name, extra in (("set", {}), ("copy", {"draws_of": "set"}), ("apart", {})):
        folders[name] = folder = tmp_path / name
        spec = SPEC | {"n_samples": 2, "samples_per_shard": 2}
        config = write_config(folder, {"set": spec, name: spec | extra})
        folder.mkdir()
        (folder / "source").symlink_to(source)
        assert main(["step", "create-set", str(config), "--set", name]) == 0
        assert main(shard_arguments(folder, 0, name)) == 0
        assert main(["step", "make-labels", str(config), "--set", name]) == 0
    first, copy, apart = (
        {
            k.replace(f"/{name}.", "/"): v
            for k, v in contents(f).items()
            if "zarr.json" not in k and not k.endswith("0.json")
        }
        for name, f in folders.items()
    )
    assert first == copy
    assert first != apart
    hashes = [attributes(f / f"synthetic/{name}.zarr")["recipe_hash"] for name, f in folders.items()]
    assert hashes[0] == hashes[1] != hashes[2]


def test_cuda_that_is_not_there_is_refused(tmp_path, source, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setitem(SPEC, "device", "cuda")
    assert create(tmp_path, source, SPEC) == 0
    assert main(shard_arguments(tmp_path, 0)) == 2
    assert "torch finds no CUDA device here" in capsys.readouterr().err


def test_a_missing_shard_does_not_read_as_zeros(tmp_path, undisturbed):
    shutil.copytree(undisturbed / "synthetic/set.zarr", tmp_path / "synthetic/set.zarr")
    for file in shard_files(1):
        (tmp_path / "synthetic/set.zarr" / file).unlink()
    stored = StoredSet(tmp_path / "synthetic/set.zarr")
    assert stored.pair(4)[2].any()
    for read in (stored.pair, stored.scan, stored.reference):
        with pytest.raises(InputError, match="lacks sample 5: its shard is not made yet"):
            read(5)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    """Two heads in a ratio of 3 to 1, the second stored upside down and back to front."""
    folder = tmp_path_factory.mktemp("mixed")
    first, second = write_head(folder / "a.nii.gz", 1), write_head(folder / "b.nii.gz", 2, (30, 44, 42))
    spec = {
        "kind": "mixture",
        "heads": [
            {"weight": 3, "head": {"kind": "nifti", "chi": str(first)}},
            {"weight": 1, "head": {"kind": "nifti", "chi": str(second), "axes": "LPS"}},
        ],
    }
    return make_source(folder / "run", spec)


def test_heads_are_mixed_by_weight(mixed):
    heads = load_heads(mixed)
    assert [s.grid.shape for s in heads.sources] == [(40, 48, 36), (30, 44, 42)]
    rng = np.random.default_rng(0)
    assert np.mean([heads.choose(rng) for _ in range(4000)]) == pytest.approx(0.25, abs=0.03)


def test_a_sample_tells_its_head_and_is_that_of_the_head_alone(mixed):
    heads, recipe = load_heads(mixed), SyntheticSet.model_validate(SPEC).recipe
    made = [sample_of(heads, recipe, seed=7, name="set", number=i) for i in range(12)]
    chosen = [s.parameters["head"] for s in made]
    assert set(chosen) == {0, 1}
    for number in (chosen.index(0), chosen.index(1)):
        alone = Heads((heads.sources[chosen[number]],), (1.0,))
        again = sample_of(alone, recipe, seed=7, name="set", number=number)
        np.testing.assert_array_equal(again.chi, made[number].chi)


def test_heads_without_weight_or_number_are_refused(mixed):
    sources = load_heads(mixed).sources
    with pytest.raises(InputError, match="a weight for each head"):
        Heads(sources, (1.0,))
    with pytest.raises(InputError, match="must be positive"):
        Heads(sources, (1.0, 0.0))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL"])
def test_heads_are_turned_upright_with_their_b0(codes):
    """A mark in a known octant stays in it, and B0 with it, however the array was stored."""
    from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

    shape, size = (10, 12, 14), (1.0, 2.0, 3.0)
    chi, mask = np.zeros(shape, np.float32), np.ones(shape, bool)
    chi[8, 2, 11] = 1.0
    upright_grid = Grid(shape, size, (0.1, 0.2, 0.97))
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    stored = apply_orientation(chi, turn)
    affine = upright_grid.matrix @ inv_ornt_aff(turn, shape)
    b0 = (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).T @ np.array(upright_grid.b0_dir)
    source = Source(stored, np.ones(stored.shape, bool), Grid.from_affine(stored.shape, affine, b0.tolist()))
    back = upright(source)
    np.testing.assert_array_equal(back.chi, chi)
    np.testing.assert_allclose(back.grid.b0_dir, upright_grid.b0_dir, atol=1e-6)
    np.testing.assert_allclose(back.grid.voxel_size, size)
    np.testing.assert_allclose(back.grid.matrix, upright_grid.matrix, atol=1e-9)
    # The same where the affine knows nothing and the letters say it.
    sizes = source.grid.voxel_size
    blind = Source(stored, np.ones(stored.shape, bool), Grid(stored.shape, sizes, source.grid.b0_dir))
    told = upright(blind, codes)
    np.testing.assert_array_equal(told.chi, chi)
    np.testing.assert_allclose(told.grid.b0_dir, upright_grid.b0_dir, atol=1e-6)
    np.testing.assert_array_equal(mask, told.mask)


def test_axes_that_are_none_are_named():
    config = {"source": {"kind": "nifti", "chi": "a.nii", "axes": "LRS"}, "synthetic": {}, "methods": {"tkd": {}}}
    with pytest.raises(InputError, match=r"axes are three letters, one each of L or R, P or A, I or S"):
        check_config(config)


def test_inspect_draws_and_tabulates_the_set(tmp_path, undisturbed, capsys):
    store = undisturbed / "synthetic/set.zarr"
    assert main(["inspect", str(store), "--out-dir", str(tmp_path), "--samples", "3"]) == 0
    assert capsys.readouterr().out.startswith("inspect: 14 of 14 samples; ")
    samples, shapes = pd.read_csv(tmp_path / "samples.csv"), pd.read_csv(tmp_path / "shapes.csv")
    assert samples["sample"].tolist() == list(range(14))
    assert len(shapes) == samples["n_shapes"].sum()
    sizes = zarr.open_group(store, mode="r")["voxel_size"][:]
    np.testing.assert_array_equal(samples[["voxel_size_x", "voxel_size_y", "voxel_size_z"]].to_numpy(), sizes)
    for name in ("contact-sheet.png", "parameters.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    before = contents(tmp_path)
    assert main(["inspect", str(store), "--out-dir", str(tmp_path), "--samples", "3"]) == 0
    assert contents(tmp_path) == before


def test_a_set_of_the_source_itself_is_the_source_and_can_be_inspected(tmp_path, source):
    off = {name: {"enabled": False} for name in ("pose", "elastic", "contrast", "shapes")}
    size = {"min": [3.0, 3.0, 3.0], "max": [3.0, 3.0, 3.0]}
    recipe = off | {"shape": [40, 48, 36], "voxel_size": size, "crop": {"placement": "source"}}
    spec = {"role": "test", "n_samples": 1, "samples_per_shard": 1, "recipe": recipe}
    assert create(tmp_path, source, spec) == 0
    assert main(shard_arguments(tmp_path, 0)) == 0
    made, head = StoredSet(tmp_path / "synthetic/set.zarr").reference(0), load_heads(source).sources[0]
    np.testing.assert_array_equal(made.mask, head.mask)
    # A store's step is 1e-4 ppm.
    np.testing.assert_allclose(made.chi, np.where(head.mask, head.chi, 0), atol=0.6e-4)
    assert main(["inspect", str(tmp_path / "synthetic/set.zarr"), "--out-dir", str(tmp_path / "looks")]) == 0
    assert (tmp_path / "looks/parameters.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_says_what_is_missing(tmp_path, undisturbed, capsys):
    shutil.copytree(undisturbed / "synthetic/set.zarr", tmp_path / "synthetic/set.zarr")
    assert main(["inspect", str(tmp_path / "synthetic/set.zarr")]) == 2
    assert "holds no record of a shard" in capsys.readouterr().err
    (tmp_path / "synthetic/set.hashes").mkdir()
    shutil.copy(undisturbed / "synthetic/set.hashes" / "2.json", tmp_path / "synthetic/set.hashes")
    assert main(["inspect", str(tmp_path / "synthetic/set.zarr"), "--samples", "2"]) == 0
    assert "4 of 14 samples; 10 not made yet" in capsys.readouterr().out
    (tmp_path / "synthetic/set.hashes" / "0.json").write_text("{")
    assert main(["inspect", str(tmp_path / "synthetic/set.zarr")]) == 2
    assert "as the record of a shard" in capsys.readouterr().err
