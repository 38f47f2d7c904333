"""Where RADAR's single step is done on a user's images: on pixels, on pretrained features, or on both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError

from radarlib import feature_step, radar
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.map_features import norm_features
from radarlib.train import train

COLUMNS = ["global", "local"]


class Space(Protocol):
    """A fitted single step, with a file of its own in a model directory."""

    file: str

    def score(self, image: np.ndarray, roi: np.ndarray | None = None) -> tuple[np.ndarray, dict[str, float]]:
        """The map of an image (H, W) float32 in [-1, 1], at its size, and the features COLUMNS.

        roi : (H, W) bool, the part that is looked at: outside the map is 0.
        """

    def save(self, directory: Path) -> None: ...


class Pixels:
    """RADAR as published: `radar.score` with a denoiser that is trained here."""

    file = "model.safetensors"

    def __init__(self, denoiser: Denoiser, settings: dict, seed: int):
        self.denoiser, self.settings, self.seed = denoiser, settings, seed

    @classmethod
    def fit(cls, images: Sequence[np.ndarray], settings: dict, seed: int, out: Path, device: str) -> Pixels:
        return cls(train(images, settings, seed, out, device), settings, seed)

    @classmethod
    def load(cls, directory: Path, settings: dict, seed: int, device: str) -> Pixels:
        return cls(Denoiser.load(directory, device), settings, seed)

    def score(self, image: np.ndarray, roi: np.ndarray | None = None) -> tuple[np.ndarray, dict[str, float]]:
        s, features = radar.score(image, self.denoiser, self.settings, self.seed)
        if roi is None:
            return s, features
        s = np.where(roi, s, 0)
        return s, dict(zip(COLUMNS, norm_features(s, self.settings["radar"]["window"]), strict=True))

    def save(self, directory: Path) -> None:
        self.denoiser.save(directory)


class Features:
    """The single step on the features of a pretrained network: `feature_step.score`."""

    file = "features.safetensors"

    def __init__(self, model: feature_step.CrossFitted, settings: dict, seed: int):
        self.model, self.settings, self.seed = model, settings, seed

    @classmethod
    def fit(cls, images: Sequence[np.ndarray], settings: dict, seed: int, out: Path, device: str) -> Features:
        return cls(feature_step.fit(images, _on(settings, device), seed), settings, seed)

    @classmethod
    def load(cls, directory: Path, settings: dict, seed: int, device: str) -> Features:
        path = directory / cls.file
        if not path.is_file():
            raise UserError(f"{path}: missing; fit the model again")
        try:
            return cls(feature_step.load(path, _on(settings, device)), settings, seed)
        except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{path}: damaged ({reason}); fit the model again") from None

    def score(self, image: np.ndarray, roi: np.ndarray | None = None) -> tuple[np.ndarray, dict[str, float]]:
        return feature_step.score(image, self.model, self.settings, self.seed, roi)

    def save(self, directory: Path) -> None:
        feature_step.save(self.model, directory / self.file)


def _on(settings: dict, device: str) -> dict:
    return {**settings, "compute": {**settings["compute"], "device": device}}


SPACES: dict[str, tuple[type[Pixels] | type[Features], ...]] = {
    "pixels": (Pixels,),
    "features": (Features,),
    "both": (Pixels, Features),
}
