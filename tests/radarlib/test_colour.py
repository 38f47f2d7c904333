"""Colour: three channels through the same network, for stains that are as bright as what is around them."""

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from radarlib import radar
from radarlib.cli import main
from radarlib.config import resolve
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.extractor import Extractor
from radarlib.images import LUMINANCE, from_array, read_image
from radarlib.inspection.detector import Detector
from radarlib.inspection.export import export
from radarlib.patches import PatchSampler

SIDE = 56
TINY = {
    "unet": {"width": 8, "multipliers": [1, 2], "attention_levels": []},
    "training": {"steps": 60, "batch": 8, "precision": "float32", "lr": 4.0e-3},
    "feature_step": {"steps": 60},
}


def cloth(k: int, stain: float = 0) -> np.ndarray:
    """A brown weave, (SIDE, SIDE, 3) uint8; with a stain that no gray shows: more red, less green, as bright."""
    rng = np.random.default_rng(k)
    x = np.arange(SIDE)
    weave = 0.15 * np.sin(x / 2)[None] * np.sin(x / 2)[:, None] + 0.03 * rng.standard_normal((SIDE, SIDE))
    values = weave[..., None] + np.array([0.55, 0.45, 0.4])
    if stain:
        r, c = rng.integers(10, SIDE - 22, 2)
        values[r : r + 12, c : c + 12] += stain * np.array([1, -LUMINANCE[0] / LUMINANCE[1], 0])
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def test_files_and_arrays_are_read_in_colour(tmp_path):
    one = cloth(0)
    cv2.imwrite(str(tmp_path / "one.png"), one[..., ::-1])
    image = read_image(tmp_path / "one.png", colour=True)
    assert image.shape == (SIDE, SIDE, 3) and image.dtype == np.float32 and image.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(image, from_array(one, colour=True))
    np.testing.assert_allclose((image + 1) * 127.5, one, atol=1e-4)
    cv2.imwrite(str(tmp_path / "gray.png"), one[..., 0])
    gray = read_image(tmp_path / "gray.png", colour=True)
    assert (gray[..., 0] == gray[..., 1]).all() and gray.shape == (SIDE, SIDE, 3)
    assert read_image(tmp_path / "one.png", size=20, colour=True).shape == (20, 20, 3)


def test_patches_keep_their_colours():
    image = np.stack([np.full((30, 40), c, np.float32) for c in (-1, 0, 1)], axis=-1)
    image[..., 0] += np.arange(40) / 100
    drawn = PatchSampler([image, image], 8).sample(5, torch.Generator().manual_seed(0))
    assert drawn.shape == (5, 3, 8, 8)
    assert (drawn[:, 1] == 0).all() and (drawn[:, 2] == 1).all()
    np.testing.assert_allclose(np.diff(drawn[:, 0].numpy(), axis=-1), 0.01, atol=1e-6)


def test_one_step_on_three_equal_channels_is_as_on_one():
    """With a network that treats channels alike the map of a gray image in colour is √3 times its map in gray."""

    class Same(torch.nn.Module):
        def forward(self, x_t, t):
            return x_t

    settings = resolve({"radar": {"t": 1}})
    denoiser = Denoiser.from_net(Same(), settings, "cpu")
    image = from_array(cloth(3))
    gray = radar.score(image, denoiser, settings, 0, noisy=False)[0]
    colour = radar.score(np.repeat(image[..., None], 3, axis=-1), denoiser, settings, 0, noisy=False)[0]
    np.testing.assert_allclose(colour, np.sqrt(3) * gray, rtol=1e-4, atol=1e-6)


def test_features_see_a_stain_in_colour_alone():
    extractor = Extractor(resolve({})["features"], "cpu")
    difference = [
        np.abs(
            extractor.embed(from_array(cloth(1, 0.15), colour)) - extractor.embed(from_array(cloth(1), colour))
        ).max()
        for colour in (False, True)
    ]
    assert difference[1] > 3 * difference[0]


@pytest.mark.slow
@pytest.mark.parametrize("space", ["pixels", "features"])
def test_colour_finds_stains_that_gray_cannot_see(space):
    found = {}
    for colour in (False, True):
        data = {"colour": True} if colour else {}
        detector = Detector(resolve({**TINY, "data": data, "decision": {"space": space}}), device="cpu")
        detector.fit([cloth(k) for k in range(16)])
        scores = [detector.score(cloth(100 + k, stain=0.12 * (k % 2))) for k in range(24)]
        found[colour] = roc_auc_score(np.arange(24) % 2, scores)
    assert found[True] > 0.95 and found[False] < 0.75, found


def test_the_command_keeps_colour_in_the_model(tmp_path, capsys):
    for k in range(8):
        (tmp_path / "good").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"good/{k}.png"), cloth(k)[..., ::-1])
    cv2.imwrite(str(tmp_path / "new.png"), cloth(50, 0.3)[..., ::-1])
    config = tmp_path / "tiny.yaml"
    config.write_text("unet: {width: 4, multipliers: [1], attention_levels: []}\ntraining: {steps: 4, batch: 2}\n")
    model = tmp_path / "model"
    assert main(["fit", str(tmp_path / "good"), "--out", str(model), "--colour", "--config", str(config)]) == 0
    assert main(["detect", str(model), str(tmp_path / "new.png"), "--out", str(tmp_path / "found")]) == 0
    detector = Detector.load(model, "cpu")
    assert detector.colour and detector.spaces_[0].denoiser.net.stem.in_channels == 3
    shown = cv2.imread(str(tmp_path / "found/overlays/new.png.png"))
    assert (shown != shown[..., :1]).any(), "the overlay is in colour"
    with pytest.raises(UserError, match="gray images alone"):
        export(detector, tmp_path / "there")
