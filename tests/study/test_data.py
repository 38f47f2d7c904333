"""Whether a surface is periodic."""

import numpy as np

from radarlib.textures import print_image, tile_image
from study.radar.data import periodicity


def test_periodicity_tells_prints_from_tiles():
    prints = [print_image(64, (45, 135)[k % 2], None, np.random.default_rng(k))[0] for k in range(6)]
    tiles = [tile_image(64, None, np.random.default_rng(k))[0] for k in range(6)]
    assert periodicity(prints) > 0.5 > 0.3 > periodicity(tiles)
