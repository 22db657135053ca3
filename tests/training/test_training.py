"""Training on a real little set: it learns, resumes exactly, and its weights come back from disk."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.config.networks import read_network
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.download import sha256_of
from qsmbench.data.store import StoredSample, StoredSet, create_store, write_shard
from qsmbench.methods.network_input import network_input
from qsmbench.methods.registry import build
from qsmbench.networks.architectures import architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.weights import load_network
from qsmbench.physics.dipole import forward_field
from qsmbench.training.batches import Batches, Pick, measure_scaling, split
from qsmbench.training.loop import DivergenceError, train
from qsmbench.training.losses import loss_of
from qsmbench.training.prefetch import prefetch

SHAPE = (24, 24, 12)
TRAINING = {
    "train_set": "train", "channels": 4, "levels": 2, "steps": 60, "batch_size": 2, "learning_rate": 2e-3,
    "validation_steps": 20, "checkpoint_steps": 20,
}  # fmt: skip


def spec_of(name, **more):
    told = architecture(name).knows_voxel_size
    return read_network(TRAINING | ({"hidden": (8, 2)} if told else {}) | {"architecture": name} | more)


SPEC = spec_of("meta-qsm")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Twelve samples of smooth random chi and its field, at voxel sizes from 1 to 2 mm."""
    path = tmp_path_factory.mktemp("training") / "train.zarr"
    create_store(path, SHAPE, 12, 12, {})
    samples = []
    for number in range(12):
        rng = np.random.default_rng(number)
        voxel_size = (1.0 + number / 12, 1.0, 2.0)
        chi = gaussian_filter(rng.standard_normal(SHAPE), 1.5).astype(np.float32)
        chi *= 0.05 / chi.std()
        mask = np.ones(SHAPE, bool)
        field = forward_field(torch.from_numpy(chi), Grid(SHAPE, voxel_size)).numpy()
        samples.append(StoredSample(chi, field, mask, voxel_size, (0.0, 0.0, 1.0)))
    write_shard(path, 0, samples)
    return path


def batches_of(stored, indices, batch_size, scaling, name="meta-qsm"):
    return Batches(stored, indices, batch_size=batch_size, seed=3, scaling=scaling, architecture=architecture(name))


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_it_learns_and_its_weights_come_back(store, tmp_path):
    weights, record = tmp_path / "net.pt", tmp_path / "net.csv"
    train(store, SPEC, weights, record, curves=tmp_path / "curves")
    course = rows(record)
    (events,) = (tmp_path / "curves").iterdir()
    assert events.name.startswith("events.out.tfevents")
    assert events.read_bytes().count(b"validation_rmse") == len(course)
    assert [int(row["step"]) for row in course] == [20, 40, 60]
    assert float(course[-1]["loss"]) < 0.85 * float(course[0]["loss"])
    # A zero map scores 100 %.
    assert float(course[-1]["validation_rmse"]) < 90
    assert not weights.with_name("net.pt.checkpoint").exists()

    trained = load_network(weights)
    assert trained.record["n_training"] == 11
    stored = StoredSet(store)
    _, held_out = split(12, SPEC.validation_fraction, SPEC.seed)
    chi = build("meta-qsm", {}, weights)(stored.scan(held_out[0])).numpy()
    truth = stored.reference(held_out[0]).chi
    error = 100 * np.linalg.norm(chi - truth) / np.linalg.norm(truth)
    # Applied, the network sees the mask's box, in training the whole sample.
    assert error == pytest.approx(float(course[-1]["validation_rmse"]), rel=0.01)


