"""Systems that lead pixels back along a chain: DDPM with Gaussian noise, guided as DDAD (Mousakhan et al. 2023), and
with D3AD's dynamic steps (Tebbe & Tayyub 2024) on pixels instead of latents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.errors import UserError
from radarlib.extractor import Extractor, cosine_map
from radarlib.map_features import MAP
from radarlib.methods.d3ad import adaptation_loss, condition, disturb, guided_ddim
from radarlib.methods.fitting import Fitted, Found, Given, minimise, plane
from radarlib.runtime import image_generator

STEPS, T_MAX = 10, 250  # of DDIM, from T' (DDAD §4.1: 250, steps of 25)
START = 200  # of T = 1,000 (noise study Table 3)
GUIDANCE = 3.0  # w (DDAD Eq. 7); the paper chooses 0 to 9 by category
LR = 1e-4  # of the adapted extractor
NEIGHBOURS, BINS, SMALLEST = 20, 10, 2  # D3AD §5


def denoiser_of(given: Given) -> Denoiser:
    if given.denoiser is None:
        raise UserError("systems that diffuse pixels need a denoiser of whole images")
    return given.denoiser


def led_back(
    images: Sequence[np.ndarray], steps: Sequence[int], denoiser: Denoiser, guidance: float, omega: float, seed: int
) -> list[Tensor]:
    """x̂_0 of images, each from its own step, at the denoiser's side: (1, 1, s, s) each, on the CPU.

    omega : of the noise that is added at first: 1 as DDAD does, 0 as D3AD.
    """
    found = []
    for image, t in zip(images, steps, strict=True):
        x = torch.from_numpy(image)[None, None]
        x = F.interpolate(x, (denoiser.patch, denoiser.patch), mode="bilinear", antialias=True).to(denoiser.device)
        noise = torch.randn(tuple(x.shape), generator=image_generator(image, seed)).to(x)
        start = disturb(x, t, omega, noise, denoiser.schedule)
        with torch.inference_mode():
            times = chain(t, min(t, STEPS))
            x_hat = guided_ddim(start, x, denoiser.eps, denoiser.schedule, times, guidance)[-1]
        found.append(x_hat.clamp(-1, 1).cpu().clone())
    return found


def differences(image: np.ndarray, x_hat: Tensor, extractor: Extractor) -> tuple[Tensor, Tensor]:
    """D_p, the L1 distance of pixels, and D_f, the cosine distance of features (DDAD Eqs. 9, 10), (MAP, MAP) each."""
    x = torch.from_numpy(image)[None, None]
    with torch.inference_mode():
        y = F.interpolate(x_hat, x.shape[-2:], mode="bilinear")
        apart = F.interpolate((x - y).abs(), (MAP, MAP), mode="bilinear", antialias=True)[0, 0]
        return apart, cosine_map(extractor.maps(x), extractor.maps(y), MAP)[0].cpu()


def _adapted(given: Given, x_hats: Sequence[Tensor], what: str) -> tuple[Extractor, list[float]]:
    """The extractor, tuned until images and their reconstructions look alike to it (DDAD Eq. 8)."""
    extractor, stack = given.extractor.copied(), torch.cat(list(x_hats))

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        return adaptation_loss(extractor.maps(given.stack[some]), extractor.maps(stack[some]))

    few = replace(given, steps=max(1, given.steps // 10), batch=max(1, given.batch // 2))
    return extractor, minimise(extractor.net, loss, few, LR, what)


def _system(given: Given, steps: Callable[[np.ndarray], int], guidance: float, omega: float, what: str) -> Fitted:
    """Both maps as multiples of their highest value on normal images, added (DDAD Eq. 11 with v = 1; there the highest
    of the test batch)."""
    denoiser = denoiser_of(given)
    x_hats = led_back(given.images, [steps(image) for image in given.images], denoiser, guidance, omega, given.seed)
    extractor, losses = _adapted(given, x_hats, what)
    normal = [differences(image, y, extractor) for image, y in zip(given.images, x_hats, strict=True)]
    top = [max(float(torch.stack(part).max()), 1e-12) for part in zip(*normal, strict=True)]

    def judge(image: np.ndarray) -> Found:
        (x_hat,) = led_back([image], [steps(image)], denoiser, guidance, omega, given.seed)
        pixels, features = differences(image, x_hat, extractor)
        return Found((pixels / top[0] + features / top[1]).numpy(), x_hat=plane(x_hat))

    return Fitted(judge, losses)


def fit_ddpm(given: Given) -> Fitted:
    """Reconstruction by diffusion with Gaussian noise (noise study §3): the map is (x − x̂_0)²."""
    denoiser = denoiser_of(given)

    def judge(image: np.ndarray) -> Found:
        (x_hat,) = led_back([image], [START], denoiser, 0.0, 1.0, given.seed)
        x = F.interpolate(torch.from_numpy(image)[None, None], x_hat.shape[-2:], mode="bilinear", antialias=True)
        return Found(plane((x - x_hat) ** 2), x_hat=plane(x_hat))

    return Fitted(judge)


def fit_ddad(given: Given) -> Fitted:
    """DDAD: noise is added up to T', and the way back is drawn to the image."""
    return _system(given, lambda _: T_MAX, GUIDANCE, 1.0, "DDAD, adaptation")


def fit_d3ad(given: Given) -> Fitted:
    """D3AD on pixels: how far an image is scaled, and led back, depends on its distance to normal images."""

    def feature(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = given.extractor.maps(torch.from_numpy(image)[None, None])[0]
            return F.adaptive_avg_pool2d(found, given.extractor.grid // 2)[0].flatten().cpu().numpy()

    how, _ = condition([feature(image) for image in given.images], NEIGHBOURS, BINS, SMALLEST)
    return _system(given, lambda image: how.steps(how.distance(feature(image)), T_MAX), 0.0, 0.0, "D3AD on pixels")
