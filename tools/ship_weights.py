"""Put networks that a run has trained into the package, in half precision, each with a model card (JSON, Markdown).

    snakemake networks --cores 2 --configfile configs/weights.yaml
    python tools/ship_weights.py results-weights [NAME ...] [--scores results-networks]
    python tools/ship_weights.py --live FOLDER/cards [NAME ...]      # of a live training, which wrote its cards itself
        [--measured HEAD]    # a folder with local_field, mask, core, chi_cosmos (.nii.gz): for the cards

What the cards say is read from the run: weights, training course, job records, environment, sets; with --scores also
what the named run measured of the networks on its test sets.
"""

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

import torch
import zarr

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.methods.registry import build
from qsmbench.metrics.registry import score
from qsmbench.networks.architectures import architecture
from qsmbench.networks.network_file import card_hash
from qsmbench.networks.shipped import FOLDER
from qsmbench.networks.weights import TrainedNetwork, load_network
from qsmbench.provenance.record import makers, read_jobs
from qsmbench.training.live.card import page as live_page

LIMITS = [
    "Trained on deformations of two heads (one COSMOS map, one phantom) with pasted ellipsoids, spheres, cuboids and "
    "cylinders of -2 to 2 ppm, on one CPU core: other anatomy, lesions and backgrounds were never seen.",
    "Local fields must be without background; what is left of it is taken for tissue.",
    "B0 along z; tilted volumes are rotated to it. Noise of the field up to 5 ppb.",
    "Where the network corrects another map, that map holds the inversion: the voxel size it is told matters little.",
]
USE = "Comparison of methods, and a starting point for training on data of one's own. Not for diagnosis."
MARKS = ("rmse", "hfen", "ssim", "xsim")


