"""INR-QSM: patches, compensation, resumption, sampling, options."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmbench.cli.main import main
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods import neural_fit
from qsmbench.methods.inr import INRQSM, patches
from qsmbench.methods.registry import METHODS, build
from qsmbench.methods.tkd import TKD
from qsmbench.physics.dipole import forward_field

PATCHED = {"patch": "16x14x10", "overlap": 0.3, "epochs": 6}
SIREN = {"preset": "paper", "layers": 2, "width": 16, "epochs": 2, "patch": "20x16x12", "learning_rate": 1e-3}


def rmse(chi, truth, mask):
    return float((chi - truth)[mask].norm() / truth[mask].norm())


@pytest.fixture(scope="module")
def clean():
    """Boxes of 0.1 and -0.05 ppm in an oblique field with 1 ppb of noise, and their chi."""
    grid = Grid((32, 28, 24), (1.0, 1.0, 1.4), (0.2, -0.1, 0.97))
    chi = torch.zeros(grid.shape)
    chi[8:14, 9:15, 7:13] = 0.1
    chi[19:24, 12:18, 9:16] = -0.05
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in grid.shape], indexing="ij")
    noise = 1e-3 * np.random.default_rng(1).standard_normal(grid.shape)
    return Scan(forward_field(chi, grid) + torch.from_numpy(noise).float(), x**2 + y**2 + z**2 < 0.9, grid), chi


def test_a_phantom_is_nearer_the_truth_than_tkd(clean):
    scan, chi = clean
    error = rmse(INRQSM()(scan), chi, scan.mask)
    assert error < 0.75 * rmse(TKD()(scan), chi, scan.mask)
    assert error < 0.26


def test_compensation_pays_onpatches(clean):
    scan, chi = clean
    errors = [rmse(INRQSM(**PATCHED, compensation=on)(scan), chi, scan.mask) for on in (True, False)]
    assert errors[0] < 0.8 * errors[1]


def test_patches_leave_no_voxel_of_the_mask_out(small_scan):
    for tissue in (0.0, 0.3, 0.8):
        settings = INRQSM(patch="12x9x8", overlap=2 / 3, min_tissue=tissue)
        covered = torch.zeros_like(small_scan.mask)
        boxes = patches(small_scan.mask, settings)
        for box in boxes:
            covered[box] = True
        assert bool(covered[small_scan.mask].all())
    rich = [float(small_scan.mask[b].float().mean()) >= 0.8 for b in boxes]
    assert rich == sorted(rich, reverse=True)


def test_the_papers_network_runs_and_learns(small_scan):
    first, second = (INRQSM(**(SIREN | {"epochs": n, "final_rate": 1.0, "tolerance": 0})) for n in (1, 12))
    losses = [m.reconstruct(small_scan).convergence[1].values[-1] for m in (first, second)]
    assert losses[1] < 0.7 * losses[0]


@pytest.mark.parametrize("options", [PATCHED, SIREN], ids=["grid", "siren"])
def test_pieces_change_nothing_but_rounding(small_scan, options):
    """Two passes by pieces give the gradient of one; one step compares."""
    one = {**options, "epochs": 1, "patch": "64x64x64"}
    whole, parts = (INRQSM(**one, chunk=n)(small_scan) for n in (10**6, 700))
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-3 * float(whole.abs().max()))


@pytest.mark.parametrize("options", [PATCHED, SIREN], ids=["grid", "siren"])
def test_stopped_and_resumed_is_uninterrupted_bit_for_bit(small_scan, options, tmp_path, monkeypatch, capsys):
    expected = INRQSM(**options)(small_scan)
    method = INRQSM(**options, checkpoint=str(tmp_path))
    step = neural_fit.NeuralFit._step
    stops = iter([3, 7])
    at = [next(stops)]

    def interrupted(self, box):
        if self.state.step == at[0]:
            at[0] = next(stops, -1)
            signal.raise_signal(signal.SIGTERM)
        return step(self, box)

    monkeypatch.setattr(neural_fit.NeuralFit, "_step", interrupted)
    for at_step in (3, 7):
        with pytest.raises(KeyboardInterrupt):
            method(small_scan)
        assert f"stopped at step {at_step}; the same call goes on from {tmp_path}" in capsys.readouterr().err
        assert len(list(tmp_path.glob("*.pt"))) == 1
    assert torch.equal(method(small_scan), expected)
    assert not list(tmp_path.iterdir())


def _fit_until_killed(folder, scan):
    torch.set_num_threads(1)
    neural_fit.CHECKPOINT_SECONDS = 0.0
    INRQSM(**PATCHED, checkpoint=folder)(scan)


def test_killed_without_warning_it_goes_on_from_the_last_checkpoint(small_scan, tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_fit_until_killed, args=(str(tmp_path), small_scan))
    process.start()
    while process.is_alive() and not list(tmp_path.glob("[!.]*.pt")):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(list(tmp_path.glob("[!.]*.pt"))) == 1
    assert torch.equal(INRQSM(**PATCHED, checkpoint=str(tmp_path))(small_scan), INRQSM(**PATCHED)(small_scan))


def test_a_checkpoint_of_another_scan_is_left_alone(small_scan, tmp_path, monkeypatch):
    fit = INRQSM(**PATCHED, checkpoint=str(tmp_path))
    monkeypatch.setattr(neural_fit.NeuralFit, "_step", lambda *_: False)
    for scan in (small_scan, replace(small_scan, local_field=2 * small_scan.local_field)):
        with pytest.raises(KeyboardInterrupt):
            fit(scan)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_memory_is_the_pieces_not_the_volumes(small_scan, monkeypatch):
    """What the network evaluates with a graph, and so all that it keeps for the gradient, is a piece at most."""
    held = []
    evaluate = neural_fit.NeuralFit._evaluate

    def watched(self, axes, index):
        values = evaluate(self, axes, index)
        if values.requires_grad:
            held.append(len(index))
        return values

    monkeypatch.setattr(neural_fit.NeuralFit, "_evaluate", watched)
    INRQSM(**{**SIREN, "epochs": 1}, chunk=500)(small_scan)
    assert sum(held) > int(small_scan.mask.sum())
    assert max(held) <= 500


def test_finer_voxels_lie_in_the_same_place_and_average_to_the_coarse_ones(small_scan):
    plain = INRQSM().reconstruct(small_scan)
    fine = INRQSM(upsample=2).reconstruct(small_scan)
    assert plain.grid is None
    assert fine.grid.shape == tuple(2 * n for n in small_scan.grid.shape)
    blocks = fine.chi.reshape(30, 2, 25, 2, 18, 2)
    assert torch.equal((blocks != 0).any(5).any(3).any(1), small_scan.mask)
    # A linear interpolant's mean over a voxel is its value smoothed a little; on this smooth map it is nearly the same.
    mean = blocks.mean(dim=(1, 3, 5))
    inner = small_scan.mask & (torch.nn.functional.avg_pool3d(small_scan.mask[None].float(), 3, 1, 1)[0] == 1)
    assert rmse(mean, plain.chi, inner) < 0.25
    corner = small_scan.grid.matrix @ [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(fine.grid.matrix @ [-0.5, -0.5, -0.5, 1], corner, atol=1e-12)


def test_upsample_through_the_command_line(small_scan, tmp_path):
    affine = small_scan.grid.matrix
    for name, volume in (("field", small_scan.local_field), ("mask", small_scan.mask.to(torch.uint8))):
        nib.save(nib.Nifti1Image(volume.numpy(), affine), tmp_path / f"{name}.nii.gz")
    arguments = ["--local-field", tmp_path / "field.nii.gz", "--mask", tmp_path / "mask.nii.gz"]
    arguments += ["--b0-dir", *small_scan.grid.b0_dir, "--out", tmp_path / "chi.nii.gz"]
    arguments += ["--option", "upsample=2", "--option", "epochs=2", "--threads", 1]
    assert main(["reconstruct", "inr-qsm", *map(str, arguments)]) == 0
    chi = nib.load(tmp_path / "chi.nii.gz")
    assert chi.shape == (60, 50, 36)
    np.testing.assert_allclose(chi.affine, small_scan.grid.refined(2).matrix, atol=1e-5)


def test_b0_along_another_axis_is_the_turned_problem(clean):
    """Fits start from random weights, so maps of the turned scan agree as far as fits do, not in bits."""
    scan, _ = clean
    axes = (2, 0, 1)
    turned = Scan(
        scan.local_field.permute(axes).contiguous(), scan.mask.permute(axes).contiguous(), scan.grid.permuted(axes)
    )
    expected = INRQSM()(scan).permute(axes)
    assert rmse(INRQSM()(turned), expected, turned.mask) < 0.1
    ignored = replace(turned, grid=replace(turned.grid, b0_dir=(0.0, 0.0, 1.0)))
    assert rmse(INRQSM()(ignored), expected, turned.mask) > 0.5


def test_a_warm_start_is_saved_and_goes_on(small_scan, tmp_path):
    file = tmp_path / "net.pt"
    INRQSM(**SIREN, save=str(file))(small_scan)
    cold, warm = (
        INRQSM(**SIREN, warm_start=start).reconstruct(small_scan).convergence[1].values[0]
        for start in (None, str(file))
    )
    assert warm < cold
    with pytest.raises(InputError, match=r"the warm start .* is of .*'width': 16.*, not"):
        INRQSM(**SIREN | {"width": 8}, warm_start=str(file))(small_scan)
    with pytest.raises(InputError, match="does not exist; give another file, or none"):
        INRQSM(warm_start=str(tmp_path / "none.pt"))(small_scan)


def test_a_warm_start_of_another_shape_is_refused(small_scan, clean, tmp_path):
    file = str(tmp_path / "net.pt")
    INRQSM(epochs=1, save=file)(small_scan)
    with pytest.raises(InputError, match="of another volume"):
        INRQSM(epochs=1, warm_start=file)(clean[0])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("patch", "96x96", "patch must be three sizes in voxels such as 96x96x48, got 96x96"),
        ("preset", "slow", "preset must be one of fast, paper, got slow"),
        ("epochs", "0", "epochs must be >= 1"),
        ("edge_low", "99", "edge_low must be <= edge_high"),
        ("network", "mlp", "network must be one of siren, grid"),
        ("upsample", "half", "option upsample"),
    ],
)
def test_wrong_options_are_one_clear_line(option, value, message):
    with pytest.raises(InputError, match=message) as error:
        build("inr-qsm", {option: value})
    assert len(str(error.value).splitlines()) == 1


def test_a_preset_sets_what_is_not_given():
    paper, fast = INRQSM(preset="paper", layers=3), INRQSM()
    assert (paper.network, paper.layers, paper.width, paper.tv_norm) == ("siren", 3, 512, "l2")
    assert (fast.network, fast.layers, fast.width, fast.tv_norm) == ("grid", 4, 16, "l1")
    assert replace(paper, epochs=7) == INRQSM(preset="paper", layers=3, epochs=7)
    assert build("inr-qsm", {"preset": "paper", "layers": "3"}) == paper
    assert METHODS["inr-qsm"].resolved({"preset": "paper"})["omega"] == 40
    with pytest.raises(TypeError, match="has no option layer"):
        INRQSM(layer=3)


def test_seeds_make_other_fits(small_scan):
    assert not torch.equal(INRQSM(seed=1, epochs=3)(small_scan), INRQSM(epochs=3)(small_scan))


def test_the_field_error_is_said_and_followed(clean):
    """White noise of the single voxels is not what a measured field errs by."""
    scan, _ = clean
    found = INRQSM(epochs=1).reconstruct(scan)
    assert any("error of the field" in line for line in found.notes)
    plain = INRQSM(epochs=1, noise_model="white").reconstruct(scan)
    assert not any("error of the field" in line for line in plain.notes)
    assert INRQSM(preset="paper").noise_model == "fixed"
