"""The single step held against its closed form: errors, maps, and defects of graded contrast and size."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import kurtosis

from radarlib.datasets import GOOD, ImageSet, drawn
from radarlib.denoiser import Denoiser
from radarlib.files import write_csv
from radarlib.map_features import norm_features
from radarlib.methods import closed_form
from radarlib.methods.closed_form import ClosedForm
from radarlib.patches import PatchSampler
from radarlib.radar import Predictor, noise_map, sobel_features
from radarlib.runtime import image_generator, progress
from study.limit.plan import CLOSED, GAUSSIAN, NETWORK, NOISELESS, OWN
from study.limit.theory import bump, gaussian_surface, moments, passed, predicted_auroc, spectrum

DEPARTURE = 5000  # patches whose departure from Gaussianity is measured


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Leaves in `out`:

    `errors.csv` (position, t, predictor, error: mean squared error a pixel; predictor "bound" is what a Gaussian
    surface would allow), `maps.csv` (position, t, pair, correlation of the maps S), `graded.csv` (surface, predictor,
    sensor, image, contrast, radius, global, local), `predicted.csv` (sensor, contrast, radius, mean and sd of the
    squared global feature, auroc), `departure.csv` (kurtosis, overdispersion).

    Of labels it uses one thing: graded defects are put on normal test images, which the network has not seen. Nothing
    is chosen by them.
    """
    options = settings["limit"]
    network = models["gaussian"]
    closed = closed_form.fit(data.train_images, settings, seed)
    draw = settings["data"]["seed"]
    train, test = (
        [int(i) for i in drawn(np.array(data.where(split)), options["images"], draw)] for split in ("train", "test")
    )
    normal = [int(i) for i in drawn(_normal(data), options["images"], draw)]
    errors = _errors(
        data, network, closed, [*train, *test, *(i for i in normal if i not in test)], options, seed, label
    )
    write_csv(out / "errors.csv", errors, 7)
    write_csv(out / "maps.csv", _maps(data, network, closed, test, settings, seed, label), 7)
    graded, predicted = _graded(data, network, closed, normal, settings, seed, label)
    write_csv(out / "graded.csv", graded, 7)
    write_csv(out / "predicted.csv", predicted, 7)
    write_csv(out / "departure.csv", _departure(data.train_images, settings, seed), 7)


def _normal(data: ImageSet) -> np.ndarray:
    return np.flatnonzero((data.index["split"] == "test") & (data.index["defect"] == GOOD))


def _errors(
    data: ImageSet, network: Denoiser, closed: ClosedForm, chosen: Sequence[int], options: dict, seed: int, label: str
) -> pd.DataFrame:
    """Errors of both predictors on the same noisy patches, by image and time step."""
    rows: list[tuple] = []
    for i in progress(chosen, desc=f"{label}: errors", unit="image"):
        generator = image_generator(data.images[i], seed)
        x_0 = PatchSampler([data.images[i]], network.patch).sample(options["patches"], generator)
        eps = torch.randn(x_0.shape, generator=generator)
        for t in options["times"]:
            x_t = network.schedule.forward(x_0, torch.full((len(x_0),), t), eps).to(network.device)
            for name, predictor in ((NETWORK, network), (CLOSED, closed)):
                found = predictor.eps(x_t, t).cpu()
                rows.append((i, t, name, float((found - eps).square().mean())))
    bound = [(-1, t, "bound", closed.error(t)) for t in options["times"]]
    return pd.DataFrame([*rows, *bound], columns=["position", "t", "predictor", "error"])


def _maps(
    data: ImageSet, network: Denoiser, closed: ClosedForm, chosen: Sequence[int], settings: dict, seed: int, label: str
) -> pd.DataFrame:
    """How alike the maps S are: network and closed form, with and without added noise, by image and time step."""
    rows: list[tuple] = []
    for i in progress(chosen, desc=f"{label}: maps", unit="image"):
        for t in settings["limit"]["times"]:
            of = _scorer(settings, seed, t)
            s = of(data.images[i], network)[0]
            for name, predictor, noisy in ((CLOSED, closed, True), (NOISELESS, network, False)):
                other = of(data.images[i], predictor, noisy)[0]
                rows.append((i, t, name, float(np.corrcoef(s.ravel(), other.ravel())[0, 1])))
    return pd.DataFrame(rows, columns=["position", "t", "pair", "correlation"])


def _scorer(settings: dict, seed: int, t: int | None = None) -> Callable[..., tuple[np.ndarray, dict[str, float]]]:
    """RADAR's map and features by any predictor, with noise or without; of a torus, which has no border."""
    options, batch = settings["radar"], settings["compute"]["inference_batch"]

    def of(
        image: np.ndarray, predictor: Predictor, noisy: bool = True, torus: bool = False
    ) -> tuple[np.ndarray, dict[str, float]]:
        rim = predictor.patch if torus else 0
        wide = np.pad(image, rim, mode="wrap") if torus else image
        noise = noise_map(wide, predictor, t or options["t"], options["stride"], seed, batch, noisy)
        s, features = sobel_features(noise, options)
        if not torus:
            return s, features
        s = s[rim:-rim, rim:-rim]
        overall, local = norm_features(s, options["window"])
        return s, {"global": overall, "local": local}

    return of


