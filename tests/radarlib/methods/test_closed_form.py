"""The closed form of the noise predictor: facts about Gaussian patches."""

import numpy as np
import pytest
import torch

from radarlib.diffusion import Schedule
from radarlib.methods import closed_form
from radarlib.methods.closed_form import ClosedForm


@pytest.fixture
def model() -> ClosedForm:
    """Of 4 × 4 patches with neighbours that go together."""
    y, x = np.indices((4, 4)).reshape(2, -1)
    far = np.hypot(y[:, None] - y, x[:, None] - x)
    return ClosedForm(np.linspace(-0.2, 0.2, 16), 0.05 * np.exp(-far / 2), Schedule())


def draws(model: ClosedForm, n: int, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x_t of n Gaussian patches, and the noise in it."""
    rng = np.random.default_rng(0)
    covariance = (model.vectors * model.values) @ model.vectors.T
    x_0 = torch.from_numpy(rng.multivariate_normal(model.mean, covariance, n)).float().view(n, 1, 4, 4)
    eps = torch.from_numpy(rng.standard_normal(x_0.shape)).float()
    return model.schedule.forward(x_0, torch.full((n,), t), eps), eps


@pytest.mark.parametrize("t", [1, 20, 400])
def test_is_minus_sigma_times_the_score_of_the_smoothed_density(model, t):
    a = model.schedule.alphas_cumprod[t]
    covariance = torch.from_numpy((model.vectors * model.values) @ model.vectors.T)
    density = torch.distributions.MultivariateNormal(
        a.sqrt() * torch.from_numpy(model.mean), a * covariance + (1 - a) * torch.eye(16, dtype=torch.float64)
    )
    x_t = draws(model, 5, t)[0].double().flatten(1).requires_grad_()
    (gradient,) = torch.autograd.grad(density.log_prob(x_t).sum(), x_t)
    expected = -((1 - a).sqrt()) * gradient
    torch.testing.assert_close(model.eps(x_t.detach().float().view(-1, 1, 4, 4), t).flatten(1).double(), expected,
                               rtol=1e-3, atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("t", [1, 20, 400])
def test_its_error_is_the_one_predicted_and_the_least_of_linear_predictors(model, t):
    x_t, eps = draws(model, 20_000, t)
    error = (model.eps(x_t, t) - eps).square().mean().item()
    assert error == pytest.approx(model.error(t), rel=0.01)
    x, y = (torch.cat([part.flatten(1), torch.ones(len(part), 1)], 1).double().numpy() for part in (x_t, eps))
    fitted = x @ np.linalg.lstsq(x, y[:, :16], rcond=None)[0]
    assert ((fitted - y[:, :16]) ** 2).mean() == pytest.approx(error, rel=0.01)


def test_without_variance_all_noise_is_seen_and_with_much_none():
    schedule, mean = Schedule(), np.zeros(16)
    assert ClosedForm(mean, np.zeros((16, 16)), schedule).error(1) == 0
    assert ClosedForm(mean, 1e6 * np.eye(16), schedule).error(1) == pytest.approx(1)


def test_fit_finds_mean_and_covariance_of_what_it_is_given(settings):
    rng = np.random.default_rng(0)
    images = [(0.2 + 0.1 * rng.standard_normal((60, 50))).astype(np.float32) for _ in range(20)]
    model = closed_form.fit(images, settings, 0)
    assert model.patch == settings["training"]["patch"]
    np.testing.assert_allclose(model.mean, 0.2, atol=0.01)
    assert model.values.mean() == pytest.approx(0.01, rel=0.05)
    assert closed_form.fit(images, settings, 0).mean.tobytes() == model.mean.tobytes()


def test_scores_as_radar_does(settings, images):
    faint = [0.05 * image for image in images]
    model = closed_form.fit(faint[:4], settings, 0)
    s, features = closed_form.score(faint[4], model, settings, 0)
    assert s.shape == faint[4].shape and set(features) == {"global", "local"}
    bright = faint[4].copy()
    bright[4:9, 4:9] += 0.5
    assert closed_form.score(bright, model, settings, 0)[1]["local"] > 1.5 * features["local"]
