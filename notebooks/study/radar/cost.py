"""What each method costs, and RADAR's claims of 400 times less memory and 25 times the training time (§III-C)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from radarlib.datasets import ImageSet
from radarlib.denoiser import Denoiser
from radarlib.files import write_json
from radarlib.noise import BANK, simplex_fields
from radarlib.oneclass import OneClass
from radarlib.runtime import progress, seconds
from radarlib.train import Trainer
from radarlib.unet import Attention, UNet
from study.methods import METHODS, Method
from study.radar.names import ATTENTION, MEMORY, OWN_PATCHES, TRAINING

IMAGES = 5  # that every method is timed on
STEPS = 15  # of training, to see what noise takes of one
SCALED = ("radar", "ddpm", "ba", "lf", "rpca")  # methods timed at every side


def activations(net: UNet, side: int) -> int:
    """Bytes that the outputs of all layers take for one square image of this side, float32: what training must keep."""
    layers = [m for m in net.modules() if not list(m.children())]
    return _bytes(net, side, layers, lambda output: output.numel())


def attention_matrices(net: UNet, side: int) -> int:
    """Bytes of the matrices of attention for one square image, float32: one weight for every pair of positions. A fused
    implementation, as PyTorch's, does not keep them; a plain one does.
    """
    layers = [m for m in net.modules() if isinstance(m, Attention)]
    return _bytes(net, side, layers, lambda output: (output.shape[-2] * output.shape[-1]) ** 2)


def _bytes(net: UNet, side: int, layers: Iterable[torch.nn.Module], values: Callable[[torch.Tensor], int]) -> int:
    """Bytes of the float32 values that go with the outputs of some layers, over one square image."""
    total = 0

    def add(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        total += 4 * values(output)

    handles = [layer.register_forward_hook(add) for layer in layers]
    net(torch.zeros(1, 1, side, side, device="meta"), torch.ones(1, device="meta"))
    for handle in handles:
        handle.remove()
    return total


def flops(net: UNet, side: int) -> int:
    """Floating-point operations of one forward pass over one square image of this side."""
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, side, side, device="meta"), torch.ones(1, device="meta"))
    return int(counter.get_total_flops())


def patch_claims(settings: dict) -> pd.DataFrame:
    """The arithmetic behind 400 × and 25 ×, counted in the network itself: one row per quantity, exact.

    The paper's example: a 500 × 500 image in 25 × 25 patches. Here the patch has the configured side p and the image is
    20 p wide, so that its area is 400 patches as well.
    """
    with torch.device("meta"):
        net = UNet(**settings["unet"])
    patch = settings["training"]["patch"]
    side = 20 * patch
    kept, matrices = ([count(net, s) for s in (side, patch)] for count in (activations, attention_matrices))
    work = flops(net, side) / flops(net, patch)
    rows = [
        (MEMORY, 400, kept[0] / kept[1]),
        (ATTENTION, 400, (kept[0] + matrices[0]) / (kept[1] + matrices[1])),
        ("work: a whole image over a patch, operations", 400, work),
        (TRAINING, 25, 100**2 / work),
        (OWN_PATCHES, np.nan, 73**2 * flops(net, 28) / flops(net, 100)),
    ]
    return pd.DataFrame(rows, columns=["quantity", "paper", "ours"])


def memory_by_side(settings: dict) -> pd.DataFrame:
    """Bytes of activations for whole images and for one batch of patches: `side`, "whole image", "one batch of
    patches".
    """
    with torch.device("meta"):
        net = UNet(**settings["unet"])
    patches = settings["training"]["batch"] * activations(net, settings["training"]["patch"])
    rows = [
        {"side": side, "whole image": activations(net, side), "one batch of patches": patches}
        for side in settings["evidence"]["cost_sides"]
    ]
    return pd.DataFrame(rows)


def noise_share(images: Sequence[np.ndarray], settings: dict, seed: int) -> list[dict]:
    """What noise takes of a training, a row per kind: seconds made once, per batch and per step, and the share of
    all.
    """
    size, rows = settings["training"], []
    for kind in ("gaussian", "simplex", "mixture"):
        options = settings["noise"]
        fields = partial(
            simplex_fields,
            BANK[0],
            BANK[1],
            BANK[1],
            options["octaves"],
            options["persistence"],
            options["frequency"],
            seed,
        )
        once = seconds(fields, 1) if kind == "simplex" else 0.0
        trainer = Trainer(images, {**settings, "noise": {**options, "kind": kind}}, seed, settings["compute"]["device"])
        step = seconds(trainer.train_step, STEPS)
        draw = seconds(
            partial(trainer.noise, (size["batch"], 1, size["patch"], size["patch"]), trainer.generator), STEPS
        )
        share = (once + size["steps"] * draw) / (once + size["steps"] * step)
        rows.append({"noise": kind, "made_once": once, "per_batch": draw, "per_step": step, "share": share})
    return rows


def _given(entry: Method, models: dict[str, Denoiser], data: ImageSet, settings: dict, seed: int) -> object:
    if entry.model == "fit":
        return entry.load_fit()(data.train_images, settings, seed)
    return models["gaussian" if entry.model == "untrained" else entry.model] if entry.model else None


def measure(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path) -> None:
    """Time every method in one run, one after another; leaves `out` (JSON): tables `methods`, `sides`, `images`,
    `noise`.

    methods : seconds per image on the first test images, and to fit what is fitted besides the network.
    sides : seconds per image against the image's side, on the first training image laid side by side with itself.
    noise : `noise_share`.
    images : seconds to fit the forest on n feature vectors, and n times the method's seconds per image.
    """
    first = [data.images[i] for i in data.where("test")[:IMAGES]]
    rows, by_side, given = [], [], {}
    for name, entry in progress(METHODS.items(), desc="cost: methods", unit="method"):
        started = time.perf_counter()
        given[name] = _given(entry, models, data, settings, seed)
        fitting = time.perf_counter() - started if entry.model == "fit" else 0.0
        score = entry.load()
        each = [seconds(partial(score, image, given[name], settings, seed), 1) for image in first]
        rows.append({"method": name, "seconds_per_image": float(np.median(each)), "fit_seconds": fitting})
    for side in progress(settings["evidence"]["cost_sides"], desc="cost: sides", unit="side"):
        image = tiled(data.train_images, side)
        for name in SCALED:
            spent = seconds(partial(METHODS[name].load(), image, given[name], settings, seed), 1)
            by_side.append({"method": name, "side": side, "seconds": spent})
    one, counts = {row["method"]: row["seconds_per_image"] for row in rows}, (10, 100, 1000, 10_000)
    by_n = []
    for n in progress(counts, desc="cost: training images", unit="size"):
        features = np.random.default_rng(0).lognormal(size=(n, 2))
        forest = seconds(partial(OneClass().fit, features))
        by_n += [{"method": m, "n": n, "forest": forest, "features": n * one[m]} for m in ("radar", "ddpm")]
    noise = noise_share(data.train_images, settings, seed)
    write_json(
        out, {"methods": rows, "sides": by_side, "images": by_n, "noise": noise, "pixels": int(np.prod(first[0].shape))}
    )


def tiled(images: Sequence[np.ndarray], side: int) -> np.ndarray:
    """A square image of this side made of the first training image, repeated: only its size matters."""
    tile = images[0]
    times = -(-side // np.array(tile.shape))
    return np.ascontiguousarray(np.tile(tile, times)[:side, :side])
