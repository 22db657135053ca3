"""What every registered method must do, on a non-cubic, anisotropic, oblique grid."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.registry import METHODS, Entry, build


# A foreign method's folder is checked by tests/foreign: each call starts a process.
@pytest.fixture(params=[name for name in METHODS if name != "command"])
def name(request):
    return request.param


@pytest.fixture
def method(name, weights_for):
    return build(name, quick_options(name), weights_for(name))


def quick_options(name):
    """Fewer iterations where a method has many: the contract is about form, not quality."""
    return {"inr-qsm": {"epochs": 5}, "dip": {"max_iterations": 5, "channels": 2}}.get(name, {})


def test_result_has_the_scans_form(method, small_scan):
    chi = method(small_scan)
    assert chi.shape == small_scan.grid.shape
    assert chi.dtype == torch.float32
    assert bool(torch.isfinite(chi).all())
    assert bool((chi[~small_scan.mask] == 0).all())
    assert float(chi.abs().max()) > 0


def test_same_scan_same_bits(method, small_scan):
    assert torch.equal(method(small_scan), method(small_scan))


def test_the_scan_is_left_as_it_was(method, small_scan):
    before = small_scan.local_field.clone(), small_scan.mask.clone()
    method(small_scan)
    assert torch.equal(small_scan.local_field, before[0])
    assert torch.equal(small_scan.mask, before[1])


def test_values_outside_the_mask_do_not_matter(method, small_scan):
    dirty = torch.where(small_scan.mask, small_scan.local_field, torch.tensor(1e3))
    torch.testing.assert_close(method(replace(small_scan, local_field=dirty)), method(small_scan), rtol=0, atol=0)


def test_works_with_nothing_but_field_and_mask(method, small_scan):
    bare = Scan(local_field=small_scan.local_field, mask=small_scan.mask, grid=small_scan.grid)
    assert bool(torch.isfinite(method(bare)).all())


def test_linear_where_it_claims_to_be(name, method, small_scan):
    if not METHODS[name].linear:
        pytest.skip(f"{name} does not claim to be linear")
    rng = np.random.default_rng(0)
    a = small_scan.local_field
    b = torch.from_numpy(rng.normal(scale=0.02, size=a.shape).astype(np.float32))
    left = method(replace(small_scan, local_field=2 * a - 3 * b))
    right = 2 * method(small_scan) - 3 * method(replace(small_scan, local_field=b))
    torch.testing.assert_close(left, right, rtol=0, atol=2e-6 * float(right.abs().max()))


def test_unknown_option_is_refused_with_the_nearest_known_one(name, weights_for):
    options = list(METHODS[name].options)
    if not options:
        with pytest.raises(InputError, match="has no option 'anything'; known: none"):
            build(name, {"anything": 1}, weights_for(name))
        return
    typo = options[0] + "x"
    with pytest.raises(InputError, match=f"did you mean '{options[0]}'"):
        build(name, {typo: 1}, weights_for(name))


def test_the_course_of_iterations_is_json(method, small_scan):
    for course in method.reconstruct(small_scan).convergence:
        assert course.values
        assert json.loads(json.dumps(asdict(course), allow_nan=False))["converged"] is course.converged


def test_every_option_takes_its_default_as_text(name, weights_for):
    given = {key: str(value) for key, value in METHODS[name].options.items() if value is not None}
    assert build(name, given, weights_for(name)) == build(name, {}, weights_for(name))


def test_threads_do_not_matter(method, small_scan):
    expected = method(small_scan)
    torch.set_num_threads(2)
    torch.testing.assert_close(method(small_scan), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_unknown_method_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown method 'tdk' \(did you mean 'tkd'\?\)"):
        build("tdk")


def test_out_of_bounds_and_wrong_type_are_refused():
    with pytest.raises(InputError, match="option threshold must be > 0 and < 1, got 2"):
        build("tkd", {"threshold": "2"})
    with pytest.raises(InputError, match="method tkd, option threshold"):
        build("tkd", {"threshold": "many"})
    with pytest.raises(InputError, match="must be one of sign, zero"):
        build("tkd", {"fill": "none"})


def test_weights_are_asked_of_networks_only(tmp_path):
    with pytest.raises(InputError, match="takes no --weights"):
        build("tkd", {}, tmp_path / "w.pt")
    assert Grid((4, 4, 4), (1, 1, 1)).b0_dir == (0, 0, 1)


def test_the_entry_says_what_the_method_is(name, method):
    entry = METHODS[name]
    assert type(method) is entry.method
    assert entry.needs_weights == any(f.name == "weights" for f in fields(entry.method))
    assert all(getattr(method, key) == value for key, value in entry.fixed.items())


def test_an_entry_that_leads_nowhere_is_refused():
    with pytest.raises(InputError, match=r"method lost .*cannot be imported"):
        Entry("lost", "Lost", "qsmbench.methods.tkd:Lost", "").options  # noqa: B018
