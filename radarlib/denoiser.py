"""A trained noise predictor with all that is needed to use it, and its directory on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radarlib.diffusion import Schedule
from radarlib.errors import UserError
from radarlib.files import read_versioned, sha256_bytes, write_bytes, write_json
from radarlib.noise import Noise, make_noise
from radarlib.runtime import autocast, resolve_device, resolve_precision
from radarlib.unet import UNet

FORMAT = 2  # of a model directory; raised when an older radarlib could not read a newer one
SECTIONS = ("diffusion", "noise", "unet", "loss", "training")
"""Of a configuration: what a trained network depends on."""


@dataclass
class Denoiser:
    """ε_θ on a device, with the schedule and the noise that it was trained for.

    `settings` holds the SECTIONS of a configuration. `evaluations` and `pixels` count what it was asked about so far.
    """

    net: UNet
    settings: dict
    device: torch.device
    dtype: torch.dtype
    evaluations: int = 0
    pixels: int = 0

    @property
    def patch(self) -> int:
        return self.settings["training"]["patch"]

    @property
    def schedule(self) -> Schedule:
        return Schedule(**self.settings["diffusion"])

    @property
    def noise(self) -> Noise:
        return make_noise(self.settings["noise"])

    def eps(self, x_t: Tensor, t: int) -> Tensor:
        """ε_θ(x_t, t): patches (N, 1, H, W) → predicted noise of the same shape, float32."""
        steps = torch.full((len(x_t),), t, device=x_t.device)
        self.evaluations, self.pixels = self.evaluations + len(x_t), self.pixels + x_t.numel()
        with torch.inference_mode(), autocast(self.device, self.dtype):
            return self.net(x_t, steps)

    @classmethod
    def untrained(cls, settings: dict, seed: int, device: str = "auto") -> Denoiser:
        """Random weights: what training starts from, and the control that asks what training adds."""
        torch.manual_seed(seed)
        return cls.from_net(UNet(**settings["unet"]), settings, device)

    @classmethod
    def from_net(cls, net: UNet, settings: dict, device: str = "auto") -> Denoiser:
        where = resolve_device(device)
        return cls(net.to(where).eval(), settings, where, resolve_precision(settings["training"]["precision"], where))

    def save(self, directory: Path, **facts: str) -> None:
        """Write `model.safetensors` and `model.json` (with `facts`); neither executes anything when it is loaded. Where
        its training has left it already it stays as it is, with what the training knows it by.
        """
        weights = save({name: tensor.cpu().contiguous() for name, tensor in self.net.state_dict().items()})
        meta, path = directory / "model.json", directory / "model.safetensors"
        if not facts and meta.is_file() and path.is_file() and path.read_bytes() == weights:
            return
        write_bytes(path, weights)
        sections = {key: self.settings[key] for key in SECTIONS}
        write_json(meta, {"format": FORMAT, "sha256": sha256_bytes(weights), "settings": sections, **facts})

    @classmethod
    def load(cls, directory: Path, device: str = "auto") -> Denoiser:
        """Read a model directory. Raises UserError for a missing, damaged or newer one, naming the file."""
        meta = read_versioned(directory / "model.json", FORMAT)
        path = directory / "model.safetensors"
        if not path.is_file():
            raise UserError(f"{path}: missing; fit the model again")
        data = path.read_bytes()
        if sha256_bytes(data) != meta.get("sha256"):
            raise UserError(f"{path}: damaged (its SHA-256 differs from model.json); fit the model again")
        try:
            settings = {key: meta["settings"][key] for key in SECTIONS}
            with torch.device("meta"):  # no memory is taken before the file has as much: shapes are compared first
                net = UNet(**settings["unet"])
            weights = load(data)
            net.load_state_dict(weights, assign=True)
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{directory / 'model.json'}: does not fit model.safetensors ({reason}); fit the model again"
            ) from None
        if not all(tensor.dtype == torch.float32 and bool(tensor.isfinite().all()) for tensor in weights.values()):
            raise UserError(f"{path}: holds weights that are NaN, infinite or no float32; fit the model again")
        return cls.from_net(net, settings, device)
