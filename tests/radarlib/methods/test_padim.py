"""PaDiM against SciPy's Mahalanobis distance."""

import numpy as np
import pytest
from conftest import REPOSITORY
from scipy.spatial.distance import mahalanobis

from radarlib.methods import padim


@pytest.fixture
def normal() -> list[np.ndarray]:
    """Features (locations, C) of ten normal images."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(40, 6)).astype(np.float32) for _ in range(10)]


def test_padim_is_the_mahalanobis_distance_at_each_location(normal):
    model = padim.fit(normal, 0)
    every, x = np.stack(normal), normal[0] + 3
    found = padim.score(x, model)
    for place in (0, 7):
        covariance = np.cov(every[:, place, model.kept], rowvar=False) + padim.RIDGE * np.eye(6)
        expected = mahalanobis(x[place, model.kept], every[:, place, model.kept].mean(0), np.linalg.inv(covariance))
        assert found[place] == pytest.approx(expected, rel=1e-3)


def test_distances_are_those_of_anomalib():
    with np.load(REPOSITORY / "tests/reference/anomalib.npz") as found:
        train, test, theirs = (found[name].astype(np.float32) for name in ("train", "test", "padim"))
    model = padim.fit(list(train), 0)
    ours = np.stack([padim.score(x, model) for x in test])
    assert ours == pytest.approx(theirs, rel=0.005, abs=0.01)  # anomalib adds 1e-5 more to the diagonal
