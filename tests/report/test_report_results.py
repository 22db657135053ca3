"""What a report reads of a results folder beside the scores, and rebuilding it from there."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import qsmbench.report
from qsmbench.benchmark.run import Run
from qsmbench.cli.main import main
from qsmbench.config.load import check_config
from qsmbench.data.layout import RunLayout
from qsmbench.report.bibliography import bibliography, known_references
from qsmbench.report.chosen import choose_subjects
from qsmbench.report.conditions import Condition, condition_alt_text, condition_figure, voxel_size_conditions
from qsmbench.report.display import Display, read_display
from qsmbench.report.formats import to_latex, to_markdown, write_tables
from qsmbench.report.results import costs
from qsmbench.report.scripts import library
from qsmbench.report.spectrum import MAGIC_ANGLE, N_BINS, relative_spectrum, spectrum_alt_text, spectrum_figure
from qsmbench.report.statistics import summarise
from qsmbench.report.sweeps import Sweep, find_sweeps, sweep_alt_text, sweep_figure
from qsmbench.report.tables import paper_table
from qsmbench.report.viewer import OUTSIDE, build_viewer, nifti_bytes
from qsmbench.report.volumes import Subject
from qsmbench.report.zoom import strongest_source


def test_a_report_is_rebuilt_from_stored_scores_alone(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(results)]) == 0
    assert "index.html (3." in capsys.readouterr().out
    page = (results / "report/index.html").read_text(encoding="utf-8")
    assert 'id="viewer"' in page
    assert "RMSE against voxel size" not in page, "all samples have one voxel size"
    assert "RMSE against noise" in page
    assert "512" in (results / "report/runtime.csv").read_text()
    before = {p: p.read_bytes() for p in (results / "report").rglob("*") if p.is_file()}
    assert main(["report", str(results)]) == 0
    assert {p: p.read_bytes() for p in (results / "report").rglob("*") if p.is_file()} == before


def test_volumes_that_are_gone_leave_tables(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(results / "reconstructions/test/l2")
    shutil.rmtree(results / "synthetic/one.zarr")
    assert main(["report", str(results), "--out-dir", str(results / "elsewhere")]) == 0
    complaints = capsys.readouterr().err
    assert "no volumes of l2 on test: tables only" in complaints
    assert "no volumes of tkd, l2, net on one: tables only" in complaints
    assert (results / "elsewhere/tables/one.csv").is_file()
    assert not (results / "elsewhere/figures/one-00000.png").exists()


def test_a_folder_without_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert main(["report", str(tmp_path)]) == 2
    assert "run the evaluation first" in capsys.readouterr().err


def test_costs_and_noise(results: Path) -> None:
    layout = RunLayout(results)
    display = read_display(layout.display)
    (cost,) = costs(layout, display)
    assert (cost.method, cost.n, cost.mean, cost.median, cost.most, cost.memory) == ("tkd", 4, 2.25, 2.0, 4.0, 512.4)
    scans = Run(check_config(display.config), results).sets["test"]
    assert scans.noise_levels() == pytest.approx({f"{i:05d}": 0.001 * i for i in range(5)})
    layout.benchmark("reconstruct", "test", "tkd").write_text("s\tmax_rss\n0.5\t-\n")
    assert costs(layout, display)[0].memory is None


def test_conditions_know_what_varies_and_the_trained_range(scores: pd.DataFrame, display: Display) -> None:
    sizes = {"synthetic/test": {f"{i:05d}": (1.0 + 0.1 * i, 1.2 + 0.1 * i, 3.0) for i in range(5)}}
    plane, slices = voxel_size_conditions(sizes, {"net": {"min": (1, 1, 2), "max": (2, 1, 4)}})
    assert plane.varies and not slices.varies
    assert plane.values["synthetic/test"]["00001"] == pytest.approx(1.2)
    assert plane.trained == {"net": (1.0, 1.5)}
    png = condition_figure(scores, display, "rmse", [plane])
    assert png == condition_figure(scores, display, "rmse", [plane])
    # TKD's errors rise by 2 a sample.
    assert "TKD r = 1.00" in condition_alt_text(scores, display, "rmse", [plane])
    nothing = Condition("x", {"synthetic/test": {}}, {})
    assert not nothing.varies
    assert len(condition_figure(scores, display, "rmse", [nothing])) > 1000


def test_spectrum_is_the_share_that_is_missing() -> None:
    rng = np.random.default_rng(1)
    shape = (24, 20, 16)
    chi = rng.normal(size=shape)
    subject = Subject("0", (1.0, 1.0, 2.0), chi, np.ones(shape, bool), chi, {}, False)
    error, truth = relative_spectrum(subject, 0.5 * chi, (0.0, 0.0, 1.0))
    np.testing.assert_allclose(error, 0.25 * truth)
    assert len(error) == N_BINS
    assert pytest.approx(54.7356, abs=1e-4) == MAGIC_ANGLE
    spectra = {"a": [(error, truth)]}
    assert spectrum_figure(spectra, {"a": "A"}) == spectrum_figure(spectra, {"a": "A"})
    assert "A 0.25 along B0, 0.25 on the cone, 0.25 across B0" in spectrum_alt_text(spectra, {"a": "A"}, "Set")


def test_a_wave_along_b0_lies_at_zero_degrees_whichever_axis_that_is() -> None:
    x = np.cos(2 * np.pi * np.arange(24) / 8)[:, None, None] * np.ones((24, 20, 16))
    subject = Subject("0", (1.0, 1.0, 1.0), x, np.ones(x.shape, bool), x, {}, False)
    for b0, place in (((1.0, 0.0, 0.0), 0), ((0.0, 0.0, 1.0), N_BINS - 1)):
        _, truth = relative_spectrum(subject, 0 * x, b0)
        assert np.argmax(truth) == place


def test_zoom_finds_the_strongest_body_and_no_single_voxel() -> None:
    chi = np.zeros((60, 60, 60))
    chi[5, 5, 5] = 3.0
    chi[36:44, 26:34, 16:24] = -0.5
    subject = Subject("0", (1.0, 1.0, 2.0), chi, np.ones(chi.shape, bool), chi, {"a": 2 * chi, "b": None}, False)
    close = strongest_source(subject)
    assert close is not None and close.chi_ref is not None
    assert close.chi_ref.shape == (37, 37, 19)
    assert np.count_nonzero(close.chi_ref) == 8**3
    assert close.estimates["b"] is None
    np.testing.assert_array_equal(close.estimates["a"], 2 * close.chi_ref)
    assert strongest_source(Subject("0", (1, 1, 1), chi, chi == 0, chi, {}, False)) is None
    assert strongest_source(Subject("0", (1, 1, 1), chi, chi == 0, None, {}, False)) is None


def table_display(display: Display, **table: object) -> Display:
    content = display.model_dump() | {"tables": {"table-1": {"title": "Table 1", **table}}}
    return Display.model_validate(content)


def test_a_table_of_ones_own_ranks_its_own_methods(scores: pd.DataFrame, display: Display, tmp_path: Path) -> None:
    shown = table_display(display, sets=["synthetic/test"], methods=["l2", "tkd"], metrics=["ssim", "rmse"])
    summary = summarise(scores, shown)
    table = paper_table(summary, shown, "table-1")
    assert [row.label for row in table.rows] == ["L2 & more", "TKD"]
    assert [column.label for column in table.columns] == ["SSIM", "RMSE"]
    # Meta-QSM, which failed once, is not in the table and not in its note.
    assert "No reconstruction failed." in table.note
    assert [cell.best for cell in table.rows[0].cells] == [False, True]
    written = write_tables(summary, shown, tmp_path)
    assert {"table-1.csv", "table-1.md", "table-1.tex"} <= {path.name for path in written}
    csv = pd.read_csv(tmp_path / "table-1.csv")
    assert csv[["method", "metric"]].to_numpy().tolist() == [
        ["l2", "ssim"], ["l2", "rmse"], ["tkd", "ssim"], ["tkd", "rmse"],
    ]  # fmt: skip


def test_a_table_over_several_sets_names_them(scores: pd.DataFrame, display: Display) -> None:
    shown = table_display(display, sets=["one", "synthetic/test"], metrics=["rmse"])
    table = paper_table(summarise(scores, shown), shown, "table-1")
    assert [column.label for column in table.columns] == ["One head: RMSE", "Synthetic_test: RMSE"]
    assert "One head: One subject" in table.note
    assert r"\label{tab:qsmbench-table-1}" in to_latex(table)
    assert "(n = 1)" in to_markdown(table)


def test_bibliography_has_the_methods_papers_and_keeps_unknown_dois(display: Display) -> None:
    text = bibliography(display)
    assert text.count("10.1002/mrm.22135") == 1
    assert "Shmueli" in text
    for doi, entry in known_references().items():
        assert entry.count("{") == entry.count("}"), doi
    content = display.model_dump()
    content["methods"]["net"]["doi"] = "10.1000/unknown_1"
    assert "@misc{10-1000-unknown-1, doi = {10.1000/unknown_1}}" in bibliography(Display.model_validate(content))


def test_embedded_volumes_are_ppm_in_steps_of_a_ppb() -> None:
    rng = np.random.default_rng(2)
    chi = rng.normal(scale=0.1, size=(6, 5, 4))
    chi[0, 0, 0] = np.nan
    mask = rng.random(chi.shape) > 0.3
    mask[0, 0, 0] = True
    image = nib.Nifti1Image.from_bytes(nifti_bytes(chi, mask, (1.0, 1.5, 2.0)))
    data = np.asarray(image.dataobj)
    inside = mask & np.isfinite(chi)
    assert np.abs(data[inside] - chi[inside]).max() <= 0.000501
    assert (np.asarray(image.dataobj.get_unscaled())[~inside] == OUTSIDE).all()
    assert image.header.get_zooms() == (1.0, 1.5, 2.0)
    assert image.header.get_data_dtype() == np.int16


def test_the_budget_limits_the_viewer(run, display: Display, scores: pd.DataFrame) -> None:
    sets = {name: run.volumes(name) for name in display.sets}
    choices = {name: choose_subjects(scores, display, name, data.names) for name, data in sets.items()}
    whole = build_viewer(sets, display, 24.0, choices)
    assert whole is not None
    assert whole.shown == {"synthetic/test": (5, 5), "one": (1, 1)}
    part = build_viewer(sets, display, whole.megabytes / 2, choices)
    assert part is not None
    assert part.megabytes <= whole.megabytes / 2
    # One subject of each set before the second of any.
    assert part.shown["one"] == (1, 1)
    assert build_viewer(sets, display, 0.0, choices) is None


@pytest.mark.parametrize(("name", "license"), [("niivue", "BSD-2-Clause"), ("d3", "ISC"), ("plot", "ISC")])
def test_a_vendored_library_is_the_recorded_one_with_its_licence(name: str, license: str) -> None:
    script = library(name)
    assert script.license == license
    assert len(script.text) > 1e5
    assert (Path(qsmbench.report.__file__).parent / "vendor" / f"{name}.LICENSE").is_file()


def sweep_set(size: tuple[float, float, float], **extra: object) -> dict[str, object]:
    return {"role": "test", "draws_of": None, "recipe": {"voxel_size": {"min": size, "max": size}}} | extra


def test_sweeps_are_sets_of_the_same_draws_that_differ_along_one_direction() -> None:
    sets = {
        "b": sweep_set((1.0, 1.0, 2.0)),
        "a": sweep_set((0.5, 0.5, 2.0), draws_of="b"),
        "c": sweep_set((1.5, 1.5, 2.0), draws_of="b"),
        "thick": sweep_set((1.5, 1.5, 3.0), draws_of="b"),
        "other heads": sweep_set((1.25, 1.25, 2.0)),
        "tuning": sweep_set((0.75, 0.75, 2.0), draws_of="b", role="tune"),
        "range": {
            "role": "test", "draws_of": "b", "recipe": {"voxel_size": {"min": (1, 1, 2.0), "max": (2, 2, 2.0)}},
        },
    }  # fmt: skip
    (plane,) = find_sweeps(sets)
    assert (plane.sets, plane.sizes) == (("a", "b", "c"), (0.5, 1.0, 1.5))
    assert plane.label == "voxel size in plane (mm), slices of 2 mm"
    assert plane.voxels[2] == (1.5, 1.5, 2.0)
    sets |= {"thin": sweep_set((1.5, 1.5, 1.5), draws_of="b")}
    assert [s.sets for s in find_sweeps(sets)] == [("a", "b", "c"), ("thin", "c", "thick")]
    assert find_sweeps({}) == []


def test_a_sweep_is_drawn_and_told(display: Display) -> None:
    """Means from hand-made scores; the differences are paired, so an offset of 2 has no interval at all."""
    sweep = Sweep("size (mm)", ("a", "b", "c"), (0.5, 1.0, 1.5), tuple((v, v, 2.0) for v in (0.5, 1.0, 1.5)))
    rows = [
        {"set": s, "subject": str(i), "method": m, "metric": "rmse", "region": "mask", "value": 10.0 * k + i + offset}
        for k, s in enumerate("abc") for i in range(4) for m, offset in (("tkd", 0.0), ("net", 2.0))
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    trained = display.model_copy(update={"trained_range": {"net": {"min": (1.0, 1.0, 2.0), "max": (1.0, 1.0, 2.0)}}})
    png = sweep_figure(scores, trained, "rmse", [sweep])
    assert png == sweep_figure(scores, trained, "rmse", [sweep])
    assert png != sweep_figure(scores, display, "rmse", [sweep])  # No ring where nothing is known of the training.
    text = sweep_alt_text(scores, display, "rmse", [sweep])
    assert "TKD 1.5, 11.5, 21.5" in text
    assert "Meta|QSM 3.5, 13.5, 23.5" in text
    missing = scores[~((scores["set"] == "b") & (scores["method"] == "net"))]
    assert len(sweep_figure(missing, trained, "rmse", [sweep])) > 1000
