"""D3AD fitted on the normal images of a set: autoencoder, diffusion on latents, conditioning, adapted features (D3AD
§4).

Everything is small and on gray images of one size: a latent space of our own, a U-Net on it, and the extractor's
features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radarlib.config import merge
from radarlib.datasets import drawn
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.extractor import Extractor, cosine_map
from radarlib.map_features import MAP, smoothed
from radarlib.methods import autoencoder
from radarlib.methods.d3ad import adaptation_loss, condition, conditioning_feature, disturb, guided_ddim, latent_map
from radarlib.runtime import image_generator, progress
from radarlib.train import train

TOGETHER = 4  # images whose gradients of the extractor are computed at once: 16 took 3 GiB


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


Maps = list[list[Tensor]]
"""The extractor's maps of images, batch by batch: of each block (N, C_j, H_j, W_j), on the CPU."""


class System:
    """D3AD fitted on the normal images of a set, all of one size.

    Autoencoder and diffusion lie in `out`; what is there already from the same images, settings and seed is not trained
    again.
    """

    def __init__(self, images: Sequence[np.ndarray], settings: dict, seed: int, out: Path, label: str):
        self.options, self.seed, device = settings["d3ad"], seed, settings["compute"]["device"]
        self.batch = self.options["batch"]
        ae = {key: self.options[f"autoencoder_{key}"] for key in ("width", "steps", "batch", "lr")}
        ae |= {key: self.options[key] for key in ("latents", "factor")}
        self.autoencoder = autoencoder.fit(images, ae, seed, out / "autoencoder.safetensors", device, label)
        own = network_settings(settings)
        self.denoiser = train(Latents(self.encode(images)), own, seed, out / "diffusion", device, f"{label}: diffusion")
        self.untrained = Denoiser.untrained(own, seed, device)
        self.extractor = Extractor(settings["features"], device)
        features = [self.feature(image) for image in progress(images, desc=f"{label}: features", unit="image")]
        self.conditioning, self.distances = condition(
            features, *(self.options[k] for k in ("neighbours", "bins", "smallest_bin"))
        )
        some = drawn(np.arange(len(images)), self.options["limit"], seed)
        self.normals = [images[i] for i in some]
        self.normal_steps = np.array([self.conditioning.steps(self.distances[i], self.options["t_max"]) for i in some])
        z_0 = self.encode(self.normals)
        z_hat = self.denoise(self.normals, z_0, self.normal_steps, guidance=self.options["guidance"])
        self.adapted = self._adapt(z_hat, label)
        self.scales = {}
        for adapted in (True, False):
            parts = self._maps(self.features(self.normals, adapted), z_0, z_hat, adapted)
            self.scales[adapted] = tuple(max(float(part.mean()), 1e-12) for part in parts)

    def _where(self) -> torch.device:
        return next(self.autoencoder.parameters()).device

    def encode(self, images: Sequence[np.ndarray]) -> Tensor:
        """z_0 of images (H, W) in [-1, 1]: (N, C, H / factor, W / factor)."""
        x = torch.from_numpy(np.stack(images))[:, None]
        with torch.inference_mode():
            parts = [self.autoencoder.encode(part.to(self._where())) for part in x.split(self.batch)]
        return torch.cat(parts).cpu().clone()

    def decode(self, z: Tensor) -> Tensor:
        """x̂_0 of latents: (N, 1, H, W) in [-1, 1], on the CPU."""
        with torch.inference_mode():
            parts = [self.autoencoder.decode(part.to(self._where())) for part in z.split(self.batch)]
        return torch.cat(parts).clamp(-1, 1).cpu().clone()

    def feature(self, image: np.ndarray) -> np.ndarray:
        """φ_j(x_0) of the conditioning."""
        return conditioning_feature(self.extractor, image)

    def features(self, images: Sequence[np.ndarray], adapted: bool) -> Maps:
        extractor, x = self.adapted if adapted else self.extractor, torch.from_numpy(np.stack(images))[:, None]
        with torch.inference_mode():
            return [[m.cpu() for m in self.compared(extractor, part)] for part in x.split(self.batch)]

    def compared(self, extractor: Extractor, x: Tensor) -> list[Tensor]:
        """The extractor's maps that an image and its reconstruction are compared by."""
        return extractor.fine_maps(x) if self.options["finer"] else extractor.maps(x)

    def denoise(
        self,
        images: Sequence[np.ndarray],
        z_0: Tensor,
        steps: np.ndarray,
        omega: float = 0.0,
        guidance: float = 0.0,
        denoiser: Denoiser | None = None,
    ) -> Tensor:
        """ẑ_0 of latents z_0, each from its own T̂ (Algorithm 1); the noise of ω > 0 depends on the image's content."""
        denoiser = denoiser or self.denoiser
        noise = torch.cat([torch.randn((1, *z_0.shape[1:]), generator=image_generator(i, self.seed)) for i in images])
        z_hat = torch.empty_like(z_0)
        for t in np.unique(steps):
            times = chain(int(t), min(int(t), self.options["ddim_steps"]))
            for part in torch.from_numpy(np.flatnonzero(steps == t)).split(self.batch):
                start = disturb(z_0[part], int(t), omega, noise[part], denoiser.schedule).to(denoiser.device)
                target = z_0[part].to(denoiser.device)
                found = guided_ddim(start, target, denoiser.eps, denoiser.schedule, times, guidance)
                z_hat[part] = found[-1].cpu()
        return z_hat

    def _adapt(self, z_hat: Tensor, label: str) -> Extractor:
        """The extractor, fine-tuned so that normal images and their reconstructions look alike to it (Eq. 11)."""
        adapted = self.extractor.copied()
        optimizer = torch.optim.AdamW(adapted.net.parameters(), lr=self.options["adaptation_lr"])
        generator, n = torch.Generator().manual_seed(self.seed), len(self.normals)
        orders = [torch.randperm(n, generator=generator).split(self.batch) for _ in range(self.options["epochs"])]
        x, x_hat = torch.from_numpy(np.stack(self.normals))[:, None], self.decode(z_hat)
        for part in progress([p for order in orders for p in order], desc=f"{label}: domain adaptation", unit="batch"):
            optimizer.zero_grad()
            for some in part.split(TOGETHER):
                loss = adaptation_loss(self.compared(adapted, x[some]), self.compared(adapted, x_hat[some]))
                (loss * len(some) / len(part)).backward()
            optimizer.step()
        return adapted

    def _maps(self, features: Maps, z_0: Tensor, z_hat: Tensor, adapted: bool) -> tuple[np.ndarray, np.ndarray]:
        """l_map and f_map, (N, MAP, MAP) each, not normalised."""
        extractor, found = self.adapted if adapted else self.extractor, []
        with torch.inference_mode():
            for own, part in zip(features, z_hat.split(self.batch), strict=True):
                other = [m.cpu() for m in self.compared(extractor, self.decode(part))]
                found.append(cosine_map(own, other, MAP))
            return latent_map(z_0, z_hat, MAP).numpy(), torch.cat(found).numpy()

    def judge(self, image: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """All that D3AD does with one image: its A_map (MAP, MAP), and ẑ_0, (1, C, h, w)."""
        steps = self.conditioning.steps(self.conditioning.distance(self.feature(image)), self.options["t_max"])
        z_0 = self.encode([image])
        z_hat = self.denoise([image], z_0, np.array([steps]), guidance=self.options["guidance"])
        return self.maps(self.features([image], adapted=True), z_0, z_hat)[0], z_hat

    def maps(self, features: Maps, z_0: Tensor, z_hat: Tensor, adapted: bool = True) -> np.ndarray:
        """A_map (Eq. 10), (N, MAP, MAP): each part as a multiple of its mean over normal images, then smoothed.

        The means are those of D3AD itself, dynamic and without noise, whatever has made ẑ_0: variants keep one λ.
        features : of the images, by the same extractor.
        """
        weight, scales = self.options["weight"], self.scales[adapted]
        latent, feature = self._maps(features, z_0, z_hat, adapted)
        total = weight * latent / scales[0] + (1 - weight) * feature / scales[1]
        return np.stack([smoothed(m, self.options["sigma"]) for m in total])
