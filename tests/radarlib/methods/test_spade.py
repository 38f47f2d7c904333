"""SPADE against its definition."""

import numpy as np
import pytest

from radarlib.methods import patchcore, spade


@pytest.fixture
def normal() -> list[np.ndarray]:
    """Features (locations, C) of ten normal images."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(40, 6)).astype(np.float32) for _ in range(10)]


def test_spade_compares_with_the_nearest_images_alone(normal):
    far = [part + 20 for part in normal[5:]]
    normals = spade.fit([*normal[:5], *far])
    found, value = spade.score(normal[0], normals, k=3, owner=0)
    assert (found >= patchcore.distances(normal[0], np.concatenate(normal[1:5])) - 1e-4).all()
    assert value < 1 < spade.score(normal[0] + 5, normals, k=3)[1]
