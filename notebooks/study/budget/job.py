"""Networks followed while they learn: at milestones of the training their errors on normal and on defective patches,
and the features by which images are judged.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from radarlib.config import merge
from radarlib.datasets import ImageSet, drawn
from radarlib.denoiser import SECTIONS, Denoiser
from radarlib.errors import UserError
from radarlib.files import read_json, settings_key, sha256_bytes, write_csv, write_json
from radarlib.images import content_hash, resize
from radarlib.methods import closed_form
from radarlib.methods.closed_form import ClosedForm
from radarlib.patches import PatchSampler
from radarlib.runtime import progress
from radarlib.sources import OWN, source_files
from radarlib.textures import artificial_defect
from radarlib.train import CHECKPOINT_SECONDS, Trainer
from study.budget.plan import JOB, KEYS, Variant, scored, variants
from study.denoising import asked, compared
from study.methods import METHODS, model_settings

HELD = 0.2  # share of the training images that no network of this chapter is trained on
FEWEST = 4  # of them at least


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Train every variant to the last milestone; sees no label and no mask of a test image.

    A part of the normal training images is held out. On it errors are measured, and artificial defects are put on it:
    from these alone a rule may choose. Leaves in `out`: `errors.csv` (t_max, width, images, noise, whole, steps, t,
    where: "normal" or "defect", error, closed: the closed form's error on the same noise, apart: the mean squared
    distance between both answers) and `features.csv` (…, steps, method, image, kind: train, test and, by RADAR's step,
    held and artificial, features).
    What is finished of an interrupted run is in `work/`, and is not done again.
    """
    data, options = data.blind(), settings["budget"]
    train, held = held_out(data, seed)
    probes = [
        artificial_defect(data.images[held[k % len(held)]], np.random.default_rng([seed, k]))
        for k in range(options["probes"])
    ]
    draw, every = settings["data"]["seed"], data.index["image"]
    test = drawn(np.array(data.where("test")), options["limit"], draw)
    others = {
        "held": [(every[i], data.images[i]) for i in held],
        "artificial": [(f"{k}", image) for k, (image, _) in enumerate(probes)],
        "test": [(every[i], data.images[i]) for i in test],
    }
    patches = drawn_patches(
        [data.images[i] for i in held], probes, settings["training"]["patch"], options["patches"], seed
    )
    closed = closed_form.fit([data.images[i] for i in train], settings, seed)
    errors, features = [], []
    for variant in variants(settings):
        if variant.images >= len(train):
            continue  # no fewer than all
        chosen = train[: variant.images] if variant.images else train
        changes = {"training": {"t_max": variant.t_max}, "unet": {"width": variant.width}}
        own, seen = merge(settings, {**changes, "noise": {"kind": variant.noise}}), [data.images[i] for i in chosen]
        # Who has few images decides by these few: what a network knows by heart looks more normal than a new image.
        normal = [(every[i], data.images[i]) for i in drawn(chosen, options["limit"], draw)]
        judged = {"train": normal, **others}
        if variant.whole:
            own = model_settings(own, "whole")
            seen = [resize(image, own["training"]["patch"]) for image in seen]
        methods = scored(variant, settings)
        follower = Follower(seen, own, seed, out / "work" / variant.key, judged)
        for steps in options["steps"]:
            name = f"{label}: {variant.key}"
            found = follower.kept(steps) or follower.keep(
                steps,
                measure(
                    follower.at(steps, name), closed, variant, patches, judged, methods, own, seed, f"{name}, {steps}"
                ),
            )
            keys = {key: getattr(variant, key) for key in KEYS} | {"steps": steps}
            errors += [{**keys, **row} for row in found["errors"]]
            features += [{**keys, **row} for row in found["features"]]
    point = [*KEYS, "steps"]
    write_csv(out / "errors.csv", pd.DataFrame(errors)[[*point, "t", "where", "error", "closed", "apart"]], 7)
    table, known = pd.DataFrame(features), [*point, "method", "image", "kind"]
    write_csv(out / "features.csv", table[[*known, *table.columns.difference(known)]], 7)


