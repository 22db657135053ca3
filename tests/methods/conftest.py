"""Weights for methods that need them."""

import pytest
import torch

from qsmbench.methods.registry import METHODS
from qsmbench.networks.architectures import architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.weights import TrainedNetwork

# What a network's file says of the maps that it corrects, by the end of its method's name.
FIRST_MAPS = {
    "": {},
    "-tv": {"first_map": "tv", "first_map_regularization": [2e-3]},
    "-wiener": {"first_map": "wiener", "first_map_regularization": [1.0]},
}


@pytest.fixture(scope="session")
def weights_for(tmp_path_factory):
    """Return a function name -> weights file (None for methods without weights).

    The files are real ones with fresh weights: the contract is about form, and training has its own tests.
    """
    folder = tmp_path_factory.mktemp("weights")
    for name, entry in METHODS.items():
        if not entry.needs_weights:
            continue
        kind, first_map = entry.fixed["architecture"], FIRST_MAPS[entry.fixed["corrects"]]
        told = architecture(kind).knows_voxel_size
        options = {"channels": 4, "levels": 3} | ({"hidden": [8, 2]} if told else {})
        torch.manual_seed(0)
        halfwidth = (0.3, 0.3, 0.3) if told else (0.0, 0.0, 0.0)
        scaling = Scaling(0.02, 0.05, (0.0, 0.0, 0.7), halfwidth)
        module = architecture(kind, options).module(len(first_map.get("first_map_regularization", ())))
        TrainedNetwork(kind, options | first_map, scaling, module.state_dict()).save(folder / f"{name}.pt")
    return lambda name: folder / f"{name}.pt" if METHODS[name].needs_weights else None
