"""RAN: errors at intermediate steps, in pixels and in features, and gradients to normality."""

import numpy as np
import pytest
import torch

from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.extractor import Extractor
from radarlib.methods import ran

OPTIONS = {"extractor": "efficientnet_lite0", "side": 64, "weights": None}


@pytest.fixture
def denoiser(settings) -> Denoiser:
    return Denoiser.untrained(settings, 0, "cpu")


def test_estimates_are_x_0_where_the_noise_is_known(denoiser, images, monkeypatch):
    """With ε_θ = ε of the forward process, x̂_0 is the image at the first step."""
    schedule, kept = denoiser.schedule, []
    monkeypatch.setattr(Denoiser, "noise", property(lambda _: lambda shape, generator: kept[0][:, :, : shape[2]]))
    image = images[0][:8, :8].copy()
    kept.append(torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3)))
    monkeypatch.setattr(Denoiser, "eps", lambda _, x, t: kept[0])
    times = chain(250, 5)
    found = ran.estimates(image, denoiser, times, stride=8, seed=0, batch=4)
    assert found.shape == (5, 8, 8) and schedule.steps == 1000
    np.testing.assert_allclose(found[0], image, atol=1e-4)


def test_errors_are_zero_for_the_image_itself(images):
    extractor, image = Extractor(OPTIONS, "cpu"), images[0]
    found = ran.errors(image, np.stack([image, -image]), extractor)
    assert {m.shape for m in found.values()} == {(2, *image.shape)}
    assert np.abs(found["pixel"][0]).max() == 0 and np.abs(found["feature"][0]).max() < 1e-4
    np.testing.assert_allclose(found["pixel"][1], 4 * image**2, rtol=1e-5)
    assert found["feature"][1].mean() > 0.05


def test_gradients_bring_an_image_nearer_to_its_normal_one():
    extractor, rng = Extractor(OPTIONS, "cpu"), np.random.default_rng(0)
    normal = (0.3 * np.sin(np.arange(48) / 2) + 0.05 * rng.normal(size=(48, 48))).astype(np.float32)
    image = normal.copy()
    image[10:20, 10:20] = 0.8
    path = ran.to_normality(image, normal, extractor, steps=6, rate=0.05, copies=2, sigma=0.02, seed=0)
    start, end = (ran.errors(normal, x[None], extractor)["feature"].mean() for x in (image, path[-1]))
    assert len(path) == 6 and end < 0.9 * start and np.abs(path[0] - image).max() == pytest.approx(0.05, rel=1e-3)
    change = np.abs(path[-1] - image)
    assert change[10:20, 10:20].mean() > 2 * change.mean()
