"""Weights for methods that need them."""

import pytest


@pytest.fixture(scope="session")
def weights_for(tmp_path_factory):
    """Return a function name -> weights file (None for methods without weights)."""
    return lambda name: None
