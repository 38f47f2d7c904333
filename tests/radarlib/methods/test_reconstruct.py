"""Methods that reconstruct: DDPM, AnoDDPM, DiffusionAD."""

import numpy as np
import pytest
import torch
from conftest import REPOSITORY

from radarlib.denoiser import Denoiser
from radarlib.diffusion import Schedule, chain
from radarlib.methods import reconstruct
from study.methods import model_settings


@pytest.mark.parametrize("steps", [250, 5])
def test_reconstruction_by_a_perfect_predictor_returns_its_x_0(perfect, steps):
    defective = np.full((16, 16), 0.25, np.float32)
    defective[4:8, 4:8] = 0.9
    x_hat = reconstruct.reconstruct(defective, perfect, reconstruct.ancestral(perfect, chain(250, steps)), 8, 0)
    np.testing.assert_allclose(x_hat, 0.25, atol=1e-3)


def test_norm_guided_step_is_the_published_one(settings):
    """DiffusionAD with a toy predictor (tests/reference); its t counts from 0."""
    with np.load(REPOSITORY / "tests/reference" / "diffusionad.npz") as data:
        x_0, small, big, expected = (
            torch.from_numpy(data[k]) for k in ("x0", "noise_small", "noise_big", "diffusionad_x0")
        )

    def toy(x, t):
        return 0.5 * torch.tanh(x) + 0.1 * np.cos((t - 1) / 100)

    found = reconstruct.norm_guided(x_0, toy, Schedule(), 201, 401, 1.0, (small, big))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_anoddpm_samples_with_the_noise_it_was_trained_with(settings, images, monkeypatch):
    denoiser = Denoiser.untrained(model_settings(settings, "simplex"), 0)
    drawn = []
    monkeypatch.setattr(
        Denoiser, "noise", property(lambda _: lambda shape, _g: drawn.append(shape) or torch.zeros(shape))
    )
    reconstruct.score(images[0], denoiser, settings, 0)
    assert len(drawn) == 1 + settings["reconstruction"]["reverse_steps"]


def test_reconstruction_score_is_otsus_share_of_the_residual(perfect, settings):
    image = np.full((16, 16), 0.25, np.float32)
    image[4:8, 4:8] = 0.9
    residual, features = reconstruct.score(image, perfect, settings, 0)
    assert residual.shape == image.shape
    assert features["pixels"] == pytest.approx(16 / 256)
