"""Reconstruction with Gaussian, simplex and Gaussian-mixture noise: the experiments of Fučka et al. (2023)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from radarlib.datasets import ImageSet, drawn, resized
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.errors import UserError
from radarlib.files import write_csv, write_npz
from radarlib.map_features import mask, peak
from radarlib.methods import closed_form, reconstruct
from radarlib.patches import central_patch
from radarlib.runtime import progress
from radarlib.textures import artificial_defect
from radarlib.train import train
from study.denoising import network_errors
from study.kept import laid_flat
from study.noise.plan import BACK, CONTROLS, FILTER, FILTERS, START, STARTS, network_settings

TOGETHER = 8  # images that are led back at once


def errors(
    images: Sequence[np.ndarray], denoiser: Denoiser, start: int, taken: int, settings: dict, seed: int
) -> Iterator[np.ndarray]:
    """x̂_0 − x_0 of images that were diffused to t = `start` and led back in `taken` steps: (H, W) float32 each
    (§3.2).
    """
    predict, options = reconstruct.ancestral(denoiser, chain(start, taken)), settings["reconstruction"]
    batch = settings["compute"]["inference_batch"]
    for k in range(0, len(images), TOGETHER):
        some = images[k : k + TOGETHER]
        found = reconstruct.reconstruct_all(some, denoiser, predict, options["stride"], seed, batch)
        yield from (x_hat - x_0 for x_hat, x_0 in zip(found, some, strict=True))


def chain_shown(patch: torch.Tensor, denoiser: Denoiser) -> np.ndarray:
    """Fig. 1: a field of the noise, a patch forward at t = 50, START and T, and back from START at BACK: (6, S, S)
    float32.
    """
    schedule, generator = denoiser.schedule, torch.Generator().manual_seed(0)
    eps = denoiser.noise(tuple(patch.shape), generator)
    forward = [schedule.forward(patch, torch.tensor([t]), eps) for t in (50, START, schedule.steps)]
    times = sorted({*chain(START, 50), *BACK}, reverse=True)
    states = reconstruct.reverse_chain(forward[1].to(denoiser.device), denoiser, times, generator)
    back = [states[times.index(t) - 1].cpu() for t in BACK]
    return torch.cat([eps, *forward, *back])[:, 0].numpy()


def _alike(found: np.ndarray, whole: np.ndarray, size: int) -> tuple[float, float]:
    """Of the masks M of two reconstructions of an image: the correlation of their pixels, and the ratio of their
    maxima.
    """
    a, b = mask(found, size), mask(whole, size)
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]), float(a.max() / b.max())


def _twins(data: ImageSet, held: Sequence[int], seed: int) -> list[tuple[str, int, np.ndarray]]:
    """Each held-out image as it is and with an artificial defect: role, position, image."""
    rng = np.random.default_rng(seed)
    defective = [artificial_defect(data.images[i], rng)[0] for i in held]
    pairs = zip(held, defective, strict=True)
    return [twin for i, other in pairs for twin in (("held", i, data.images[i]), ("artificial", i, other))]


def _skipping(
    images: Sequence[np.ndarray],
    first: Sequence[np.ndarray],
    noise: str,
    denoiser: Denoiser,
    taken: int,
    settings: dict,
    seed: int,
) -> Iterator[tuple]:
    """Of each image, whose x̂_0 − x_0 after `taken` steps is in `first`: steps taken and all, correlation and ratio of
    its mask with that of a chain that takes all, and the correlation with that of one that skips with other noise.
    """
    whole = errors(images, denoiser, START, START, settings, seed)
    again = errors(images, denoiser, START, taken, settings, seed + 1)
    for one, found, other in zip(first, whole, again, strict=True):
        alike, chance = (_alike(one, m, FILTER[noise]) for m in (found, other))
        yield (taken, START, *alike, chance[0])


class Findings:
    """What `run` leaves behind, gathered image by image; its attributes are the files that its docstring names."""

    def __init__(self, bar: tqdm):
        self.bar = bar
        self.rows: list[tuple] = []
        self.skipped: list[tuple] = []
        self.maps: dict[str, list[np.ndarray]] = {}
        self.chains: dict[str, np.ndarray] = {}
        self.errors: list[dict] = []

    def judge(self, role: str, i: int, name: str, start: int, taken: int, found: np.ndarray) -> None:
        self.rows.extend((role, i, name, start, taken, size, peak(mask(found, size))) for size in FILTERS)
        if (role, start) == ("test", START):
            self.maps.setdefault(name, []).append(found)
        self.bar.update()

    def skip(self, *row: object) -> None:
        self.skipped.append(row)
        self.bar.update()

    def save(self, out: Path) -> None:
        write_npz(out / "maps.npz", **{name: laid_flat(parts) for name, parts in self.maps.items()})
        write_npz(out / "chains.npz", **self.chains)
        columns = ["position", "noise", "taken", "of", "correlation", "ratio", "other_noise"]
        write_csv(out / "networks.csv", pd.DataFrame(self.errors), 7)
        write_csv(out / "skipped.csv", pd.DataFrame(self.skipped, columns=columns), 7)
        columns = ["role", "position", "noise", "start", "taken", "filter", "score"]
        write_csv(out / "scores.csv", pd.DataFrame(self.rows, columns=columns), 7)


@dataclass
class Chosen:
    """The images of the chapter. test : all test images by position. check : positions of those that take every reverse
    step.
    twins : what `_twins` gives. seen : the normal images that training sees."""

    test: dict[int, np.ndarray]
    check: list[int]
    twins: list[tuple[str, int, np.ndarray]]
    seen: list[np.ndarray]

    @classmethod
    def draw(cls, data: ImageSet, settings: dict) -> Chosen:
        options, seed, normal = settings["noise_study"], settings["data"]["seed"], data.where("train")
        held = list(drawn(np.array(normal), options["held"], seed))
        seen = [data.images[i] for i in normal if i not in held]
        if not seen:
            raise UserError(
                f"noise_study.held: {options['held']} of {len(normal)} training images leave none to train on"
            )
        test = {i: data.images[i] for i in data.where("test")}
        return cls(test, list(drawn(np.array(list(test)), options["check"], seed)), _twins(data, held, seed), seen)


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Train a network per noise, and reconstruct every test image with it from each of STARTS.

    Beside it: `check` test images with every reverse step, to see what skipping changes; and `held` normal images that
    training does not see, each as it is and with an artificial defect, which is what a noise may be chosen by. Two
    controls come with START alone: "raw", whose reconstruction is the image's mean, and "untrained", random weights
    with Gaussian noise. Neither training nor scoring sees a label. A training that is finished is not repeated.

    Leaves in `out`: `scores.csv` (role: test, held or artificial; position in the set; noise or control; start; reverse
    steps taken; filter; score), `skipped.csv` (of the checked images: what `_skipping` gives), `maps.npz` (by noise or
    control: x̂_0 − x_0 from START of the test images, float16, laid end to end), `chains.npz` (by noise: `chain_shown`,
    and the patch), `networks.csv` (what `network_errors` finds on the held-out images) and `models/<noise>/`. Raises
    UserError for a schedule shorter than the longest of STARTS, and where nothing would be left to train on.
    """
    steps = settings["diffusion"]["steps"]
    if steps < max(STARTS):
        raise UserError(f"diffusion.steps: {steps} are fewer than the {max(STARTS)} that the noise study diffuses for")
    chosen = Chosen.draw(resized(data.blind(), settings["noise_study"]["image_size"]), settings)
    each = len(STARTS) * len(chosen.test) + len(chosen.check) + len(chosen.twins)
    with progress(total=len(FILTER) * each + len(CONTROLS) * len(chosen.test), desc=label, unit="image") as bar:
        findings = Findings(bar)
        for noise in FILTER:
            _with_noise(noise, chosen, settings, seed, out, label, findings)
        _controls(chosen, settings, seed, findings)
    findings.save(out)


