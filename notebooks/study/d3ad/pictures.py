"""Pictures of the chapter on D3AD, with the numbers behind them."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import torch

from radarlib.diffusion import Schedule
from radarlib.methods.d3ad import disturb
from radarlib.methods.d3ad_system import network_settings
from radarlib.runtime import image_generator
from study.d3ad.names import POLICIES, STEP
from study.d3ad.plan import D3AD, NOISED
from study.d3ad.tables import CHAPTER, maps
from study.examples import Example, examples, first_of_each_defect
from study.kept import restored
from study.session import Session

Masked = tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]
"""Title, image, mask, and predicted masks by policy."""


def masks(session: Session) -> tuple[list[Masked], pd.DataFrame]:
    """Fig. 6: predicted masks of defective images by policy: where the map exceeds nearly all of its values on normal
    images.

    Returns them, and by image and policy the overlap with the mask (intersection over union).
    """
    shown, found, seed, most = [], [], CHAPTER.seeds(session)[0], max(1, 6 // len(CHAPTER.sets(session)))
    for name in CHAPTER.sets(session):
        data, limits = CHAPTER.images(session, name), CHAPTER.table(session, name, seed, "thresholds.csv")
        limit = limits.set_index("method")["threshold"]
        place = {i: k for k, i in enumerate(data.where("test"))}
        every = {method: maps(session, name, method, seed) for method in POLICIES}
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


def disturbances(session: Session) -> tuple[dict[str, dict[str, list[tuple[int, np.ndarray]]]], pd.DataFrame]:
    """Fig. 10: an image of each set forward with noise, and only scaled, in pixel space; by set, way and time.

    With them, the correlation of x_t with x_0 and its standard deviation.
    """
    schedule, found = Schedule(**network_settings(session.settings)["diffusion"]), []
    shown: dict[str, dict[str, list[tuple[int, np.ndarray]]]] = {}
    for name in CHAPTER.sets(session):
        data = CHAPTER.images(session, name)
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


def reconstructions(session: Session) -> list[Example]:
    """Fig. 14: defective images, and by label x̂_0 of them: with the fixed steps, with and without noise, (S, S)
    each.
    """
    labels = {**POLICIES, NOISED.name: "dynamic, noised"}
    shown, seed = [], CHAPTER.seeds(session)[0]
    for name in CHAPTER.sets(session):
        data = CHAPTER.images(session, name)
        place = {i: k for k, i in enumerate(data.where("test"))}
        every = {label: CHAPTER.array(session, name, seed, "pictures.npz", method) for method, label in labels.items()}
        for i in first_of_each_defect(data, max(1, 6 // len(CHAPTER.sets(session)))):
            own = {label: restored(x[place[i]], x.shape[1:]) for label, x in every.items()}
            shown.append((f"{name}\n{data.index['defect'][i]}", data.images[i], data.masks[i], own))
    return shown


def feature_maps(session: Session) -> tuple[list[Example], pd.DataFrame]:
    """Beyond the paper: the map of the one step on features beside RADAR's and D3AD's, at the size of the chapter."""
    seed = CHAPTER.seeds(session)[0]

    def of(name: str) -> dict[str, list[np.ndarray]]:
        side = CHAPTER.options(session)["image_size"]
        radar = [
            cv2.resize(m.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
            for m in session.maps(name, "radar", seed)
        ]
        return {"RADAR": radar, "D3AD": maps(session, name, D3AD.name, seed), STEP: maps(session, name, "step", seed)}

    return examples(session, CHAPTER.sets(session), of, CHAPTER.images)
