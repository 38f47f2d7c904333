"""The robust losses and their limits."""

import numpy as np
import pytest
import torch

from radarlib.config import merge
from radarlib.losses import huber, l2, make_loss, pseudo_huber, trimmed
from radarlib.train import Trainer

R = torch.randn(16, 1, 6, 6, generator=torch.Generator().manual_seed(0)).double()


def test_huber_is_twice_the_papers():
    delta = 0.2
    paper = torch.where(R.abs() <= delta, R**2 / 2, delta * (R.abs() - delta / 2))
    torch.testing.assert_close(huber(R, delta), 2 * paper.mean())


@pytest.mark.parametrize("loss", [huber, pseudo_huber])
def test_small_delta_tends_to_l1(loss):
    delta = 1e-6
    torch.testing.assert_close(loss(R, delta) / (2 * delta), R.abs().mean(), rtol=1e-4, atol=0)
    torch.testing.assert_close(huber(R, 0), R.abs().mean())


def test_large_delta_is_l2():
    torch.testing.assert_close(huber(R, 100.0), l2(R))
    torch.testing.assert_close(pseudo_huber(R, 1e3), l2(R), rtol=1e-4, atol=0)


@pytest.mark.parametrize("keep", [0.8, 0.5, 0.01])
def test_trimming_drops_the_samples_with_the_largest_loss(keep):
    residual = R * torch.arange(1, 17)[:, None, None, None]
    kept = max(1, round(16 * keep))
    each = residual.square().mean((1, 2, 3)).sort().values
    torch.testing.assert_close(trimmed(residual, keep), each[:kept].mean())
    residual.requires_grad_(True)
    trimmed(residual, keep).backward()
    assert int((residual.grad.abs().sum((1, 2, 3)) > 0).sum()) == kept


@pytest.mark.parametrize("loss", [{"kind": "huber", "delta": float("inf")}, {"kind": "lts", "keep": 1.0}])
def test_without_robustness_training_is_ddpms_bit_for_bit(settings, images, loss):
    plain = Trainer(images, settings, 0, "cpu")
    robust = Trainer(images, merge(settings, {"loss": loss}), 0, "cpu")
    for _ in range(5):
        plain.train_step(), robust.train_step()
    assert plain.losses == robust.losses
    for a, b in zip(plain.net.parameters(), robust.net.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", ["huber", "pseudo_huber", "lts"])
def test_one_gross_sample_moves_a_robust_loss_less(kind):
    loss = make_loss({"kind": kind, "delta": 0.2, "keep": 0.8})
    dirty = R.clone()
    dirty[0] *= 50
    assert np.log(float(loss(dirty) / loss(R))) < 0.6 * np.log(float(l2(dirty) / l2(R)))
