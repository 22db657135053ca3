"""Seeds: the derivation is a promise; samples of published sets depend on it."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.core.seeds import generator_for, seed_for

text = st.text(st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=4)
names = st.lists(st.one_of(text, st.integers(-3, 3)), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("parts", "seed"),
    [(("synthetic/train", 17), 2_213_125_273_470_981_204), ((2019, "synthetic/train", 17), 5_876_338_088_882_674_141)],
)
def test_derivation_never_changes(parts, seed):
    assert seed_for(*parts) == seed


def test_derivation_is_the_documented_one():
    digest = hashlib.sha256(b"str:synthetic/train\x1fint:17").digest()
    assert seed_for("synthetic/train", 17) == int.from_bytes(digest[:8], "little")


def test_stream_never_changes():
    drawn = generator_for("synthetic/train", 17).integers(0, 1000, 4)
    assert drawn.tolist() == [468, 652, 209, 424]


@given(names, names)
@settings(derandomize=True, database=None, max_examples=300)
def test_other_names_other_seed(a, b):
    typed = [[(type(part), part) for part in parts] for parts in (a, b)]
    assert (seed_for(*a) == seed_for(*b)) == (typed[0] == typed[1])


def test_no_two_samples_share_a_seed():
    sets = ("synthetic/train", "synthetic/validation", "synthetic/test")
    seeds = {seed_for(name, n) for name in sets for n in range(10_000)}
    assert len(seeds) == 30_000
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_parts_are_kept_apart():
    assert seed_for("a", "bc") != seed_for("ab", "c")
    assert seed_for("a") != seed_for("a", "")
    assert seed_for("a", 1) != seed_for("a", "1")


def test_text_cannot_imitate_the_separator():
    with pytest.raises(ValueError, match="separator"):
        seed_for("a\x1fstr:b")


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_numpys_seventeen_is_seventeen(kind):
    assert seed_for("synthetic/train", kind(17)) == seed_for("synthetic/train", 17)


def test_generators_are_independent_of_one_another():
    first = generator_for("a", 1).random(1000)
    generator_for("a", 2).random(10)
    np.testing.assert_array_equal(generator_for("a", 1).random(1000), first)
    assert abs(np.corrcoef(first, generator_for("a", 2).random(1000))[0, 1]) < 0.1
