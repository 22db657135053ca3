"""An architecture that is no U-Net, from another distribution: one file, one line, and everything knows it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from qsmbench.benchmark.costs import cost
from qsmbench.benchmark.site import Site
from qsmbench.benchmark.steps.contract import Job
from qsmbench.cli.main import main
from qsmbench.config.load import check_config
from qsmbench.config.networks import GivenNetwork, network_model, read_network
from qsmbench.core.errors import InputError
from qsmbench.data.store import StoredSample, create_store, write_shard
from qsmbench.methods.registry import METHODS, build
from qsmbench.networks.architectures import ARCHITECTURES
from qsmbench.training.loop import train

ROOT = Path(__file__).parents[2]
FILE = '''
import torch
from pydantic import Field
from torch import nn

from qsmbench.networks.architectures import NetworkEntry
from qsmbench.networks.contract import Architecture


class Blur(nn.Module):
    """One convolution with as many taps as asked for; a scale by voxel volume."""

    def __init__(self, reach, corrects):
        super().__init__()
        self.layer = nn.Conv3d(1 + corrects, 1, 2 * reach + 1, padding=reach)

    def forward(self, inputs, condition):
        return self.layer(inputs)


class Wide(Architecture):
    """A single wide convolution."""

    source = "nobody"
    reach: int = Field(1, gt=0, description="voxels that it looks to each side")

    def module(self, corrects=0):
        return Blur(self.reach, corrects)

    @property
    def flops(self):
        return 2.0 * (2 * self.reach + 1) ** 3

    @property
    def width(self):
        return 1


ENTRY = NetworkEntry("wide-net", "Wide net", "wide_network:Wide", "10.0000/none")
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The file, and the line in the metadata that an installed distribution leaves."""
    site = tmp_path / "site"
    info = site / "wide_network-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "wide_network.py").write_text(FILE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wide-network\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[qsmbench.architectures]\nwide-net = wide_network:ENTRY\n")
    monkeypatch.syspath_prepend(str(site))

    def forget():
        for registry in (METHODS, ARCHITECTURES):
            vars(registry).pop("others", None)
        network_model.cache_clear()
        sys.modules.pop("wide_network", None)

    forget()
    yield
    forget()


@pytest.fixture
def store(tmp_path):
    shape = (12, 10, 8)
    create_store(tmp_path / "train.zarr", shape, 4, 4, {})
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(4):
        chi = rng.normal(scale=0.05, size=shape).astype(np.float32)
        samples.append(StoredSample(chi, chi / 3, np.ones(shape, bool), (1.0, 1.0, 2.0), (0.0, 0.0, 1.0)))
    write_shard(tmp_path / "train.zarr", 0, samples)
    return tmp_path / "train.zarr"


def test_it_is_configured_planned_trained_and_applied(installed, store, tmp_path, small_scan, capsys):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    network = {"architecture": "wide-net", "reach": 2, "train_set": "train", "steps": 30, "learning_rate": 1e-2}
    config["networks"] = {"meta-qsm-tv": network}
    config["methods"]["meta-qsm-tv"] = {"method": "wide-net", "network": "meta-qsm-tv"}
    checked = check_config(config)
    assert checked.model_dump(mode="json")["networks"]["meta-qsm-tv"]["reach"] == 2
    expected = cost(Job("train", ("meta-qsm-tv",), 100, 1.0, network="meta-qsm-tv"), checked, Site())
    assert expected.core_hours > 0
    config["networks"]["meta-qsm-tv"] = network | {"channels": 8}
    with pytest.raises(InputError, match=r"unknown key 'networks.meta-qsm-tv.channels' \("):
        check_config(config)

    weights = tmp_path / "wide.pt"
    spec = read_network(network | {"validation_steps": 10, "checkpoint_steps": 30})
    train(store, spec, weights, tmp_path / "wide.csv")
    method = build("wide-net", {"resample": "false"}, weights)
    found = method.reconstruct(small_scan)
    assert bool(torch.isfinite(found.chi).all())
    assert float(found.chi.abs().max()) > 0
    assert "rotated" in found.notes[0]
    with pytest.raises(InputError, match="is of wide-net, not of qsmnet"):
        build("qsmnet", {}, weights)(small_scan)
    assert main(["methods"]) == 0
    assert "wide-net  Wide net, doi 10.0000/none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "unet"}, "networks.net.*unknown architecture 'unet'.*known: meta-qsm"),
        ({"architecture": "qsmnet", "hidden": [4, 2]}, r"unknown key 'networks.net.hidden' \(known here: "),
        ({"chanels": 4}, r"unknown key 'networks.net.chanels' \(did you mean 'channels'\?\)"),
        ({"levels": 9}, "key 'networks.net.levels': input should be less than or equal to 6, got 9"),
        ({"weights": "shipped:meta-qsm-tv"}, "unknown key 'networks.net.steps'"),
    ],
)
def test_settings_belong_to_an_architecture_and_unknown_ones_are_refused(changes, message):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["networks"] = {"net": {"train_set": "train", "steps": 3} | changes}
    with pytest.raises(InputError, match=message):
        check_config(config)


def test_given_weights_are_read_as_such():
    assert isinstance(read_network({"weights": "shipped:meta-qsm-tv"}), GivenNetwork)
