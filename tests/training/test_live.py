"""Live training in small: goes on exactly, gives weights that are scale-equivariant, and needs little installed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

import qsmbench
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.network_input import network_input
from qsmbench.methods.registry import build
from qsmbench.networks.architectures import architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.weights import load_network
from qsmbench.training.live.group import make_group
from qsmbench.training.live.heads import load_heads, save_head
from qsmbench.training.live.loss import live_loss
from qsmbench.training.live.network import KINDS, conditions, new_network
from qsmbench.training.live.pool import Patches, Pool, scaled
from qsmbench.training.live.settings import read_settings
from qsmbench.training.live.state import LiveState
from qsmbench.training.live.train import main, train_live

SETTINGS = """
name: little
options: { channels: 2, levels: 2, hidden: [4, 2] }
recipes: { measured-like: 0.5, paper: 0.5 }
validation: { noisy: { noisy: 1 } }
validation_groups: 1
window: [28, 28, 24]
voxel_min: [1.0, 1.0, 1.2]
voxel_max: [1.5, 1.5, 2.0]
guard: 4.0
group: 2
groups_a_step: 2
pool: 2
steps_a_group: 4
patches: [[0.0, [16, 16, 12]], [0.5, [20, 20, 16]]]
steps: 4
warm_up: 2
validation_steps: 2
convolution: loop
"""


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    shape = (40, 44, 36)
    axes = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij")
    mask = sum(a**2 for a in axes) < 17**2
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 2)
    save_head(folder / "a.npz", (0.05 * noise / noise.std()).astype(np.float32), mask, None, (1.0, 1.0, 1.0))
    return folder


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "little.yaml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not(heads, settings, tmp_path):
    spec = read_settings(settings)
    whole = train_live(spec, heads, tmp_path / "whole")
    pool = Pool(load_heads(heads), spec)
    state = LiveState.start(spec, tmp_path / "parts", "cpu")
    for _ in range(2):
        state.advance(pool.patches(state.step))
    state.save()
    parts = train_live(spec, heads, tmp_path / "parts")
    one, other = load_network(whole), load_network(parts)
    assert one.record["steps"] == other.record["steps"] == 4
    for name, value in one.state.items():
        assert torch.equal(other.state[name], value), name
    rows = (tmp_path / "whole/little.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "step,cpu_hours,loss,learning_rate,noisy"
    assert [row.split(",")[0] for row in rows[1:]] == ["2", "4"]


def test_both_convolutions_give_the_same_gradient(heads, settings, tmp_path):
    """Where batch normalisation does not see which samples are together."""
    state = LiveState.start(read_settings(settings), tmp_path, "cpu")
    state.module.eval()
    batch = Pool(load_heads(heads), state.spec).patches(0)
    assert len({tuple(p.voxel_size[0].tolist()) for p in batch}) == 2
    found = []
    for state.loop in (True, False):
        state.module.zero_grad()
        loss = state._backward(batch)
        found.append([torch.tensor(loss), *(p.grad.clone() for p in state.module.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_the_map_of_twice_the_field_is_twice_the_map(heads, settings, tmp_path):
    state = LiveState.start(read_settings(settings), tmp_path, "cpu")
    state.export(weights := tmp_path / "fresh.pt")
    head = load_heads(heads)[0]
    shape = tuple(head.chi.shape)
    scan = Scan(local_field=0.1 * head.chi, mask=head.mask > 0, grid=Grid(shape, (1.0, 1.2, 1.5)))
    method = build("meta-qsm", {}, weights)
    once, twice = method(scan), method(replace(scan, local_field=0.2 * head.chi))
    assert once.any()
    torch.testing.assert_close(twice, 2 * once, rtol=1e-4, atol=1e-6)


def test_tissue_counts_beside_a_bleed():
    chi = torch.zeros(1, 1, 4, 4, 4)
    chi[..., 0, 0, 0] = 100.0
    patches = Patches(chi, chi, torch.ones_like(chi, dtype=torch.bool), torch.ones(1, 3))
    tissue, bleed = chi.clone(), chi.clone()
    tissue[..., 1:, :, :] += 0.5
    bleed[..., 0, 0, 0] = 90.0
    assert live_loss(chi, patches, "huber", 4.0) == 0
    assert live_loss(tissue, patches, "huber", 4.0) > 5 * live_loss(bleed, patches, "huber", 4.0)
    assert live_loss(tissue, patches, "l1", 0.0) == pytest.approx(0.5 * 48 / 64)


def test_frozen_norms_are_those_that_the_network_is_applied_with(heads, settings, tmp_path):
    """Trained and applied alike: with frozen statistics training mode changes nothing, and they stay."""
    state = LiveState.start(replace(read_settings(settings), freeze_norm=0.5), tmp_path, "cpu")
    pool = Pool(load_heads(heads), state.spec)
    norm = state.module.down[0].norms[0]
    state.advance(pool.patches(0))
    assert norm.training
    state.advance(pool.patches(1))
    expected = state.averaged.down[0].norms[0].running_var.clone()
    state.advance(pool.patches(2))
    assert not norm.training
    assert torch.equal(norm.running_var, expected)
    state.advance(pool.patches(3))
    assert torch.equal(norm.running_var, expected)
    assert torch.equal(state.averaged.down[0].norms[0].running_var, expected)


def test_a_training_may_start_from_weights(heads, settings, tmp_path):
    spec = read_settings(settings)
    state = LiveState.start(spec, tmp_path / "one", "cpu")
    state.advance(Pool(load_heads(heads), spec).patches(0))
    state.export(weights := tmp_path / "start.pt")
    further = LiveState.start(replace(spec, start=str(weights)), tmp_path / "other", "cpu")
    assert further.step == 0
    for name, value in state.averaged.state_dict().items():
        assert torch.equal(further.module.state_dict()[name], value), name
    with pytest.raises(InputError, match=r"start: .* is of meta-qsm .* not of mesa-qsm"):
        LiveState.start(replace(spec, start=str(weights), architecture="mesa-qsm", options={}), tmp_path / "b", "cpu")


def test_a_network_that_corrects_wiener_maps_sees_them_as_a_scan_s(heads, settings, tmp_path):
    lines = "first_map: wiener\nfirst_map_regularization: [1.0, 0.25]\n"
    settings.write_text(SETTINGS + lines, encoding="utf-8")
    spec = read_settings(settings)
    own = load_heads(heads)
    pool = Pool(own, spec)
    state = LiveState.start(spec, tmp_path, "cpu")
    assert state.advance(pool.patches(0)) > 0
    group = make_group(own, spec.samples, 0, 2)
    scan = Scan(group.field[0], group.mask[0], Grid(tuple(group.field[0].shape), group.voxel_size))
    seen = network_input(scan, state.scaling, "wiener", (1.0, 0.25))
    inputs = scaled(group.channels(0)[None], group.scale[0], spec.chi_ratio)
    torch.testing.assert_close(inputs[0], seen, rtol=1e-5, atol=1e-6)
    state.export(weights := tmp_path / "corrects.pt")
    assert build("meta-qsm-wiener", {}, weights)(scan).any()
    with pytest.raises(InputError, match="correct the map of another method: they are method meta-qsm-wiener"):
        build("meta-qsm-tv", {}, weights)(scan)


def test_wrong_settings_are_told(heads, settings, tmp_path, capsys):
    for text, message in (
        ("steps: many", "steps must be a number"),
        ("stepz: 3", "'stepz' is no setting"),
        ("optimizer: sgd", "must be one of adamw, rmsprop"),
        ("groups_a_step: 9", "exceeds the pool"),
        ("patches: [[0.5, [8, 8, 8]]]", "begin with the share 0"),
    ):
        key = text.split(":")[0]
        lines = [line for line in SETTINGS.splitlines() if not line.startswith(key + ":")]
        settings.write_text("\n".join([*lines, text]), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_settings(settings)
    assert main([str(settings), "--heads", str(heads), "--folder", str(tmp_path)]) == 2
    assert "begin with the share 0" in capsys.readouterr().err


def test_a_checkpoint_of_another_network_is_refused(heads, settings, tmp_path):
    spec = read_settings(settings)
    LiveState.start(spec, tmp_path, "cpu").save()
    with pytest.raises(InputError, match="of another network"):
        LiveState.start(replace(spec, options={"channels": 3, "levels": 2, "hidden": [4, 2]}), tmp_path, "cpu")


_BARE = """
import sys
for name in ("pydantic", "numba", "nibabel", "zarr", "pandas", "skimage", "matplotlib", "nilearn", "monai", "tqdm",
             "tensorboardX", "snakemake", "PIL", "jinja2"):
    sys.modules[name] = None
