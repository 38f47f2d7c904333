"""Systems that lead pixels back along a chain: DDPM with Gaussian noise, guided as DDAD (Mousakhan et al. 2023), and
with D3AD's dynamic steps (Tebbe & Tayyub 2024) on pixels instead of latents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.extractor import Extractor, cosine_map, means
from radarlib.map_features import MAP
from radarlib.methods.d3ad import adaptation_loss, condition, conditioning_feature, disturb, guided_ddim
from radarlib.methods.fitting import Fitted, Found, Given, at_side, minimise, plane, single
from radarlib.runtime import image_generator

STEPS = 10  # of DDIM (DDAD §4.1: from 250 in steps of 25)
T_DDAD = 250  # T' (§4.1), on this schedule
T_DDPM = 143  # as noisy as the noise study's step 200 (Table 3), whose β ends at 0.01
T_D3AD = 129  # as noisy as D3AD's T_max of 80 (§5), whose β goes from 0.0015 to 0.0195
GUIDANCE, TUNED_WITH = 2.0, 3.0  # w (DDAD Eq. 7), and while the extractor is tuned: its code; the paper: by category
LR = 1e-4  # of the adapted extractor
HELD = 0.1  # λ_DL: how strongly it is held near the extractor that it was (the authors' code, for MVTec AD)
NEIGHBOURS, BINS, SMALLEST = 20, 10, 2  # D3AD §5


@dataclass(frozen=True)
class Way:
    """How a system leads an image back, and compares.

    what : its name while it is tuned. t_max : the most that it starts from. guidance : w. omega : share of the noise
        that is added before: 1 in DDAD, 0 in D3AD. drawn : whether noise is added on the way back, too. held : weight
        of DDAD's second loss while the extractor is tuned, 0: none. others : whether the extractor is tuned on each
        normal image and another one that was led to it; otherwise on the image and its own reconstruction. pooled :
        whether features are compared as means of 3 × 3.
    """

    what: str
    t_max: int
    guidance: float
    omega: float
    drawn: bool
    held: float
    others: bool
    pooled: bool


DDAD = Way("DDAD, adaptation", T_DDAD, GUIDANCE, 1.0, True, HELD, others=True, pooled=True)  # as its authors' code
D3AD = Way("D3AD on pixels", T_D3AD, 0.0, 0.0, False, 0.0, others=False, pooled=False)


def seen(image: np.ndarray, denoiser: Denoiser) -> Tensor:
    """An image at the denoiser's side, (1, 1, s, s) on the CPU: what it gives back has no more detail than that."""
    return at_side(single(image), denoiser.patch)


def led_back(
    image: np.ndarray,
    t: int,
    denoiser: Denoiser,
    guidance: float,
    omega: float,
    seed: int,
    target: np.ndarray | None = None,
    drawn: bool = False,
) -> Tensor:
    """x̂_0 of an image from step t, (1, 1, s, s) on the CPU.

    omega : share of the noise that is added before; it depends on the image's content. target : the image that the
        guidance draws it to; None: itself. drawn : whether noise is added on the way back (`guided_ddim`).
    """
    x = seen(image, denoiser).to(denoiser.device)
    towards = x if target is None else seen(target, denoiser).to(denoiser.device)
    generator = image_generator(image, seed)

    def draw(x: Tensor) -> Tensor:
        return torch.randn(tuple(x.shape), generator=generator).to(x.device)

    start = disturb(x, t, omega, draw(x), denoiser.schedule)
    with torch.inference_mode():
        times, noise = chain(t, min(t, STEPS)), draw if drawn else None
        x_hat = guided_ddim(start, towards, denoiser.eps, denoiser.schedule, times, guidance, noise)[-1]
    return x_hat.clamp(-1, 1).cpu().clone()


def differences(x: Tensor, x_hat: Tensor, extractor: Extractor, pooled: bool) -> tuple[Tensor, Tensor]:
    """D_p, the L1 distance of pixels, and D_f, the cosine distance of features (DDAD Eqs. 9, 10), (MAP, MAP) each."""
    with torch.inference_mode():
        apart = F.interpolate((x - x_hat).abs(), (MAP, MAP), mode="bilinear", antialias=True)[0, 0]
        own, other = (extractor.fine_maps(part) for part in (x, x_hat))
        if pooled:
            own, other = means(own), means(other)
        return apart, cosine_map(own, other, MAP)[0].cpu()


