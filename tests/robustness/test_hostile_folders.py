"""Folders and zips from strangers: a verdict in seconds, nothing executed, fetched, or written outside the output."""

import json
import os
import socket
import stat
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tampering import forge, linked_copy, replace

from qsmbench.audit.audit import Options, audit
from qsmbench.cli.main import main
from qsmbench.provenance.manifest import CRATE, MANIFEST

LOOK_ONLY = Options(recompute=0, threads=1)
TABLE = {"title": "t", "sets": ["test"]}
DEEP = "[" * 100_000 + "]" * 100_000


def edit(folder: Path, path: str, change) -> None:
    content = json.loads((folder / path).read_text())
    changed = change(content)
    replace(folder / path, json.dumps(content if changed is None else changed).encode())


def config(change):
    return lambda folder: edit(folder, "provenance/config.json", change)


def display(change):
    return lambda folder: edit(folder, "report/display.json", change)


def put(path, content: bytes):
    return lambda folder: replace(folder / path, content)


def a_record(folder: Path) -> str:
    return min(p.relative_to(folder).as_posix() for p in folder.glob("provenance/jobs/reconstruct-*.json"))


def pipe(folder):
    os.mkfifo(folder / "report/tables/x.csv")


def device(folder):
    (folder / "scores.parquet").unlink()
    (folder / "scores.parquet").symlink_to("/dev/zero")


def linked_folder(folder):
    (folder / "report/more").symlink_to("/etc")


def a_socket(folder):
    socket.socket(socket.AF_UNIX).bind(os.fspath(folder / "s"))


def name_without_utf8(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/report/a\xff.csv")).write_text("x")


def name_with_escapes(folder):
    (folder / "report/\x1b[2J\x1b[31mpassed").write_text("x")


def deep_folders(folder):
    place = folder / "report"
    for _ in range(200):
        place /= "d"
        place.mkdir()


def holes(folder):
    with (folder / "report/tables/big.csv").open("wb") as file:
        file.truncate(1 << 40)


def newlines(folder):
    (folder / MANIFEST).unlink()
    with (folder / MANIFEST).open("wb") as file:
        file.write(b"\n" * (1 << 20))
        file.truncate(1 << 28)


def table_rows(folder):
    """A billion rows that a few kilobytes claim: one value, repeated."""
    path = folder / "scores.parquet"
    path.unlink()
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000_000, np.int32)), pa.array(["x" * 1000]))
    with pq.ParquetWriter(path, pa.schema({"set": column.type})) as writer:
        for _ in range(400):
            writer.write_table(pa.table({"set": column}))


def shape(folder):
    edit(folder, "synthetic/test.zarr/chi/zarr.json", lambda c: c.update(shape=[3, 10**6, 10**6, 10**6]))


def negative_shape(folder):
    edit(folder, "synthetic/test.zarr/mask/zarr.json", lambda c: c.update(shape=[3, -16, 16, 12]))


def many_samples(folder):
    edit(folder, "synthetic/test.zarr/mask/zarr.json", lambda c: c.update(shape=[10**15, 16, 16, 12]))


def objects(folder):
    edit(folder, "reconstructions/test/tkd/maps.zarr/chi/zarr.json", lambda c: c.update(data_type="object"))


def pickle_codec(folder):
    codec = {"name": "numcodecs.pickle", "configuration": {}}
    edit(folder, "reconstructions/test/tkd/maps.zarr/chi/zarr.json", lambda c: c.update(codecs=[codec]))


def old_zarr(folder):
    """Version 2 with a filter that unpickles, beside metadata that are gone."""
    store = folder / "reconstructions/test/tkd/maps.zarr/chi"
    (store / "zarr.json").unlink()
    about = {"zarr_format": 2, "shape": [3, 16, 16, 12], "chunks": [1, 16, 16, 12], "dtype": "|O", "fill_value": None}
    about |= {"order": "C", "compressor": None, "filters": [{"id": "pickle"}]}
    (store / ".zarray").write_text(json.dumps(about))


