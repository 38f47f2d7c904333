"""RADAR on a user's own images: a fitted detector, its directory on disk, and what it says of new images."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from radarlib import conformal
from radarlib.config import resolve
from radarlib.datasets import classifier_images
from radarlib.errors import UserError
from radarlib.files import read_json, read_versioned, sha256_file, write_bytes, write_csv, write_json
from radarlib.images import content_hash, distinct, list_images, read_image
from radarlib.oneclass import Distance, OneClass, cross_scores
from radarlib.runtime import progress
from radarlib.single_step import COLUMNS, SPACES, Space
from radarlib.textures import PRINT_DEFECTS, print_image

FORMAT = 3  # of detector.json
FORESTS = 2  # the last format whose models were all decided by a forest
RATE = 0.05  # of false alarms, where none is asked for
PARTS = 10  # of the normal images, each of which is judged by a decision that was fitted without it
FLUSH_SECONDS = 2.0  # what a killed detection loses at most


@dataclass
class Detector:
    """RADAR's single step in one space or two, with a one-class decision on its features.

    spaces : fitted on the user's images, as `decision.space` of the settings says.
    features : (n, 2 per space) of the training images that the decision was fitted on.
    map_scales : of each space, the median over those images and the held-out ones of the 99.9 % quantile of the map;
        overlays show what exceeds it.
    calibration : (m, 2 per space) of held-out normal images that neither a network nor a forest has seen, or none.

    The rule `distance` is calibrated on all training images, each judged by a decision that was fitted without it
    (cross-conformal, Vovk 2015), and flags `decision.false_alarm_rate` of new normal ones, or what so many images can
    promise. A `forest` does so where images were held out for it (split-conformal), else as its contamination says.

    Examples
    --------
    >>> detector = fit(Path("good"), Path("model"))         # doctest: +SKIP
    >>> detector.detect(read_image(Path("part.png"))).score  # doctest: +SKIP
    """

    spaces: Sequence[Space]
    settings: dict
    seed: int
    features: np.ndarray
    map_scales: Sequence[float]
    calibration: np.ndarray
    decision: OneClass | Distance = field(init=False)
    threshold: float = field(init=False)
    calibration_scores: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        options = self.settings["decision"]
        if options["rule"] == "distance":
            self.decision = Distance().fit(self.features)
            self.calibration_scores = cross_scores(self.features, PARTS, self.seed)
            self.threshold = conformal.threshold(self.calibration_scores, self.promise)
            return
        forest = OneClass(options["contamination"], options["trees"], self.seed, options["classifier"])
        self.decision = forest.fit(self.features)
        self.calibration_scores, self.threshold = np.array([]), forest.threshold
        if len(self.calibration):
            self.calibration_scores = forest.score(self.calibration)
            self.threshold = conformal.threshold(self.calibration_scores, options["false_alarm_rate"])

    @property
    def promise(self) -> float:
        """The share of new normal images that `distance` flags, about: as asked, or as so many images can tell."""
        return conformal.promised(len(self.features), self.settings["decision"]["false_alarm_rate"] or RATE)

    def detect(self, image: np.ndarray) -> Detection:
        """image : (H, W) float32 in [-1, 1], each side at least one patch."""
        maps, features = scored(image, self.spaces)
        value = float(self.decision.score(features[None])[0])
        calibrated = len(self.calibration_scores) > 0
        p = float(conformal.p_values(self.calibration_scores, np.array([value]))[0]) if calibrated else None
        if len(maps) > 1:
            maps = [np.mean([m / scale for m, scale in zip(maps, self.map_scales, strict=True)], axis=0)]
        return Detection(maps[0], value, self.threshold, value > self.threshold, p)

    @property
    def map_scale(self) -> float:
        """Of the map that `detect` gives."""
        return 1.0 if len(self.spaces) > 1 else self.map_scales[0]

    @property
    def smallest(self) -> int:
        """Least side of an image that can be judged, in px."""
        return self.settings["training"]["patch"]

    def save(self, directory: Path) -> None:
        for space in self.spaces:
            space.save(directory)
        write_json(
            directory / "detector.json",
            {
                "format": FORMAT,
                "files": _digests(directory, self.spaces),
                "seed": self.seed,
                "settings": self.settings,
                "map_scale": list(self.map_scales),
                "features": self.features.tolist(),
                "calibration": self.calibration.tolist(),
            },
        )

    @classmethod
    def load(cls, directory: Path, device: str = "auto") -> Detector:
        """Read a model directory written by `fit`.

        Raises UserError, naming the file, where one is missing or damaged.
        """
        if not directory.is_dir():
            raise UserError(
                f"{directory}: no such model directory; make it with: radarlib fit GOOD_DIR --out {directory}"
            )
        path = directory / "detector.json"
        if not path.is_file():
            raise UserError(f"{path}: missing, the fit has not ended; the same radarlib fit goes on")
        saved = read_versioned(path, FORMAT, FORESTS)
        try:
            if saved["format"] <= FORESTS:
                saved["settings"]["decision"]["rule"] = "forest"
            settings, seed = resolve(saved["settings"], str(path)), saved["seed"]
            spaces = [kind.load(directory, settings, seed, device) for kind in SPACES[settings["decision"]["space"]]]
            for file, digest in _digests(directory, spaces).items():
                if saved["files"][file] != digest:
                    raise UserError(
                        f"{directory / file}: damaged, or of another fit (its SHA-256 differs from detector.json);"
                        " fit the model again"
                    )
            features, calibration = (
                np.array(saved[key], dtype=float).reshape(-1, len(COLUMNS) * len(spaces))
                for key in ("features", "calibration")
            )
            return cls(spaces, settings, seed, features, np.atleast_1d(saved["map_scale"]).tolist(), calibration)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: damaged ({type(error).__name__}: {error}); fit the model again") from None


def _digests(directory: Path, spaces: Sequence[Space]) -> dict[str, str]:
    return {space.file: sha256_file(directory / space.file) for space in spaces}


def scored(image: np.ndarray, spaces: Sequence[Space]) -> tuple[list[np.ndarray], np.ndarray]:
    """The map of an image in each space, and the features of all, (2 per space,)."""
    found = [space.score(image) for space in spaces]
    return [m for m, _ in found], np.array([features[c] for _, features in found for c in COLUMNS])


@dataclass
class Detection:
    """What the detector says of one image: the map (H, W) float32 (S, in pixels), the score (higher = more anomalous),
    the decision, and, from a calibrated detector, the conformal p-value.
    """

    anomaly_map: np.ndarray
    score: float
    threshold: float
    anomalous: bool
    p_value: float | None = None


def fit(good: Path, out: Path, settings: dict | None = None, seed: int = 0, device: str = "auto") -> Detector:
    """Train on a folder of normal images and leave a model directory: safetensors and JSON, nothing that executes.

    settings : a configuration (None: the defaults, which are the `real` profile's).

    Raises UserError for a missing or empty folder, the root of a data set, an unreadable or too small image, fewer than
    8 images.
    """
    settings = settings or resolve({})
    if (good / "ground_truth").is_dir() or ((good / "train").is_dir() and (good / "test").is_dir()):
        raise UserError(
            f"{good}: a data set with its test images; give the normal ones alone: {good / 'train' / 'good'}"
        )
    files = list_images(good)
    size, patch = settings["data"]["image_size"], settings["training"]["patch"]
    images = [read_image(path, size, patch) for path in progress(files, desc="reading", unit="image")]
    images = [images[i] for i in distinct(images).values()]
    if len(images) < 8:
        raise UserError(f"{good}: {len(images)} different images are too few to learn what is normal; give at least 8")
    if max(float(image.max()) for image in images) <= 2 / 16 - 1:
        print(
            f"{good}: no pixel is brighter than a sixteenth of the files' range (12 bits saved in 16?); rescaled"
            " images, new ones alike, would show RADAR more",
            file=sys.stderr,
        )
    if (out / "detector.json").is_file():
        print(f"{out}: holds a fitted model, which this one will replace", file=sys.stderr)
    rate, apart = settings["decision"]["false_alarm_rate"], settings["decision"]["rule"] == "forest"
    known, held_out = np.arange(len(images)), np.array([], int)
    if rate and apart:
        known, held_out = conformal.split(len(images), rate, seed)
    normal = [images[i] for i in known]
    spaces = [kind.fit(normal, settings, seed, out, device) for kind in SPACES[settings["decision"]["space"]]]
    chosen = known[
        classifier_images(pd.DataFrame({"split": ["train"] * len(known)}), settings["data"]["max_classifier"], seed)
    ]
    rows, quantiles = [], []
    for i in progress([*chosen, *held_out], desc="learning what is normal", unit="image"):
        maps, features = scored(images[i], spaces)
        rows.append(features)
        quantiles.append([np.quantile(m, 0.999) for m in maps])
    fitted_on, calibration = np.split(np.array(rows), [len(chosen)])
    detector = Detector(spaces, settings, seed, fitted_on, np.median(quantiles, axis=0).tolist(), calibration)
    detector.save(out)
    return detector


def overlay(image: np.ndarray, s: np.ndarray, scale: float) -> np.ndarray:
    """The map as colour on the gray image, (H, W, 3) uint8 BGR: clear up to `scale`, hottest at three times it."""
    gray = cv2.cvtColor(((image + 1) * 127.5).round().astype(np.uint8), cv2.COLOR_GRAY2BGR)
    heat = np.clip((s / scale - 1) / 2, 0, 1)
    colour = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = (0.75 * np.sqrt(heat))[..., None]
    return (gray * (1 - alpha) + colour * alpha).round().astype(np.uint8)


def _inputs(targets: list[Path]) -> list[tuple[Path, str]]:
    """Image files with the name that each has in the results: its path below the folder that was given."""
    found: list[tuple[Path, str]] = []
    for target in targets:
        if target.is_dir():
            found += [(path, path.relative_to(target).as_posix()) for path in list_images(target)]
        elif target.exists():
            found.append((target, target.name))
        else:
            raise UserError(f"{target}: no such file or folder")
    names = [name for _, name in found]
    if len(set(names)) < len(names):  # folders with equal names inside: keep them apart by their full paths
        found = [(path, path.resolve().relative_to(path.resolve().anchor).as_posix()) for path, _ in found]
    return list({name: (path, name) for path, name in found}.values())


def detect(detector: Detector, targets: list[Path], out: Path, model: Path) -> tuple[pd.DataFrame, list[str]]:
    """Judge images and folders of images. Returns the table of scores and one line for each image that failed.

    Leaves `scores.csv` (image, score, threshold, anomalous, and p_value from a calibrated model), `maps/<image>.tiff`
    (S, float32) and `overlays/<image>.png` in `out`. A killed run goes on where it stopped if the model and the image
    are the same.
    """
    size, table = detector.settings["data"]["image_size"], out / "scores.csv"
    todo = _inputs(targets)
    state_path, fingerprint = out / "detect.json", sha256_file(model / "detector.json")
    state = read_json(state_path) if state_path.is_file() else {}
    done: dict[str, dict] = state.get("done", {}) if state.get("model") == fingerprint else {}
    rows: list[dict] = []
    failures: list[str] = []

    values = ["score", "threshold", "anomalous", *(["p_value"] if len(detector.calibration_scores) else [])]

    def flush() -> None:
        write_json(state_path, {"model": fingerprint, "done": done})
        write_csv(table, pd.DataFrame(rows, columns=["image", *values]), 6)

    flushed = time.monotonic()
    for path, name in progress(todo, desc="detecting", unit="image"):
        try:
            image = read_image(path, size, detector.smallest)
        except UserError as error:
            failures.append(str(error))
            continue
        content, files = content_hash(image), (out / "maps" / f"{name}.tiff", out / "overlays" / f"{name}.png")
        if done.get(name, {}).get("content") != content or not all(file.is_file() for file in files):
            found = detector.detect(image)
            for file, pixels in zip(
                files, (found.anomaly_map, overlay(image, found.anomaly_map, detector.map_scale)), strict=True
            ):
                write_bytes(file, cv2.imencode(file.suffix, pixels)[1].tobytes())
            done[name] = {
                "content": content,
                "score": found.score,
                "threshold": found.threshold,
                "anomalous": bool(found.anomalous),
                "p_value": found.p_value,
            }
        rows.append({"image": name, **{key: done[name][key] for key in values}})
        if time.monotonic() - flushed > FLUSH_SECONDS:
            flush()
            flushed = time.monotonic()
    flush()
    return pd.DataFrame(rows, columns=["image", *values]), failures


def example_folders(out: Path, n: int = 24) -> tuple[Path, Path]:
    """Write a few simulated prints as PNG, normal ones to learn from and a mixed test, to try `fit` and `detect` on."""
    for folder, kinds in (("good", [None] * n), ("test", [None, None, None, *PRINT_DEFECTS])):
        for k, kind in enumerate(kinds):
            image, _ = print_image(64, 45, kind, np.random.default_rng([7, len(kinds), k]))
            png = cv2.imencode(".png", (image * 255).round().astype(np.uint8))[1].tobytes()
            write_bytes(out / folder / f"{kind or 'normal'}_{k:02d}.png", png)
    return out / "good", out / "test"
