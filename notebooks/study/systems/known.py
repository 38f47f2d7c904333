"""Systems that other chapters have, too, as functions of what a system is given: on the grid of the others, an eighth
of the extractor's side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from radarlib import feature_step
from radarlib.config import merge
from radarlib.extractor import Extractor
from radarlib.map_features import peak
from radarlib.methods import closed_form, padim, patchcore, spade
from radarlib.methods.d3ad_system import System
from radarlib.methods.fitting import Fitted, Found, Given, embed, plane, single, together
from radarlib.oneclass import Distance

SHARE = 5  # SPADE compares with a fifth of the normal images, as 50 of MVTec AD's are, or with fewer
TWO, THREE = slice(1, None), slice(None)  # levels: at an eighth and a sixteenth of the side, or at a quarter as well


def _memory(given: Given, levels: slice) -> list[np.ndarray]:
    """Features of all normal images on one grid: (locations, C) each."""
    every = together(given.levels[levels], given.extractor.side // 8)
    return list(every.flatten(2).transpose(1, 2).numpy())


def _on_features(
    given: Given,
    levels: slice,
    score: Callable[[np.ndarray], tuple[np.ndarray, float | None]],
) -> Fitted:
    """score : of an image's features its map, flattened, and the method's own score; None: of the smoothed map."""
    side = given.extractor.side // 8

    def judge(image: np.ndarray) -> Found:
        found, value = score(_locations(embed(given.extractor, single(image))[levels], side))
        return Found(found.reshape(side, side), value)

    return Fitted(judge)


def nearest(given: Given) -> Fitted:
    bank = patchcore.fit(_memory(given, TWO), given.settings["d3ad"]["coreset"], given.seed, greedy=True)

    def score(features: np.ndarray) -> tuple[np.ndarray, float]:
        found = patchcore.score(features, bank)
        return found, peak(found)

    return _on_features(given, TWO, score)


def alike(given: Given) -> Fitted:
    """SPADE: which images are alike the extractor's deepest block says."""
    extractor, side = given.extractor, given.extractor.side // 8
    k = min(given.settings["d3ad"]["spade"], max(1, len(given.images) // SHARE))

    @torch.inference_mode()
    def whole(image: np.ndarray) -> np.ndarray:
        return _pooled(extractor.maps(single(image)))

    normal = spade.fit(_memory(given, THREE), [whole(image) for image in given.images])

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        maps = extractor.maps(single(image), finer=True)
        levels = maps[: len(extractor.net.level_channels)]
        found, value = spade.score(_locations(levels, side), _pooled(maps), normal, k)
        return Found(found.reshape(side, side), value)

    return Fitted(judge)


def _pooled(maps: Sequence[Tensor]) -> np.ndarray:
    """The last of an image's maps, the mean over its locations: (C,)."""
    return maps[-1][0].mean((1, 2)).cpu().numpy()


def _locations(levels: Sequence[Tensor], side: int) -> np.ndarray:
    """An image's levels on one grid: (side², ΣC_j)."""
    return together(levels, side)[0].flatten(1).T.cpu().numpy()


def gaussian(given: Given) -> Fitted:
    model = padim.fit(_memory(given, THREE), given.seed)
    return _on_features(given, THREE, lambda x: (padim.score(x, model), None))


def step(given: Given) -> Fitted:
    """The single step on features, on its own grid and blocks, which held-out normal images chose."""
    extractor, grid = given.extractor, given.extractor.grid
    options = {**given.settings["feature_step"], "steps": given.steps}
    model = feature_step.train([extractor.embed(image) for image in given.images], options, given.seed, given.label)

    def judge(image: np.ndarray) -> Found:
        found, _ = feature_step.predict(extractor.embed(image), model)
        return Found(found.reshape(grid, grid))

    return Fitted(judge)


def _on_lite2(given: Given) -> Given:
    """The same on features of a larger network, to show how much hangs on it."""
    options = {**given.settings["features"], "extractor": "efficientnet_lite2", "side": given.extractor.side}
    return replace(given, extractor=Extractor(options, str(given.device)))


def nearest_lite2(given: Given) -> Fitted:
    return nearest(_on_lite2(given))


def gaussian_lite2(given: Given) -> Fitted:
    return gaussian(_on_lite2(given))


def step_lite2(given: Given) -> Fitted:
    return step(_on_lite2(given))


def d3ad(given: Given, factor: int = 4) -> Fitted:
    """D3AD, its latents at a quarter of the side as in its own chapter, with as many steps as the others; its
    autoencoder, with as many as other autoencoders.
    """
    autoencoder = given.longer()
    changes = {
        "factor": factor, "steps": given.steps, "autoencoder_steps": autoencoder.steps, "batch": given.batch,
        "autoencoder_batch": autoencoder.batch, "sigma": 0,  # all maps are smoothed alike, later
    }  # fmt: skip
    settings = merge(given.settings, {"d3ad": changes, "features": {"side": given.extractor.side}})
    folder = given.folder / f"d3ad{factor}"
    system = System(given.images, settings, given.seed, folder, given.label)

    def judge(image: np.ndarray) -> Found:
        found, z_hat = system.judge(image)
        return Found(found, x_hat=plane(system.decode(z_hat)))

    return Fitted(judge, pd.read_csv(folder / "diffusion" / "loss.csv")["loss"].to_list())


def d3ad_eighth(given: Given) -> Fitted:
    """D3AD with its latents at an eighth of the side, as its authors' code has them."""
    return d3ad(given, 8)


def closed(given: Given) -> Fitted:
    """RADAR's single step with its closed form, which needs no network; a `Distance` on its two features decides."""
    model = closed_form.fit(given.images, given.settings, given.seed)

    def asked(image: np.ndarray) -> tuple[np.ndarray, list[float]]:
        found, features = closed_form.score(image, model, given.settings, given.seed)
        return found, list(features.values())

    normal = Distance().fit(np.array([asked(image)[1] for image in given.images]))

    def judge(image: np.ndarray) -> Found:
        found, features = asked(image)
        return Found(found, float(normal.score(np.array([features]))[0]))

    return Fitted(judge)