def adapted(given: Given, xs: Tensor, x_hats: Tensor, held: float, what: str) -> tuple[Extractor, list[float]]:
    """The extractor, tuned until images and what was led to them look alike to it (DDAD Eq. 8, D3AD Eq. 11), and the
    losses. Distances are those of locations; DDAD's code takes one of all locations together.

    held : weight of DDAD's second loss, the distance of each one's features from those before the tuning; 0: none.
    """
    extractor = given.extractor.copied()

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        extractor.net.eval()  # batch statistics stay, as in `d3ad_system`: of so few batches they would end half-way
        pair = [part[some] for part in (xs, x_hats)]
        tuned = [extractor.fine_maps(part) for part in pair]
        value = adaptation_loss(*tuned)
        if held:
            with torch.no_grad():
                before = [given.extractor.fine_maps(part) for part in pair]
            value = value + held * (adaptation_loss(tuned[0], before[0]) + adaptation_loss(tuned[1], before[1]))
        return value

    few = replace(given, steps=max(1, given.steps // 10), batch=max(1, given.batch // 2))
    return extractor, minimise(extractor.net, loss, few, LR, what)


def partners(n: int, seed: int) -> list[int]:
    """To each of n images another one, each once, at random; one alone has itself. (DDAD's code draws them anew at each
    epoch.)
    """
    order = np.random.default_rng(seed).permutation(n)
    return np.roll(order, 1)[np.argsort(order)].tolist()


def _system(given: Given, steps: Callable[[np.ndarray], int], own: Sequence[int], way: Way) -> Fitted:
    """Both maps as multiples of their highest value on normal images, added (DDAD Eq. 11 with v = 1; there the highest
    of the test batch).

    own : steps of the given images.
    """
    denoiser, images = given.diffusion, given.images

    def back(image: np.ndarray, t: int, target: np.ndarray | None = None) -> Tensor:
        guidance = way.guidance if target is None else TUNED_WITH
        return led_back(image, t, denoiser, guidance, way.omega, given.seed, target, way.drawn)

    xs = torch.cat([seen(image, denoiser) for image in images])
    x_hats = torch.cat([back(image, t) for image, t in zip(images, own, strict=True)])
    led = x_hats
    if way.others:
        pairs = zip(images, partners(len(images), given.seed), strict=True)
        led = torch.cat([back(images[k], own[k], target) for target, k in pairs])
    extractor, losses = adapted(given, xs, led, way.held, way.what)
    normal = [differences(x[None], y[None], extractor, way.pooled) for x, y in zip(xs, x_hats, strict=True)]
    top = [max(float(torch.stack(part).max()), 1e-12) for part in zip(*normal, strict=True)]

    def judge(image: np.ndarray) -> Found:
        x_hat = back(image, steps(image))
        pixels, features = differences(seen(image, denoiser), x_hat, extractor, way.pooled)
        return Found((pixels / top[0] + features / top[1]).numpy(), x_hat=plane(x_hat))

    return Fitted(judge, losses)


def fit_ddpm(given: Given) -> Fitted:
    """Reconstruction by diffusion with Gaussian noise (noise study §3): the map is (x − x̂_0)²."""
    denoiser = given.diffusion

    def judge(image: np.ndarray) -> Found:
        x_hat = led_back(image, T_DDPM, denoiser, 0.0, 1.0, given.seed)
        return Found(plane((seen(image, denoiser) - x_hat) ** 2), x_hat=plane(x_hat))

    return Fitted(judge)


def fit_ddad(given: Given) -> Fitted:
    """DDAD: noise is added up to T', and the way back is drawn to the image."""
    return _system(given, lambda _: DDAD.t_max, [DDAD.t_max] * len(given.images), DDAD)


def fit_d3ad(given: Given) -> Fitted:
    """D3AD on pixels: how far an image is scaled, and led back, depends on its distance to normal images."""
    feature = partial(conditioning_feature, given.extractor)
    how, distances = condition([feature(image) for image in given.images], NEIGHBOURS, BINS, SMALLEST)
    own = [how.steps(distance, D3AD.t_max) for distance in distances]  # no image is its own neighbour
    return _system(given, lambda image: how.steps(how.distance(feature(image)), D3AD.t_max), own, D3AD)
