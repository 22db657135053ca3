"""WP-Conv and Meta-QSM: mixed voxel sizes in a batch, any shape, and a result that the voxel size really changes."""

import torch

from qsmbench.networks.meta_qsm import MetaQSM
from qsmbench.networks.wpconv import WPConv3d


def test_a_batch_of_voxel_sizes_equals_each_alone():
    torch.manual_seed(0)
    layer = WPConv3d(3, 5, hidden=(8, 4))
    x, voxel_size = torch.randn(4, 3, 7, 6, 5), torch.randn(4, 3)
    together = layer(x, voxel_size)
    alone = torch.cat([layer(x[i : i + 1], voxel_size[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert together.shape == (4, 5, 7, 6, 5)


def test_each_sample_meets_its_own_kernel():
    torch.manual_seed(0)
    layer = WPConv3d(2, 2, hidden=(8, 4))
    x = torch.randn(1, 2, 6, 6, 6).expand(2, -1, -1, -1, -1)
    y = layer(x, torch.tensor([[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]]))
    assert float((y[0] - y[1]).abs().max()) > 0.05 * float(y.abs().max())


def test_the_layer_is_a_convolution_with_the_predicted_kernel():
    torch.manual_seed(0)
    layer = WPConv3d(2, 3, hidden=(4,))
    voxel_size = torch.randn(1, 3)
    predicted = layer.head(layer.features(voxel_size))[0]
    kernel, bias = predicted[:-3].reshape(3, 2, 3, 3, 3), predicted[-3:]
    x = torch.randn(1, 2, 5, 5, 5)
    torch.testing.assert_close(
        layer(x, voxel_size), torch.nn.functional.conv3d(x, kernel, bias, padding=1), rtol=1e-5, atol=1e-6
    )


def test_any_shape_comes_back_in_its_shape():
    torch.manual_seed(0)
    network = MetaQSM(4, 3, (4, 2)).eval()
    for shape in ((16, 16, 8), (17, 13, 9)):
        assert network(torch.randn(2, 1, *shape), torch.zeros(2, 3)).shape == (2, 1, *shape)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    network = MetaQSM(4, 2, (4, 2))
    network(torch.randn(2, 1, 8, 8, 8), torch.randn(2, 3)).square().mean().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in network.parameters())
    # The bias before a batch normalisation has no effect, so only weights are asked for a gradient that is not zero.
    features = [p.grad for name, p in network.named_parameters() if "features.0.weight" in name]
    assert all(float(g.abs().max()) > 0 for g in features)


def test_penalty_is_the_mean_square_of_the_predictors_weights():
    network = MetaQSM(2, 1, (2,))
    for name, p in network.named_parameters():
        if name.endswith("weight") and ("features" in name or "head" in name):
            torch.nn.init.constant_(p, 3.0)
    assert float(network.kernel_penalty().detach()) == 9.0
