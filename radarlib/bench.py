"""What the machine gives: training and inference as shares of a matrix product's rate, and what a single step saves."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from radarlib import radar, reconstruct
from radarlib.denoiser import Denoiser
from radarlib.runtime import progress
from radarlib.train import Trainer

SIDE = 4096  # of the matrix product that sets the scale


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    def wait() -> None:
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()

    wait()
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started


def bench(settings: dict, device: str = "auto", repeats: int = 15) -> pd.DataFrame:
    """Medians of interleaved runs, per precision: GFLOP/s, share of the matrix product's rate, patches per second.

    The last rows time the one-step map of a 256×256 and a 100×100 image, and the latter's full 250-step
    reconstruction with the same network and stride.
    """
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (256, 256)).astype(np.float32) for _ in range(4)]
    patch, rows = settings["training"]["patch"], []
    for precision in dict.fromkeys(("float32", "bfloat16")):
        options = {**settings, "training": {**settings["training"], "precision": precision}}
        trainer = Trainer(images, options, 0, device)
        denoiser = Denoiser.untrained(options, 0, device)
        a = torch.randn(SIDE, SIDE, device=denoiser.device, dtype=denoiser.dtype)
        x = torch.randn(options["compute"]["inference_batch"], 1, patch, patch, device=denoiser.device)
        runs: dict[str, tuple[Callable[[], object], int, float]] = {
            "matrix product": (partial(torch.matmul, a, a), 0, 2.0 * SIDE**3),
            "training": (trainer.train_step, settings["training"]["batch"], 0.0),
            "inference": (partial(denoiser.eps, x, 1), len(x), 0.0),
        }
        flops: dict[str, float] = {}
        times: dict[str, list[float]] = {}
        for name, (run, _, known) in runs.items():
            with FlopCounterMode(display=False) as counter:
                run()
            flops[name], times[name] = known or float(counter.get_total_flops()), []
        for _ in progress(range(repeats), desc=f"bench {precision}", unit="round"):
            for name, (run, _, _) in runs.items():
                times[name].append(_seconds(run, denoiser.device))
        rate = {name: flops[name] / float(np.median(values)) for name, values in times.items()}
        for name, (_, patches, _) in runs.items():
            share, speed = rate[name] / rate["matrix product"], patches / float(np.median(times[name]))
            rows.append(
                {
                    "what": name,
                    "precision": precision,
                    "GFLOP/s": f"{rate[name] / 1e9:.0f}",
                    "share": f"{share:.0%}",
                    "patches/s": f"{speed:.0f}" if patches else "",
                    "seconds": "",
                }
            )
    denoiser = Denoiser.untrained(settings, 0, device)
    stride, batch = settings["radar"]["stride"], settings["compute"]["inference_batch"]
    start = settings["reconstruction"]["t_start"]
    one = [
        _seconds(lambda: radar.noise_map(images[0], denoiser, 1, stride, 0, batch), denoiser.device) for _ in range(5)
    ]
    small = images[0][:100, :100].copy()
    one_small = [
        _seconds(lambda: radar.noise_map(small, denoiser, 1, stride, 0, batch), denoiser.device) for _ in range(5)
    ]
    chain_250 = reconstruct.ancestral(denoiser, list(range(start, -1, -1)))
    full = [
        _seconds(lambda: reconstruct.reconstruct(small, denoiser, chain_250, stride, 0, batch), denoiser.device)
        for _ in range(3)
    ]
    for what, value in (
        ("one step, 256×256", np.median(one)), ("one step, 100×100", np.median(one_small)), (f"{start} steps, 100×100", np.median(full)),
    ):  # fmt: skip
        rows.append({"what": what, "precision": str(denoiser.dtype).removeprefix("torch."), "seconds": f"{value:.3f}"})
    rows.append({"what": "one step is faster by", "seconds": f"{np.median(full) / np.median(one_small):.0f}×"})
    return pd.DataFrame(rows).fillna("")
