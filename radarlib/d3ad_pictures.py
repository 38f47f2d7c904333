"""Pictures of the chapter on D3AD, with the numbers behind them."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import torch

from radarlib.d3ad import disturb
from radarlib.d3ad_exhibits import POLICIES, STEP, images, kept, maps, seeds, sets
from radarlib.d3ad_study import D3AD, NOISED, restored
from radarlib.d3ad_system import network_settings
from radarlib.diffusion import Schedule
from radarlib.exhibits import Example, examples, first_of_each_defect
from radarlib.runtime import image_generator
from radarlib.study import Study

Masked = tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]
"""Title, image, mask, and predicted masks by policy."""


def masks(study: Study) -> tuple[list[Masked], pd.DataFrame]:
    """Fig. 6: predicted masks of defective images by policy: where the map exceeds nearly all of its values on normal images.

    Returns them, and by image and policy the overlap with the mask (intersection over union).
    """
    shown, found, seed, most = [], [], seeds(study)[0], max(1, 6 // len(sets(study)))
    for name in sets(study):
        data, limits = images(study, name), pd.read_csv(study.path(name, f"seed{seed}", "d3ad", "thresholds.csv"))
        limit = limits.set_index("method")["threshold"]
        place = {i: k for k, i in enumerate(data.where("test"))}
        every = {method: maps(study, name, method, seed) for method in POLICIES}
        for i in first_of_each_defect(data, most):
            defect, kind = data.masks[i], data.index["defect"][i]
            if defect is None:
                continue
            own = {label: every[method][place[i]] > limit[method] for method, label in POLICIES.items()}
            shown.append((f"{name}\n{kind}", data.images[i], defect, own))
            for label, m in own.items():
                overlap = (m & defect).sum() / max(1, (m | defect).sum())
                found.append({"set": name, "defect": kind, "policy": label, "overlap": overlap})
    return shown, pd.DataFrame(found, columns=["set", "defect", "policy", "overlap"])


TIMES = (0, 40, 80, 160, 240, 320, 400)  # of Fig. 10


def disturbances(study: Study) -> tuple[dict[str, dict[str, list[tuple[int, np.ndarray]]]], pd.DataFrame]:
    """Fig. 10: an image of each set forward with noise, and only scaled, in pixel space; by set, way and time.

    With them, the correlation of x_t with x_0 and its standard deviation.
    """
    schedule, found = Schedule(**network_settings(study.settings)["diffusion"]), []
    shown: dict[str, dict[str, list[tuple[int, np.ndarray]]]] = {}
    for name in sets(study):
        data = images(study, name)
        image = data.images[first_of_each_defect(data, 1)[0]]
        x_0 = torch.from_numpy(image)
        noise = torch.randn(x_0.shape, generator=image_generator(image, 0))
        shown[name] = {}
        for way, share in (("noised", 1.0), ("scaled", 0.0)):
            states = [(t, disturb(x_0, t, share, noise, schedule).numpy()) for t in TIMES]
            shown[name][way] = states
            for t, x in states:
                correlation = np.corrcoef(x.ravel(), image.ravel())[0, 1]
                found.append({"set": name, "way": way, "t": t, "correlation": correlation, "sd": x.std()})
    return shown, pd.DataFrame(found)


def reconstructions(study: Study) -> list[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
    """Fig. 14: defective images and x̂_0 of them with and without noise, and with the fixed steps: title, image, by label (S, S)."""
    labels = {**POLICIES, NOISED.name: "dynamic, noised"}
    shown, seed = [], seeds(study)[0]
    for name in sets(study):
        data = images(study, name)
        place = {i: k for k, i in enumerate(data.where("test"))}
        every = {label: kept(study, name, "pictures.npz", method, seed) for method, label in labels.items()}
        for i in first_of_each_defect(data, max(1, 6 // len(sets(study)))):
            own = {label: restored(x[place[i]], x.shape[1:]) for label, x in every.items()}
            shown.append((f"{name}\n{data.index['defect'][i]}", data.images[i], own))
    return shown


def feature_maps(study: Study) -> tuple[list[Example], pd.DataFrame]:
    """Beyond the paper: the map of the one step on features beside RADAR's and D3AD's, at the size of the chapter."""
    seed = seeds(study)[0]

    def of(name: str) -> dict[str, list[np.ndarray]]:
        side = study.settings["d3ad"]["image_size"]
        radar = [
            cv2.resize(m.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
            for m in study.maps(name, "radar", seed)
        ]
        return {"RADAR": radar, "D3AD": maps(study, name, D3AD.name, seed), STEP: maps(study, name, "step", seed)}

    return examples(study, sets(study), of, images)
