"""Configurations that nobody should write: refused by name in one line, in seconds, whatever is odd in them."""

import subprocess
import sys
import time

import pytest
import yaml
from little_run import configuration

from qsmbench.cli.main import main
from qsmbench.config.load import read_config
from qsmbench.core.errors import InputError

DEEP = "[" * 50_000 + "]" * 50_000
ODD = {
    "no UTF-8": (b"seed: \xff\n", "is no UTF-8"),
    "deep": (f"seed: {DEEP}\n".encode(), "nested too deep|too deep|recursion"),
    "6000 digits": (b"seed: " + b"9" * 6000 + b"\n", "6000 digits"),
    "a key twice": (b"seed: 1\nseed: 2\n", "seed.* comes? twice"),
    "a key twice, deep inside": (b"report:\n  title: a\n  title: b\n", "title.* comes? twice"),
    "a sexagesimal number": (b"seed: 1:30\n", "key 'seed'"),
    "false as a number": (b"seed: false\n", "seed: true and false are no values of it"),
    "aliases that unfold": (b"a: &a [1,1]\nb: &b [*a,*a]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((i, i) + (i - 1,) * 6) for i in range(ord("c"), ord("m"))), "unfold"),
    "a tag that makes objects": (b"seed: !!python/object/apply:os.system ['true']\n", "python/object"),
    "a list": (b"- 1\n", "must be a mapping"),
}  # fmt: skip


def changed(folder, change):
    config = configuration(folder)
    change(config)
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return path


MISTAKES = {
    "a name of 300 letters": (lambda c: c["synthetic"].update({"a" * 300: c["synthetic"].pop("test")}), "at most 80"),
    "a name that climbs": (lambda c: c["synthetic"].update({"../x": c["synthetic"].pop("test")}), r"\.\./x"),
    "braces in a path": (lambda c: c["source"].update(chi="chi_{ref}.nii"), r"chi: a path must not have \{ \}"),
    "angles in the results": (lambda c: c.update(results="<b>"), "results: a path must not have < >"),
    "a label of two lines": (lambda c: c["methods"]["tkd"].update(label="a\nb"), "characters that cannot be seen"),
    "a title that steers terminals": (lambda c: c["report"].update(title="\x1b[2J"), "characters that cannot be seen"),
    "a grid of 1e9 points": (lambda c: c["methods"]["l2"].update(
        tuning={"set": "test", "grid": {"a": [1e-3] * 1000, "b": [1] * 1000, "c": [1] * 1000}}), "tuning|grid"),
    "a billion samples": (lambda c: c["synthetic"]["test"].update(n_samples=10**9), "n_samples"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_file_is_refused_in_one_line(tmp_path, kind, capsys):
    content, said = ODD[kind]
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    check(path, said, capsys)


@pytest.mark.parametrize("kind", MISTAKES)
def test_an_odd_value_is_refused_by_its_name(tmp_path, kind, capsys):
    change, said = MISTAKES[kind]
    check(changed(tmp_path, change), said, capsys)


def check(path, said, capsys):
    started = time.process_time()
    with pytest.raises(InputError, match=f"(?i){said}") as found:
        read_config(path)
    assert time.process_time() - started < 10
    assert all(len(line) < 2000 and line.isprintable() for line in str(found.value).splitlines())
    assert main(["config", "check", str(path)]) == 2
    printed = capsys.readouterr().err.strip()
    assert "Traceback" not in printed and len(printed.splitlines()) == len(str(found.value).splitlines())


def test_labels_and_titles_of_any_visible_letters_stop_nothing(tmp_path):
    """Snakemake plans a run whose texts hold what it, Markdown, LaTeX, HTML and shells read as their own."""

    def change(config):
        config["results"] = "results é, of mine"
        config["methods"]["tkd"]["label"] = "chi_{ref} | $x$ <b> \\n 100 % {input} `ls` é"
        config["synthetic"]["test"]["label"] = "a, b {wildcards.x}; & #"
        config["report"]["title"] = "{run} <script> \\end{tabular}"

    changed(tmp_path, change)
    command = [sys.executable, "-m", "qsmbench.cli.main", "run", "c.yaml", "--cores", "1", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "crate" in done.stdout + done.stderr, done.stderr[-2000:]
