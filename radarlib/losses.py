"""What a training step minimises: the squared error (RADAR Eq. 3), or a robust loss (RDDPM, Moradi & Paynabar 2025).

Every loss takes the residual ε − ε_θ, (N, 1, H, W), and returns a scalar. All are scaled so that they equal the mean
squared error where they are not robust: with δ = ∞ or λ = 1, training is DDPM's to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor], Tensor]


def l2(residual: Tensor) -> Tensor:
    """The mean squared error (RADAR Eq. 3, RDDPM Eq. 6)."""
    return F.mse_loss(residual, torch.zeros_like(residual))


def huber(residual: Tensor, delta: float) -> Tensor:
    """Twice RDDPM's Eq. 3: r² up to δ, 2δ|r| − δ² beyond. δ = 0 stands for the limit that the paper names, |r|.

    Eq. 3 itself is zero at δ = 0; its slope beyond δ is δ, so that Huber / δ tends to |r|.
    """
    if delta == 0:
        return residual.abs().mean()
    if delta == float("inf"):
        return l2(residual)
    return 2 * F.huber_loss(residual, torch.zeros_like(residual), delta=delta)


def pseudo_huber(residual: Tensor, delta: float) -> Tensor:
    """2δ² (√(1 + (r/δ)²) − 1), smooth everywhere (Khrapov et al. 2024, which RDDPM cites as related)."""
    return 2 * delta**2 * ((1 + (residual / delta).square()).sqrt() - 1).mean()


def trimmed(residual: Tensor, keep: float) -> Tensor:
    """Least trimmed squares: the mean of the λN smallest of the samples' squared errors, λ = `keep` (RDDPM Eq. 9).

    At least one sample is kept.
    """
    if keep == 1:
        return l2(residual)
    errors, _ = smallest(residual, keep)
    return errors.mean()


def smallest(residual: Tensor, keep: float) -> tuple[Tensor, Tensor]:
    """The squared errors of the samples that least trimmed squares keeps, and their places in the batch."""
    each = residual.square().flatten(1).mean(1)
    return each.topk(max(1, round(keep * len(each))), largest=False)


def make_loss(options: dict) -> Loss:
    """The loss of a configuration's `loss` section."""
    losses: dict[str, Loss] = {
        "l2": l2,
        "huber": partial(huber, delta=options["delta"]),
        "pseudo_huber": partial(pseudo_huber, delta=options["delta"]),
        "lts": partial(trimmed, keep=options["keep"]),
    }
    return losses[options["kind"]]
