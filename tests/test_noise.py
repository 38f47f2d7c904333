"""Simplex noise: windows of a bank stand for direct generation."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import REPOSITORY

from radarlib.noise import BANK, make_noise, simplex, simplex_fields

OPTIONS = {"octaves": 6, "persistence": 0.8, "frequency": 64}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    return simplex(**OPTIONS)((4000, 1, 28, 28), generator())[:, 0].numpy()


@pytest.fixture(scope="module")
def direct() -> np.ndarray:
    """28-px fields from generators of their own, 160 slices each."""
    fields = np.concatenate([simplex_fields(160, 28, 28, **OPTIONS, seed=seed) for seed in range(1, 26)])
    bank = simplex_fields(*BANK, BANK[1], **OPTIONS, seed=0)
    return (fields - bank.mean()) / bank.std()


def spectrum(fields: np.ndarray) -> np.ndarray:
    """Mean power per whole wave number, 0 … 14, of 28-px fields."""
    power = np.abs(np.fft.fft2(fields)).__pow__(2).mean(0)
    k = np.fft.fftfreq(28, 1 / 28)
    radius = np.hypot(k[:, None], k).round().astype(int)
    return np.array([power[radius == r].mean() for r in range(15)])


def test_windows_have_the_marginal_of_direct_generation(windows, direct):
    levels = np.linspace(0.01, 0.99, 15)
    np.testing.assert_allclose(np.quantile(windows, levels), np.quantile(direct, levels), atol=0.15)


def test_windows_have_the_spectrum_of_direct_generation(windows, direct):
    ours, theirs = spectrum(windows), spectrum(direct)
    np.testing.assert_allclose(ours[1:], theirs[1:], rtol=0.1)
    np.testing.assert_allclose(
        ours[0], theirs[0], rtol=0.25
    )  # few independent values: features are larger than a field


@pytest.mark.parametrize("shape", [(300, 1, 28, 28), (2, 1, 300, 260)])
def test_unit_variance_and_zero_mean(shape):
    noise = simplex(**OPTIONS)(shape, generator())
    assert noise.shape == shape and noise.dtype == torch.float32
    assert abs(noise.mean()) < 0.3 and 0.8 < noise.std() < 1.2


def test_a_generator_fixes_the_noise():
    draw = make_noise({"kind": "simplex", **OPTIONS})
    a, b, c = draw((3, 1, 9, 12), generator()), draw((3, 1, 9, 12), generator()), draw((3, 1, 9, 12), generator(1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_drawing_leaves_the_threads_of_pytorch_alone(tmp_path):
    """numba shares OpenMP with PyTorch; another number of threads is another rounding, and runs would differ."""
    code = """
import torch
from radarlib.noise import simplex_fields
torch.set_num_threads(1)
torch.get_num_threads()  # PyTorch sets up its threads when it first needs them
simplex_fields(1, 4, 4, 1, 0.8, 64, 0)
print(torch.get_num_threads())
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


def test_octaves_add_finer_features():
    def roughness(octaves: int) -> float:
        field = simplex_fields(4, 64, 64, octaves, 0.8, 64, seed=3)
        return float(np.abs(np.diff(field)).mean() / field.std())

    assert roughness(1) < roughness(3) < roughness(6)


def test_gaussian_is_the_generators_own():
    draw = make_noise({"kind": "gaussian", **OPTIONS})
    assert torch.equal(draw((2, 1, 3, 3), generator()), torch.randn(2, 1, 3, 3, generator=generator()))
