"""RADAR's idea in feature space: one diffusion step on the features of a pretrained network, and the noise that is
predicted.

A small network, the same at every location, learns which noise was added to whitened features of normal images. Shown
features that are only scaled, without noise, it answers how far they lie from what it has learned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from radarlib.datasets import drawn
from radarlib.extractor import Extractor
from radarlib.files import write_bytes
from radarlib.images import content_hash
from radarlib.map_features import highest
from radarlib.runtime import progress

FOLDS = 2  # parts of the normal images, each of which one network does without
FLOOR = 1e-3  # of a component's variance


@dataclass
class Whitening:
    """mean : (C,). matrix : (C, C), to uncorrelated components of unit variance over normal features.

    The symmetric one of all such matrices: eigenvectors alone have a sign, and where variances are alike a direction,
    that processors choose differently.
    """

    mean: np.ndarray
    matrix: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, floor: float = FLOOR) -> Whitening:
        """features : (n, C)."""
        mean = features.mean(0)
        return cls.of(mean, np.cov(features - mean, rowvar=False), floor)

    @classmethod
    def of(cls, mean: np.ndarray, covariance: np.ndarray, floor: float = FLOOR) -> Whitening:
        """floor : of a component's variance, as a share of the largest. covariance : (C, C)."""
        values, vectors = np.linalg.eigh(covariance)
        scale = np.sqrt(np.maximum(values, floor * values.max()))
        return cls(mean, (vectors / scale @ vectors.T).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) @ self.matrix).astype(np.float32)


class Predictor(nn.Module):
    """ε_θ of a single location's features: (n, D) → (n, D)."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@dataclass(eq=False)
class FeatureStep:
    whitening: Whitening
    net: Predictor
    sigma: float


def train(features: Sequence[np.ndarray], options: dict, seed: int, label: str = "feature step") -> FeatureStep:
    """Train on the features of normal images, each (locations, C).

    options : the section `feature_step` of a configuration.
    """
    every = np.concatenate(features)
    whitening = Whitening.fit(every)
    data = torch.from_numpy(whitening(every))
    torch.manual_seed(seed)
    net, generator = Predictor(data.shape[1], options["width"]), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=options["lr"], fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options["steps"])
    sigma = options["sigma"]
    for _ in progress(range(options["steps"]), desc=label, unit="step"):
        x_0 = data[torch.randint(len(data), (options["batch"],), generator=generator)]
        eps = torch.randn(x_0.shape, generator=generator)
        loss = ((net((1 - sigma**2) ** 0.5 * x_0 + sigma * eps) - eps) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return FeatureStep(whitening, net.eval(), sigma)


@torch.inference_mode()
def predict(features: np.ndarray, model: FeatureStep) -> tuple[np.ndarray, float]:
    """The norm of the predicted noise at each location, (locations,), and the image's score, the mean of the
    highest.
    """
    x = torch.from_numpy(model.whitening(features)) * (1 - model.sigma**2) ** 0.5
    found = model.net(x).norm(dim=1).numpy()
    return found, highest(found)


@dataclass
class CrossFitted:
    """Networks that were each trained without a part of the normal images, by which those are judged as something new.

    A network knows the features that it was trained on too well: a classifier that is fitted on its answers to them
    takes nearly every new image for anomalous.

    unseen : by the content of a training image, the network that has not seen it.
    """

    extractor: Extractor
    steps: list[FeatureStep]
    unseen: dict[str, FeatureStep]


def folded(images: Sequence[np.ndarray], limit: int, seed: int) -> tuple[list[np.ndarray], np.ndarray, dict[str, int]]:
    """At most `limit` of the images, the part (of FOLDS) that each is in, and the same by the images' content."""
    some = [images[i] for i in drawn(np.arange(len(images)), limit, seed)]
    folds = np.random.default_rng(seed).permutation(len(some)) % FOLDS  # at random, for images often alternate in kind
    return some, folds, {content_hash(image): int(fold) for image, fold in zip(some, folds, strict=True)}


