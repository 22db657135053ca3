"""What every registered method must do, on a non-cubic, anisotropic, oblique grid."""

from dataclasses import fields

import pytest

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.methods.checks import CHECKS, Candidate, example
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
    return {"inr-qsm": {"epochs": 5}, "consensus": {"epochs": 5}, "dip": {"max_iterations": 5, "channels": 2}}.get(
        name, {}
    )


@pytest.fixture
def candidate(name, weights_for):
    return Candidate(name, quick_options(name), weights_for(name), example())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, candidate):
    if check(candidate) is False:
        pytest.skip(f"does not apply to {candidate.name}")


def test_unknown_option_is_refused_with_the_nearest_known_one(name, weights_for):
    options = list(METHODS[name].options)
    if not options:
        with pytest.raises(InputError, match="has no option 'anything'; known: none"):
            build(name, {"anything": 1}, weights_for(name))
        return
    typo = options[0] + "x"
    with pytest.raises(InputError, match=f"did you mean '{options[0]}'"):
        build(name, {typo: 1}, weights_for(name))


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
