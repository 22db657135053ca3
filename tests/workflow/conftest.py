"""One run of the whole workflow on the tiny configuration, for every test of this folder."""

import pytest
import yaml
from tiny_run import run, tiny


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a run; tests that change something take a copy."""
    folder = tmp_path_factory.mktemp("two cores")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny(folder), sort_keys=False))
    run(folder, "--cores", "2")
    return folder
