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
    every = [*normal[:5], *far]
    normals = spade.fit(every, [part.mean(0) for part in every])
    found, value = spade.score(normal[0], normal[0].mean(0), normals, k=3, owner=0)
    assert (found >= patchcore.distances(normal[0], np.concatenate(normal[1:5])) - 1e-4).all()
    assert value < 1 < spade.score(normal[0] + 5, normal[0].mean(0) + 5, normals, k=3)[1]


def test_spade_takes_images_for_alike_by_what_they_are_as_a_whole(normal):
    """The neighbours are those by the deepest block, whichever are nearest location by location."""
    pooled = [np.full(4, k, float) for k in range(10)]
    found, value = spade.score(normal[0], np.full(4, 9.0), spade.fit(normal, pooled), k=1)
    assert value == 0
    assert found == pytest.approx(patchcore.distances(normal[0], normal[9]))
