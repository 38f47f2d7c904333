"""Questions put to a trained network."""

import numpy as np
import pandas as pd
import pytest

from radarlib.datasets import ImageSet
from study.radar.network import normality, predicted_noise


def test_patches_of_one_image_count_as_one_another():
    """Forty patches of ten images, those of an image alike: as sure as ten patches, not as forty."""
    rng = np.random.default_rng(0)
    normal, skewed = rng.standard_normal((20, 100)), rng.exponential(size=(20, 100))
    noise = np.concatenate([normal, skewed])
    alone = normality(noise, np.arange(40))
    together = normality(noise, np.arange(40) // 4)
    assert (alone["images"], together["images"], together["patches"]) == (40, 10, 40)
    assert alone["rejected"] == together["rejected"] == pytest.approx(0.5, abs=0.1)
    assert alone["rejected_sd"] == pytest.approx(0.5 / 40**0.5, rel=0.15)
    assert together["rejected_sd"] > 1.5 * alone["rejected_sd"]


def test_every_normal_image_gives_patches(perfect, images):
    index = pd.DataFrame({"image": [f"{k}" for k in range(10)], "split": ["train"] * 5 + ["test"] * 5})
    index["defect"] = ["good"] * 8 + ["hole"] * 2
    masks = [None] * 8 + [np.ones_like(image, dtype=bool) for image in images[8:]]
    found = predicted_noise(ImageSet(images, index, masks), perfect, 1, 0, patches=7)
    assert {kind: (values.shape, set(owners)) for kind, (values, owners) in found.items()} == {
        "normal": ((7, perfect.patch**2), {5, 6, 7}), "anomalous": ((6, perfect.patch**2), {8, 9}),
    }  # fmt: skip
