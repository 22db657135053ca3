"""Folders of stages other than dipole: background removal, total field to chi, echoes to chi."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from foreign_folder import THEIR_REMOVAL, THEIR_WHOLE, their_folder

from qsmbench.core.errors import InputError
from qsmbench.core.orientation import Orientation
from qsmbench.core.scan import Earlier, Scan
from qsmbench.methods.contract import ReconstructionError
from qsmbench.methods.registry import build
from qsmbench.preparation.background.contract import RemovalError, Total
from qsmbench.preparation.background.remove import remove
from qsmbench.preparation.settings import ForeignRemoval

TIMES = (0.004, 0.01)


@pytest.fixture
def whole(small_scan):
    """The small scan with echoes of its field, and a mask before erosion that is larger than the scan's."""
    field, brain = small_scan.local_field.numpy(), small_scan.mask.numpy()
    eroded = brain.copy()
    eroded[: brain.shape[0] // 2] = False
    phase = np.stack([2 * np.pi * 42.577 * 3 * field * t for t in TIMES]).astype(np.float32)
    earlier = Earlier(brain, field, phase, np.stack([np.ones(brain.shape, np.float32)] * 2))
    return replace(small_scan, mask=torch.from_numpy(eroded), b0=3.0, echo_times=TIMES, earlier=earlier)


def test_echoes_become_a_map_of_the_whole_mask_whatever_the_stored_order(tmp_path, whole):
    method = build("command", {"folder": str(their_folder(tmp_path, "whole-way", "end-to-end", THEIR_WHOLE))})
    assert method.begins_earlier
    made = method.reconstruct(whole)
    brain = torch.from_numpy(whole.earlier.mask)
    assert made.chi[brain & ~whole.mask].any()
    assert not made.chi[~brain].any()
    assert made.notes[-1] == "It began before the local field (stage end-to-end)."
    # The same scan, stored with another axis first and one turned round.
    turn = Orientation((2, 0, 1), (False, True, False))
    earlier = Earlier(*(turn.apply(v) for v in vars(whole.earlier).values()))
    other = Scan(
        turn.apply(whole.local_field), turn.apply(whole.mask), turn.grid(whole.grid), b0=3.0, echo_times=TIMES,
        earlier=earlier,
    )  # fmt: skip
    assert torch.equal(method(other), turn.apply(made.chi))


def test_a_total_field_becomes_a_map(tmp_path, whole):
    code = THEIR_REMOVAL.replace("localfield.nii.gz", "chimap.nii.gz")
    folder = their_folder(tmp_path, "in-one", "bfr+dipole", code)
    assert build("command", {"folder": str(folder)})(whole).any()
    with pytest.raises(InputError, match="in-one needs totalfield, and of this scan there is the local field alone"):
        build("command", {"folder": str(folder)})(replace(whole, earlier=None))
    folder.joinpath("run.sh").write_text("echo sorry; exit 1")
    with pytest.raises(ReconstructionError, match="its last lines: sorry"):
        build("command", {"folder": str(folder)})(whole)


def test_a_background_is_removed_where_the_folder_wrote_something(tmp_path, small_scan):
    folder = their_folder(tmp_path, "their-removal", "bfr", THEIR_REMOVAL)
    total = Total(small_scan.local_field + 0.3 * small_scan.mask, small_scan.mask, small_scan.grid, b0=3.0)
    local = remove(total, ForeignRemoval(kind="command", folder=str(folder)))
    assert 0 < int(local.mask.sum()) < int(total.mask.sum())
    assert float(local.field[local.mask].mean().abs()) < 0.01
    assert not local.field[~local.mask].any()
    assert local.report["Slug"] == "their-removal"
    folder.joinpath("run.sh").write_text("exit 4")
    with pytest.raises(RemovalError, match="ended with status 4"):
        remove(total, ForeignRemoval(kind="command", folder=str(folder)))


def test_a_folder_of_another_stage_is_refused_where_it_does_not_belong(tmp_path, small_scan):
    folder = str(their_folder(tmp_path, "whole-way", "end-to-end", THEIR_WHOLE))
    total = Total(small_scan.local_field, small_scan.mask, small_scan.grid)
    with pytest.raises(InputError, match="its stage is end-to-end; background removal has stage bfr"):
        remove(total, ForeignRemoval(kind="command", folder=folder))
    with pytest.raises(InputError, match=r"background removal \(bfr\) belongs"):
        build("command", {"folder": str(their_folder(tmp_path, "their-removal", "bfr", THEIR_REMOVAL))})
