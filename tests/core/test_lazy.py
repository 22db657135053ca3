"""Libraries that wait for their first use: what each plain command loads, and that waiting changes nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from qsmbench.core.compiled import compiled
from qsmbench.core.lazy import HEAVY, is_loaded, load_lazily
from qsmbench.data.nifti import write_volume

ROOT = Path(__file__).parents[2]
TELL = """
import atexit, json, sys
from qsmbench.core.lazy import HEAVY, is_loaded
heavy = (*HEAVY, "torch._dynamo")
atexit.register(lambda: open(sys.argv.pop(1), "w").write(json.dumps([n for n in heavy if is_loaded(n)])))
told = sys.argv.pop(1)
from qsmbench.cli.main import main
status = main()
sys.argv.insert(1, told)
sys.exit(status)
"""


def loaded_by(tmp_path, *arguments):
    told = tmp_path / "loaded.json"
    command = [sys.executable, "-c", TELL, str(told), *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(told.read_text()))


def test_what_lists_and_checks_loads_no_heavy_library(tmp_path):
    assert loaded_by(tmp_path, "methods") == set()
    assert loaded_by(tmp_path, "config", "check", ROOT / "config.yaml") == set()


def test_a_direct_inversion_loads_torch_and_what_reads_files(tmp_path):
    for name in ("field", "mask"):
        write_volume(tmp_path / f"{name}.nii.gz", np.ones((6, 7, 8), np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))
    files = ("--local-field", "field.nii.gz", "--mask", "mask.nii.gz", "--out", "chi.nii.gz")
    # Not torch's compiler, which takes longer to load than torch.
    assert loaded_by(tmp_path, "reconstruct", "tkd", *files) <= {"torch", "nibabel", "scipy.fft", "scipy.ndimage"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that leaves a mark for each time it is run."""
    folder = tmp_path / "slow_library"
    folder.mkdir()
    mark = tmp_path / "mark"
    (folder / "__init__.py").write_text(f"open({str(mark)!r}, 'a').write('x')\nvalue = 3\nclass Kind: pass\n")
    (folder / "part.py").write_text("inner = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield mark
    for name in ("slow_library", "slow_library.part"):
        sys.modules.pop(name, None)


def test_a_library_is_run_once_and_when_something_of_it_is_used(package):
    load_lazily(["slow_library", "no_such_library"])
    import slow_library as first

    assert "no_such_library" not in sys.modules
    assert not hasattr(first, "__wrapped__")
    assert not package.exists()
    assert not is_loaded("slow_library")
    threads = [Thread(target=lambda: first.value) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    import slow_library as second
    from slow_library import Kind
    from slow_library.part import inner

    assert (first.value, second.value, inner) == (3, 3, 5)
    assert first.Kind is second.Kind is Kind
    assert is_loaded("slow_library")
    assert package.read_text() == "x"
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = first.nothing_of_the_kind


def test_a_part_may_be_imported_before_anything_is_used(package):
    load_lazily(["slow_library"])
    from slow_library.part import inner

    assert inner == 5
    assert package.read_text() == "x"


def test_a_loaded_library_stays_as_it_is():
    load_lazily(["json", "numpy"])
    assert sys.modules["json"] is json
    assert sys.modules["numpy"] is np
    assert set(HEAVY) >= {"torch", "numba"}


@compiled()
def _square(x):
    return x * x


@compiled(nogil=True)
def _sum_of_squares(values):
    found = 0.0
    for value in values:
        found += _square(value)
    return found


@compiled()
def _factorial(n):
    return 1 if n < 2 else n * _factorial(n - 1)


def test_kernels_call_each_other_and_themselves():
    values = np.arange(5.0)
    assert _sum_of_squares(values) == pytest.approx(30.0)
    assert _factorial(5) == 120
    # From now on the names are numba's own.
    assert type(_square).__module__.startswith("numba")
    assert _square(3.0) == 9.0
