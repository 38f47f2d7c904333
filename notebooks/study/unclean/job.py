"""Denoisers trained on unclean data: the experiments of RDDPM (Moradi & Paynabar 2025), and the same dirt for other
methods.

Two kinds of dirt are told apart. "artefacts": a share of the training patches has the synthetic corruption of RDDPM
§4.1. "defects": a share of the training images is really defective, with test images that are given up for it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from radarlib import radar
from radarlib.config import merge
from radarlib.datasets import ImageSet, resized
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.extractor import Extractor
from radarlib.files import write_csv, write_npz
from radarlib.losses import smallest
from radarlib.map_features import peak
from radarlib.methods import closed_form, patchcore, reconstruct
from radarlib.patches import PatchSampler, corrupt
from radarlib.runtime import progress
from radarlib.train import train
from study.denoising import asked, network_errors
from study.kept import laid_flat
from study.methods import METHODS
from study.unclean.deal import Roles, UnsuitedError, deal, pixel_images
from study.unclean.plan import MAIN, NEIGHBOURS, SHARES, Training, curves, runs

FIXED = ("ba", "lf", "rpca", "raw")  # methods without a denoiser that meet the defects, by their names in METHODS
FEWER = 4  # of their training pixels the statistical methods take one in so many here, for they are fitted four times
BANK = 5000  # features that the nearest neighbours are looked for among


def residual(image: np.ndarray, method: str, denoiser: Denoiser, settings: dict, seed: int) -> np.ndarray:
    """x̂_0 − x_0 of a method that reconstructs, or RADAR's map S: (H, W) float32."""
    if method == "radar":
        return radar.score(image, denoiser, settings, seed)[0]
    options, batch = settings["reconstruction"], settings["compute"]["inference_batch"]
    predict = (
        reconstruct.one_step(denoiser, settings["diffusionad"])
        if method == "diffusionad"
        else reconstruct.ancestral(denoiser, chain(options["t_start"], options["reverse_steps"]))
    )
    return reconstruct.reconstruct(image, denoiser, predict, options["stride"], seed, batch) - image


Score = Callable[[int], dict[str, float]]
"""Features of the image at a position."""


def _scorer(function: Callable, images: Sequence[np.ndarray], *given: object) -> Score:
    """The features that a method's `score(image, model, settings, seed)` gives."""
    return lambda i: function(images[i], *given)[1]