def foreign_program(folder):
    """A configuration whose method is a program that lies in the folder itself."""
    evil = folder / "evil"
    evil.mkdir()
    (evil / "algorithm.yml").write_text("name: E\nslug: e\nstage: dipole\nrun: bash run.sh\n")
    (evil / "run.sh").write_text(f"touch {folder.parent}/executed\n")
    config(lambda c: c["methods"]["tkd"].update(method="command", options={"folder": str(evil)}))(folder)
    edit(folder, "reconstructions/test/tkd.json", lambda c: c.update(method="command", options={"folder": str(evil)}))


HOSTILE = {
    "pipe": pipe, "device": device, "link to a folder": linked_folder, "socket": a_socket,
    "a name that is no UTF-8": name_without_utf8, "a name that steers terminals": name_with_escapes,
    "deep folders": deep_folders, "a file of holes": holes, "a manifest of newlines": newlines,
    "deep crate": put(CRATE, DEEP.encode()), "deep configuration": put("provenance/config.json", DEEP.encode()),
    "deep display": put("report/display.json", DEEP.encode()),
    "deep status": put("reconstructions/test/l2.json", DEEP.encode()),
    "deep hashes": put("synthetic/test.hashes/0.json", DEEP.encode()),
    "deep labels": put("synthetic/test.labels.json", DEEP.encode()),
    "deep metadata": put("synthetic/test.zarr/zarr.json", DEEP.encode()),
    "deep record": lambda f: put(a_record(f), DEEP.encode())(f),
    "a record that is a list": lambda f: put(a_record(f), b"[1]")(f),
    "a record of other types": lambda f: edit(f, a_record(f), lambda c: c.update(outputs={"a": 1}, code={})),
    "a record whose environment climbs": lambda f: edit(f, a_record(f), lambda c: c.update(environment="../../x")),
    "wildcards of other types": lambda f: edit(f, a_record(f), lambda c: c.update(wildcards=["run"])),
    "a crate of numbers": put(CRATE, b'{"@graph": [1, 2]}'), "a crate without ids": put(CRATE, b'{"@graph": [{}]}'),
    "5e8 samples": config(lambda c: c["synthetic"]["test"].update(n_samples=500_000_000)),
    "a grid of 1e9": config(lambda c: c["methods"]["l2"].update(
        tuning={"set": "test", "grid": {"regularization": list(range(1000)), "b": list(range(10**6))}})),
    "a number of 5000 digits": put("provenance/config.json", b'{"seed": ' + b"9" * 5000 + b"}"),
    "a configuration that is no UTF-8": put("provenance/config.json", b'{"seed": "\xff"}'),
    "a table that climbs": display(lambda c: c["tables"].update({"../../../evil": TABLE})),
    "a table elsewhere": display(lambda c: c["tables"].update({"/tmp/qsmbench-evil": TABLE})),
    "a set that climbs": display(lambda c: c["sets"].update({"../../evil": {"label": "t"}})),
    "a method that climbs": display(lambda c: c["methods"].update({"../../evil": c["methods"]["l2"]})),
    "a label of two lines": display(lambda c: c["methods"]["l2"].update(label="a\nb")),
    "rows beyond memory": table_rows, "no Parquet": put("scores.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
    "a shape beyond memory": shape, "a negative shape": negative_shape, "1e15 samples": many_samples,
    "objects": objects, "a codec that unpickles": pickle_codec, "Zarr of version 2": old_zarr,
    "maps that are a list": put("reconstructions/test/tkd.json", b"[]"),
    "a scan that climbs": lambda f: edit(
        f, "reconstructions/test/tkd.json", lambda c: c["scans"][0].update(scan="../../../../etc/passwd")),
    "somebody's program": foreign_program,
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_ends_with_a_verdict(results, tmp_path, written, kind):
    folder = linked_copy(results, tmp_path / "theirs")
    HOSTILE[kind](folder)
    written.clear()
    started = time.perf_counter()
    verdict = audit(folder, LOOK_ONLY)
    assert time.perf_counter() - started < 20
    assert verdict.findings, kind
    assert all(text.isprintable() for f in verdict.findings for text in (f.where, f.text)), verdict.findings
    assert not {p for p in written if not p.startswith("/dev/")}, "an audit writes its output alone"


@pytest.mark.parametrize("kind", ["5e8 samples", "a table that climbs", "objects", "somebody's program", "deep status"])
def test_nor_does_making_things_again_run_or_write_anything(results, tmp_path, written, kind):
    folder = linked_copy(results, tmp_path / "theirs")
    HOSTILE[kind](folder)
    # Consistent throughout, as far as hashes go.
    forge(folder, [], 2)
    written.clear()
    verdict = audit(folder, Options(recompute=1, threads=1, rescore=1))
    assert verdict.findings
    temporary = {p for p in written if p.startswith(("/tmp/tmp", "/dev/"))}
    assert written <= temporary, written - temporary
    assert not (tmp_path / "executed").exists()


def test_the_command_writes_into_its_output_alone_and_names_are_harmless(results, tmp_path, written, capsys):
    folder = linked_copy(results, tmp_path / "theirs \x1b[31m")
    HOSTILE["a table that climbs"](folder)
    forge(folder, ["report/display.json"], 3)
    written.clear()
    out = tmp_path / "verdict"
    assert main(["audit", str(folder), "--recompute", "0", "--output", str(out)]) == 1
    assert {p for p in written if not p.startswith("/dev/")} and all(
        p.startswith(str(out)) for p in written if not p.startswith("/dev/")
    )
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err


def test_a_report_of_a_hostile_folder_is_refused_in_one_line(results, tmp_path, written, capsys):
    for kind in ("pipe", "link to a folder", "a table that climbs", "deep display", "a set that climbs"):
        folder = linked_copy(results, tmp_path / kind.replace(" ", "-"))
        HOSTILE[kind](folder)
        written.clear()
        out = tmp_path / "out"
        assert main(["report", str(folder), "--out-dir", str(out)]) == 2
        said = capsys.readouterr().err
        assert len(said.strip().splitlines()) == 1, said
        assert not {p for p in written if not p.startswith(("/dev/", str(out)))}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_comparison_with_a_hostile_folder_ends_with_a_verdict_or_one_line(results, tmp_path, written, capsys, kind):
    folder = linked_copy(results, tmp_path / "theirs")
    HOSTILE[kind](folder)
    written.clear()
    started = time.perf_counter()
    status = main(["diff", str(results), str(folder)])
    assert time.perf_counter() - started < 20
    said = capsys.readouterr()
    assert status in {0, 1} or (status == 2 and len(said.err.strip().splitlines()) == 1), said.err
    assert "\x1b" not in said.out + said.err
    assert not {p for p in written if not p.startswith("/dev/")}, "a comparison writes what it is told to alone"


def packed(results: Path, path: Path, *more: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for source in sorted(results.rglob("*")):
            if source.is_file():
                file.write(source, Path("run") / source.relative_to(results))
        for name, content in more:
            file.writestr(name, content)
    return path


def link_entry(path: Path) -> None:
    entry = zipfile.ZipInfo("run/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(entry, "/etc/passwd")


ENTRIES = {
    "climbs": ("run/../../evil", "no path inside"),
    "absolute": ("/tmp/qsmbench-evil", "no path inside"),
    "twice": ("run/scores.parquet", "there twice"),
    "twice in other letters": ("run/SCORES.parquet", "there twice"),
    "outside": ("other/file.txt", "outside the folder of the crate"),
    "control": ("run/\x1b[2Ja", "no plain text"),
    "backslash": ("run\\..\\evil", "no path inside|no plain text"),
    "deep": ("run/" + "d/" * 3000 + "f", "too long or too deep"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ENTRIES)
def test_odd_entries_of_a_zip_are_named(results, tmp_path, written, kind):
    name, text = ENTRIES[kind]
    path = packed(results, tmp_path / "r.zip", (name, b"x"))
    written.clear()
    verdict = audit(path, LOOK_ONLY)
    assert any(t in f.text for f in verdict.findings for t in text.split("|")), verdict.findings
    assert all(f.where.isprintable() for f in verdict.findings)
    assert main(["diff", str(results), str(path)]) == 2
    assert not Path("/tmp/qsmbench-evil").exists()
    assert not {p for p in written if not p.startswith("/tmp/qsmbench-audit-")}


def test_a_sound_zip_passes_and_its_digest_is_the_folders(results, tmp_path):
    verdict = audit(packed(results, tmp_path / "r.zip"), LOOK_ONLY)
    assert verdict.findings == [] and verdict.digest == audit(results, LOOK_ONLY).digest


def test_a_bomb_an_encrypted_and_a_lying_zip(results, tmp_path):
    with (
        zipfile.ZipFile(packed(results, tmp_path / "bomb.zip"), "a", zipfile.ZIP_DEFLATED) as file,
        file.open("run/zeros", "w", force_zip64=True) as entry,
    ):
        for _ in range(300):
            entry.write(bytes(1 << 20))
    assert any("times its size" in f.text for f in audit(tmp_path / "bomb.zip", LOOK_ONLY).findings)
    link_entry(packed(results, tmp_path / "link.zip"))
    assert any("link" in f.text for f in audit(tmp_path / "link.zip", LOOK_ONLY).findings)
    content = bytearray(packed(results, tmp_path / "crypt.zip").read_bytes())
    first = content.rindex(b"PK\x01\x02")
    struct.pack_into("<H", content, first + 8, struct.unpack_from("<H", content, first + 8)[0] | 1)
    (tmp_path / "crypt.zip").write_bytes(content)
    assert any("encrypted" in f.text for f in audit(tmp_path / "crypt.zip", LOOK_ONLY).findings)
    # A directory that says another length than the entry has.
    content = bytearray(packed(results, tmp_path / "lies.zip").read_bytes())
    first = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, first + 24, struct.unpack_from("<I", content, first + 24)[0] + 7)
    (tmp_path / "lies.zip").write_bytes(content)
    assert audit(tmp_path / "lies.zip", LOOK_ONLY).findings


def test_zips_cut_or_flipped_anywhere_end_with_a_verdict_or_one_line(results, tmp_path, capsys):
    sound = packed(results, tmp_path / "sound.zip").read_bytes()
    rng = np.random.default_rng(24)
    path = tmp_path / "odd.zip"
    counts = {0: 0, 1: 0, 2: 0}
    for number in range(60):
        content = bytearray(sound)
        # Most of a zip is packed bytes: half of the flips go to its directory, at its end.
        where = int(rng.integers(len(content) * 9 // 10 if number % 2 else 0, len(content)))
        if number % 5 == 0:
            content = content[:where]
        else:
            content[where] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        counts[main(["audit", str(path), "--recompute", "0", "--output", str(tmp_path / "v")])] += 1
        assert "Traceback" not in capsys.readouterr().err
    # Times, modes and host systems of entries are said by nobody else and used by nothing.
    assert counts[1] + counts[2] > 30, counts


def test_html_in_names_and_labels_is_text_in_page_tables_and_verdict(results, tmp_path):
    evil = "<script>alert(1)</script>"
    folder = linked_copy(results, tmp_path / f"{evil.replace('/', '')}")
    edit(folder, "report/display.json", lambda c: c["methods"]["l2"].update(label=evil) or c["sets"]["test"].update(
        label=f"=HYPERLINK({evil})"))  # fmt: skip
    table = pd.read_parquet(folder / "scores.parquet")
    table["message"] = f"=cmd|' /C calc'!A0 {evil}"
    (folder / "scores.parquet").unlink()
    table.to_parquet(folder / "scores.parquet", index=False)
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out-dir", str(out)]) == 0
    assert evil not in (out / "index.html").read_text()
    for path in sorted((out / "tables").iterdir()):
        text = path.read_text()
        assert evil not in text or path.suffix in {".csv", ".tex"}, path
        if path.suffix == ".csv":
            assert not any(line.startswith(("=", '"=')) or ",=" in line or ',"=' in line for line in text.splitlines())
    assert main(["audit", str(folder), "--recompute", "0", "--output", str(tmp_path / "v")]) == 1
    assert "<script" not in (tmp_path / "v/audit.html").read_text()
    assert not any(c in (tmp_path / "v/cells.csv").read_text() for c in ("\n=", ",="))


def test_memory_is_bounded_by_what_is_free():
    """The command limits itself, so that what claims more ends in an error of its own and not in the machine's."""
    code = (
        "from qsmbench.audit.unpack import limit_memory; import resource; limit_memory();"
        "soft = resource.getrlimit(resource.RLIMIT_DATA)[0]; assert 0 < soft < 1 << 45; bytearray(1 << 46)"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr and done.returncode == 1
