"""What a live training hands over: half-precision weights and a card beside them, as JSON and as a page for people."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.training.live.heads import LiveHead
from qsmbench.training.live.recipe import LiveSet
from qsmbench.training.live.state import LiveState

USE = "Comparison of methods, and a starting point for training on data of one's own. Not for diagnosis."
LIMITS = (
    "Trained on deformations of a few heads with pasted bodies: others, lesions and backgrounds were never seen.",
    "Local fields must be without background; what is left of it is taken for tissue.",
    "B0 along z; tilted volumes are rotated to it.",
)


def write_card(state: LiveState, heads: Sequence[LiveHead], folder: Path, columns: Sequence[str]) -> Path:
    """Write ``folder/<name>.pt`` (half precision), ``.json`` and ``.md``; return the first."""
    spec = state.spec
    weights = folder / f"{spec.name}.pt"
    state.export(weights, "float16")
    rows = [dict(zip(columns, map(float, row), strict=False)) for row in state.rows]
    low, high = spec.samples.voxel_min, spec.samples.voxel_max
    card: dict[str, Any] = {
        "name": spec.name,
        "architecture": spec.architecture,
        "options": dict(spec.options) | spec.samples.first_map_options,
        "sees": _sees(spec.samples),
        "parameters": sum(p.numel() for p in state.averaged.parameters()),
        "voxel_size_mm": {"min": list(low), "max": list(high)},
        "training": asdict(spec) | {"kind": "live", "first_map": spec.samples.first_map or None},
        "heads": [head.name for head in heads],
        "steps": state.step,
        "samples": spec.group * (spec.pool + state.step // spec.steps_a_group),
        "cpu_hours": round(state.cpu_hours, 2),
        "device": torch.cuda.get_device_name() if state.device.startswith("cuda") else platform.processor() or "CPU",
        "packages": {"torch": torch.__version__, "numpy": np.__version__},
        "course": rows,
        "intended_use": USE,
        "limits": list(LIMITS),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    write_json_atomic(folder / f"{spec.name}.json", card)
    write_text_atomic(folder / f"{spec.name}.md", page(card))
    return weights


def _sees(samples: LiveSet) -> str:
    if not samples.first_map:
        return "the field alone"
    strengths = " and ".join(f"{value:g}" for value in samples.first_map_regularization)
    which = f", of strengths {strengths}" if strengths else ""
    return f"the field and its {samples.first_map} maps{which}, which it corrects"


def page(card: dict[str, Any]) -> str:
    """The card for people."""
    low, high = (" x ".join(f"{v:g}" for v in card["voxel_size_mm"][end]) for end in ("min", "max"))
    spec, rows = card["training"], card["course"]
    recipes = ", ".join(f"{r['name']} ({r['weight']:g})" for r in spec["samples"]["recipes"])
    reached = [size for share, size in spec["patches"] if share * spec["steps"] < card["steps"]]
    sizes = " then ".join("x".join(map(str, size)) for size in reached)
    beside = "" if card["device"] == "CPU" else f" beside {card['device']}"
    lines = [
        f"# {card['name']}",
        "",
        f"{card['architecture']}, which sees {card['sees']}.",
        "",
        f"- Use: {card['intended_use']}",
        *([f"- On a real scan: {card['real_scan']['text']}"] if card.get("real_scan") else []),
        f"- Voxel sizes: {low} mm" + (f" to {high} mm" if high != low else "") + ".",
        f"- Size: {card['parameters'] / 1e6:.2f} M parameters; half precision on disk.",
        f"- Trained live on {card['samples']} samples of {len(card['heads'])} heads by the recipes {recipes}; "
        f"{card['steps']} of {spec['steps']} steps of {spec['group'] * spec['groups_a_step']} patches of {sizes}, "
        f"seed {spec['samples']['seed']}; {card['cpu_hours']:.1f} h of CPU{beside}, torch "
        f"{card['packages']['torch']}.",
        *(f"- Limit: {limit}" for limit in card["limits"]),
        "",
    ]
    if rows:
        names = list(rows[0])
        lines += ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        lines += ["| " + " | ".join(f"{row[name]:.5g}" for name in names) + " |" for row in rows[-20:]]
    return "\n".join(lines) + "\n"