def fit(
    images: Sequence[np.ndarray], settings: dict, seed: int, seen: tuple[Extractor, Sequence[np.ndarray]] | None = None
) -> CrossFitted:
    """What `score` needs, from normal images of any size, (H, W) float32 in [-1, 1], none a copy of another.

    seen : an extractor, and what it gives of the images that `folded` takes, where they are at hand.
    """
    options = settings["feature_step"]
    some, folds, unseen = folded(images, options["images"], seed)
    extractor = seen[0] if seen else Extractor(settings["features"], settings["compute"]["device"])
    features = seen[1] if seen else [extractor.embed(image) for image in progress(some, desc="features", unit="image")]
    steps = [
        train(
            [x for x, own in zip(features, folds, strict=True) if own != fold],
            options,
            seed,
            f"network {fold + 1} of {FOLDS}",
        )
        for fold in range(FOLDS)
    ]
    return CrossFitted(extractor, steps, {content: steps[fold] for content, fold in unseen.items()})


def score(
    image: np.ndarray,
    model: CrossFitted,
    settings: dict,
    seed: int,
    roi: np.ndarray | None = None,
    features: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, float]]:
    """The map of an image, at its size, and two features as RADAR's: the root mean square of all locations, the mean of
    the highest.

    A training image is judged by the network that has not seen it, a new one by the mean of all networks' maps. roi :
    (H, W) bool, the part that is looked at; locations that show none of it do not count. features : of the image, where
    they are at hand.
    """
    own = model.unseen.get(content_hash(image))
    features = model.extractor.embed(image) if features is None else features
    found = np.mean([predict(features, step)[0] for step in ([own] if own else model.steps)], axis=0)
    height, width = image.shape[:2]
    side = model.extractor.grid
    if roi is not None:
        found = np.where(
            cv2.resize(roi.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA).ravel() > 0, found, 0
        )
    grid = cv2.resize(found.reshape(side, side), (width, height), interpolation=cv2.INTER_LINEAR)
    grid = grid if roi is None else np.where(roi, grid, 0)
    return grid, {"global": float(np.sqrt((found**2).mean())), "local": highest(found)}


def save(model: CrossFitted, path: Path) -> None:
    """Write the networks and what each has not seen as one safetensors file; the extractor's weights are not in it."""
    tensors: dict[str, Tensor] = {}
    for k, step in enumerate(model.steps):
        tensors |= {f"{k}.net.{name}": tensor.contiguous() for name, tensor in step.net.state_dict().items()}
        tensors |= {
            f"{k}.mean": torch.from_numpy(step.whitening.mean),
            f"{k}.matrix": torch.from_numpy(step.whitening.matrix),
        }
    unseen = {content: model.steps.index(step) for content, step in model.unseen.items()}
    write_bytes(path, save_tensors(tensors, {"unseen": json.dumps(unseen)}))


def load(path: Path, settings: dict) -> CrossFitted:
    """Read what `save` wrote. Raises SafetensorError, or one of Python's own errors, for a damaged file."""
    data = path.read_bytes()
    tensors, options = load_tensors(data), settings["feature_step"]
    with safe_open(path, "pt") as file:
        unseen = json.loads(file.metadata()["unseen"])
    steps = []
    for k in range(FOLDS):
        whitening = Whitening(tensors[f"{k}.mean"].numpy(), tensors[f"{k}.matrix"].numpy())
        with torch.device("meta"):  # no memory is taken before the file has as much
            net = Predictor(len(whitening.mean), options["width"])
        prefix = f"{k}.net."
        net.load_state_dict(
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}, assign=True
        )
        steps.append(FeatureStep(whitening, net.eval(), options["sigma"]))
    extractor = Extractor(settings["features"], settings["compute"]["device"])
    side = sum(extractor.net.channels)
    if any(step.whitening.matrix.shape != (side, side) or step.whitening.mean.shape != (side,) for step in steps):
        raise ValueError(f"not of the extractor's {side} features")
    if not all(tensor.is_floating_point() and bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ValueError("holds weights that are NaN or infinite")
    return CrossFitted(extractor, steps, {content: steps[k] for content, k in unseen.items()})
