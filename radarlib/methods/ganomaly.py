"""GANomaly (Akcay et al. 2018), which compares an image's code with that of its reconstruction, and SkipGANomaly (Akcay
et al. 2019), whose generator is a U-Net and whose discriminator gives the features that are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.methods.blocks import DEPTH, Hourglass, conv
from radarlib.methods.fitting import Fitted, Found, Given, plane, single
from radarlib.runtime import progress

LR, BETAS = 0.001, (0.5, 0.999)  # GANomaly §4: 0.002
LATENT, NUMBERS = 8, 100  # channels at an eighth of the side, of which the numbers of a code are made
ADVERSARIAL, CONTEXT, CODE = 1.0, 50.0, 1.0  # GANomaly Eq. 5; in SkipGANomaly 1, 40, 1 (Eq. 5)
SKIP_CONTEXT, SHARE = 40.0, 0.9  # λ of SkipGANomaly's score (Eq. 6)


class Coder(nn.Module):
    """An autoencoder whose code is one vector for the whole image, (N, NUMBERS): a code that has places would let a
    defect pass at its own.
    """

    def __init__(self, side: int, learns_in: torch.dtype = torch.float32):
        super().__init__()
        self.net = Hourglass(1, 1, skip=False, latent=LATENT, learns_in=learns_in)
        self.shape = (LATENT, side // 2**DEPTH, side // 2**DEPTH)
        self.narrow = nn.Linear(math.prod(self.shape), NUMBERS)
        self.widen = nn.Linear(NUMBERS, math.prod(self.shape))

    def encode(self, x: Tensor) -> Tensor:
        return self.narrow(self.net.encode(x)[0].flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        h = self.widen(z).unflatten(1, self.shape)
        return self.net.decode(h, [h] * DEPTH)


class Inner(Hourglass):
    """A U-Net past whose first halving no detail goes, as in the authors' code: at full resolution it would copy."""

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        z, (first, *others) = super().encode(x)
        return z, [torch.zeros_like(first), *others]


class Discriminator(nn.Module):
    """Features of an image, (N, 64, S / 8, S / 8), and how real it looks, (N,)."""

    def __init__(self) -> None:
        super().__init__()
        self.features: nn.Module = nn.Sequential(conv(1, 16, 2), conv(16, 32, 2), conv(32, 64, 2))
        self.real: nn.Module = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found = self.features(x)
        return found, self.real(found).flatten(1).mean(1)


class Whole(Discriminator):
    """The same with features of the whole image, (N, NUMBERS)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.features = nn.Sequential(self.features, nn.Flatten(), nn.Linear(64 * (side // 8) ** 2, NUMBERS))
        self.real = nn.Linear(NUMBERS, 1)


def _play(
    generator: nn.Module,
    critic: Discriminator,
    loss: Callable[[Tensor], tuple[Tensor, Tensor]],
    given: Given,
    what: str,
) -> list[float]:
    """Generator and discriminator in turn; the generator's losses.

    loss : of a batch, the generator's loss and the reconstruction, which the discriminator is to tell from the batch.
    """
    given = given.longer()
    rng, losses = torch.Generator().manual_seed(given.seed), []
    both = [net.to(given.device).train() for net in (generator, critic)]
    ours, theirs = (torch.optim.Adam(net.parameters(), lr=LR, betas=BETAS, fused=True) for net in both)
    for _ in progress(range(given.steps), desc=f"{given.label}: {what}", unit="step"):
        some = torch.randint(len(given.images), (given.batch,), generator=rng)
        x = given.stack[some].to(given.device)
        value, x_hat = loss(x)
        ours.zero_grad()
        value.backward()
        ours.step()
        (_, real), (_, fake) = critic(x), critic(x_hat.detach())
        theirs.zero_grad()
        (F.softplus(-real).mean() + F.softplus(fake).mean()).backward()
        theirs.step()
        losses.append(value.item())
    for net in both:
        net.eval()
    return losses


def fit(given: Given) -> Fitted:
    """GANomaly: the score is the L1 distance of the two codes (Eq. 6); the map, which it has not, is |x − x̂|."""
    torch.manual_seed(given.seed)
    generator, encoder = (Coder(given.stack.shape[-1], given.precision) for _ in range(2))
    net, critic = nn.ModuleList([generator, encoder]), Discriminator()

    def pair(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z = generator.encode(x)
        x_hat = generator.decode(z)
        return x_hat, z, encoder.encode(x_hat)

    def loss(x: Tensor) -> tuple[Tensor, Tensor]:
        x_hat, z, z_hat = pair(x)
        real, fake = critic(x)[0].detach(), critic(x_hat)[0]
        total = ADVERSARIAL * F.mse_loss(fake, real) + CONTEXT * F.l1_loss(x_hat, x) + CODE * F.mse_loss(z_hat, z)
        return total, x_hat

    losses = _play(net, critic, loss, given, "GANomaly")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x = single(image).to(given.device)
        x_hat, z, z_hat = pair(x)
        return Found(plane((x - x_hat).abs()), float((z - z_hat).abs().mean()), plane(x_hat))

    return Fitted(judge, losses)


def fit_skip(given: Given) -> Fitted:
    """SkipGANomaly: the score is λ R + (1 − λ) L, the L1 distance of the image and the L2 of the discriminator's
    features (Eqs. 6 to 8); the map is |x − x̂|.
    """
    torch.manual_seed(given.seed)
    net, critic = Inner(1, 1, skip=True, learns_in=given.precision), Whole(given.stack.shape[-1])

    def loss(x: Tensor) -> tuple[Tensor, Tensor]:
        x_hat = net(x)
        real, (fake, looks) = critic(x)[0].detach(), critic(x_hat)
        fooled = ADVERSARIAL * F.softplus(-looks).mean()
        return fooled + SKIP_CONTEXT * F.l1_loss(x_hat, x) + CODE * F.mse_loss(fake, real), x_hat

    losses = _play(net, critic, loss, given, "SkipGANomaly")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x = single(image).to(given.device)
        x_hat = net(x)
        apart, told = (x - x_hat).abs(), (critic(x)[0] - critic(x_hat)[0]) ** 2
        return Found(plane(apart), float(SHARE * apart.mean() + (1 - SHARE) * told.mean()), plane(x_hat))

    return Fitted(judge, losses)
