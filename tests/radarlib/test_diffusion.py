import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from radarlib.diffusion import Schedule, chain

SCHEDULE = Schedule()


def independent(**options) -> DDPMScheduler:
    """Hugging Face's scheduler with the same betas; its time steps are 0-based."""
    return DDPMScheduler(1000, 1e-4, 0.02, "linear", variance_type="fixed_small", clip_sample=False, **options)


def test_alphas_cumprod_agree_with_diffusers():
    np.testing.assert_allclose(SCHEDULE.alphas_cumprod[1:], independent().alphas_cumprod, rtol=2e-5)
    assert SCHEDULE.alphas_cumprod[0] == 1


@pytest.mark.parametrize("t", [1, 20, 250, 1000])
def test_forward_process_has_the_mean_and_variance_of_eq_1(t):
    x_0 = torch.full((1, 200_000), 0.7)
    x_t = SCHEDULE.forward(x_0, torch.tensor([t]), torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0)))
    a = SCHEDULE.alphas_cumprod[t].item()
    assert x_t.mean().item() == pytest.approx(0.7 * a**0.5, abs=0.01)
    assert x_t.var().item() == pytest.approx(1 - a, rel=0.02)


def test_forward_step_by_step_equals_the_closed_form_in_distribution():
    generator = torch.Generator().manual_seed(1)
    x = torch.full((100_000,), -0.4, dtype=torch.float64)
    for t in range(1, 51):
        beta = SCHEDULE.betas[t]
        x = (1 - beta).sqrt() * x + beta.sqrt() * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    a = SCHEDULE.alphas_cumprod[50]
    assert x.mean().item() == pytest.approx(-0.4 * a.sqrt().item(), abs=0.005)
    assert x.var().item() == pytest.approx(1 - a.item(), rel=0.02)


def test_forward_agrees_with_diffusers():
    generator = torch.Generator().manual_seed(2)
    x_0, eps = torch.randn(4, 1, 8, 8, generator=generator), torch.randn(4, 1, 8, 8, generator=generator)
    t = torch.tensor([1, 10, 500, 1000])
    torch.testing.assert_close(
        SCHEDULE.forward(x_0, t, eps), independent().add_noise(x_0, eps, t - 1), atol=2e-6, rtol=2e-5
    )


@pytest.mark.parametrize("t", [1, 2, 100, 1000])
def test_reverse_step_agrees_with_diffusers(t):
    x_t, eps = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    theirs = independent().step(eps, t - 1, x_t, generator=torch.Generator().manual_seed(3)).prev_sample
    noise = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(SCHEDULE.reverse(x_t, t, t - 1, eps, noise), theirs, atol=2e-4, rtol=2e-4)


def test_reverse_jump_agrees_with_diffusers_on_fewer_steps():
    scheduler = independent(timestep_spacing="leading")
    scheduler.set_timesteps(100)  # 0-based 990, 980, …, 0
    x_t, eps = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    theirs = scheduler.step(eps, 500, x_t, generator=torch.Generator().manual_seed(3)).prev_sample
    noise = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(SCHEDULE.reverse(x_t, 501, 491, eps, noise), theirs, atol=2e-4, rtol=2e-4)


def test_reverse_with_the_true_noise_returns_to_x_0():
    x_0, eps = torch.rand(3, 1, 8, 8) * 2 - 1, torch.randn(3, 1, 8, 8)
    x_t = SCHEDULE.forward(x_0, torch.full((3,), 250), eps)
    torch.testing.assert_close(SCHEDULE.predict_x_0(x_t, torch.full((3,), 250), eps), x_0, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(SCHEDULE.reverse(x_t, 250, 0, eps, torch.randn(x_0.shape)), x_0, atol=1e-5, rtol=1e-5)


def test_chain_visits_every_step_or_an_even_selection():
    assert chain(250, 250) == list(range(250, -1, -1))
    assert chain(250, 5) == [250, 200, 150, 100, 50, 0]
    with pytest.raises(ValueError, match="do not fit"):
        chain(10, 11)