def held_out(data: ImageSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training images to train on, in a random order, and of those that are held out.

    Raises UserError for fewer than two training images.
    """
    if len(data.where("train")) < 2:
        raise UserError("budget.sets: a set with fewer than 2 training images has none to hold out; leave it out")
    mixed = np.random.default_rng(seed).permutation(data.where("train"))
    n = min(max(FEWEST, round(HELD * len(mixed))), len(mixed) // 2)
    return mixed[n:], np.sort(mixed[:n])


Judged = dict[str, list[tuple[str, np.ndarray]]]
"""Names and images by their kind: train, held, artificial and test."""

Patches = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""By "normal" and "defect": patches (N, 1, p, p), and where on them errors count, of the same shape, bool."""


def drawn_patches(
    normal: list[np.ndarray], probes: list[tuple[np.ndarray, np.ndarray]], patch: int, n: int, seed: int
) -> Patches:
    """n patches of held-out images, and one around a pixel of each probe's defect, of which the defect alone counts."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    x_0 = PatchSampler(normal, patch).sample(n, generator)
    crops = []
    for image, mask in probes:
        r, c = rng.choice(np.argwhere(mask))
        r, c = (int(np.clip(at - patch // 2, 0, side - patch)) for at, side in zip((r, c), image.shape, strict=True))
        crops.append(np.stack([image[r : r + patch, c : c + patch], mask[r : r + patch, c : c + patch]]))
    both = torch.from_numpy(np.stack(crops).astype(np.float32))
    return {"normal": (x_0, torch.ones_like(x_0, dtype=torch.bool)), "defect": (both[:, :1], both[:, 1:] > 0)}


def measure(
    denoiser: Denoiser,
    closed: ClosedForm,
    variant: Variant,
    patches: Patches,
    judged: Judged,
    methods: Sequence[str],
    settings: dict,
    seed: int,
    label: str,
) -> dict[str, list[dict]]:
    """Errors of a network beside those of the closed form, on the same noise, and the features of all images that
    methods find by it.
    """
    errors, features = [], []
    gaussian = variant.noise == "gaussian"  # what the closed form is made for
    patches = {} if variant.whole else patches  # a network of whole images has no answer to patches
    for where, (x_0, counts) in patches.items():
        eps = denoiser.noise(tuple(x_0.shape), torch.Generator().manual_seed(seed))
        for t in (t for t in sorted(asked(settings) | set(settings["budget"]["times"])) if t <= variant.t_max):
            found = compared(denoiser, closed if gaussian else None, x_0, eps, t, counts)
            errors.append({"t": t, "where": where, **found})
    # Held-out images and artificial defects serve the rules that choose, and these choose among RADAR's networks alone.
    scores = {method: METHODS[method].load() for method in methods}
    asked_of = [
        (method, kind, name, image)
        for method in scores
        for kind in (judged if method == "radar" else ("train", "test"))
        for name, image in judged[kind]
    ]
    for method, kind, name, image in progress(asked_of, desc=label, unit="image"):
        found = scores[method](image, denoiser, settings, seed)[1]
        features.append({"method": method, "image": name, "kind": kind, **found})
    return {"errors": errors, "features": features}


@cache
def _code() -> str:
    """A digest of this code: what other code has measured is not taken for finished."""
    files = source_files([__name__, *JOB.calls], {**OWN, "study": Path(__file__).parents[2]})
    return sha256_bytes(b"".join(file.read_bytes() for file in files))


class Follower:
    """A training that stops at milestones. What was found at each is kept beside its checkpoint, so that a run that was
    killed goes on, and one with further milestones goes on from the last.
    """

    def __init__(self, images: list[np.ndarray], settings: dict, seed: int, folder: Path, judged: Judged):
        # A training's own length is no part of it: it is stopped from outside.
        network = {key: settings[key] for key in SECTIONS}
        network["training"] = {**network["training"], "steps": 1}
        self.images, self.seed, self.device = images, seed, settings["compute"]["device"]
        self.folder, self.settings, self.resumed = folder, network, False
        self.trainer = self._begin()
        rest = {key: section for key, section in settings.items() if key not in SECTIONS}
        rest["budget"] = {key: value for key, value in rest["budget"].items() if key != "steps"}
        rest["data"] = {"seed": rest["data"]["seed"]}  # of the images themselves; a further set changes none of them
        shown = [kind + name + content_hash(image) for kind, each in judged.items() for name, image in each]
        self.identity = sha256_bytes("".join([self.trainer.identity, settings_key(rest), _code(), *shown]).encode())

    def _begin(self) -> Trainer:
        return Trainer(self.images, self.settings, self.seed, self.device)

    def _file(self, steps: int) -> Path:
        return self.folder / f"{steps}.json"

    def kept(self, steps: int) -> dict | None:
        """What was found at a milestone by the same training, settings and images; None if it has to be done."""
        file = self._file(steps)
        found = read_json(file) if file.is_file() else {}
        return found if found.get("identity") == self.identity else None

    def keep(self, steps: int, found: dict) -> dict:
        write_json(self._file(steps), {"identity": self.identity, **found})
        return found

    def at(self, steps: int, label: str) -> Denoiser:
        """The network's moving average after this many steps."""
        checkpoint = self.folder / "checkpoint.safetensors"
        if not self.resumed:
            self.trainer.resume(checkpoint)
            self.resumed = True
        if self.trainer.step > steps:  # of a training that went further: what came before is to be had anew alone
            self.trainer = self._begin()
        saved = time.monotonic()
        with progress(total=steps, initial=self.trainer.step, desc=label, unit="step") as bar:
            while self.trainer.step < steps:
                self.trainer.train_step()
                bar.update()
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self.trainer.save(checkpoint)
                    saved = time.monotonic()
        self.trainer.save(checkpoint)
        return Denoiser.from_net(copy.deepcopy(self.trainer.ema), self.settings, self.device)
