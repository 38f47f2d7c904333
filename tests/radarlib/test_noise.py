"""Three kinds of noise behind one interface; windows of a bank stand for direct generation of simplex noise."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import REPOSITORY

from radarlib.config import resolve
from radarlib.noise import BANK, REACH, TILE, bumps, make_noise, simplex, simplex_fields

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


@pytest.mark.slow
def test_windows_have_the_marginal_of_direct_generation(windows, direct):
    levels = np.linspace(0.01, 0.99, 15)
    np.testing.assert_allclose(np.quantile(windows, levels), np.quantile(direct, levels), atol=0.15)


@pytest.mark.slow
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


@pytest.mark.slow
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


def noise(kind: str, **options):
    return make_noise({**resolve({})["noise"], "kind": kind, **options})


@pytest.mark.parametrize("kind", ["gaussian", "simplex", "mixture"])
def test_every_kind_gives_independent_fields_of_zero_mean_and_unit_variance(kind):
    fields = noise(kind)((500, 1, 28, 28), generator())
    assert fields.shape == (500, 1, 28, 28) and fields.dtype == torch.float32
    assert abs(fields.mean()) < 0.15 and abs(fields.std() - 1) < 0.15
    assert torch.equal(fields, noise(kind)((500, 1, 28, 28), generator()))
    flat = fields.flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True)
    between = (flat @ flat.T / flat.shape[1]).fill_diagonal_(0)
    assert abs(between.mean()) < 0.05  # no two fields have anything in common on average


@pytest.mark.parametrize("kind", ["gaussian", "simplex", "mixture"])
def test_no_place_of_a_field_is_brighter_than_another(kind):
    fields = noise(kind)((4000, 1, 28, 28), generator())[:, 0]
    assert fields.mean(0).abs().max() < 0.12
    # Centring a smooth field by itself takes more from its middle than from its corners.
    assert fields.std(0).min() > 0.85 and fields.std(0).max() < 1.25


def test_a_mixture_is_the_sum_of_its_bumps():
    """Eqs. 7 and 8 written out, from the same draws."""
    n, height, width, components, sigma = 2, 9, 12, 60, (1.0, 3.0)
    found = bumps(n, height, width, components, sigma, generator(4)).numpy()
    margin, draws = REACH * sigma[1], generator(4)
    k = round(components * (height + 2 * margin) * (width + 2 * margin) / 28**2)
    w, my, mx, sy, sx = (torch.rand((n, k), generator=draws).numpy() for _ in range(5))
    my, mx, sy, sx = (height + 2 * margin) * my - margin, (width + 2 * margin) * mx - margin, 1 + 2 * sy, 1 + 2 * sx
    y, x = np.mgrid[:height, :width]
    for a in range(n):
        f = sum(
            w[a, i] / (2 * np.pi * sx[a, i] * sy[a, i])
            * np.exp(-((x - mx[a, i]) ** 2) / (2 * sx[a, i] ** 2) - (y - my[a, i]) ** 2 / (2 * sy[a, i] ** 2))
            for i in range(k)
        )  # fmt: skip
        np.testing.assert_allclose(found[a], (f - f.mean()) / f.std(), atol=1e-4)


def test_each_mixture_is_standardised_and_has_no_seams():
    fields = noise("mixture")((2, 1, TILE + 40, 50), generator())[:, 0]
    torch.testing.assert_close(fields.mean((1, 2)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(fields.std((1, 2), correction=0), torch.ones(2), atol=1e-3, rtol=0)
    steps = fields.diff(dim=1).abs().mean((0, 2))
    assert steps[TILE - 1] < 1.5 * steps.mean()


def test_mixture_noise_is_skewed_to_the_bright_side():
    values = noise("mixture")((2000, 1, 28, 28), generator())
    assert (values**3).mean() > 0.2 and abs((noise("gaussian")((2000, 1, 28, 28), generator()) ** 3).mean()) < 0.05


def test_bumps_keep_their_size_in_larger_fields():
    """RADAR adds one field to a whole image and its network was trained on patches: both must look alike."""

    def roughness(side: int) -> float:
        field = noise("mixture")((60, 1, side, side), generator())[:, 0]
        return float(field.diff(dim=1).abs().mean() / field.std())

    assert roughness(100) == pytest.approx(roughness(28), rel=0.15)
