"""Pictures of the chapter on D3AD, with the numbers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
from study.examples import Example, examples, few, first_of_each_defect, places, regions
from study.kept import restored
from study.session import Session

Masked = tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]
"""Title, image, mask, and predicted masks by policy."""


def masks(session: Session) -> tuple[list[Masked], pd.DataFrame]:
    """Fig. 6: predicted masks of defective images by policy: where the map exceeds nearly all of its values on normal
    images.

    Returns them, and by image and policy the overlap with the mask (intersection over union).
    """
    shown, found, seed, most = [], [], CHAPTER.seeds(session)[0], few(CHAPTER.sets(session))
    for name in CHAPTER.sets(session):
        data, limits = CHAPTER.images(session, name), CHAPTER.table(session, name, seed, "thresholds.csv")
        limit = limits.set_index("method")["threshold"]
        place = places(data)
        every = {method: maps(session, name, method, seed) for method in POLICIES}
        for i in first_of_each_defect(data, most):
            defect, kind = data.masks[i], data.index["defect"][i]
            if defect is None:
                continue
            own = {label: every[method][place[i]] > limit[method] for method, label in POLICIES.items()}
            shown.append((f"{name}\n{kind}", data.images[i], defect, own))
            for label, m in own.items():
                found.append({"set": name, "defect": kind, "policy": label, "overlap": _overlap(m, defect)})
    return shown, pd.DataFrame(found, columns=["set", "defect", "policy", "overlap"])


def _overlap(found: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union."""
    return (found & mask).sum() / max(1, (found | mask).sum())


TIMES = (0, 40, 80, 160, 240, 320, 400)  # of Figs. 10, 11
FAR = (0, 200, 400, 500, 600, 700, 800)  # of Fig. 12
WAYS = {"noised": (TIMES, 1.0), "scaled": (TIMES, 0.0), "scaled, further": (FAR, 0.0)}
"""By name: the times, and the share of the noise."""


def disturbances(session: Session) -> tuple[dict[str, dict[str, list[tuple[int, np.ndarray]]]], pd.DataFrame]:
    """Figs. 10 to 12: an image of each set forward with noise, and only scaled, in pixel space; by set, way and time.

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
        for way, (times, share) in WAYS.items():
            states = [(t, disturb(x_0, t, share, noise, schedule).numpy()) for t in times]
            shown[name][way] = states
            for t, x in states:
                correlation = np.corrcoef(x.ravel(), image.ravel())[0, 1]
                found.append({"set": name, "way": way, "t": t, "correlation": correlation, "sd": x.std()})
    return shown, pd.DataFrame(found)


class Led(NamedTuple):
    """A defective image, and what one variant makes of it, all at the chapter's size.

    x_hat : its reconstruction. map : where the two differ. found : where the map exceeds nearly all of its values on
    normal images.
    """

    title: str
    defect: str
    image: np.ndarray
    mask: np.ndarray | None
    x_hat: np.ndarray
    map: np.ndarray
    found: np.ndarray


def _led(session: Session, name: str, method: str, chosen: Sequence[int]) -> list[Led]:
    """What a variant makes of images of a set, of the first seed."""
    seed, data = CHAPTER.seeds(session)[0], CHAPTER.images(session, name)
    limits = CHAPTER.table(session, name, seed, "thresholds.csv").set_index("method")["threshold"]
    place = places(data)
    every, kept = maps(session, name, method, seed), CHAPTER.array(session, name, seed, "pictures.npz", method)
    return [
        Led(
            f"{name}\n{data.index['defect'][i]}", data.index["defect"][i], data.images[i], data.masks[i],
            restored(kept[place[i]], data.images[i].shape), every[place[i]], every[place[i]] > limits[method],
        )
        for i in chosen
    ]  # fmt: skip


def reconstructions(session: Session) -> tuple[dict[str, list[Led]], pd.DataFrame]:
    """Fig. 14: the first defective images by way, with the steps of D3AD scaled, and noised.

    With them, how far image and reconstruction lie apart on the defect and elsewhere.
    """
    shown: dict[str, list[Led]] = {"scaled": [], "noised": []}
    rows = []
    for name in CHAPTER.sets(session):
        some = first_of_each_defect(CHAPTER.images(session, name), few(CHAPTER.sets(session)))
        for way, variant in zip(shown, (D3AD, NOISED), strict=True):
            found = _led(session, name, variant.name, some)
            shown[way] += found
            for led in found:
                apart = np.abs(led.image - led.x_hat)
                for region, where in regions(led.mask).items():
                    rows.append(
                        {"set": name, "defect": led.defect, "way": way, "region": region,
                         "difference": apart[where].mean(), "map": led.map[where].mean()}
                    )  # fmt: skip
    return shown, pd.DataFrame(rows, columns=["set", "defect", "way", "region", "difference", "map"])


def scales(session: Session) -> tuple[list[Led], pd.DataFrame]:
    """Figs. 7, 9: defects from the smallest to the largest of each set, six in all or two a set, and what D3AD makes
    of them; and the overlap with their masks (intersection over union).
    """
    shown, rows, most = [], [], max(2, 6 // len(CHAPTER.sets(session)))
    for name in CHAPTER.sets(session):
        data = CHAPTER.images(session, name)
        areas = pd.Series({i: float(m.mean()) for i in data.where("test") if (m := data.masks[i]) is not None})
        areas = areas[areas > 0].sort_values(kind="stable")
        if areas.empty:
            continue
        some = [int(areas.index[round(q * (len(areas) - 1))]) for q in np.linspace(0, 1, most)]
        for i, led in zip(some, _led(session, name, D3AD.name, some), strict=True):
            assert led.mask is not None
            rows.append(
                {"set": name, "defect": led.defect, "area": areas[i], "overlap": _overlap(led.found, led.mask)}
            )  # fmt: skip
            shown.append(led._replace(title=f"{name}\n{areas[i]:.1%}"))
    return shown, pd.DataFrame(rows, columns=["set", "defect", "area", "overlap"])


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
