"""RADAR's noise map, its features, and the control without a model."""

import numpy as np
import torch

from radarlib import radar
from radarlib.denoiser import Denoiser
from radarlib.map_features import sobel_map
from radarlib.runtime import image_generator


def test_noise_map_of_a_perfect_predictor_is_the_noise_that_was_added(perfect):
    image = np.full((20, 25), 0.25, np.float32)
    expected = torch.randn(20, 25, generator=image_generator(image, 5)).numpy()
    np.testing.assert_allclose(radar.noise_map(image, perfect, 1, 4, 5), expected, atol=1e-3)


def test_an_anomaly_shows_as_noise_far_beyond_what_was_added(perfect):
    image = np.full((24, 24), 0.25, np.float32)
    image[8:14, 8:14] += 0.2
    noise = np.abs(radar.noise_map(image, perfect, 1, 4, 0))
    assert noise[8:14, 8:14].min() > 10 > noise[:6].max()  # 0.2 / √(1 − ᾱ_1) = 20 standard deviations


def test_score_depends_on_the_image_alone(settings, images):
    denoiser = Denoiser.untrained(settings, 0)
    alone = radar.score(images[3], denoiser, settings, 0)[1]
    for image in images[:3]:
        radar.score(image, denoiser, settings, 0)
    assert radar.score(images[3], denoiser, settings, 0)[1] == alone
    assert radar.score(images[3], denoiser, settings, 1)[1] != alone


def test_noise_map_does_not_depend_on_the_batch(settings, images):
    denoiser = Denoiser.untrained(settings, 0)
    whole, single = (radar.noise_map(images[0], denoiser, 1, 4, 0, batch) for batch in (500, 1))
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_raw_control_is_radars_features_of_the_image_itself(settings, images):
    s, features = radar.score_raw(images[0], None, settings, 0)
    np.testing.assert_array_equal(s, sobel_map(images[0], "gaussian", 1.5))
    assert set(features) == {"global", "local"}


def test_mixed_precision_stays_close_to_single(settings, images):
    maps = []
    for precision in ("float32", "bfloat16"):
        denoiser = Denoiser.untrained({**settings, "training": {**settings["training"], "precision": precision}}, 0)
        maps.append(radar.noise_map(images[0], denoiser, 1, 4, 0))
    assert np.abs(maps[0] - maps[1]).max() < 0.1 * maps[0].std() + 0.02