def common_crop(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The middle of each image, at the size of the smallest: a spectrum needs one size."""
    height, width = (min(side) for side in zip(*(image.shape for image in images), strict=True))
    corners = [((h - height) // 2, (w - width) // 2) for h, w in (image.shape for image in images)]
    return [image[r : r + height, c : c + width].copy() for image, (r, c) in zip(images, corners, strict=True)]


def _graded(
    data: ImageSet, network: Denoiser, closed: ClosedForm, normal: Sequence[int], settings: dict, seed: int, label: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of normal surfaces and of the same with a bump of graded contrast and size, measured and predicted.

    Each image is kept as it is, and with one bump of each kind at a place drawn at random. Gaussian fields
    are judged on the torus that they are drawn on, since the theory knows no border; images as they are.
    """
    options, of = settings["limit"], _scorer(settings, seed)
    rng = np.random.default_rng(seed)
    crops = common_crop([*data.train_images, *(data.images[i] for i in normal)])
    own, train = crops[len(data.train_images) :], crops[: len(data.train_images)]
    power, mean = spectrum(train), float(np.mean(train))
    sd = float(np.sqrt(power.mean()))
    fields = [gaussian_surface(power, rng) + np.float32(mean) for _ in range(options["images"])]
    grades = [(0.0, 0.0), *itertools.product(options["contrasts"], options["radii"])]
    rows, forecasts = [], []
    plan: list[tuple[str, str, float, Sequence[np.ndarray]]] = [(OWN, NETWORK, 0.0, own)]
    sensors = list(dict.fromkeys([0.0, *options["sensor"]]))
    plan += [(s, CLOSED, tau, x) for tau in sensors for s, x in ((OWN, own), (GAUSSIAN, fields))]
    with progress(total=len(grades) * sum(len(x) for *_, x in plan), desc=f"{label}: graded", unit="image") as bar:
        for surface, name, tau, images in plan:
            predictor = network if name == NETWORK else closed.noisier((tau * sd) ** 2)
            for k, image in enumerate(images):
                rng = np.random.default_rng([seed, k])  # the same places for every predictor and sensor
                seen = image + np.float32(tau * sd) * rng.standard_normal(image.shape).astype(np.float32)
                for contrast, radius in grades:
                    if contrast:
                        centre = tuple(rng.uniform(0.2, 0.8) * side for side in image.shape)
                        bumpy = seen + np.float32(contrast * sd) * bump(image.shape, centre, radius)
                    features = of(bumpy if contrast else seen, predictor, torus=surface == GAUSSIAN)[1]
                    rows.append((surface, name, tau, k, contrast, radius, features["global"], features["local"]))
                    bar.update()
    a = network.schedule.alphas_cumprod[settings["radar"]["t"]].item()
    for tau in sensors:
        filtered, p = passed(closed.noisier((tau * sd) ** 2), settings["radar"], power.shape), power + (tau * sd) ** 2
        base = moments(filtered, p, a**0.5, 1 - a)
        for contrast, radius in grades:
            defect = contrast * sd * bump(power.shape, (0, 0), radius or 1)
            found = moments(filtered, p, a**0.5, 1 - a, defect)
            forecasts.append((tau, contrast, radius, *found, predicted_auroc(base, found)))
    names = ["surface", "predictor", "sensor", "image", "contrast", "radius", "global", "local"]
    columns = ["sensor", "contrast", "radius", "mean", "sd", "auroc"]
    return pd.DataFrame(rows, columns=names), pd.DataFrame(forecasts, columns=columns)


def _departure(images: Sequence[np.ndarray], settings: dict, seed: int) -> pd.DataFrame:
    """How far normal patches at RADAR's t are from Gaussian; both numbers are 0 for Gaussian patches.

    Mean and covariance are those of a half of the images, drawn at random, for images often alternate in kind; the
    others are measured. Whitened by their own, few patches would look more Gaussian than they are.

    kurtosis : the mean excess kurtosis of whitened pixels. overdispersion : the variance of the squared length of a
    whitened patch over that of a Gaussian one, 2d, minus 1: how much the surface's contrast differs between places.
    """
    mixed = [images[i] for i in np.random.default_rng(seed).permutation(len(images))]
    known, new = mixed[::2], mixed[1::2] or mixed
    closed = closed_form.fit(known, settings, seed)
    t, generator = settings["radar"]["t"], torch.Generator().manual_seed(seed + 1)
    x_0 = PatchSampler(new, closed.patch).sample(DEPARTURE, generator)
    eps = torch.randn(x_0.shape, generator=generator)
    z = closed.whitened(closed.schedule.forward(x_0, torch.full((len(x_0),), t), eps).numpy().astype(np.float64), t)
    spread = float((z**2).sum(1).var() / (2 * z.shape[1]) - 1)
    return pd.DataFrame([{"kurtosis": float(kurtosis(z, axis=0).mean()), "overdispersion": spread}])