from qsmbench.training.live.train import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_needs_torch_numpy_scipy_and_yaml_alone(heads, settings, tmp_path):
    command = [
        sys.executable,
        "-c",
        _BARE,
        str(settings),
        "--heads",
        str(heads),
        "--folder",
        str(tmp_path),
        "--threads",
        "1",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(qsmbench.__file__).parents[1])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "little: done at step 4 of 4" in done.stdout
    assert load_network(tmp_path / "little.pt").record["steps"] == 4


@pytest.mark.parametrize("name", list(KINDS))
def test_its_networks_are_those_of_the_configuration(name):
    options = {"channels": 3, "levels": 2} | ({"hidden": [5, 2]} if KINDS[name].predicted else {})
    own, theirs = new_network(name, options), architecture(name, options).module()
    assert {k: v.shape for k, v in own.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    scaling = Scaling(1.0, 4.0, (0.1, 0.2, 0.8), (0.3, 0.3, 0.4), by_scan=True)
    sizes = torch.tensor([[0.8, 0.9, 2.0]])
    b0_dir = torch.tensor([[0.0, 0.0, 1.0]])
    assert torch.equal(conditions(name, scaling, sizes), architecture(name, options).conditions(scaling, sizes, b0_dir))
    with pytest.raises(InputError, match="has no option 'width'"):
        new_network(name, {"width": 3})
