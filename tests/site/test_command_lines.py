"""Every command line of the README and of the tutorials, typed as it stands there."""

import re
import shutil
from pathlib import Path

import pytest
from command_lines import ROOT, Desk, lines_of
from little_bids import write_bids
from little_scan import little

TUTORIALS = ROOT / "docs/tutorials"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A user's folder with scans in it, for all pages: the audit is of what the first tutorial makes."""
    folder = tmp_path_factory.mktemp("a user's folder")
    write_bids(folder / "my-scans", little(shape=(40, 44, 34))[0])
    return Desk(folder)


def typed(desk, page):
    return {line.text: desk.type(line) for line in lines_of(page)}


@pytest.mark.workflow
def test_maps_of_scans_and_their_audit(desk):
    said = typed(desk, TUTORIALS / "maps.md")
    assert "qsmbench run: the page is results-my/report/index.html" in said["qsmbench run my.yaml --cores 2"]
    assert "sub-01_Chimap.nii.gz" in said["ls results-my/reconstructions/mine/tkd/sub-*/anat"]
    prepared = said["ls results-my/prepared/mine/sub-*/anat"]
    assert all(word in prepared for word in ("fieldmap", "mask", "R2star", "swi"))
    assert (desk.folder / "results-my/report/index.html").stat().st_size > 100_000
    said = typed(desk, TUTORIALS / "audit.md")
    assert "passed: " in said["qsmbench audit results.zip --recompute 1"]
    found = said["qsmbench audit results-my --recompute 0 --output audit-2"]
    assert "FINDINGS" in found
    assert "report/runtime.csv" in found
    assert {path.name for path in (desk.folder / "audit").iterdir()} == {"audit.html", "audit.json", "cells.csv"}


@pytest.mark.workflow
def test_a_method_of_ones_own(desk):
    said = typed(desk, TUTORIALS / "own-method.md")
    assert "my-qsm: keeps the contract" in said["qsmbench check-method my-qsm"]
    assert "my-qsm" in said["qsmbench plan bench.yaml"]
    assert re.search(r"reconstruct +3\b", said["qsmbench run bench.yaml --cores 2"])


@pytest.mark.workflow
def test_the_papers(desk):
    # The page is about a checkout, whose files these are.
    for name in ("configs", "profiles"):
        shutil.copytree(ROOT / name, desk.folder / name)
    for name in ("Snakefile", "rules", "config.yaml", "pyproject.toml", "requirements.lock"):
        (desk.folder / name).symlink_to(ROOT / name)
    said = typed(desk, TUTORIALS / "papers.md")
    assert "GPU hours" in said["qsmbench plan configs/paper.yaml"]


def test_every_block_of_commands_is_one_that_is_typed():
    """Commands stand in bash blocks; a block in text or without a word shows files, output or patterns."""
    for page in (ROOT / "README.md", *sorted(TUTORIALS.glob("*.md"))):
        for word, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            if word != "bash":
                assert not re.search(r"^(\$ )?(qsmbench|snakemake|make|pip|python|zip) ", block, re.MULTILINE), (
                    page.name
                )


def test_pages_that_are_dry_run_say_that_it_takes_long():
    for page in (ROOT / "README.md", *sorted(TUTORIALS.glob("*.md"))):
        for after in Path(page).read_text().split("<!-- test: dry run -->")[1:]:
            assert re.search(r"minutes|hours|days|on the cluster", after.partition("```bash")[2], re.IGNORECASE), (
                page.name
            )


def test_the_readmes_commands(tmp_path):
    # `make -n` reads the Makefile and changes nothing.
    place = Desk(tmp_path)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    said = typed(place, ROOT / "README.md")
    assert len(said) == 2
    assert "qsmbench run config.yaml" in next(iter(said.values()))
