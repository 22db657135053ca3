"""Training on several processes, started by torchrun as on a cluster: what one step means, SIGTERM, and going on."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from little_set import write_config
from scipy.ndimage import gaussian_filter
from torch.func import functional_call

from qsmbench.config.networks import read_network
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.seeds import seed_for
from qsmbench.data.layout import RunLayout
from qsmbench.data.store import StoredSample, StoredSet, create_store, write_shard
from qsmbench.networks.weights import load_network
from qsmbench.networks.wpconv import kernel_penalty
from qsmbench.physics.dipole import forward_field
from qsmbench.training.batches import Batches, measure_scaling, split
from qsmbench.training.loop import train
from qsmbench.training.ranks import Ranks, join

SHAPE = (16, 16, 8)
# Three samples for two ranks: parts of different sizes.
SPEC = read_network({
    "train_set": "train", "channels": 4, "levels": 2, "hidden": (4, 2), "steps": 40, "batch_size": 3,
    "learning_rate": 2e-3, "validation_steps": 5, "checkpoint_steps": 1000, "devices": 2,
})  # fmt: skip
SCRIPT = (
    "import sys, torch; torch.set_num_threads(1); from qsmbench.cli.main import main;"
    "sys.exit(main(['step', 'train', *sys.argv[1:]]))"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Eight small samples whose masks differ in size."""
    path = tmp_path_factory.mktemp("ranks") / "train.zarr"
    create_store(path, SHAPE, 8, 8, {})
    samples = []
    for number in range(8):
        chi = gaussian_filter(np.random.default_rng(number).standard_normal(SHAPE), 1.5).astype(np.float32)
        mask = np.ones(SHAPE, bool)
        mask[: 1 + number] = False
        chi = np.where(mask, chi * (0.05 / chi.std()), 0).astype(np.float32)
        field = forward_field(torch.from_numpy(chi), Grid(SHAPE, (1.0, 1.0, 2.0))).numpy()
        samples.append(StoredSample(chi, field, mask, (1.0 + number / 8, 1.0, 2.0), (0.0, 0.0, 1.0)))
    write_shard(path, 0, samples)
    return path


def start(store: Path, folder: Path) -> subprocess.Popen:
    layout = RunLayout(folder)
    layout.store("train").parent.mkdir(exist_ok=True)
    if not layout.store("train").exists():
        layout.store("train").symlink_to(store)
    sets = {"train": {"role": "train", "n_samples": 8, "samples_per_shard": 8}}
    config = write_config(folder, sets, networks={"net": SPEC.model_dump(mode="json")})
    command = [
        *(str(Path(sys.executable).parent / "torchrun"), "--standalone", "--no-python", "--nproc-per-node=2"),
        *(sys.executable, "-c", SCRIPT, str(config), "--network", "net"),
    ]
    # On a machine with one GPU the ranks would share it.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with (folder / "log").open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)


def wait_for(process: subprocess.Popen, log: Path, text: str) -> None:
    """Until a running process has written a text."""
    deadline = time.monotonic() + 300
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert start(store, folder).wait(300) == 0, (folder / "log").read_text()
    return folder


def by_hand(store: Path) -> list[float]:
    """What two ranks should do, in one process: parts normalised apart, one loss, rank 0's running statistics."""
    stored = StoredSet(store)
    indices, _ = split(len(stored), SPEC.validation_fraction, SPEC.seed)
    kind = SPEC.settings
    scaling = measure_scaling(stored, indices)
    batches = Batches(stored, indices, batch_size=SPEC.batch_size, seed=SPEC.seed, scaling=scaling, architecture=kind)
    torch.manual_seed(seed_for(SPEC.seed, "weights") % 2**63)
    module = kind.module()
    optimiser = torch.optim.RMSprop(module.parameters(), lr=SPEC.learning_rate)
    losses = []
    for step in range(SPEC.steps):
        error, n_voxels = torch.zeros(()), torch.zeros(())
        # Rank 1 normalises by the statistics of its part; the running ones are rank 0's.
        own = {name: buffer.clone() for name, buffer in module.named_buffers()}
        for part, buffers in ((batches.at(step)[:2], {}), (batches.at(step)[2:], own)):
            batch = batches.load(part)
            estimate = functional_call(module, buffers, (batch.inputs, batch.condition))
            error = error + ((estimate - batch.chi).abs() * batch.mask).sum()
            n_voxels += batch.mask.sum()
        optimiser.zero_grad()
        (error / n_voxels + SPEC.kernel_penalty * kernel_penalty(module)).backward()
        optimiser.step()
        losses.append(float(error.detach() / n_voxels))
    return losses


def test_two_ranks_do_what_one_process_does_by_hand(store, trained):
    losses = by_hand(store)
    with (trained / "networks/net.csv").open() as file:
        course = [float(row["loss"]) for row in csv.DictReader(file)]
    expected = np.reshape(losses, (-1, 5)).mean(axis=1)
    # RMSprop divides by the size of gradients, small ones too, and so enlarges differences of rounding step by step.
    assert course[0] == pytest.approx(expected[0], rel=1e-4)
    assert course == pytest.approx(list(expected), rel=0.05)
    said = (trained / "log").read_text()
    assert said.count("step 40: loss") == 1, "one rank speaks"


def test_stopped_by_sigterm_all_ranks_go_on_to_the_same_bits(store, trained, tmp_path):
    process = start(store, tmp_path)
    wait_for(process, tmp_path / "log", "step 5:")
    # Steps are quicker than torchrun hands a signal on: the ranks wait for it.
    ranks = [int(n) for n in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    for rank in ranks:
        os.kill(rank, signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    wait_for(process, tmp_path / "log", f"Sending process {ranks[-1]} closing signal SIGTERM")
    for rank in ranks:
        os.kill(rank, signal.SIGCONT)
    assert process.wait(120) != 0
    assert "stopped by SIGTERM after step" in (tmp_path / "log").read_text()
    assert (tmp_path / "networks/net.pt.checkpoint").exists()
    assert start(store, tmp_path).wait(300) == 0, (tmp_path / "log").read_text()
    assert "resuming from step" in (tmp_path / "log").read_text()
    assert (tmp_path / "networks/net.csv").read_text() == (trained / "networks/net.csv").read_text()
    whole, cut = load_network(trained / "networks/net.pt").state, load_network(tmp_path / "networks/net.pt").state
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_process_that_nobody_launched_says_what_to_do(store, tmp_path):
    with pytest.raises(InputError, match=r"devices is 2, but this process was started alone.*torchrun"):
        train(store, SPEC, tmp_path / "networks/net.pt", tmp_path / "networks/net.csv")


def test_srun_with_another_number_of_tasks_is_refused(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    srun = {"PROCID": "0", "STEP_NUM_TASKS": "3", "LOCALID": "0", "LAUNCH_NODE_IPADDR": "127.0.0.1", "JOB_ID": "1"}
    for name, value in srun.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(InputError, match="started as one of 3"):
        join(2, "cpu")


def test_one_device_needs_no_launcher():
    assert join(1, "cpu") == Ranks(0, 1, "cpu")


def test_more_devices_than_samples_in_a_batch_are_refused():
    with pytest.raises(ValueError, match="4 cannot share a batch of 3"):
        read_network({"train_set": "train", "steps": 1, "batch_size": 3, "devices": 4})
