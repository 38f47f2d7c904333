"""Spectra of noises."""

import numpy as np
import pytest
import torch

from radarlib.config import resolve
from radarlib.noise import make_noise
from study.noise.spectra import low_share, power_spectrum


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(kind: str, **options):
    return make_noise({**resolve({})["noise"], "kind": kind, **options})


def test_spectrum_of_white_noise_is_one_and_of_a_wave_a_peak():
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(power_spectrum(rng.normal(size=(3000, 28, 28)))[2:], 1, atol=0.1)
    np.testing.assert_allclose(power_spectrum(2 * rng.normal(size=(3000, 28, 28)))[2:], 4, atol=0.4)
    wave = power_spectrum(np.tile(np.cos(2 * np.pi * 5 * np.arange(28) / 28), (1, 28, 1)))
    assert wave.argmax() == 5 and len(wave) == 15


@pytest.mark.slow
def test_structured_noise_has_its_power_in_the_low_wave_numbers():
    kinds = ("gaussian", "simplex", "mixture")
    low = {
        kind: low_share(power_spectrum(noise(kind)((500, 1, 28, 28), generator())[:, 0].numpy()), 28) for kind in kinds
    }
    assert low["gaussian"] < 0.1 < 0.4 < low["simplex"] < low["mixture"]
    assert low["mixture"] > 0.9
