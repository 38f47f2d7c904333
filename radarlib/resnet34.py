"""ResNet-34 (He et al. 2016), D3AD's extractor: the architecture alone, for weights that the user has from torchvision."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = (3, 4, 6, 3)  # residual blocks of layer1 … layer4
WIDTHS = (64, 128, 256, 512)


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
    """(N, 3, H, W), normalised as for ImageNet → the outputs of layer1 … layer3, at 1/4, 1/8 and 1/16 of the side."""

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
