"""Weights for methods that need them."""

import pytest
import torch

from qsmbench.methods.registry import METHODS
from qsmbench.networks.weights import Scaling, TrainedNetwork, new_module


@pytest.fixture(scope="session")
def weights_for(tmp_path_factory):
    """Return a function name -> weights file (None for methods without weights).

    The file is a real one with fresh weights: the contract is about form, and training has its own tests.
    """
    options = {"channels": 4, "levels": 3, "hidden": [8, 2]}
    torch.manual_seed(0)
    module = new_module("meta-qsm", options)
    scaling = Scaling(0.02, 0.05, (0.0, 0.0, 0.7), (0.3, 0.3, 0.3))
    path = tmp_path_factory.mktemp("weights") / "meta-qsm.pt"
    TrainedNetwork("meta-qsm", options, scaling, module.state_dict()).save(path)
    return lambda name: path if METHODS[name].needs_weights else None
