"""Training ε_θ on patches of normal images (RADAR Eq. 3, §IV-A2)."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch.optim.swa_utils import get_ema_multi_avg_fn

from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.files import read_json, settings_key, sha256_bytes, write_bytes, write_csv, write_json
from radarlib.losses import make_loss
from radarlib.patches import PatchSampler, corrupt
from radarlib.runtime import autocast, progress
from radarlib.sources import module_digest

CHECKPOINT_SECONDS = 20.0


class Sampler(Protocol):
    """What training draws from."""

    flat: torch.Tensor
    """All that can be drawn: a training is finished for these data alone."""

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """(n, C, H, W) float32."""


class Trainer:
    """Adam on the loss ‖ε − ε_θ(x_t, t)‖², or a robust one of `losses`, with gradient clipping and an exponential
    moving average of the weights.

    All randomness comes from one CPU generator whose state is part of the checkpoint, so a run that was
    killed and resumed equals an uninterrupted one bit for bit on the same machine's CPU.
    """

    def __init__(self, images: Sequence[np.ndarray] | Sampler, settings: dict, seed: int, device: str = "auto"):
        self.settings, self.options = settings, settings["training"]
        start = Denoiser.untrained(settings, seed, device)
        self.net, self.device, self.dtype = start.net.train(), start.device, start.dtype
        self.ema = copy.deepcopy(self.net)
        # Listed once: walking the modules anew takes a twentieth of a step of a small network.
        self.weights, self.averages = list(self.net.parameters()), list(self.ema.parameters())
        self.sampler: Sampler = PatchSampler(images, self.options["patch"]) if isinstance(images, Sequence) else images
        self.schedule, self.noise, self.loss = start.schedule, start.noise, make_loss(settings["loss"])
        self.t_max: int = self.options.get("t_max") or self.schedule.steps
        self.optimizer = torch.optim.Adam(self.weights, lr=self.options["lr"], fused=True)
        self.generator = torch.Generator().manual_seed(seed)
        self.losses: list[float] = []
        # What a checkpoint must agree on before it may be continued.
        self.identity = sha256_bytes(
            settings_key({**settings, "seed": seed, "code": module_digest("radarlib.train")}).encode()
            + self.sampler.flat.numpy().tobytes()
        )

    @property
    def step(self) -> int:
        return len(self.losses)

    def train_step(self) -> float:
        """One optimiser step on one batch of patches; returns the batch's loss."""
        n = self.options["batch"]
        x_0 = self.sampler.sample(n, self.generator)
        if self.options["corruption"]:
            x_0 = corrupt(x_0, self.options["corruption"], self.generator)
        t = torch.randint(1, self.t_max + 1, (n,), generator=self.generator)
        eps = self.noise(tuple(x_0.shape), self.generator)
        x_t = self.schedule.forward(x_0, t, eps)
        with autocast(self.device, self.dtype):
            loss = self.loss(eps.to(self.device) - self.net(x_t.to(self.device), t.to(self.device)))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, self.options["clip"])
        self.optimizer.step()
        # The average starts short, so that the first random weights are soon forgotten.
        decay = min(self.options["ema_decay"], (1 + self.step) / (10 + self.step))
        get_ema_multi_avg_fn(decay)(self.averages, self.weights, None)
        self.losses.append(loss.item())
        return self.losses[-1]

    def save(self, path: Path) -> None:
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": v for k, v in state.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        write_bytes(path, save({k: v.cpu().contiguous() for k, v in tensors.items()}, {"identity": self.identity}))

    def resume(self, path: Path) -> bool:
        """Continue from a checkpoint of the same settings, seed, images and code; False where there is none."""
        if not path.is_file():
            return False
        data = path.read_bytes()
        if self.identity.encode() not in data[: 1 << 16]:
            return False
        try:
            tensors = load(data)
        except SafetensorError:  # cut off by a copy or a broken disk
            print(f"{path}: damaged; the training begins anew", file=sys.stderr)
            return False

        def part(prefix: str) -> dict:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.net.load_state_dict(part("net."))
        self.ema.load_state_dict(part("ema."))
        state: dict[int, dict] = {}
        for key, value in part("adam.").items():
            i, name = key.split(".")
            state.setdefault(int(i), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.generator.set_state(tensors["generator"])
        self.losses = tensors["losses"].tolist()
        return True


def _finished(directory: Path, identity: str, device: str) -> Denoiser | None:
    """What a training of this identity has left; None where there is none, or where it is damaged."""
    try:
        if read_json(directory / "model.json").get("identity") == identity:
            return Denoiser.load(directory, device)
    except UserError as error:
        if (directory / "model.json").is_file():
            print(f"{error}: it is trained again", file=sys.stderr)
    return None


def train(
    images: Sequence[np.ndarray] | Sampler,
    settings: dict,
    seed: int,
    directory: Path,
    device: str = "auto",
    label: str = "training",
) -> Denoiser:
    """Train on patches of normal images (2-D float32 in [-1, 1]), or on what a sampler draws; leave the model in
    `directory`.

    Writes `model.safetensors`, `model.json`, `loss.csv` and `timing.json`; a `checkpoint.safetensors` stands
    there while training runs, and a killed run continues from it. A training that is finished already (same settings,
    seed, images and code) is not repeated.
    """
    trainer = Trainer(images, settings, seed, device)
    if finished := _finished(directory, trainer.identity, device):
        return finished
    checkpoint = directory / "checkpoint.safetensors"
    if trainer.resume(checkpoint):
        print(f"{label}: resuming at step {trainer.step}", file=sys.stderr)
    steps = settings["training"]["steps"]
    started = saved = time.monotonic()
    mean = float("nan")
    with progress(total=steps, initial=trainer.step, desc=label, unit="step") as bar:
        while trainer.step < steps:
            loss = trainer.train_step()
            mean = loss if mean != mean else 0.98 * mean + 0.02 * loss
            bar.update()
            bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                trainer.save(checkpoint)
                saved = time.monotonic()
    denoiser = Denoiser.from_net(trainer.ema, settings, device)
    write_csv(directory / "loss.csv", pd.DataFrame({"step": range(1, steps + 1), "loss": trainer.losses}), 6)
    write_json(
        directory / "timing.json",
        {"seconds": round(time.monotonic() - started, 2), "device": str(trainer.device), "dtype": str(trainer.dtype)},
    )
    denoiser.save(directory, identity=trainer.identity)
    checkpoint.unlink(missing_ok=True)
    return denoiser
