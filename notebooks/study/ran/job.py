"""RAN on one data set: every test image's errors at several steps of the chain, in pixels and in features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.datasets import ImageSet, drawn
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.extractor import Extractor
from radarlib.files import write_csv, write_npz
from radarlib.map_features import peak, smoothed
from radarlib.methods.ran import errors, estimates, to_normality
from radarlib.runtime import progress
from study.kept import PICTURE, picture
from study.ran.plan import ALL, SPACES


def combined(maps: dict[str, np.ndarray], scales: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Errors by space, each as a multiple of its mean on normal images at that step; "both" is the mean of the two
    spaces.

    maps : by space (steps, H, W). scales : by space (steps,). Returns by space (steps + 1, H, W): the last is the mean
        over steps.
    """
    own = {space: maps[space] / scales[space][:, None, None] for space in maps}
    own["both"] = (own["pixel"] + own["feature"]) / 2
    return {space: np.concatenate([m, m.mean(0, keepdims=True)]) for space, m in own.items()}


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Read the errors of every test image from the network of RADAR and DDPM; nothing is trained, no label is seen.

    Leaves in `out`: `scores.csv` (position, space, step: the time step t or "all", score), `maps.npz` (by space
    (n, steps + 1, MAP, MAP) float16, test images in the order of the index), `estimates.npz` (x̂_0 at each step, uint8,
    at one size S for all images), `gradient.npz` (of the images with the highest scores: `positions`, and `paths` (n,
    descents, S, S) uint8).
    """
    data, options, denoiser = data.blind(), settings["ran"], models["gaussian"]
    times = chain(settings["reconstruction"]["t_start"], options["steps"])
    stride, batch = settings["reconstruction"]["stride"], settings["compute"]["inference_batch"]
    extractor, test = Extractor(settings["features"], settings["compute"]["device"]), data.where("test")
    side = min(PICTURE, *(length for image in data.images for length in image.shape))

    def read(i: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        found = estimates(data.images[i], denoiser, times, stride, seed, batch)
        return found, errors(data.images[i], found, extractor)

    normal = [int(i) for i in drawn(np.array(data.where("train")), options["limit"], seed)]
    means = []
    with progress(total=len(normal) + len(test), desc=label, unit="image") as bar:
        for i in normal:
            means.append({space: m.mean((1, 2)) for space, m in read(i)[1].items()})
            bar.update()
        scales = {space: np.mean([m[space] for m in means], axis=0) + 1e-12 for space in means[0]}
        rows: list[tuple] = []
        maps: dict[str, list[np.ndarray]] = {space: [] for space in SPACES}
        pictures, last = [], {}
        steps = [*map(str, times[:-1]), ALL]
        for i in test:
            found, own = read(i)
            for space, m in combined(own, scales).items():
                small = np.stack([smoothed(each, options["sigma"]) for each in m])
                maps[space].append(small.astype(np.float16))
                rows += [(i, space, step, peak(each)) for step, each in zip(steps, small, strict=True)]
            pictures.append(np.stack([picture(x, side) for x in found]))
            last[i] = found[-1]
            bar.update()
    scores = pd.DataFrame(rows, columns=["position", "space", "step", "score"])
    final = scores[(scores["space"] == "both") & (scores["step"] == ALL)]
    chosen = final.nlargest(options["examples"], "score")["position"].tolist()
    write_npz(
        out / "gradient.npz",
        positions=np.array(chosen),
        paths=_paths(data.images, last, chosen, extractor, options, seed, side, label),
    )
    write_npz(out / "maps.npz", **{space: np.stack(parts) for space, parts in maps.items()})
    write_npz(out / "estimates.npz", estimates=np.stack(pictures))
    write_csv(out / "scores.csv", scores, 7)


def _paths(
    images: Sequence[np.ndarray],
    normal: dict[int, np.ndarray],
    chosen: Sequence[int],
    extractor: Extractor,
    options: dict,
    seed: int,
    side: int,
    label: str,
) -> np.ndarray:
    """Each image on its way to its reconstruction `normal`."""
    paths = []
    for i in progress(chosen, desc=f"{label}: gradients", unit="image"):
        path = to_normality(
            images[i],
            normal[i],
            extractor,
            options["descents"],
            options["rate"],
            options["copies"],
            options["noise"],
            seed,
        )
        paths.append(np.stack([picture(x, side) for x in path]))
    return np.stack(paths)
