"""Methods on pretrained features: PatchCore's coreset, SPADE, PaDiM, ResNet-34, and the one step on features."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from radarlib import feature_step, gaussians, neighbours
from radarlib.config import merge
from radarlib.errors import UserError
from radarlib.extractor import Extractor
from radarlib.images import content_hash
from radarlib.methods import METHODS
from radarlib.resnet34 import ResNet34

OPTIONS = {"sigma": 0.1, "width": 64, "steps": 300, "batch": 256, "lr": 0.002, "images": 10}


@pytest.fixture
def normal() -> list[np.ndarray]:
    """Features (locations, C) of ten normal images."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(40, 6)).astype(np.float32) for _ in range(10)]


def test_the_coreset_holds_what_is_rare():
    x = np.zeros((200, 5), np.float32)
    x[:, 0] = np.linspace(0, 0.1, 200)
    x[17], x[99] = 10, -10
    chosen = neighbours.coreset(x, 3, np.random.default_rng(0))
    assert {17, 99} < set(chosen) and len(set(chosen)) == 3
    bank = neighbours.fit([x[:100], x[100:]], 3, 0, greedy=True)
    assert {tuple(v) for v in bank.vectors.round(3)} >= {
        tuple(v) for v in ((x[[17, 99]] - bank.mean) / bank.sd).round(3)
    }


def test_spade_compares_with_the_nearest_images_alone(normal):
    far = [part + 20 for part in normal[5:]]
    gallery = neighbours.gallery([*normal[:5], *far])
    found, value = neighbours.spade(normal[0], gallery, k=3, owner=0)
    near = ((np.concatenate(normal[1:5]) - gallery.mean) / gallery.sd).astype(np.float32)
    assert (found >= neighbours.distances((normal[0] - gallery.mean) / gallery.sd, near) - 1e-4).all()
    assert value < 0.2 < neighbours.spade(normal[0] + 5, gallery, k=3)[1]


def test_padim_is_the_mahalanobis_distance_at_each_location(normal):
    model = gaussians.fit(normal, 0)
    every, x = np.stack(normal), normal[0] + 3
    found, value = gaussians.score(x, model)
    for place in (0, 7):
        covariance = np.cov(every[:, place, model.kept], rowvar=False) + gaussians.RIDGE * np.eye(6)
        expected = mahalanobis(x[place, model.kept], every[:, place, model.kept].mean(0), np.linalg.inv(covariance))
        assert found[place] == pytest.approx(expected, rel=1e-3)
    assert value == pytest.approx(found.max())


def test_whitened_features_are_uncorrelated_and_of_unit_variance(normal):
    every = np.concatenate(normal) @ np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32) + 4
    white = feature_step.Whitening.fit(every, floor=0)(every)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(6), atol=1e-3)


def test_whitening_does_not_depend_on_which_eigenvectors_are_found(normal):
    """Processors choose their signs, and their directions where variances are alike: turned features are whitened to turned ones."""
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


def test_the_one_step_is_a_method_of_the_study(images, settings):
    settings = merge(settings, {"feature_step": {**OPTIONS, "steps": 20}, "features": {"side": 32}})
    entry = METHODS["radar-features"]
    model = entry.load_fit()(images, settings, 0)
    found, features = entry.load()(images[0], model, settings, 0)
    assert found.shape == images[0].shape and found.dtype == np.float32 and set(features) == {"global", "local"}
    assert 0 < features["global"] <= features["local"] * 1.001


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
    assert feature_step.score(new, model, settings, 0)[1]["local"] == pytest.approx(neighbours.highest(both), rel=1e-5)


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
