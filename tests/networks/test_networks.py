"""WP-Conv and the networks: mixed voxel sizes in a batch, any shape, a result that the voxel size really changes."""

import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.networks.architectures import ARCHITECTURES, architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.shipped import resolve
from qsmbench.networks.weights import TrainedNetwork, load_network
from qsmbench.networks.wpconv import PlainConv3d, WPConv3d, kernel_penalty, specialise, wpconv_layers

SCALING = Scaling(0.02, 0.05, (0.0, 0.0, 1.0), (0.3, 0.3, 0.3))
SMALL = {"channels": 4, "levels": 2}
HEADS = ("full", "modulated")


def small(name, **more):
    torch.manual_seed(0)
    told = architecture(name).knows_voxel_size
    options = SMALL | ({"hidden": [4, 2]} if told else {}) | more
    kind = architecture(name, options)
    return kind, options, kind.module()


@pytest.mark.parametrize("head", HEADS)
def test_a_batch_of_voxel_sizes_equals_each_alone(head):
    torch.manual_seed(0)
    layer = WPConv3d(3, 5, hidden=(8, 4), head=head)
    x, voxel_size = torch.randn(4, 3, 7, 6, 5), torch.randn(4, 3)
    together = layer(x, voxel_size)
    alone = torch.cat([layer(x[i : i + 1], voxel_size[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert together.shape == (4, 5, 7, 6, 5)


@pytest.mark.parametrize("head", HEADS)
def test_each_sample_meets_its_own_kernel(head):
    torch.manual_seed(0)
    layer = WPConv3d(2, 2, hidden=(8, 4), head=head)
    x = torch.randn(1, 2, 6, 6, 6).expand(2, -1, -1, -1, -1)
    y = layer(x, torch.tensor([[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]])).detach()
    assert float((y[0] - y[1]).abs().max()) > 0.05 * float(y.abs().max())


@pytest.mark.parametrize("head", HEADS)
def test_at_one_condition_the_layer_is_a_plain_convolution(head):
    torch.manual_seed(0)
    layer = WPConv3d(2, 3, hidden=(4,), head=head)
    x, condition = torch.randn(1, 2, 5, 5, 5), torch.randn(1, 3)
    plain = layer.plain(condition)
    assert isinstance(plain, PlainConv3d)
    torch.testing.assert_close(layer(x, condition), plain(x), rtol=1e-5, atol=1e-6)


def test_the_full_head_is_a_family_of_kernels_of_the_last_hidden_layers_rank():
    torch.manual_seed(0)
    layer = WPConv3d(2, 3, hidden=(8, 2))
    kernels, _ = layer.kernels(torch.randn(20, 3))
    differences = (kernels - kernels[:1]).reshape(20, -1)
    assert int(torch.linalg.matrix_rank(differences, rtol=1e-4)) == 2


def test_what_each_head_costs():
    n_in, n_out, rank, taps = 6, 8, 3, 27
    plain = n_in * n_out * taps + n_out
    full = sum(p.numel() for p in WPConv3d(n_in, n_out, hidden=(rank,)).head.parameters())
    assert full == (rank + 1) * plain
    modulated = WPConv3d(n_in, n_out, hidden=(rank,), head="modulated")
    assert modulated.base.numel() + modulated.head.weight.numel() < (1 + rank / n_in) * plain + (rank + 1) * n_out


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_shape_comes_back_in_its_shape(name):
    kind, _, network = small(name, levels=3)
    conditions = kind.conditions(SCALING, torch.ones(2, 3), torch.tensor([[0.0, 0.0, 1.0]] * 2))
    network.eval()
    for shape in ((16, 16, 8), (17, 13, 9)):
        assert network(torch.randn(2, 1, *shape), conditions).shape == (2, 1, *shape)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_reach_every_parameter(name):
    kind, _, network = small(name)
    sizes = torch.tensor([[0.8, 1.0, 3.0], [1.2, 0.9, 2.0]])
    conditions = kind.conditions(SCALING, sizes, torch.tensor([[0.0, 0.6, 0.8], [0.1, 0.0, 1.0]]))
    network(torch.randn(2, 1, 8, 8, 8), conditions).square().mean().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in network.parameters())
    # The bias before a batch normalisation has no effect, so only weights are asked for a gradient that is not zero.
    predictors = [layer.predictor[0].weight.grad for layer in wpconv_layers(network)]
    assert all(float(g.abs().max()) > 0 for g in predictors)
    assert bool(predictors) == kind.knows_voxel_size


def test_widths_of_qsmnet_are_the_papers():
    network = architecture("qsmnet", {"channels": 32, "levels": 5}).module()
    assert [block.convolutions[0].out_channels for block in network.down] == [32, 64, 128, 256, 512]
    assert {layer.kernel_size for layer in network.modules() if isinstance(layer, PlainConv3d)} == {(5,) * 3, (1,) * 3}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["meta-qsm", "meta-qsm-b0"])
def test_a_specialised_network_is_plain_and_gives_the_same(name, head):
    kind, _, network = small(name, head=head)
    network.eval()
    condition = kind.conditions(SCALING, torch.tensor([[0.7, 0.8, 2.5]]), torch.tensor([[0.0, 0.6, 0.8]]))
    x = torch.randn(1, 1, 9, 8, 7)
    with torch.no_grad():
        expected = network(x, condition)
        specialise(network, condition)
        assert not wpconv_layers(network)
        torch.testing.assert_close(network(x, condition), expected, rtol=1e-4, atol=1e-5)


def test_permuting_the_voxel_size_changes_the_result():
    kind, _, network = small("meta-qsm")
    network.eval()
    x = torch.randn(1, 1, 8, 8, 8)
    at = [
        network(x, kind.conditions(SCALING, torch.tensor([size]), torch.zeros(1, 3)))
        for size in ((0.8, 1.0, 3.0), (3.0, 0.8, 1.0))
    ]
    at = [chi.detach() for chi in at]
    assert float((at[0] - at[1]).norm()) > 0.01 * float(at[0].norm())


def test_b0_enters_without_its_sign():
    kind = architecture("meta-qsm-b0")
    b0 = torch.tensor([[0.36, -0.48, 0.8]])
    sizes = torch.ones(1, 3)
    assert torch.equal(kind.conditions(SCALING, sizes, b0), kind.conditions(SCALING, sizes, -b0))
    assert not torch.equal(kind.conditions(SCALING, sizes, b0), kind.conditions(SCALING, sizes, b0[:, [1, 0, 2]]))


def test_penalty_is_the_mean_square_of_the_predictors_weights():
    network = architecture("meta-qsm", {"channels": 2, "levels": 1, "hidden": [2]}).module()
    for layer in wpconv_layers(network):
        for linear in layer.predictor:
            torch.nn.init.constant_(linear.weight, 3.0)
    assert float(kernel_penalty(network).detach()) == 9.0
    assert kernel_penalty(architecture("mesa-qsm", SMALL).module()) == 0.0


def test_scaling_knows_its_range():
    assert SCALING.outside((1.0, 1.0, 2.7)) == []
    assert SCALING.outside((2.0, 1.0, 2.7)) == ["2 mm along x (trained: 0.741 to 1.35 mm)"]
    point = Scaling(1.0, 1.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert point.outside((1.005, 1.0, 1.0)) == []
    assert point.outside((1.1, 1.0, 1.0)) == ["1.1 mm along x (trained: 1 to 1 mm)"]
    with pytest.raises(InputError, match="voxel sizes must be positive lengths"):
        SCALING.voxel_size(torch.zeros(1, 3))


def saved(tmp_path, name="meta-qsm", change=None, precision="float32"):
    _, options, network = small(name)
    state = network.state_dict()
    if change:
        change(state)
    path = tmp_path / f"{name}.pt"
    TrainedNetwork(name, options, SCALING, state).save(path, precision)
    return path


def test_half_precision_halves_the_file(tmp_path):
    """At a size where weights outweigh the file's own overhead."""
    options = {"channels": 8, "levels": 3, "hidden": [8, 4]}
    network = architecture("meta-qsm", options).module()
    trained = TrainedNetwork("meta-qsm", options, SCALING, network.state_dict())
    trained.save(tmp_path / "single.pt")
    trained.save(tmp_path / "half.pt", "float16")
    assert (tmp_path / "half.pt").stat().st_size < 0.55 * (tmp_path / "single.pt").stat().st_size
    read = load_network(tmp_path / "half.pt").module()
    for found, true in zip(read.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(found, true, rtol=1e-3, atol=1e-6)


def test_weights_of_another_architecture(tmp_path):
    path = saved(tmp_path, "mesa-qsm")
    with pytest.raises(InputError, match="is of mesa-qsm, not of meta-qsm"):
        load_network(path, "meta-qsm")


def test_weights_of_another_size(tmp_path):
    _, _, network = small("meta-qsm", channels=8)
    TrainedNetwork("meta-qsm", SMALL | {"hidden": [4, 2]}, SCALING, network.state_dict()).save(tmp_path / "a.pt")
    with pytest.raises(InputError, match="weights do not fit the architecture meta-qsm"):
        load_network(tmp_path / "a.pt").module()


def test_a_file_cut_in_half(tmp_path):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cannot be read as a weights file .*; train or fetch it again"):
        load_network(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update({k: v * 0 for k, v in state.items() if "features.0.weight" in k}), "input is zero"),
        (lambda state: state.update({k: v * torch.nan for k, v in state.items() if "head.bias" in k}), "holds NaN"),
        (lambda state: state.update({k: v.int() for k, v in state.items() if "head.bias" in k}), "holds torch.int32"),
    ],
    ids=["zeroed", "nan", "dtype"],
)
def test_weights_that_cannot_be_used_say_why(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        load_network(saved(tmp_path, change=change)).module()


def test_unknown_names():
    with pytest.raises(InputError, match=r"unknown architecture 'meta-qms' \(did you mean 'meta-qsm'\?\)"):
        architecture("meta-qms")
    with pytest.raises(InputError, match="network qsmnet, hidden: Extra inputs are not permitted"):
        architecture("qsmnet", {"hidden": [4, 2]})
    with pytest.raises(InputError, match="no weights are shipped as 'nothing'"):
        resolve("shipped:nothing")