@pytest.mark.parametrize("name", ["meta-qsm", "meta-qsm-b0", "mesa-qsm", "qsmnet", "deepqsm"])
def test_a_killed_training_goes_on_to_the_same_weights(store, tmp_path, name):
    """Adam and patches on the way, whose state and places must come back too."""
    spec = spec_of(name, **({} if name == "meta-qsm" else {"optimiser": "adam", "patch": (16, 16, 12)}))
    train(store, spec, tmp_path / "whole.pt", tmp_path / "whole.csv")
    script = (
        "import json, sys, torch; from pathlib import Path; from qsmbench.config.networks import read_network;"
        "from qsmbench.training.loop import train; torch.set_num_threads(1);"
        "train(Path(sys.argv[1]), read_network(json.loads(sys.argv[2])), Path(sys.argv[3]), Path(sys.argv[4]))"
    )
    weights, record = tmp_path / "cut.pt", tmp_path / "cut.csv"
    command = [sys.executable, "-c", script, str(store), spec.model_dump_json(), str(weights), str(record)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = weights.with_name("cut.pt.checkpoint")
    deadline = time.monotonic() + 120
    while not checkpoint.exists():
        assert process.poll() is None, "training ended before its first checkpoint"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not weights.exists()

    train(store, spec, weights, record)
    assert record.read_text() == (tmp_path / "whole.csv").read_text()
    whole, cut = load_network(tmp_path / "whole.pt").state, load_network(weights).state
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_checkpoint_of_another_training_is_left_aside(store, tmp_path):
    short = SPEC.model_copy(update={"steps": 20, "checkpoint_steps": 10})
    weights = tmp_path / "net.pt"
    train(store, short, weights, tmp_path / "a.csv")
    other = short.model_copy(update={"seed": 1})
    # What a kill would leave: a checkpoint of `short`, made by stopping its training when it writes the weights.
    weights.unlink()
    weights.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        train(store, short, weights, tmp_path / "b.csv")
    weights.rmdir()
    assert weights.with_name("net.pt.checkpoint").exists()
    train(store, other, weights, tmp_path / "c.csv")
    train(store, other, tmp_path / "fresh.pt", tmp_path / "d.csv")
    assert (tmp_path / "c.csv").read_text() == (tmp_path / "d.csv").read_text()


def test_divergence_is_told(store, tmp_path):
    wild = SPEC.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(DivergenceError, match=r"the loss is .* lower networks"):
        train(store, wild, tmp_path / "net.pt", tmp_path / "net.csv")


def test_every_epoch_visits_each_sample_once(store):
    stored = StoredSet(store)
    training, validation = split(12, 0.25, seed=3)
    assert sorted(training + validation) == list(range(12))
    assert len(validation) == 3
    batches = batches_of(stored, training, 3, measure_scaling(stored, training))
    first = [pick.sample for step in range(3) for pick in batches.at(step)]
    second = [pick.sample for step in range(3, 6) for pick in batches.at(step)]
    assert sorted(first) == sorted(second) == training
    assert first != second
    assert batches.at(4) == batches.at(4)


def test_scaling_brings_volumes_to_unit_deviation(store):
    stored = StoredSet(store)
    scaling = measure_scaling(stored, list(range(12)))
    assert scaling.chi_std == pytest.approx(0.05, rel=0.01)
    batch = batches_of(stored, list(range(12)), 12, scaling).load([Pick(i) for i in range(12)])
    assert float(batch.inputs[batch.mask].std()) == pytest.approx(1, rel=0.01)
    assert float(batch.chi[batch.mask].std()) == pytest.approx(1, rel=0.01)
    assert float(batch.condition[:, 0].min()) == pytest.approx(-1, abs=1e-5)
    assert float(batch.condition[:, 0].max()) == pytest.approx(1, abs=1e-5)
    assert float(batch.condition[:, 1].abs().max()) == pytest.approx(0, abs=1e-6)


def test_one_sample_cannot_be_split():
    with pytest.raises(InputError, match="at least 2 samples"):
        split(1, 0.1, 0)


@pytest.mark.parametrize("name", ["meta-qsm-b0", "mesa-qsm", "qsmnet", "deepqsm"])
def test_every_network_trains_and_is_applied(store, tmp_path, name):
    """With its own loss, mixed precision apart; the optimiser and the clipping that are not the default, on the way."""
    more = {"steps": 12, "validation_steps": 6, "checkpoint_steps": 12}
    spec = spec_of(name, **more, optimiser="adam", gradient_clip=1.0)
    weights = tmp_path / f"{name}.pt"
    train(store, spec, weights, tmp_path / "record.csv")
    course = rows(tmp_path / "record.csv")
    assert float(course[-1]["loss"]) < float(course[0]["loss"])
    scan = StoredSet(store).scan(0)
    chi = build(name, {"resample": False}, weights)(scan)
    assert chi.shape == scan.grid.shape
    assert float(chi.abs().max()) > 0


def test_losses_by_hand(store):
    """A map that is right costs nothing; one that is off by a constant costs what its definition says."""
    stored = StoredSet(store)
    scaling = measure_scaling(stored, list(range(12)))
    batch = batches_of(stored, list(range(12)), 2, scaling).load([Pick(0), Pick(5)])
    for name in ("l1", "l2", "qsmnet"):
        assert float(loss_of(name, batch.chi, batch, scaling)) == pytest.approx(0, abs=1e-6)
    off = batch.chi + 0.5
    assert float(loss_of("l1", off, batch, scaling)) == pytest.approx(0.5, rel=1e-5)
    assert float(loss_of("l2", off, batch, scaling)) == pytest.approx(0.25, rel=1e-5)
    fields = [forward_field(torch.full(SHAPE, 0.5) * scaling.chi_std, grid) / scaling.field_std for grid in batch.grids]
    model = torch.stack(fields).abs().mean()
    # A constant has no gradient: what is left is L1 and the model term.
    assert float(loss_of("qsmnet", off, batch, scaling)) == pytest.approx(0.5 + 0.5 * float(model), rel=1e-4)
    steep = torch.arange(SHAPE[0]).reshape(-1, 1, 1).expand(SHAPE) * 1.0
    flat = replace(batch, chi=torch.zeros_like(batch.chi))
    gradient = float(loss_of("qsmnet", steep.expand_as(batch.chi), flat, scaling)) - float(
        loss_of("qsmnet", steep.expand_as(batch.chi), replace(flat, chi=-steep.expand_as(batch.chi)), scaling)
    )
    l1, field = (
        float(steep.mean()),
        float(
            torch.stack(
                [forward_field(steep.contiguous() * scaling.chi_std, g) / scaling.field_std for g in batch.grids]
            )
            .abs()
            .mean()
        ),
    )
    # Against its own negative every difference has the right size, and L1 and model term are twice those against zero.
    pairs = (SHAPE[0] - 1) / SHAPE[0]
    assert gradient == pytest.approx(0.1 * pairs - l1 - 0.5 * field, rel=1e-3)


def test_training_goes_on_from_other_weights(store, tmp_path):
    first = tmp_path / "first.pt"
    train(store, SPEC, first, tmp_path / "first.csv")
    spec = SPEC.model_copy(update={"start": str(first), "learning_rate": 1e-4, "steps": 20})
    train(store, spec, tmp_path / "second.pt", tmp_path / "second.csv")
    before, after = rows(tmp_path / "first.csv")[-1], rows(tmp_path / "second.csv")[-1]
    assert float(after["loss"]) < 1.05 * float(before["loss"])
    assert load_network(tmp_path / "second.pt").record["start_sha256"] == sha256_of(first)
    wider = spec.model_copy(update={"channels": 8})
    with pytest.raises(InputError, match=r"made with channels: 4; the configuration asks for channels: 8"):
        train(store, wider, tmp_path / "third.pt", tmp_path / "third.csv")


def test_mixed_precision_stays_near_single(store, tmp_path):
    short = SPEC.model_copy(update={"steps": 4, "validation_steps": 4})
    courses = []
    for precision in ("float32", "bfloat16"):
        record = tmp_path / f"{precision}.csv"
        train(store, short.model_copy(update={"precision": precision}), tmp_path / f"{precision}.pt", record)
        courses.append(float(rows(record)[-1]["loss"]))
    assert courses[1] != courses[0]
    assert courses[1] == pytest.approx(courses[0], rel=0.05)


def test_a_trained_network_needs_the_right_voxel_size(tmp_path):
    """It has learned what each voxel size does to the dipole: told the sizes in another order, it is worse."""
    path, shape, sizes = tmp_path / "set.zarr", (16, 16, 16), [(1.0, 1.0, 3.0), (3.0, 1.0, 1.0), (1.0, 3.0, 1.0)]
    create_store(path, shape, 30, 30, {})
    samples = []
    for number in range(30):
        voxel_size = sizes[number % 3]
        chi = gaussian_filter(np.random.default_rng(number).standard_normal(shape), [1.2 / v for v in voxel_size])
        chi = (0.05 * chi / chi.std()).astype(np.float32)
        field = forward_field(torch.from_numpy(chi), Grid(shape, voxel_size)).numpy()
        samples.append(StoredSample(chi, field, np.ones(shape, bool), voxel_size, (0.0, 0.0, 1.0)))
    write_shard(path, 0, samples)
    more = {"channels": 8, "hidden": (8, 4), "steps": 120, "batch_size": 4, "optimiser": "adam"}
    spec = SPEC.model_copy(update=more | {"learning_rate": 3e-3, "decay": 0.9, "decay_steps": 40})
    train(path, spec, tmp_path / "net.pt", tmp_path / "net.csv")
    stored, network = StoredSet(path), build("meta-qsm", {}, tmp_path / "net.pt")
    for index in split(30, spec.validation_fraction, spec.seed)[1]:
        scan, truth = stored.scan(index), stored.reference(index).chi
        x, y, z = scan.grid.voxel_size
        right, wrong = (
            np.linalg.norm(network(replace(scan, grid=Grid(shape, told))).numpy() - truth) / np.linalg.norm(truth)
            for told in ((x, y, z), (y, z, x))
        )
        assert right < 0.8
        assert wrong > 1.1 * right


def test_several_maps_of_one_method_are_channels_and_their_mean_is_corrected(store, tmp_path):
    more = {"first_map": "l2", "first_map_regularization": (1e-3, 1e-1), "patch": (16, 12, 12), "steps": 20}
    weights = tmp_path / "net.pt"
    train(store, SPEC.model_copy(update=more), weights, tmp_path / "record.csv")
    network, scan = load_network(weights), StoredSet(store).scan(0)
    assert network.options["first_map_regularization"] == [1e-3, 1e-1]
    maps = torch.stack([build("l2", {"regularization": r})(scan) for r in (1e-3, 1e-1)])
    inputs = network_input(scan, network.scaling, "l2", (1e-3, 1e-1))
    torch.testing.assert_close(inputs[1:] * network.scaling.chi_std, maps)
    assert not torch.allclose(maps[0], maps[1])
    # With a last layer that adds nothing, the mean of the maps comes out.
    for name, value in network.state.items():
        if name.startswith("last.head"):
            value.zero_()
    network.save(weights)
    torch.testing.assert_close(build("meta-qsm-tv", {}, weights)(scan), maps.mean(dim=0))


def test_a_network_that_corrects_a_map_starts_from_it_and_learns_from_patches(store, tmp_path):
    spec = SPEC.model_copy(update={"first_map": "l2", "patch": (16, 12, 12), "steps": 120, "validation_volumes": 1})
    weights = tmp_path / "net.pt"
    train(store, spec, weights, tmp_path / "record.csv")
    stored = StoredSet(store)
    _, held_out = split(12, spec.validation_fraction, spec.seed)
    scan, truth = stored.scan(held_out[0]), stored.reference(held_out[0]).chi
    errors = {
        method: 100 * np.linalg.norm(build(method, {}, file)(scan).numpy() - truth) / np.linalg.norm(truth)
        for method, file in (("l2", None), ("meta-qsm-tv", weights))
    }
    assert errors["meta-qsm-tv"] < 0.95 * errors["l2"]
    # What the workflow applies is what the training validated, but for the half precision of its first maps.
    assert errors["meta-qsm-tv"] == pytest.approx(float(rows(tmp_path / "record.csv")[-1]["validation_rmse"]), rel=1e-3)


def test_patches_lie_in_their_samples_around_the_brain(tmp_path):
    """The same cut through field, first map, chi and mask; the same place for the same draw, whatever was read."""
    path = tmp_path / "set.zarr"
    create_store(path, SHAPE, 1, 1, {})
    mask = np.zeros(SHAPE, bool)
    mask[8:24, 1:14, 5:7] = True
    chi = np.where(mask, np.arange(mask.size).reshape(SHAPE) * 2e-4, 0).astype(np.float32)
    write_shard(path, 0, [StoredSample(chi, chi / 2, mask, (1.0, 1.0, 2.0), (0.0, 0.0, 1.0))])
    options = {"batch_size": 1, "seed": 3, "scaling": Scaling(1.0, 1.0, (0.0, 0.0, 0.7), (0.1, 0.1, 0.1))}
    options |= {"architecture": architecture("meta-qsm"), "patch": (8, 8, 20), "first_map": "l2"}
    batches = Batches(StoredSet(path), [0], **options)
    whole = batches.load([Pick(0)])
    assert whole.inputs.shape == (1, 2, *SHAPE)
    places = set()
    for draw in range(20):
        part = batches.load([Pick(0, draw)])
        assert part.inputs.shape == (1, 2, 8, 8, 12), "as much as there is along z"
        assert part.mask.any()
        inside = part.mask[0, 0]
        torch.testing.assert_close(part.inputs[0, 0][inside], part.chi[0, 0][inside] / 2, rtol=0, atol=1e-4)
        places.add(float(part.chi.max()))
        again = Batches(StoredSet(path), [0], **options, cache=0).load([Pick(0, draw)])
        assert torch.equal(again.inputs, part.inputs)
    assert len(places) > 5


def test_batches_read_ahead_come_in_order_and_errors_where_they_belong():
    def load(step):
        time.sleep(0.01 * (step % 3 == 0))
        if step == 7:
            raise InputError("sample 7 is missing")
        return step

    seen = []
    with pytest.raises(InputError, match="sample 7"), prefetch(load, range(3, 12), 3) as batches:
        for step in batches:
            seen.append(step)
    assert seen == [3, 4, 5, 6]
    for n_threads in (0, 1, 4):
        with prefetch(load, range(7), n_threads) as batches:
            assert list(batches) == list(range(7))