def _with_noise(
    noise: str, chosen: Chosen, settings: dict, seed: int, out: Path, label: str, findings: Findings
) -> None:
    """Train with one noise, and reconstruct with it."""
    own, most = network_settings(settings, noise), settings["noise_study"]["reverse_steps"]
    text = f"{label}: training with {noise} noise"
    denoiser = train(chosen.seen, own, seed, out / "models" / noise, settings["compute"]["device"], text)
    held = [image for role, _, image in chosen.twins if role == "held"]
    closed = closed_form.fit(chosen.seen, own, seed) if noise == "gaussian" else None
    findings.errors += network_errors(noise, denoiser, held, STARTS, seed, closed)
    patch = central_patch(chosen.seen[0], denoiser.patch)
    findings.chains |= {noise: chain_shown(patch, denoiser), "patch": patch[0, 0].numpy()}
    for start in STARTS:
        found = errors(list(chosen.test.values()), denoiser, start, min(start, most), own, seed)
        for i, m in zip(chosen.test, found, strict=True):
            findings.judge("test", i, noise, start, min(start, most), m)
    taken, whole = min(START, most), dict(zip(chosen.test, findings.maps[noise], strict=True))
    few, first = [chosen.test[i] for i in chosen.check], [whole[i] for i in chosen.check]
    for i, row in zip(chosen.check, _skipping(few, first, noise, denoiser, taken, own, seed), strict=True):
        findings.skip(i, noise, *row)
    twins = errors([image for *_, image in chosen.twins], denoiser, START, taken, own, seed)
    for (role, i, _), m in zip(chosen.twins, twins, strict=True):
        findings.judge(role, i, noise, START, taken, m)


def _controls(chosen: Chosen, settings: dict, seed: int, findings: Findings) -> None:
    """The two reconstructions that know nothing: the image's mean, and an untrained network's."""
    own, images = network_settings(settings, "gaussian"), list(chosen.test.values())
    denoiser = Denoiser.untrained(own, seed, settings["compute"]["device"])
    taken = min(START, settings["noise_study"]["reverse_steps"])
    for name, found in (
        ("raw", (image.mean() - image for image in images)),
        ("untrained", errors(images, denoiser, START, taken, own, seed)),
    ):
        for i, m in zip(chosen.test, found, strict=True):
            findings.judge("test", i, name, START, taken, m)
