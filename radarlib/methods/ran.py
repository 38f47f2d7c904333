"""RAN, as far as its fragment goes: errors at intermediate steps of the reverse chain, in pixels and in features, and
images led to normality by denoised gradients.

The fragment (the introduction's end to §3.1) gives no equation of its own. Open, and chosen here: the chain is DDPM's
from t_start, the estimate at a step is x̂_0(x_t, t), features are compared by cosine distance, and a gradient is
denoised by averaging it over copies of the image with a little noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from radarlib.denoiser import Denoiser
from radarlib.extractor import Extractor, cosine_map
from radarlib.patches import overlap_average
from radarlib.runtime import image_generator


def estimates(
    image: np.ndarray, denoiser: Denoiser, times: Sequence[int], stride: int, seed: int, batch: int
) -> np.ndarray:
    """x̂_0(x_t, t) at each step of the ancestral chain along `times` (descending to 0): (steps, H, W) float32 in [-1,
    1].
    """
    generator, schedule = image_generator(image, seed), denoiser.schedule

    def predict(x_0: Tensor) -> Tensor:
        draw = lambda: denoiser.noise(tuple(x_0.shape), generator).to(x_0)  # noqa: E731
        x_t, found = schedule.forward(x_0, torch.full((len(x_0),), times[0]), draw()), []
        for t, t_next in itertools.pairwise(times):
            eps = denoiser.eps(x_t, t)
            found.append(schedule.predict_x_0(x_t, torch.full((len(x_t),), t), eps).clamp(-1, 1))
            x_t = schedule.reverse(x_t, t, t_next, eps, draw())
        return torch.cat(found, 1)

    x_0 = torch.from_numpy(image).to(denoiser.device)
    return overlap_average(x_0, denoiser.patch, stride, batch, predict).cpu().numpy()


def errors(image: np.ndarray, found: np.ndarray, extractor: Extractor) -> dict[str, np.ndarray]:
    """By space, "pixel" (squared error) and "feature" (cosine distance), the map of each estimate: (steps, H, W)."""
    height, width = image.shape
    with torch.inference_mode():
        maps = extractor.maps(torch.from_numpy(np.stack([image, *found]))[:, None])
        ours = [m[:1].expand(len(found), -1, -1, -1) for m in maps]
        distance = cosine_map(ours, [m[1:] for m in maps], extractor.grid)[:, None]
    feature = F.interpolate(distance, (height, width), mode="bilinear")[:, 0]
    return {"pixel": (found - image) ** 2, "feature": feature.cpu().numpy()}


def to_normality(
    image: np.ndarray,
    normal: np.ndarray,
    extractor: Extractor,
    steps: int,
    rate: float,
    copies: int,
    sigma: float,
    seed: int,
) -> list[np.ndarray]:
    """The image on its way to the features of `normal`, its reconstruction: after each step of gradient descent, (H,
    W).

    The gradient of the features' cosine distance is averaged over `copies` of the image with noise of standard
    deviation `sigma`, scaled to a largest change of `rate` in a pixel.
    """
    generator = image_generator(image, seed)
    with torch.inference_mode():
        target = [m.clone() for m in extractor.maps(torch.from_numpy(normal)[None, None])]
    x, path = torch.from_numpy(image)[None, None].clone(), []
    for _ in range(steps):
        noisy = (x + sigma * torch.randn((copies, 1, *image.shape), generator=generator)).requires_grad_()
        loss = cosine_map(extractor.maps(noisy), [t.expand(copies, -1, -1, -1) for t in target], extractor.grid).sum()
        (gradient,) = torch.autograd.grad(loss, noisy)
        mean = gradient.mean(0, keepdim=True)
        x = (x - rate * mean / mean.abs().max().clamp(min=1e-12)).clamp(-1, 1)
        path.append(x[0, 0].numpy())
    return path
