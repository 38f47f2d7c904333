"""Reconstruction with Gaussian, simplex and Gaussian-mixture noise: the experiments of Fučka et al. (2023)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter

from radarlib import reconstruct
from radarlib.artifacts import write_csv, write_npz
from radarlib.config import merge
from radarlib.datasets import ImageSet
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.errors import UserError
from radarlib.roles import resized
from radarlib.runtime import progress
from radarlib.train import train

FILTER = {"gaussian": 11, "simplex": 11, "mixture": 5}
"""The noises, and the side in px of the mean filter over the map of each (§5.3; the paper chose it "empirically")."""
START = 200  # T_0: diffused for so many steps, and led back (§5.3)
STARTS = (10, 50, START, 500)  # Table 3
FILTERS = (1, 5, 11, 17)  # Table 4
CONTROLS = ("raw", "untrained")


def network_settings(settings: dict, noise: str) -> dict:
    """The configuration that the network for a noise is trained with."""
    options = settings["noise_study"]
    return merge(settings, {
        "noise": {"kind": noise}, "diffusion": {"beta_end": options["beta_end"]}, "loss": {"kind": "l2"},
        "training": {**{key: options[key] for key in ("steps", "batch", "lr")}, "corruption": 0, "dirt": 0},
    })  # fmt: skip


def error(image: np.ndarray, denoiser: Denoiser, start: int, settings: dict, seed: int) -> np.ndarray:
    """x̂_0 − x_0 of an image that was diffused to t = `start` and led back: (H, W) float32 (§3.2)."""
    steps = min(start, settings["noise_study"]["reverse_steps"])
    predict, options = reconstruct.ancestral(denoiser, chain(start, steps)), settings["reconstruction"]
    batch = settings["compute"]["inference_batch"]
    return reconstruct.reconstruct(image, denoiser, predict, options["stride"], seed, batch) - image


def mask(error: np.ndarray, size: int) -> np.ndarray:
    """The anomaly mask M: squared error after a mean filter of `size` px (Eq. 6); the image's score is its maximum."""
    return uniform_filter(np.asarray(error, np.float32) ** 2, size)


def study_noise(data: ImageSet, settings: dict, seed: int, out: Path, label: str = "noise") -> None:
    """Train a network per noise, and reconstruct every test image with it from each of STARTS.

    Two controls come with START alone: "raw", whose reconstruction is the image's mean, and "untrained", random weights with
    Gaussian noise. Neither training nor scoring sees a label.

    A training that is finished is not repeated. Raises UserError for a schedule shorter than the longest of STARTS.

    Leaves in `out`: `scores.csv` (position in the set, noise or control, start, filter, score), `maps.npz` (by noise or control:
    x̂_0 − x_0 from START of the test images, float16, laid end to end) and `models/<noise>/`.
    """
    device, steps = settings["compute"]["device"], settings["diffusion"]["steps"]
    if steps < max(STARTS):
        raise UserError(f"diffusion.steps: {steps} are fewer than the {max(STARTS)} that the noise study diffuses for")
    data = resized(data.blind(), settings["noise_study"]["image_size"])
    test = data.where("test")
    rows: list[tuple] = []
    maps: dict[str, list[np.ndarray]] = {}
    with progress(total=len(test) * (len(FILTER) * len(STARTS) + len(CONTROLS)), desc=label, unit="image") as bar:

        def judge(name: str, start: int, i: int, found: np.ndarray) -> None:
            rows.extend((i, name, start, size, float(mask(found, size).max())) for size in FILTERS)
            if start == START:
                maps.setdefault(name, []).append(found.ravel().astype(np.float16))
            bar.update()

        for noise in FILTER:
            own = network_settings(settings, noise)
            denoiser = train(
                data.train_images, own, seed, out / "models" / noise, device, f"{label}: training with {noise} noise"
            )
            for start in STARTS:
                for i in test:
                    judge(noise, start, i, error(data.images[i], denoiser, start, own, seed))
        own = network_settings(settings, "gaussian")
        denoiser = Denoiser.untrained(own, seed, device)
        for i in test:
            judge("raw", START, i, data.images[i].mean() - data.images[i])
            judge("untrained", START, i, error(data.images[i], denoiser, START, own, seed))
    write_npz(out / "maps.npz", **{name: np.concatenate(parts) for name, parts in maps.items()})
    write_csv(out / "scores.csv", pd.DataFrame(rows, columns=["position", "noise", "start", "filter", "score"]), 7)