def _feature_rows(method: str, share: float, dealt: Roles, score: Score, limit: int) -> list[dict]:
    """Features of the training images, at most `limit` evenly spaced ones, and of the judged ones."""
    train = dealt.training(share)
    train = train[:: max(1, -(-len(train) // limit))]  # evenly, which keeps the share of dirt
    return [
        {"method": method, "share": share, "position": i, "split": split, **score(i)}
        for split, positions in (("train", train), ("test", dealt.judged))
        for i in positions
    ]


def _without_denoiser(
    images: Sequence[np.ndarray], dealt: Roles, shares: Sequence[float], untrained: Denoiser, settings: dict, seed: int
) -> Iterator[tuple[str, float, Score]]:
    """(method, share, score) of the methods of FIXED and of the nearest neighbours, each fitted on the unclean
    images.
    """
    if not shares:
        return
    extractor = Extractor(settings["features"], settings["compute"]["device"])
    embedded = {i: extractor.embed(images[i]) for i in {*dealt.normals, *dealt.donors, *dealt.judged}}
    own = merge(
        settings,
        {name: {"pixels": max(100, settings[name]["pixels"] // FEWER)} for name in ("bui_apley", "caltanissetta")},
    )
    once = {
        name: cache(_scorer(METHODS[name].load(), images, None, own, seed))
        for name in FIXED
        if METHODS[name].model is None
    }
    random_weights = cache(_scorer(radar.score, images, untrained, untrained.settings, seed))
    for share in shares:
        seen = dealt.training(share)
        for name in FIXED:
            entry = METHODS[name]
            if entry.model == "fit":
                given = entry.load_fit()([images[i] for i in seen], own, seed)
                yield name, share, _scorer(entry.load(), images, given, own, seed)
            else:
                yield name, share, once[name]
        yield NEIGHBOURS, share, _distance(embedded, seen, seed)
        yield "untrained", share, random_weights


def _distance(embedded: dict[int, np.ndarray], seen: list[int], seed: int) -> Score:
    """The score of the nearest neighbours among the features of the images `seen`."""
    bank, owners = patchcore.fit([embedded[i] for i in seen], BANK, seed), {i: k for k, i in enumerate(seen)}
    return lambda i: {"distance": peak(patchcore.score(embedded[i], bank, owners.get(i)))}


def control_maps(image: np.ndarray, untrained: Denoiser, settings: dict, seed: int) -> dict[str, np.ndarray]:
    """What the maps of methods must beat: the raw image's, RADAR's and DDPM's with random weights, (H, W) float32
    each.
    """
    return {
        "raw": radar.score_raw(image, None, settings, seed)[0],
        "untrained": residual(image, "radar", untrained, settings, seed),
        "ddpm-untrained": residual(image, "ddpm", untrained, settings, seed),
    }


TIMES = (1, 51, 201, 501, 1001)  # first steps of the ranges of t


def trimmed(images: Sequence[np.ndarray], denoiser: Denoiser, seed: int, batches: int = 60) -> pd.DataFrame:
    """Which samples least trimmed squares leaves out: the share `dropped` by range of t, of clean and of corrupted
    patches.

    denoiser : trained with LTS on corrupted patches; it gets new batches of the same kind.
    """
    options, generator = denoiser.settings["training"], torch.Generator().manual_seed(seed)
    sampler, schedule, rows = PatchSampler(images, denoiser.patch), denoiser.schedule, []
    for _ in range(batches):
        clean = sampler.sample(options["batch"], generator)
        x_0 = corrupt(clean, options["corruption"], generator)
        t = torch.randint(1, schedule.steps + 1, (len(x_0),), generator=generator)
        eps = denoiser.noise(tuple(x_0.shape), generator)
        with torch.inference_mode():
            found = denoiser.net(schedule.forward(x_0, t, eps).to(denoiser.device), t.to(denoiser.device)).cpu()
        _, kept = smallest(eps - found, denoiser.settings["loss"]["keep"])
        dropped = torch.ones(len(t), dtype=torch.bool).index_fill(0, kept, False)
        dirty = (x_0 != clean).flatten(1).any(1)
        rows.append(pd.DataFrame({"t": t.numpy(), "corrupted": dirty.numpy(), "dropped": dropped.numpy()}))
    table = pd.concat(rows)
    ranges = pd.cut(table["t"], TIMES, right=False, labels=[f"{a} … {b - 1}" for a, b in itertools.pairwise(TIMES)])
    groups = table.groupby([ranges, "corrupted"], observed=False)["dropped"]
    return groups.agg(["mean", "size"]).rename(columns={"mean": "dropped", "size": "samples"}).reset_index()


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Train every denoiser of `runs`, and let every method meet the dirt. A training that is finished is not repeated.

    settings : with "job": `only_curves`, no more than `curves`, which is what further seeds are for; `leave_out`, leave
        empty files of a set with too few images.

    Leaves in `out`: `roles.csv` (what each image was for; `pixels` numbers those that the maps are of, −1: none),
    `maps.npz` (by run: x̂_0 − x_0, or RADAR's S, of the images whose pixels are judged, float16, laid end to end),
    `features.csv` (image-level features by method and share of defects), `trimmed.csv`, `networks.csv` (what
    `network_errors` finds on normal test images) and `models/`. Labels deal the images out; nothing that trains or
    scores sees them. Raises UnsuitedError for a set with too few images, unless it may leave that out.
    """
    facts, settings = settings["job"], {key: value for key, value in settings.items() if key != "job"}
    try:
        _meet(data, settings, seed, out, label, facts["only_curves"])
    except UnsuitedError as error:
        if not facts["leave_out"]:
            raise
        _leave_out(f"{label}: {error}", out)


def _meet(data: ImageSet, settings: dict, seed: int, out: Path, label: str, only_curves: bool) -> None:
    options, device = settings["robust"], settings["compute"]["device"]
    data = resized(data, options["image_size"])
    images, dealt = data.images, deal(data.index, settings["data"]["seed"])
    shown = list(itertools.chain(*pixel_images(data, dealt, options["images"]).values()))
    plan, shares = (curves(), ()) if only_curves else (runs(), SHARES)
    maps: dict[str, list[np.ndarray]] = {}
    rows: list[dict] = []
    dropped, errors = pd.DataFrame(), list[dict]()
    held, closed = [images[i] for i in dealt.good], closed_form.fit([images[i] for i in dealt.normals], settings, seed)
    start = Denoiser.untrained(Training().settings(settings), seed, device)
    for image in (images[i] for i in shown):
        for name, values in control_maps(image, start, start.settings, seed).items():
            maps.setdefault(name, []).append(values)
    with progress(total=len(plan) + len(shares) * (len(FIXED) + 2), desc=label, unit="run") as bar:
        for training, group in itertools.groupby(plan, key=lambda each: each.training):
            own, defects = training.settings(settings), training.dirt == "defects"
            seen = [images[i] for i in dealt.training(training.share if defects else 0)]
            denoiser = train(seen, own, seed, out / "models" / training.name, device, f"{label}: {training.name}")
            same = closed if training.noise == "gaussian" else None
            errors += network_errors(training.name, denoiser, held, asked(settings), seed, same)
            if training == Training("lts", share=MAIN):
                dropped = trimmed(seen, denoiser, seed)
            for each in group:
                if each.pixels:
                    maps[each.name] = [residual(images[i], each.method, denoiser, own, seed) for i in shown]
                if each.features and not only_curves:
                    score = _scorer(radar.score, images, denoiser, own, seed)
                    rows += _feature_rows(f"radar-{training.loss}", training.share, dealt, score, options["limit"])
                bar.update()
        for name, share, features in _without_denoiser(images, dealt, shares, start, settings, seed):
            rows += _feature_rows(name, share, dealt, features, options["limit"])
            bar.update()
    place = {i: k for k, i in enumerate(shown)}
    table = pd.DataFrame(
        [(role, i, place.get(i, -1)) for role, positions in asdict(dealt).items() for i in positions],
        columns=["role", "position", "pixels"],
    )
    write_csv(out / "features.csv", pd.DataFrame(rows, columns=None if rows else ["method"]), 7)
    write_csv(out / "trimmed.csv", dropped, 7)
    write_csv(out / "networks.csv", pd.DataFrame(errors), 7)
    write_npz(out / "maps.npz", **{name: laid_flat(parts) for name, parts in maps.items() if parts})
    write_csv(out / "roles.csv", table.join(data.index[["image", "defect"]], on="position"))


def _leave_out(reason: str, out: Path) -> None:
    """What `run` leaves of a set that does not suit it: empty files."""
    write_csv(out / "features.csv", pd.DataFrame(columns=["method"]))
    write_csv(out / "trimmed.csv", pd.DataFrame(columns=["t"]))
    write_csv(out / "networks.csv", pd.DataFrame(columns=["network", "t", "error", "closed"]))
    write_npz(out / "maps.npz")
    write_csv(out / "roles.csv", pd.DataFrame(columns=["role", "position", "pixels", "image", "defect"]))
    print(f"left out of the chapter on unclean data: {reason}", file=sys.stderr)
