"""D3AD's pieces against published figures and against their definitions."""

import numpy as np
import pytest
import torch
from conftest import REPOSITORY

from radarlib.diffusion import Schedule
from radarlib.extractor import cosine_map
from radarlib.methods.d3ad import adaptation_loss, condition, disturb, guided_ddim, latent_map

SCHEDULE = Schedule(1000, 0.0015, 0.0195)


@pytest.mark.parametrize("eta", [0, 4])
def test_guided_ddim_is_the_published_one(eta):
    """A toy predictor (tests/reference); its t counts from 0, ours from 1."""
    with np.load(REPOSITORY / "tests/reference" / "d3ad.npz") as data:
        x_0, expected = (torch.from_numpy(data[k]) for k in ("x0", f"d3ad_x0_guidance{eta}"))

    def toy(x, t):
        return 0.5 * torch.tanh(x) + 0.1 * np.cos((t - 1) / 100)

    start = disturb(x_0, 81, 0.0, torch.zeros_like(x_0), SCHEDULE)
    found = guided_ddim(start, x_0, toy, SCHEDULE, [*range(81, 8, -8), 0], eta)
    torch.testing.assert_close(found[-1], expected, atol=1e-6, rtol=0)


def test_scaling_and_noising_are_the_two_ends_of_omega():
    x_0, noise = (torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    t = 80
    torch.testing.assert_close(
        disturb(x_0, t, 1.0, noise, SCHEDULE), SCHEDULE.forward(x_0, torch.tensor([t, t]), noise)
    )
    torch.testing.assert_close(disturb(x_0, t, 0.0, noise, SCHEDULE), SCHEDULE.alphas_cumprod[t].sqrt().item() * x_0)


def test_an_exact_noise_predictor_gives_the_image_back():
    x_0, noise = (torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    found = guided_ddim(disturb(x_0, 80, 1.0, noise, SCHEDULE), x_0, lambda x, t: noise, SCHEDULE, [80, 40, 0], 0)
    assert len(found) == 2
    torch.testing.assert_close(found[-1], x_0, atol=1e-5, rtol=0)


def test_a_drawn_way_back_is_ancestral_sampling():
    x_t, noise, eps = (torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(k)) for k in range(3))
    seen = []

    def predict(x, t):
        seen.append(x)
        return eps

    guided_ddim(x_t, x_t, predict, SCHEDULE, [80, 50, 0], 0, draw=lambda x: noise)
    torch.testing.assert_close(seen[1], SCHEDULE.reverse(x_t, 80, 50, eps, noise), atol=1e-5, rtol=0)


def test_the_conditioning_bins_distances_as_algorithm_2_says():
    features = [np.array([float(k), 0.0]) for k in range(11)]
    given, own = condition(features, k=2, bins=10, smallest=2)
    assert own[0] == pytest.approx(1.5) and own[5] == pytest.approx(1.0)  # an image is not its own neighbour
    assert given.edges[0] == own.min() and given.edges[-1] == own.max() and np.ptp(np.diff(given.edges)) < 1e-12
    assert given.distance(np.array([12.0, 0.0])) == pytest.approx(2.5)
    assert given.bin(0.0) == 2 and given.bin(own.max() - 1e-9) == 10 and given.bin(99.0) == 10
    assert given.steps(0.0, 80) == 16 and given.steps(99.0, 80) == 80  # ⌊b T_max / |B|⌋
    middle = (given.edges[4] + given.edges[5]) / 2
    assert given.bin(middle) == 5 and given.steps(middle, 85) == 42


def test_maps_are_zero_where_nothing_differs_and_large_where_something_does():
    generator = torch.Generator().manual_seed(0)
    a = [torch.randn(2, 4, 8, 8, generator=generator), torch.randn(2, 6, 4, 4, generator=generator)]
    b = [m.clone() for m in a]
    assert cosine_map(a, b, 16).abs().max() < 1e-6 and latent_map(a[0], b[0], 16).abs().max() == 0
    assert adaptation_loss(a, b).item() == pytest.approx(0, abs=1e-6)
    b[0][:, :, 6:, 6:] *= -1
    found = cosine_map(a, b, 16)
    assert found.shape == (2, 16, 16) and found[:, :8, :8].abs().max() < 1e-6 and found[0, 15, 15] == pytest.approx(2)
    assert adaptation_loss(a, b).item() == pytest.approx(2 * 4 / 64, abs=1e-5)  # GAP of a distance of 2 on 4 of 64
    assert latent_map(a[0], b[0], 8)[0, 7, 7] == pytest.approx(2 * a[0][0, :, 7, 7].abs().sum().item(), rel=1e-5)
