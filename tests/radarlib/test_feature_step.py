"""The one step on features: whitening, prediction, and networks that have not seen what they judge."""

import numpy as np
import pytest

from radarlib import feature_step
from radarlib.config import merge
from radarlib.images import content_hash
from radarlib.map_features import highest

OPTIONS = {"sigma": 0.1, "width": 64, "steps": 300, "batch": 256, "lr": 0.002, "images": 10}


@pytest.fixture
def normal() -> list[np.ndarray]:
    """Features (locations, C) of ten normal images."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(40, 6)).astype(np.float32) for _ in range(10)]


def test_whitened_features_are_uncorrelated_and_of_unit_variance(normal):
    every = np.concatenate(normal) @ np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32) + 4
    white = feature_step.Whitening.fit(every, floor=0)(every)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(6), atol=1e-3)


def test_whitening_does_not_depend_on_which_eigenvectors_are_found(normal):
    """Processors choose their signs, and their directions where variances are alike: turned features are whitened to
    turned ones.
    """
    every = np.concatenate(normal)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)
    white, turned = feature_step.Whitening.fit(every)(every), feature_step.Whitening.fit(every @ turn)(every @ turn)
    np.testing.assert_allclose(turned, white @ turn, atol=1e-4)


def test_the_one_step_answers_how_far_features_lie_from_normal_ones(normal):
    """For a Gaussian the best prediction of the noise in x is σ x: its norm grows with the distance."""
    model = feature_step.train(normal, OPTIONS, 0)
    again = feature_step.train(normal, OPTIONS, 0)
    near, value = feature_step.predict(normal[0], model)
    assert near.shape == (40,) and np.array_equal(near, feature_step.predict(normal[0], again)[0])
    assert feature_step.predict(3 * normal[0], model)[1] > 2 * value
    white = model.whitening(normal[0])
    assert np.corrcoef(near, np.linalg.norm(white, axis=1))[0, 1] > 0.8


def test_training_images_are_judged_by_a_network_that_has_not_seen_them(images, settings):
    settings = merge(settings, {"feature_step": {**OPTIONS, "steps": 5}, "features": {"side": 32}})
    model = feature_step.fit(images, settings, 0)
    features = model.extractor.embed(images[3])
    own = model.unseen[content_hash(images[3])]
    assert sorted(map(id, model.steps)) == sorted({id(step) for step in model.unseen.values()})
    for kind in (images[::2], images[1::2]):  # of images that alternate in kind, each network knows both
        assert len({id(model.unseen[content_hash(image)]) for image in kind}) == 2
    found = feature_step.score(images[3], model, settings, 0)[1]["local"]
    assert found == pytest.approx(feature_step.predict(features, own)[1], rel=1e-5)
    new = images[3] + np.float32(1e-3)
    both = np.mean([feature_step.predict(model.extractor.embed(new), step)[0] for step in model.steps], axis=0)
    assert feature_step.score(new, model, settings, 0)[1]["local"] == pytest.approx(highest(both), rel=1e-5)
