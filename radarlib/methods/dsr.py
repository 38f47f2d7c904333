"""DSR's idea (Zavrtanik et al. 2022): defects are made among the codes of a quantised image, not among its pixels.

Theirs has two grids of codes, and a codebook of 4,096 that was learned on ImageNet. Here one grid is learned on the
normal images and on simulated textures, for there is no download.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.methods import artificial
from radarlib.methods.blocks import Hourglass, conv, focal
from radarlib.methods.draem import highest_mean
from radarlib.methods.fitting import TOGETHER, Fitted, Found, Given, minimise, plane, single

LR = 0.002
CODES, CODE, WIDTH = 256, 16, 32  # of the codebook; numbers of a code; channels
COMMITMENT = 0.25  # VQ-VAE's β
STRENGTH = (0.2, 1.0)  # share of the codebook that a wrong code is drawn from, nearest first (Eq. 2)
NEAREST = 0.05  # share of it that is too near to be wrong
PIXELS = 10.0  # weight of the pixels' loss, in the authors' code


UP = nn.Upsample(scale_factor=2, mode="nearest")


def _decoder(first: int = CODE) -> nn.Sequential:
    return nn.Sequential(
        conv(first, WIDTH), UP, conv(WIDTH, WIDTH), UP, conv(WIDTH, 16), nn.Conv2d(16, 1, 3, padding=1)
    )


def _narrow() -> nn.Sequential:
    """Codes by way of a quarter of their side: what sees them as they are could copy wrong ones."""
    return nn.Sequential(
        conv(CODE, WIDTH), conv(WIDTH, 2 * WIDTH, 2), conv(2 * WIDTH, 4 * WIDTH, 2), UP, conv(4 * WIDTH, 2 * WIDTH), UP,
        conv(2 * WIDTH, 2 * WIDTH),
    )  # fmt: skip


class Quantised(nn.Module):
    """A VQ-VAE (van den Oord et al. 2017) at a quarter of the side. used : (CODES,) bool, of the codebook."""

    used: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(conv(1, 16), conv(16, WIDTH, 2), conv(WIDTH, WIDTH, 2), nn.Conv2d(WIDTH, CODE, 1))
        self.book = nn.Parameter(torch.randn(CODES, CODE))
        self.decoder = _decoder()
        self.register_buffer("used", torch.ones(CODES, dtype=torch.bool))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Codes where the encoder's outputs lie: others would never be nearest, and so never learn."""
        z = self.encoder(x).permute(0, 2, 3, 1).flatten(0, 2)
        self.book.copy_(z[torch.randint(len(z), (CODES,), device=z.device)])

    @torch.no_grad()
    def settle(self, x: Tensor) -> None:
        """Which codes these images use: no other is drawn as a wrong one."""
        nearest = self.distances(self.encoder(x)).argmin(-1)
        self.used.copy_(torch.bincount(nearest.flatten(), minlength=CODES) > 0)

    def distances(self, z: Tensor) -> Tensor:
        """Squared, of each location to each code: (N, h, w, CODES)."""
        return torch.cdist(z.permute(0, 2, 3, 1).flatten(0, 2), self.book).square().view(*z.shape[:1], *z.shape[2:], -1)

    def quantise(self, z: Tensor) -> Tensor:
        return self.book[self.distances(z).argmin(-1)].permute(0, 3, 1, 2)

    def loss(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        q = self.quantise(z)
        x_hat = self.decoder(z + (q - z).detach())
        return F.mse_loss(x_hat, x) + F.mse_loss(q, z.detach()) + COMMITMENT * F.mse_loss(z, q.detach())

    def disturbed(self, z: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Codes with wrong ones inside the mask (N, 1, h, w), of those neither too near nor too far (Eq. 2)."""
        ranked = self.distances(z).masked_fill(~self.used, torch.inf).argsort(-1)
        count = int(self.used.sum())
        low, high = round(NEAREST * count), 1 - torch.rand(len(z), 1, 1, generator=generator) * (1 - STRENGTH[0])
        spread = torch.rand(ranked.shape[:-1], generator=generator) * (high * count - low).clamp(min=1)
        wrong = ranked.gather(-1, (low + spread).long().clamp(max=count - 1)[..., None].to(z.device))[..., 0]
        return torch.where(mask > 0, self.book[wrong].permute(0, 3, 1, 2), self.quantise(z))


def fit(given: Given) -> Fitted:
    """First the codes, then what restores normal ones and what finds where the two decoders differ (§3.2 to 3.4)."""
    torch.manual_seed(given.seed)
    vq = Quantised().to(given.device)

    def beside_textures(some: Tensor, generator: torch.Generator) -> Tensor:
        rng = artificial.numpy_rng(generator)
        other = [artificial.texture(given.images[i], rng) for i in some.tolist()]
        x = torch.cat([given.stack[some], torch.from_numpy(np.stack(other).astype(np.float32))[:, None]])
        return x.to(given.device)

    generator, few = torch.Generator().manual_seed(given.seed), torch.arange(min(len(given.images), TOGETHER))
    vq.start(beside_textures(few, generator))
    losses = minimise(vq, lambda some, drawn: vq.loss(beside_textures(some, drawn)), given, LR, "DSR, codes")
    vq.requires_grad_(False)
    vq.settle(beside_textures(few, generator))
    net = nn.ModuleDict({
        "restrict": nn.Sequential(_narrow(), nn.Conv2d(2 * WIDTH, CODE, 1)),
        "decoder": nn.Sequential(_narrow(), _decoder(2 * WIDTH)),
        "find": Hourglass(2, 1, skip=True, learns_in=given.precision),
    }).to(given.device)  # fmt: skip

    def segmented(codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        restored = net["restrict"](codes)
        x_hat = net["decoder"](vq.quantise(restored) + (restored - restored.detach()))
        return net["find"](torch.cat([x_hat.detach(), vq.decoder(codes)], 1)), restored, x_hat

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        x = given.stack[some].to(given.device)
        z = vq.encoder(x)
        rng = artificial.numpy_rng(generator)
        masks = np.stack([artificial.blob(x.shape[-1], rng) * (rng.random() < artificial.SHARE) for _ in some])
        mask = F.max_pool2d(torch.from_numpy(masks.astype(np.float32))[:, None].to(x), 4)
        logits, restored, x_hat = segmented(vq.disturbed(z, mask, generator))
        told = focal(logits, F.interpolate(mask, scale_factor=4), gamma=2)
        return told + F.mse_loss(restored, vq.quantise(z)) + PIXELS * F.mse_loss(x_hat, x)

    losses += minimise(net, loss, given, LR, "DSR")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        codes = vq.quantise(vq.encoder(single(image).to(given.device)))
        logits, _, x_hat = segmented(codes)
        found = plane(logits.sigmoid())
        return Found(found, highest_mean(found), plane(x_hat))

    return Fitted(judge, losses)
