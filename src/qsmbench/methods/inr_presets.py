"""What INR-QSM's presets set.

`paper` is Zhang 2024 (doi 10.1016/j.media.2024.103173) and its authors' configuration. What they leave open (padding,
chunks) cannot change the result by more than rounding or wrap-around. Their learning rate, 1e-5 to 2e-7, is that of a
field in ppm or radians; here the network's unit is 0.05 ppm, which Adam's steps do not notice but for the last layer.

`fast` was chosen on the 2016 COSMOS head at half resolution and on a deformed copy, see docs/inr.md.
"""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "network": "siren",
        "layers": 10,
        "width": 512,
        "omega": 40.0,
        "levels": 5,
        "features": 2,
        "patch": "96x96x48",
        "overlap": 2 / 3,
        "min_tissue": 0.3,
        "compensation": True,
        "refresh": 5,
        "epochs": 50,
        "learning_rate": 1e-5,
        "final_rate": 0.02,
        "tv_weight": 0.15,
        "tv_norm": "l2",
        "tv_smoothing": 0.03,
        "noise_scaling": False,
        "gradient_weight": 1.0,
        "edges": "fastqsm",
        "edge_low": 50.0,
        "edge_high": 70.0,
        "edge_floor": 0.0,
        "start": "random",
        "tolerance": 1e-3,
        "patience": 10,
        "padding": 2.0,
        "chunk": 16384,
    },
    "fast": {
        "network": "grid",
        "layers": 4,
        "width": 16,
        "omega": 30.0,
        "levels": 3,
        "features": 2,
        "patch": "192x224x192",
        "overlap": 0.25,
        "min_tissue": 0.05,
        "compensation": True,
        "refresh": 5,
        "epochs": 60,
        "learning_rate": 0.04,
        "final_rate": 0.1,
        "tv_weight": 4e-3,
        "tv_norm": "l1",
        "tv_smoothing": 0.03,
        "noise_scaling": True,
        "gradient_weight": 0.0,
        "edges": "none",
        "edge_low": 80.0,
        "edge_high": 95.0,
        "edge_floor": 0.3,
        "start": "l2",
        "tolerance": 1e-3,
        "patience": 10,
        "padding": 1.25,
        "chunk": 400_000,
    },
}
for _preset in PRESETS.values():
    _preset.update(checkpoint=None, save=None, warm_start=None)
