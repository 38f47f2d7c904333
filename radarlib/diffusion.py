"""The diffusion process (Ho et al. 2020; RADAR §III-B). Time steps t run from 1 to T, as in the papers."""

from __future__ import annotations

import torch
from torch import Tensor


class Schedule:
    """The linear noise schedule β_1 … β_T and what follows from it (RADAR Eqs. 1, 2).

    Attributes
    ----------
    betas, alphas, alphas_cumprod : (T + 1,) float64; index t is time step t, index 0 is "no noise"
        (β_0 = 0, ᾱ_0 = 1), so that the equations read as printed.
    """

    def __init__(self, steps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02):
        self.steps = steps
        self.betas = torch.cat(
            [torch.zeros(1, dtype=torch.float64), torch.linspace(beta_start, beta_end, steps, dtype=torch.float64)]
        )
        self.alphas = 1 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, 0)

    def _coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ_t and √(1 − ᾱ_t), shaped to multiply `like` (N, …)."""
        a = self.alphas_cumprod[t.cpu().long()].reshape(-1, *[1] * (like.ndim - 1))
        return a.sqrt().to(like), (1 - a).sqrt().to(like)

    def forward(self, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, the closed form of Eq. 1. Shapes (N, …), t (N,)."""
        signal, sigma = self._coefficients(t, x_0)
        return signal * x_0 + sigma * noise

    def predict_x_0(self, x_t: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """The x_0 that x_t and the noise ε imply: the forward process solved for x_0."""
        signal, sigma = self._coefficients(t, x_t)
        return (x_t - sigma * eps) / signal

    def reverse(self, x_t: Tensor, t: int, t_next: int, eps: Tensor, noise: Tensor) -> Tensor:
        """One ancestral step x_t → x_{t_next} given ε = ε_θ(x_t, t) (RADAR Eq. 2).

        With t_next = t − 1 this is Eq. 2, whose mean is (x_t − β_t ε / √(1 − ᾱ_t)) / √α_t, with the
        posterior variance β̃_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t). A larger jump is the same step on the
        schedule that keeps only the visited steps: α = ᾱ_t / ᾱ_{t_next}.
        (The paper prints √(1 − α_t) below β_t; Ho et al.'s √(1 − ᾱ_t) is meant.)
        """
        a_t, a_next = self.alphas_cumprod[t], self.alphas_cumprod[t_next]
        alpha = a_t / a_next
        beta = 1 - alpha
        mean = (x_t - (beta / (1 - a_t).sqrt()).item() * eps) / alpha.sqrt().item()
        variance = beta * (1 - a_next) / (1 - a_t)
        return mean + variance.sqrt().item() * noise


def chain(t_start: int, steps: int) -> list[int]:
    """The time steps that a reverse chain of `steps` steps visits from t_start: [t_start, …, 0], evenly spaced."""
    if not 1 <= steps <= t_start:
        raise ValueError(f"{steps} reverse steps do not fit between t = {t_start} and 0")
    return [round(t_start * k / steps) for k in range(steps, -1, -1)]
