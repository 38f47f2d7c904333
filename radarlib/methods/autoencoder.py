"""A small autoencoder: the latent space of D3AD's diffusion, where the user has no pretrained one (D3AD §3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from radarlib.files import read_json, settings_key, sha256_bytes, write_bytes, write_json
from radarlib.runtime import progress, resolve_device
from radarlib.sources import module_digest
from radarlib.unet import group_norm


class Autoencoder(nn.Module):
    """Images (N, 1, H, W) ↔ latents (N, C, H / factor, W / factor), standardised by channel over the training images.

    factor : a power of two; each halving doubles the channels.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, latents: int, width: int, factor: int):
        super().__init__()
        widths = [width * 2**k for k in range(factor.bit_length())]
        down = [nn.Conv2d(1, width, 3, padding=1), nn.SiLU()]
        for a, b in itertools.pairwise(widths):
            down += [nn.Conv2d(a, b, 4, 2, 1), group_norm(b), nn.SiLU()]
        self.encoder = nn.Sequential(*down, nn.Conv2d(widths[-1], latents, 3, padding=1))
        up = [nn.Conv2d(latents, widths[-1], 3, padding=1), group_norm(widths[-1]), nn.SiLU()]
        for b, a in itertools.pairwise(widths[::-1]):
            up += [nn.ConvTranspose2d(b, a, 4, 2, 1), *([group_norm(a)] if a > width else []), nn.SiLU()]
        self.decoder = nn.Sequential(*up, nn.Conv2d(width, 1, 3, padding=1))
        self.register_buffer("shift", torch.zeros(1, latents, 1, 1))
        self.register_buffer("scale", torch.ones(1, latents, 1, 1))

    def encode(self, x: Tensor) -> Tensor:
        return (self.encoder(x) - self.shift) / self.scale

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z * self.scale + self.shift)


def fit(images: Sequence[np.ndarray], options: dict, seed: int, path: Path, device: str, label: str) -> Autoencoder:
    """Train on normal images of one size by mean squared error, and leave the weights in `path` (safetensors).

    options : latents, width, factor, steps, batch, lr. Training that is finished already (same options, seed, images
        and code) is not repeated.
    """
    stack = torch.from_numpy(np.stack(images))[:, None]
    known = {**options, "seed": seed, "code": module_digest("radarlib.methods.autoencoder")}
    identity = sha256_bytes(settings_key(known).encode() + stack.numpy().tobytes())
    torch.manual_seed(seed)
    where = resolve_device(device)
    net = Autoencoder(options["latents"], options["width"], options["factor"]).to(where)
    facts = path.with_suffix(".json")
    if facts.is_file() and read_json(facts).get("identity") == identity:
        net.load_state_dict(load(path.read_bytes()))
        return net.eval()
    optimizer = torch.optim.Adam(net.parameters(), lr=options["lr"], fused=True)
    generator = torch.Generator().manual_seed(seed)
    for _ in progress(range(options["steps"]), desc=f"{label}: autoencoder", unit="step"):
        x = stack[torch.randint(len(stack), (options["batch"],), generator=generator)].to(where)
        loss = ((net.decode(net.encode(x)) - x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        z = torch.cat([net.encoder(x.to(where)) for x in stack.split(options["batch"])])
        net.shift.copy_(z.mean((0, 2, 3), keepdim=True))
        net.scale.copy_(z.std((0, 2, 3), keepdim=True).clamp(min=1e-6))
    write_bytes(path, save({name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}))
    write_json(facts, {"identity": identity, "mse": loss.item()})
    return net.eval()
