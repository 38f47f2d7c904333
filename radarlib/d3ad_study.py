"""D3AD and what its tables compare it with, on one data set: training, every variant of its ablations, and the maps.

Everything is small and on gray images of one size: a latent space of our own, a U-Net on it, and the extractor's features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from radarlib import autoencoder, gaussians, neighbours
from radarlib.artifacts import write_csv, write_npz
from radarlib.autoencoder import Autoencoder
from radarlib.config import merge
from radarlib.d3ad import (
    Conditioning, adaptation_loss, condition, cosine_map, disturb, guided_ddim, latent_map,
)  # fmt: skip
from radarlib.datasets import ImageSet, drawn
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.extractor import GRID, Extractor
from radarlib.roles import resized
from radarlib.runtime import image_generator, progress
from radarlib.train import train

MAP = 64  # side in px of the maps that are kept
DIC, STATIC = "dic", (0.25, 0.5, 0.75, 1.0)  # dynamic, or shares of T_max (Table 5)
OMEGAS = tuple(round(0.1 * k, 1) for k in range(11))  # Fig. 13
PAPER_SIDE = 256  # px of the paper's images, which its filter's width is told for


@dataclass(frozen=True)
class Variant:
    """One way to reconstruct and to compare. steps : DIC, or a share of T_max. omega : of the noise (Eq. 12)."""

    steps: str | float = DIC
    omega: float = 0.0
    adapted: bool = True
    trained: bool = True

    @property
    def name(self) -> str:
        steps = self.steps if self.steps == DIC else f"static{round(100 * float(self.steps))}"
        return f"{steps}-omega{self.omega}{'' if self.adapted else '-plain'}{'' if self.trained else '-untrained'}"


def variants() -> list[Variant]:
    """Every variant that an exhibit shows; those of one reconstruction stand together."""
    return [
        *(Variant(steps) for steps in STATIC),
        *(Variant(omega=omega, adapted=adapted) for omega in OMEGAS for adapted in ((True, False) if omega in (0, 1) else (True,))),
        Variant(trained=False),
    ]  # fmt: skip


class Latents:
    """What the diffusion is trained on: the latents of normal images, (n, C, h, w)."""

    def __init__(self, latents: Tensor):
        self.flat = latents

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.flat[torch.randint(len(self.flat), (n,), generator=generator)]


def network_settings(settings: dict) -> dict:
    """The configuration that the diffusion on latents is trained with."""
    options = settings["d3ad"]
    return merge(settings, {
        "noise": {"kind": "gaussian"}, "loss": {"kind": "l2"},
        "diffusion": {key: options[key] for key in ("beta_start", "beta_end")},
        "unet": {"channels": options["latents"], "width": options["width"]},
        "training": {**{key: options[key] for key in ("steps", "batch", "lr")}, "corruption": 0, "dirt": 0},
    })  # fmt: skip


class System:
    """D3AD fitted on the normal images of a set."""

    def __init__(self, images: Sequence[np.ndarray], settings: dict, seed: int, out: Path, label: str):
        self.options, self.seed, device = settings["d3ad"], seed, settings["compute"]["device"]
        self.batch = self.options["batch"]
        ae = {key: self.options[f"autoencoder_{key}"] for key in ("width", "steps", "batch", "lr")}
        ae["latents"] = self.options["latents"]
        self.autoencoder = autoencoder.fit(images, ae, seed, out / "autoencoder.safetensors", device, label)
        own = network_settings(settings)
        self.denoiser = train(Latents(self.encode(images)), own, seed, out / "diffusion", device, f"{label}: diffusion")
        self.untrained = Denoiser.untrained(own, seed, device)
        self.extractor = Extractor(settings["features"], device)
        self.adapted = self.extractor
        self.conditioning, self.distances = condition(
            [self.feature(image) for image in images],
            *(self.options[k] for k in ("neighbours", "bins", "smallest_bin")),
        )
        some = drawn(np.arange(len(images)), self.options["limit"], seed)
        chosen = [images[i] for i in some]
        steps = np.array([self.conditioning.steps(self.distances[i], self.options["t_max"]) for i in some])
        z_0 = self.encode(chosen)
        z_hat = self.denoise(chosen, z_0, steps, 0.0, self.denoiser)
        self.adapted = self._adapt(chosen, z_hat, label)
        self.scales = {
            adapted: tuple(float(m.mean()) for m in self._maps(chosen, z_0, z_hat, adapted))
            for adapted in (True, False)
        }

    def encode(self, images: Sequence[np.ndarray]) -> Tensor:
        x = torch.from_numpy(np.stack(images))[:, None]
        with torch.inference_mode():
            parts = [self.autoencoder.encode(part.to(self._where())) for part in x.split(self.batch)]
        return torch.cat(parts).cpu().clone()

    def _where(self) -> torch.device:
        return next(self.autoencoder.parameters()).device

    def feature(self, image: np.ndarray) -> np.ndarray:
        """φ_j(x_0) of the conditioning: the first of the extractor's two blocks, averaged to half the grid, flattened."""
        with torch.inference_mode():
            found = self.extractor.maps(torch.from_numpy(image)[None, None])[0]
            return F.adaptive_avg_pool2d(found, GRID // 2)[0].flatten().cpu().numpy()

    def steps(self, image: np.ndarray, policy: str | float) -> int:
        """T̂ of a test image."""
        if policy == DIC:
            return self.conditioning.steps(self.conditioning.distance(self.feature(image)), self.options["t_max"])
        return round(float(policy) * self.options["t_max"])

    def denoise(
        self, images: Sequence[np.ndarray], z_0: Tensor, steps: np.ndarray, omega: float, denoiser: Denoiser
    ) -> Tensor:
        """ẑ_0 of latents z_0, each from its own T̂ (Algorithm 1); the noise depends on the image's content."""
        noise = torch.cat([torch.randn((1, *z_0.shape[1:]), generator=image_generator(i, self.seed)) for i in images])
        z_hat = torch.empty_like(z_0)
        for t in np.unique(steps):
            times = chain(int(t), min(int(t), self.options["ddim_steps"]))
            for part in torch.from_numpy(np.flatnonzero(steps == t)).split(self.batch):
                start = disturb(z_0[part], int(t), omega, noise[part], denoiser.schedule).to(denoiser.device)
                target = z_0[part].to(denoiser.device)
                found = guided_ddim(start, target, denoiser.eps, denoiser.schedule, times, self.options["guidance"])
                z_hat[part] = found[-1].cpu()
        return z_hat

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1]."""
        with torch.inference_mode():
            return self.autoencoder.decode(z.to(self._where())).clamp(-1, 1)

    def _adapt(self, images: Sequence[np.ndarray], z_hat: Tensor, label: str) -> Extractor:
        """The extractor, fine-tuned so that images and their reconstructions look alike to it (Eq. 11)."""
        adapted = self.extractor.copied()
        optimizer = torch.optim.AdamW(adapted.net.parameters(), lr=self.options["adaptation_lr"])
        generator = torch.Generator().manual_seed(self.seed)
        order = [
            p
            for _ in range(self.options["epochs"])
            for p in torch.randperm(len(images), generator=generator).split(self.batch)
        ]
        for part in progress(order, desc=f"{label}: domain adaptation", unit="batch"):
            x = torch.from_numpy(np.stack([images[i] for i in part]))[:, None]
            loss = adaptation_loss(adapted.maps(x), adapted.maps(self.decode(z_hat[part]).clone()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return adapted

    def _maps(
        self, images: Sequence[np.ndarray], z_0: Tensor, z_hat: Tensor, adapted: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """l_map and f_map, (N, MAP, MAP) each, not normalised."""
        extractor, maps = self.adapted if adapted else self.extractor, []
        x = torch.from_numpy(np.stack(images))[:, None]
        with torch.inference_mode():
            for part in torch.arange(len(x)).split(self.batch):
                found = extractor.maps(x[part]), extractor.maps(self.decode(z_hat[part]))
                maps.append(cosine_map(*found, MAP).cpu())
            return latent_map(z_0, z_hat, MAP).numpy(), torch.cat(maps).numpy()

    def maps(self, images: Sequence[np.ndarray], z_0: Tensor, z_hat: Tensor, adapted: bool) -> np.ndarray:
        """A_map (Eq. 10), (N, MAP, MAP): each part as a multiple of its mean over normal images, then smoothed."""
        weight = self.options["weight"]
        parts, scales = self._maps(images, z_0, z_hat, adapted), self.scales[adapted]
        total = weight * parts[0] / scales[0] + (1 - weight) * parts[1] / scales[1]
        sigma = self.options["sigma"] * MAP / PAPER_SIDE
        return np.stack([gaussian_filter(m, sigma) for m in total])


def on_features(
    train: Sequence[np.ndarray], test: Sequence[np.ndarray], settings: dict, seed: int
) -> Iterator[tuple[str, np.ndarray, float]]:
    """PatchCore, SPADE and PaDiM: (method, map of GRID × GRID, score) for one test image after another."""
    options = settings["d3ad"]
    bank = neighbours.fit(train, options["coreset"], seed, greedy=True)
    normal, model = neighbours.gallery(train), gaussians.fit(train, seed)
    for features in test:
        for name, (found, value) in (
            ("patchcore", neighbours.score(features, bank)), ("spade", neighbours.spade(features, normal, options["spade"])),
            ("padim", gaussians.score(features, model)),
        ):  # fmt: skip
            yield name, found.reshape(GRID, GRID), value


def study_latents(data: ImageSet, settings: dict, seed: int, out: Path, label: str = "d3ad") -> None:
    """Fit D3AD on the normal images of a set, and map every test image by every one of `variants` and by `on_features`.

    Neither training nor scoring sees a label. Leaves in `out`: `scores.csv` (position, variant or method, score), `maps.npz`
    (by variant (n, MAP, MAP), by method (n, GRID, GRID); float16, test images in the order of the index), `bins.csv` (of every
    training and test image its distance, bin and T̂) and the trained parts.
    """
    data = resized(data.blind(), settings["d3ad"]["image_size"])
    train_images, test = data.train_images, data.where("test")
    images = [data.images[i] for i in test]
    system = System(train_images, settings, seed, out, label)
    rows: list[tuple] = []
    maps: dict[str, np.ndarray] = {}
    z_0, t_max = system.encode(images), settings["d3ad"]["t_max"]
    far = [system.conditioning.distance(system.feature(image)) for image in images]
    dynamic = np.array([system.conditioning.steps(d, t_max) for d in far])
    plan = variants()
    with progress(total=len(plan) + 1, desc=label, unit="variant") as bar:
        for variant in plan:
            steps = dynamic if variant.steps == DIC else np.full(len(images), round(float(variant.steps) * t_max))
            denoiser = system.denoiser if variant.trained else system.untrained
            z_hat = system.denoise(images, z_0, steps, variant.omega, denoiser)
            maps[variant.name] = system.maps(images, z_0, z_hat, variant.adapted)
            rows += [(i, variant.name, float(m.max())) for i, m in zip(test, maps[variant.name], strict=True)]
            bar.update()
        embedded = ([system.extractor.embed(image) for image in part] for part in (train_images, images))
        for k, (name, found, value) in enumerate(on_features(*embedded, settings, seed)):
            maps.setdefault(name, []).append(found)
            rows.append((test[k // 3], name, value))
        bar.update()
    edges = [("train", i, d) for i, d in zip(data.where("train"), system.distances, strict=True)]
    edges += [("test", i, d) for i, d in zip(test, far, strict=True)]
    bins = pd.DataFrame(edges, columns=["split", "position", "distance"])
    bins["bin"] = bins["distance"].map(system.conditioning.bin)
    bins["steps"] = bins["distance"].map(lambda d: system.conditioning.steps(d, t_max))
    write_npz(out / "maps.npz", **{name: np.stack(list(parts)).astype(np.float16) for name, parts in maps.items()})
    write_csv(out / "bins.csv", bins, 7)
    write_csv(out / "scores.csv", pd.DataFrame(rows, columns=["position", "method", "score"]), 7)
