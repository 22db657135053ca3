"""Padded Fourier filters against NumPy's plain transforms of the whole padded volume."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.core.errors import InputError
from qsmbench.physics import fourier
from qsmbench.physics.fourier import FourierFilter, irfftn, padded_shape, rfftn

lengths = st.integers(1, 9)


def noise(shape, dtype=torch.float64, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


def even_multiplier(padded):
    """A real even multiplier on the half spectrum: the transform of a random even volume."""
    volume = noise(padded, seed=1).numpy()
    reflected = np.roll(volume[::-1, ::-1, ::-1], (1, 1, 1), (0, 1, 2))
    spectrum = np.fft.rfftn(volume + reflected)
    assert np.abs(spectrum.imag).max() < 1e-9
    return torch.from_numpy(spectrum.real.copy())


@given(
    st.tuples(lengths, lengths, lengths),
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 7)),
    st.integers(0, 2),
)
@settings(derandomize=True, database=None, deadline=None)
def test_pruned_transforms_are_the_whole_ones(shape, margin, n_leading):
    padded = tuple(n + m for n, m in zip(shape, margin, strict=True))
    x = noise((*(2, 3)[:n_leading], *shape))
    spectrum = rfftn(x, padded)
    whole = np.fft.rfftn(x.numpy(), s=padded, axes=(-3, -2, -1))
    np.testing.assert_allclose(spectrum.numpy(), whole, atol=1e-12)
    torch.testing.assert_close(irfftn(spectrum, padded, shape), x, atol=1e-13, rtol=0)


@pytest.mark.parametrize("padded", [(6, 5, 4), (11, 12, 9), (12, 9, 10)])
def test_filter_is_the_convolution_with_its_kernel(padded):
    shape = (6, 5, 4)
    x, multiplier = noise(shape), even_multiplier(padded)
    kernel = np.fft.irfftn(multiplier.numpy(), s=padded, axes=(0, 1, 2))
    wanted = np.zeros(shape)
    for source in np.ndindex(*shape):
        rolled = np.roll(kernel, source, (0, 1, 2))[: shape[0], : shape[1], : shape[2]]
        wanted += float(x[source]) * rolled
    np.testing.assert_allclose(FourierFilter(multiplier, shape, padded)(x).numpy(), wanted, atol=1e-11)


def test_filter_leaves_its_input_and_multiplier_alone():
    shape, padded = (6, 5, 4), (8, 8, 8)
    x, multiplier = noise(shape), even_multiplier(padded)
    before = x.clone(), multiplier.clone()
    FourierFilter(multiplier, shape, padded)(x)
    assert torch.equal(x, before[0])
    assert torch.equal(multiplier, before[1])


def test_batches_are_filtered_one_by_one_and_views_as_their_copies():
    shape, padded = (6, 5, 4), (9, 8, 10)
    x, operator = noise((2, 3, *shape)), FourierFilter(even_multiplier(padded), shape, padded)
    together = operator(x)
    for index in np.ndindex(2, 3):
        torch.testing.assert_close(together[index], operator(x[index]), atol=1e-12, rtol=0)
    view = noise(shape[::-1]).permute(2, 1, 0)
    torch.testing.assert_close(operator(view), operator(view.contiguous()), atol=1e-12, rtol=0)
    assert operator(view).is_contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_do_not_depend_on_the_number_of_threads(dtype, monkeypatch):
    shape, padded = (37, 30, 21), (64, 60, 45)
    x, operator = noise(shape, dtype), FourierFilter(even_multiplier(padded).to(dtype), shape, padded)
    results = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        results.append(operator(x))
    # More workers than this machine may have cores for.
    monkeypatch.setattr(fourier, "n_workers", lambda: 5)
    results.append(operator(x))
    assert results[0].dtype == dtype
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_workers_follow_torch_and_the_machine(monkeypatch):
    torch.set_num_threads(1)
    assert fourier.n_workers() == 1
    # macOS and Windows have no sched_getaffinity.
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert fourier.n_workers() == 1


@pytest.mark.parametrize(
    ("shape", "padding", "wanted"),
    [
        ((7, 11, 13), 1, (7, 11, 13)),
        ((64, 64, 32), 2, (128, 128, 64)),
        ((7, 11, 13), 2, (15, 24, 27)),
        ((30, 25, 18), 1.5, (45, 40, 27)),
        ((10, 10, 10), 1.1, (12, 12, 12)),
        ((1, 1, 1), 2, (2, 2, 2)),
    ],
)
def test_padded_sizes_are_the_next_fast_ones(shape, padding, wanted):
    assert padded_shape(shape, padding) == wanted


@given(st.tuples(*[st.integers(1, 300)] * 3), st.floats(1, 4))
@settings(derandomize=True, database=None, deadline=None)
def test_padded_sizes_hold_the_padding_and_little_more(shape, padding):
    for n, size in zip(shape, padded_shape(shape, padding), strict=True):
        assert n * padding - 1e-6 <= size <= max(n * padding * 1.2, n * padding + 2)


@pytest.mark.parametrize("padding", [0.99, 0, -2, float("nan")])
def test_padding_below_one_is_refused(padding):
    with pytest.raises(InputError, match="padding is a factor of at least 1"):
        padded_shape((4, 4, 4), padding)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 7), (6, 4, 5), (6, 5, 4, 1)])
def test_volume_of_another_shape_is_refused(shape):
    operator = FourierFilter(even_multiplier((6, 5, 4)), (6, 5, 4), (6, 5, 4))
    with pytest.raises(InputError, match=r"the filter was made for \(6, 5, 4\)"):
        operator(torch.zeros(shape))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gpu_and_cpu_agree(dtype):
    shape, padded = (12, 9, 7), (24, 18, 15)
    x, multiplier = noise((2, *shape), dtype), even_multiplier(padded).to(dtype)
    on_gpu = FourierFilter(multiplier.cuda(), shape, padded)(x.cuda()).cpu()
    on_cpu = FourierFilter(multiplier, shape, padded)(x)
    scale = float(on_cpu.abs().max())
    torch.testing.assert_close(on_gpu, on_cpu, atol=scale * (1e-5 if dtype == torch.float32 else 1e-13), rtol=0)
