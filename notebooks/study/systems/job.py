"""Every system of `SYSTEMS` on one data set, one after the other; what is finished of an interrupted run is kept."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib import conformal
from radarlib.config import merge
from radarlib.datasets import ImageSet, drawn, resized
from radarlib.denoiser import Denoiser
from radarlib.extractor import Extractor
from radarlib.files import read_json, settings_key, sha256_bytes, write_csv, write_json, write_npz
from radarlib.images import content_hash, resize
from radarlib.map_features import peak, smoothed
from radarlib.methods.fitting import Fitted, Found, Given
from radarlib.runtime import elapsed, median_seconds, progress
from radarlib.sources import OWN, source_files
from radarlib.train import train
from study.kept import picture
from study.methods import model_settings
from study.systems.plan import RECONSTRUCTING, SHARED, SHARING, SYSTEMS

FOUND = "found.npz"
TOP = 1000  # a system's highest value in the maps that are kept, whose type ends at 65,504
CURVE = 20  # points of a training's curve
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Fit every system on a part of the normal images of a set, resized to `systems.image_size`; judge the others, by
    which a threshold is promised, and every test image. Sees no label.

    All have the same images, steps and batch, the same extractor, the same grid of maps (MAP) and smoothing. The score
    is the system's own, or the highest value of the smoothed map but for its rim. Systems that diffuse pixels share a
    network of whole images, trained on the same part.

    Leaves in `out`: `scores.csv` (system, kind: held or test, position, score), `maps.npz` (by system (n, MAP, MAP)
    float16 in units of its own, test images in the order of the index), `pictures.npz` (their x̂_0 by those of
    RECONSTRUCTING, uint8), `losses.csv` (system, step, loss: means over a share of the training), `timing.json` (by
    system seconds of the fit and of an image, and the highest memory in MB, null where the machine does not tell).
    `work/` holds what is finished, by system.
    """
    options = settings["systems"]
    data = resized(data.blind(), options["image_size"])
    images = data.train_images
    fitted_on, held = held_out(len(images), options["rate"], seed)
    some = drawn(fitted_on, options["images"], seed)
    extractor = Extractor({**settings["features"], "side": options["side"]}, settings["compute"]["device"])
    given = Given(
        [images[i] for i in some], extractor, options["steps"],
        options["batch"], seed, label, settings=settings, folder=out / "work",
    )  # fmt: skip
    whole = model_settings(settings, "whole")
    squares = [resize(image, whole["training"]["patch"]) for image in given.images]
    whole = merge(whole, {"training": {"steps": options["steps"], "batch": options["batch"]}})
    given.denoiser = train(squares, whole, seed, out / "denoiser", settings["compute"]["device"], f"{label}: diffusion")
    shared = read_json(out / "denoiser" / "timing.json")["seconds"]
    _ = given.levels  # once for all: features of normal images count for no system's fit
    judged = {"held": [images[i] for i in held], "test": [data.images[i] for i in data.where("test")]}
    positions = {"held": [data.where("train")[i] for i in held], "test": data.where("test")}
    shown = [content_hash(image) for part in (given.images, *judged.values()) for image in part]
    known = sha256_bytes("".join([settings_key(settings), str(given.precision), str(seed), *shown]).encode())
    scores, maps, pictures, losses, timing = [], {}, {}, [], {}
    for name in SYSTEMS:
        folder, identity = out / "work" / name, known + _code(SYSTEMS[name].module)
        found = _kept(folder, identity) or _measured(name, given, judged, options["sigma"], folder, identity)
        with np.load(folder / FOUND) as arrays:
            maps[name] = arrays["maps"]
            if name in RECONSTRUCTING:
                pictures[name] = arrays["pictures"]
        for kind, values in found["scores"].items():
            scores += [(name, kind, i, value) for i, value in zip(positions[kind], values, strict=True)]
        losses += [(name, step, loss) for step, loss in found["losses"]]
        timing[name] = {**found["timing"], "fit": found["timing"]["fit"] + shared * (name in SHARING)}
    losses += [
        (SHARED, step, loss) for step, loss in _curve(pd.read_csv(out / "denoiser" / "loss.csv")["loss"].to_list())
    ]
    write_npz(out / "maps.npz", **maps)
    write_npz(out / "pictures.npz", **pictures)
    write_csv(out / "losses.csv", pd.DataFrame(losses, columns=["system", "step", "loss"]), 7)
    write_json(out / "timing.json", timing)
    write_csv(out / "scores.csv", pd.DataFrame(scores, columns=["system", "kind", "position", "score"]), 7)


def held_out(n: int, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of n normal images to fit on, and of those to promise a rate by: a third, or as many as it needs, but
    not more than a half.
    """
    count = min(max(round(n / 3), conformal.images_needed(rate)), n // 2)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])


@cache
def _code(module: str) -> str:
    """A digest of a system's code and of this one's: what other code has measured is not taken for finished."""
    files = source_files([__name__, module], {**OWN, "study": Path(__file__).parents[2]})
    return sha256_bytes(b"".join(file.read_bytes() for file in files))


def _kept(folder: Path, identity: str) -> dict | None:
    """What was found by the same code, settings and images; None if it has to be done."""
    found = read_json(folder / "found.json") if (folder / "found.json").is_file() else {}
    return found if found.get("identity") == identity else None


def _measured(
    name: str, given: Given, judged: dict[str, list[np.ndarray]], sigma: float, folder: Path, identity: str
) -> dict:
    """Fit a system and judge; leave what is found in `folder`."""
    _forget_peak()
    fitted: list[Fitted] = []
    seconds = elapsed(lambda: fitted.append(SYSTEMS[name].load()(given)))
    (system,) = fitted
    scores, found = {}, list[Found]()
    for kind, images in judged.items():
        label = f"{given.label}: {SYSTEMS[name].label}, {kind}"
        found = [_judged(system, image, sigma) for image in progress(images, desc=label, unit="image")]
        scores[kind] = [one.score for one in found]
    per_image = median_seconds(system.judge, judged["test"])
    result = {
        "identity": identity, "scores": scores, "losses": _curve(system.losses),
        "timing": {"fit": seconds, "image": per_image, "peak_mb": _peak()},
    }  # fmt: skip
    every = np.stack([one.map for one in found])  # of the last part: test
    arrays = {"maps": (every * (TOP / max(float(np.abs(every).max()), 1e-30))).astype(np.float16)}
    if name in RECONSTRUCTING:
        arrays["pictures"] = np.stack([picture(np.clip(one.x_hat, -1, 1)) for one in found if one.x_hat is not None])
    write_npz(folder / FOUND, **arrays)
    write_json(folder / "found.json", result)
    return result


def _judged(system: Fitted, image: np.ndarray, sigma: float) -> Found:
    """What a system finds, its map on the common grid, with a score in any case."""
    found = system.judge(image)
    grid = smoothed(np.asarray(found.map, np.float32), sigma)
    return Found(grid, peak(grid) if found.score is None else found.score, found.x_hat)


def _curve(losses: Sequence[float]) -> list[tuple[int, float]]:
    """The training's steps in CURVE parts: the last step of each, and the mean loss."""
    parts = np.array_split(np.arange(len(losses)), min(CURVE, len(losses))) if losses else []
    return [(int(part[-1]) + 1, float(np.mean([losses[i] for i in part]))) for part in parts]


def _forget_peak() -> None:
    """From here on the highest memory counts anew, where the system has such a switch (Linux)."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5")


def _peak() -> float | None:
    """The highest memory in MB since `_forget_peak`."""
    if sys.platform != "linux":
        return None
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
