"""A little head and a set of samples that take milliseconds, made by the real commands."""

from pathlib import Path

import pytest
from little_set import N_SHARDS, create, make_source, shard_arguments, write_head

from qsmbench.cli.main import main


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    spec = {"kind": "nifti", "chi": str(write_head(folder / "head.nii.gz", 1))}
    return make_source(folder / "run", spec)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, source) -> Path:
    """A whole set, its shards made in order."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert create(folder, source) == 0
    for shard in range(N_SHARDS):
        assert main(shard_arguments(folder, shard)) == 0
    return folder
