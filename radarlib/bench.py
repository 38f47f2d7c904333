"""What the machine gives: training and inference as shares of a matrix product's rate, and what a single step saves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from radarlib import radar
from radarlib.denoiser import Denoiser
from radarlib.methods import reconstruct
from radarlib.runtime import elapsed, progress, seconds
from radarlib.train import Trainer

SIDE = 4096  # of the matrix product that sets the scale


def bench(settings: dict, device: str = "auto", repeats: int = 15) -> pd.DataFrame:
    """Medians of interleaved runs, per precision: GFLOP/s, share of the matrix product's rate, patches per second.

    The last rows time the one-step map of a 256×256 and a 100×100 image, and the latter's full 250-step
    reconstruction with the same network and stride.
    """
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (256, 256)).astype(np.float32) for _ in range(4)]
    rows = [
        row for precision in ("float32", "bfloat16") for row in _rates(images, settings, precision, device, repeats)
    ]
    return pd.DataFrame(rows + _single_step(images[0], settings, device)).fillna("")


def _rates(images: list[np.ndarray], settings: dict, precision: str, device: str, repeats: int) -> list[dict]:
    """A matrix product, training and inference in one precision."""
    options = {**settings, "training": {**settings["training"], "precision": precision}}
    trainer, denoiser = Trainer(images, options, 0, device), Denoiser.untrained(options, 0, device)
    a = torch.randn(SIDE, SIDE, device=denoiser.device, dtype=denoiser.dtype)
    patch, batch = options["training"]["patch"], options["compute"]["inference_batch"]
    x = torch.randn(batch, 1, patch, patch, device=denoiser.device)
    runs: dict[str, tuple[Callable[[], object], int, float]] = {
        "matrix product": (partial(torch.matmul, a, a), 0, 2.0 * SIDE**3),
        "training": (trainer.train_step, options["training"]["batch"], 0.0),
        "inference": (partial(denoiser.eps, x, 1), batch, 0.0),
    }
    flops: dict[str, float] = {}
    times: dict[str, list[float]] = {}
    for name, (run, _, known) in runs.items():
        with FlopCounterMode(display=False) as counter:
            run()
        flops[name], times[name] = known or float(counter.get_total_flops()), []
    for _ in progress(range(repeats), desc=f"bench {precision}", unit="round"):
        for name, (run, _, _) in runs.items():
            times[name].append(elapsed(run, denoiser.device))
    medians = {name: float(np.median(values)) for name, values in times.items()}
    whole = flops["matrix product"] / medians["matrix product"]
    return [
        {
            "what": name,
            "precision": precision,
            "GFLOP/s": f"{flops[name] / medians[name] / 1e9:.0f}",
            "share": f"{flops[name] / medians[name] / whole:.0%}",
            "patches/s": f"{patches / medians[name]:.0f}" if patches else "",
        }
        for name, (_, patches, _) in runs.items()
    ]


def _single_step(image: np.ndarray, settings: dict, device: str) -> list[dict]:
    """The one-step map beside the reconstruction by the same network."""
    denoiser, small = Denoiser.untrained(settings, 0, device), image[:100, :100].copy()
    stride, batch = settings["radar"]["stride"], settings["compute"]["inference_batch"]
    start = settings["reconstruction"]["t_start"]
    every = reconstruct.ancestral(denoiser, list(range(start, -1, -1)))

    large = seconds(lambda: radar.noise_map(image, denoiser, 1, stride, 0, batch), 5, denoiser.device)
    one = seconds(lambda: radar.noise_map(small, denoiser, 1, stride, 0, batch), 5, denoiser.device)
    full = seconds(lambda: reconstruct.reconstruct(small, denoiser, every, stride, 0, batch), 3, denoiser.device)
    timed = {"one step, 256×256": large, "one step, 100×100": one, f"{start} steps, 100×100": full}
    precision = str(denoiser.dtype).removeprefix("torch.")
    rows = [{"what": what, "precision": precision, "seconds": f"{value:.3f}"} for what, value in timed.items()]
    return [*rows, {"what": "one step is faster by", "seconds": f"{full / one:.0f}×"}]
