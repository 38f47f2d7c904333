"""How well a network tells noise on normal patches that it was not trained on, beside the closed form on the same
noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from radarlib.denoiser import Denoiser
from radarlib.methods.closed_form import ClosedForm
from radarlib.patches import PatchSampler

PIXELS, PATCHES = 200_000, 256  # on which an error is measured, at most


def asked(settings: dict) -> set[int]:
    """Time steps at which the methods ask their networks first."""
    return {settings["radar"]["t"], settings["reconstruction"]["t_start"], settings["diffusionad"]["t_small"]}


def compared(
    denoiser: Denoiser, closed: ClosedForm | None, x_0: Tensor, eps: Tensor, t: int, counts: Tensor
) -> dict[str, float]:
    """Mean squared errors a pixel at t: of the network (`error`), of the closed form (`closed`), and between both
    answers (`apart`); without a closed form the latter two are missing.

    x_0, eps : (N, C, H, W). counts : bool of the same shape, the pixels that count.
    """
    x_t = denoiser.schedule.forward(x_0, torch.full((len(x_0),), t), eps).to(denoiser.device)
    ours = denoiser.eps(x_t, t).cpu()
    best = closed.eps(x_t, t).cpu() if closed else torch.full_like(ours, torch.nan)
    pairs = {"error": (ours, eps), "closed": (best, eps), "apart": (ours, best)}
    return {key: float((a - b)[counts].square().mean()) for key, (a, b) in pairs.items()}


def network_errors(
    name: str,
    denoiser: Denoiser,
    held: Sequence[np.ndarray] | Tensor,
    times: Iterable[int],
    seed: int,
    closed: ClosedForm | None = None,
) -> list[dict]:
    """A row per t of what a chapter's job leaves as `networks.csv`: network, t, error, closed.

    held : normal images that the network was not trained on, (H, W) float32, of which patches are drawn; or what it is
        asked instead of patches, (N, C, H, W). closed : for a network of Gaussian noise, of patches of the same side.
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(held, Tensor):
        x_0 = held
    else:
        count = min(PATCHES, max(8, PIXELS // denoiser.patch**2))
        x_0 = PatchSampler(held, denoiser.patch).sample(count, generator)
    eps, counts = denoiser.noise(tuple(x_0.shape), generator), torch.ones_like(x_0, dtype=torch.bool)
    found = {t: compared(denoiser, closed, x_0, eps, t, counts) for t in sorted(set(times))}
    return [{"network": name, "t": t, "error": own["error"], "closed": own["closed"]} for t, own in found.items()]
