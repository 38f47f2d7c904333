"""Where RADAR's single step is done on a user's images: on pixels, on pretrained features, or on both.

Each space gives an image's features, by which it is judged, and layers: maps of where it departs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from safetensors import SafetensorError
from scipy.ndimage import gaussian_filter

from radarlib import feature_step, radar
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.extractor import Extractor
from radarlib.inspection import levels
from radarlib.map_features import PAPER_SIDE, norm_features
from radarlib.train import train

COLUMNS = ["global", "local"]


SMOOTH = 4  # px of an image of PAPER_SIDE: edges that S shows around a defect flow together
Scored = tuple[list[np.ndarray], dict[str, float]]
"""Layers, each (H, W) float32 at the image's size, and the features COLUMNS."""


class Space(Protocol):
    """A fitted single step, with files of its own in a model directory."""

    files: list[str]
    layers: int
    cross_fitted: bool
    """Whether an image that it learned from is judged by a part that has not seen it."""

    def score(self, image: np.ndarray, roi: np.ndarray | None = None) -> Scored:
        """Of an image (H, W) float32 in [-1, 1].

        roi : (H, W) bool, the part that is looked at: the rest adds nothing to the features.
        """

    def save(self, directory: Path) -> None: ...


class Pixels:
    """RADAR as published: `radar.score` with a denoiser that is trained here. Its layer is S, smoothed (in models of
    before format 4 as it is).
    """

    files, layers, cross_fitted = ["model.safetensors"], 1, False

    def __init__(self, denoiser: Denoiser, settings: dict, seed: int, smooth: float = SMOOTH):
        self.denoiser, self.settings, self.seed, self.smooth = denoiser, settings, seed, smooth

    @classmethod
    def fit(cls, images: Sequence[np.ndarray], settings: dict, seed: int, out: Path, device: str) -> Pixels:
        channels = {"channels": 3} if settings["data"]["colour"] else {}
        network = {**settings, "unet": {**settings["unet"], **channels}}
        return cls(train(images, network, seed, out, device), settings, seed)

    @classmethod
    def load(cls, directory: Path, settings: dict, seed: int, device: str, old: bool = False) -> Pixels:
        return cls(Denoiser.load(directory, device), settings, seed, 0 if old else SMOOTH)

    def score(self, image: np.ndarray, roi: np.ndarray | None = None) -> Scored:
        s, features = radar.score(image, self.denoiser, self.settings, self.seed)
        if roi is not None:
            s = np.where(roi, s, 0)
            features = dict(zip(COLUMNS, norm_features(s, self.settings["radar"]["window"]), strict=True))
        return [gaussian_filter(s, self.smooth * min(s.shape) / PAPER_SIDE)], features

    def save(self, directory: Path) -> None:
        self.denoiser.save(directory)


class Features:
    """The single step on the features of a pretrained network: `feature_step.score`. Its layers are those of `levels`
    (in models of before format 4 the step's own map).
    """

    cross_fitted = True
    step_file, levels_file = "features.safetensors", "levels.safetensors"

    def __init__(self, model: feature_step.CrossFitted, where: levels.Levels | None, settings: dict, seed: int):
        self.model, self.where, self.settings, self.seed = model, where, settings, seed
        self.files = [self.step_file, *([self.levels_file] if where else [])]
        self.layers = len(where.folds[0]) if where else 1

    @classmethod
    def fit(cls, images: Sequence[np.ndarray], settings: dict, seed: int, out: Path, device: str) -> Features:
        extractor = Extractor(settings["features"], device)
        where, embedded = levels.fit(images, extractor, settings["feature_step"]["images"], seed)
        return cls(feature_step.fit(images, settings, seed, (extractor, embedded)), where, settings, seed)

    @classmethod
    def load(cls, directory: Path, settings: dict, seed: int, device: str, old: bool = False) -> Features:
        path = directory / cls.step_file
        model = _read(path, lambda: feature_step.load(path, _on(settings, device)))
        if old:
            return cls(model, None, settings, seed)
        other = directory / cls.levels_file
        return cls(model, _read(other, lambda: levels.load(other, model.extractor)), settings, seed)

    def score(self, image: np.ndarray, roi: np.ndarray | None = None) -> Scored:
        if self.where is None:
            found, features = feature_step.score(image, self.model, self.settings, self.seed, roi)
            return [found], features
        embedded, fine = self.model.extractor.levels(image)
        features = feature_step.score(image, self.model, self.settings, self.seed, roi, embedded)[1]
        return self.where.maps(fine, image), features

    def save(self, directory: Path) -> None:
        feature_step.save(self.model, directory / self.step_file)
        if self.where is not None:
            levels.save(self.where, directory / self.levels_file)


T = TypeVar("T")


def _read(path: Path, load: Callable[[], T]) -> T:
    """What `load` makes of a file. Raises UserError, naming it, where it is missing or damaged."""
    if not path.is_file():
        raise UserError(f"{path}: missing; fit the model again")
    try:
        return load()
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: damaged ({reason}); fit the model again") from None


def _on(settings: dict, device: str) -> dict:
    return {**settings, "compute": {**settings["compute"], "device": device}}


SPACES: dict[str, tuple[type[Pixels] | type[Features], ...]] = {
    "pixels": (Pixels,),
    "features": (Features,),
    "both": (Pixels, Features),
}