def main() -> None:
    """Read the run, write weights and cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of the run that trained them, or with --live, of the cards")
    parser.add_argument("names", nargs="*", help="which networks; by default every one")
    parser.add_argument("--scores", type=Path, help="folder of a run that evaluated them")
    parser.add_argument("--live", action="store_true", help="the folder holds weights and cards of live trainings")
    parser.add_argument("--measured", type=Path, help="with --live: folder of a measured head, for the cards")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if options.live:
        for name in options.names or sorted(p.stem for p in options.results.glob("*.pt")):
            load_network(options.results / f"{name}.pt")
            if card_hash(options.results / f"{name}.pt") != sha256_of(options.results / f"{name}.pt"):
                raise SystemExit(f"{options.results}/{name}.json is not the card of {name}.pt")
            for suffix in (".pt", ".json", ".md"):
                shutil.copyfile(options.results / f"{name}{suffix}", FOLDER / f"{name}{suffix}")
            if options.measured:
                add_measured(name, options.measured)
        return
    for name in options.names or sorted(p.stem for p in (options.results / "networks").glob("*.pt")):
        trained = load_network(options.results / f"networks/{name}.pt")
        target = FOLDER / f"{name}.pt"
        trained.save(target, precision="float16")
        card = describe(options.results, name, trained) | {"weights_sha256": sha256_of(target)}
        if options.scores is not None:
            card["tests"] = scores_of(options.scores, name)
        write_json_atomic(FOLDER / f"{name}.json", card)
        write_text_atomic(FOLDER / f"{name}.md", page(name, card))
        print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def add_measured(name: str, head: Path) -> None:
    """Put onto the card of shipped weights what they reach on a measured head, beside TV and MEDI at their defaults."""
    field = read_volume(head / "local_field.nii.gz")
    mask, core = (read_mask(head / f"{which}.nii.gz", like=field) for which in ("mask", "core"))
    reference = read_volume(head / "chi_cosmos.nii.gz").data
    scan = Scan(torch.from_numpy(field.data), torch.from_numpy(mask), Grid.from_affine(mask.shape, field.affine))
    found = {}
    for method, weights in ((name, FOLDER / f"{name}.pt"), ("tv", None), ("medi", None)):
        chi = build(method, {}, weights)(scan).numpy()
        found[method] = score(chi, reference, core, scan.grid.voxel_size, ("nrmse_demeaned",))["nrmse_demeaned"]
    own, others = found[name], f"TV {found['tv']:.1f}, MEDI without magnitude {found['medi']:.1f}"
    text = f"expect an error of {own:.1f} % (NRMSE, demeaned, against COSMOS, one measured head; {others})"
    card = json.loads((FOLDER / f"{name}.json").read_text()) | {"real_scan": {"text": text, "nrmse_demeaned": found}}
    write_json_atomic(FOLDER / f"{name}.json", card)
    write_text_atomic(FOLDER / f"{name}.md", live_page(card))


def describe(results: Path, name: str, trained: TrainedNetwork) -> dict[str, Any]:
    """Everything that is known of a network."""
    jobs, _ = read_jobs(results)
    made = makers(jobs).get(f"networks/{name}.pt")
    told = None if made is None else made.content.get("told")
    if made is None or told is None:
        raise SystemExit(f"{results} holds no record of the training of {name}")
    job, spec = made.content, told["networks"][name]
    attributes = zarr.open_group(results / f"synthetic/{spec['train_set']}.zarr", mode="r").attrs.asdict()
    around = json.loads((results / f"provenance/environments/{job['environment']}.json").read_text(encoding="utf-8"))
    with (results / f"networks/{name}.csv").open(encoding="utf-8") as file:
        course = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    low, high = trained.scaling.trained_range
    return {
        "name": name,
        "architecture": trained.architecture,
        "source": architecture(trained.architecture).source,
        "options": trained.options,
        "sees": sees(spec),
        "parameters": trained.record["n_parameters"],
        "voxel_size_mm": {"min": [round(v, 3) for v in low], "max": [round(v, 3) for v in high]},
        "training": spec,
        "data": {
            "set": spec["train_set"],
            "training": trained.record["n_training"],
            "held_out": trained.record["n_validation"],
            "recipe_hash": attributes["recipe_hash"],
            "recipe": attributes["recipe"],
            "heads": attributes["heads"],
        },
        "code": job["code"],
        "hardware": around["hardware"],
        "packages": {key: around["packages"][key] for key in ("torch", "numpy", "zarr")},
        "threads": job["threads"],
        "cpu_hours": round(job["cpu_seconds"] / 3600, 2),
        "wall_hours": round(job["seconds"] / 3600, 2),
        "ended": job["ended"],
        "course": course,
        "intended_use": USE,
        "limits": LIMITS,
    }


def scores_of(results: Path, name: str) -> dict[str, dict[str, float]]:
    """Mean scores by test set of the runs that used these weights, and how many subjects they are of."""
    config = json.loads((results / "report/display.json").read_text(encoding="utf-8"))["config"]
    wanted = f"shipped:{name}"
    networks = {key for key, network in config["networks"].items() if network.get("weights") == wanted}
    runs = {key for key, run in config["methods"].items() if run["network"] in networks}
    found: dict[str, dict[str, float]] = {}
    with (results / "report/tables/all.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["method"] in runs and row["metric"] in MARKS and row["region"] == "mask":
                label = config["synthetic"][row["set"]]["label"] or row["set"]
                found.setdefault(label, {"n": int(row["n"])})[row["metric"]] = float(row["mean"])
    return found


def sees(training: dict[str, Any]) -> str:
    """What a network is given, in words."""
    if not training["first_map"]:
        return "the field"
    name, strengths = training["first_map"].upper(), training.get("first_map_regularization", [])
    if not strengths:
        return f"the field and its {name} map"
    return f"the field and its {name} maps of regularization " + " and ".join(f"{r:g}" for r in strengths)


def page(name: str, card: dict[str, Any]) -> str:
    """The card for people."""
    low, high = (" x ".join(f"{v:g}" for v in card["voxel_size_mm"][end]) for end in ("min", "max"))
    last, training, data = card["course"][-1], card["training"], card["data"]
    corrects = ", which it corrects" if training["first_map"] else " alone"
    lines = [
        f"# {name}",
        "",
        f"{card['architecture']}: {card['source']}. It sees {card['sees']}{corrects}.",
        "",
        f"- Use: {USE}",
        f"- Voxel sizes: {low} mm" + (f" to {high} mm" if high != low else "") + ".",
        f"- Size: {card['parameters'] / 1e6:.2f} M parameters, {training['channels']} channels, "
        f"{training['levels']} levels; half precision on disk.",
        f"- Trained on {data['training']} samples of set `{data['set']}` in `configs/weights.yaml` (validated on "
        f"{data['held_out']} others), {training['steps']} steps of {training['batch_size']} patches of "
        f"{' x '.join(map(str, training['patch'] or data['recipe']['shape']))}, seed {training['seed']}; recipe "
        f"`{data['recipe_hash'][:16]}`.",
        f"- Code {card['code']['commit']} (sources `{card['code']['source_sha256'][:16]}`), torch "
        f"{card['packages']['torch']}; {card['hardware']['processor']}, {card['threads']['torch']} thread, "
        f"{card['cpu_hours']:.2f} h of CPU beside other work, ended {card['ended'][:16]} UTC.",
        f"- Held-out samples, at the end: RMSE {last['validation_rmse']:.1f} %, HFEN {last['validation_hfen']:.1f} %.",
        *(f"- Limit: {limit}" for limit in LIMITS),
        "",
    ]
    if card.get("tests"):
        lines += ["| test set | n | RMSE % | HFEN % | SSIM | XSIM |", "|---|---|---|---|---|---|"]
        for label, row in card["tests"].items():
            marks = f"{row['rmse']:.1f} | {row['hfen']:.1f} | {row['ssim']:.3f} | {row['xsim']:.3f}"
            lines.append(f"| {label} | {row['n']} | {marks} |")
        lines.append("")
    lines += ["| step | loss | RMSE % | HFEN % | learning rate |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['step']:.0f} | {row['loss']:.4f} | {row['validation_rmse']:.1f} | {row['validation_hfen']:.1f} | "
        f"{row['learning_rate']:.2g} |"
        for row in card["course"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
