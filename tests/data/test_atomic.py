import json

import pytest

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path, write_json_atomic, write_text_atomic


def test_the_target_appears_only_at_the_end(tmp_path):
    target = tmp_path / "a" / "b" / "chi.nii.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.name.endswith("chi.nii.gz")
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")
    with target.open() as reader:
        write_text_atomic(target, "new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, stop):
    target = tmp_path / "scores.json"
    target.write_text("old")
    with pytest.raises(stop), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise stop
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x"):
        pass


def test_a_folder_or_a_file_as_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="it is a folder"):
        write_text_atomic(tmp_path, "")
    with pytest.raises(InputError, match="cannot make the folder"):
        write_text_atomic(tmp_path / "file" / "x", "")


def test_text_is_written_as_it_is(tmp_path):
    write_text_atomic(tmp_path / "t", "χ = 1\r\n2\n")
    assert (tmp_path / "t").read_bytes() == "χ = 1\r\n2\n".encode()


def test_json_is_the_same_for_equal_values(tmp_path):
    write_json_atomic(tmp_path / "a", {"b": (1, 2.5), "a": "χ"})
    write_json_atomic(tmp_path / "b", {"a": "χ", "b": [1, 2.5]})
    text = (tmp_path / "a").read_text()
    assert text == (tmp_path / "b").read_text()
    assert text.endswith("}\n") and text.index('"a"') < text.index('"b"')
    assert json.loads(text) == {"a": "χ", "b": [1, 2.5]}


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_atomic(tmp_path / "a", float("nan"))
    assert list(tmp_path.iterdir()) == []
