"""Where RADAR points: the numbers behind Figs. 1, 4, 6 and 7, and Fig. 6 and 7 themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from radarlib.datasets import GOOD
from radarlib.patches import positions
from radarlib.radar import noise_map, sobel_features
from study.detection import fitted, pixel_table
from study.drawing import message
from study.examples import first_of_each_defect, places
from study.radar import pictures
from study.radar.data import surface_kind
from study.radar.network import normality, predicted_noise, trained
from study.session import Session

SHOWN = {"radar": "map $S$", "radar-closed": "closed form"}
"""Methods whose maps Figs. 6 and 7 show, and how they are named there."""
MAPS = ("radar", "radar-closed", "noiseless", "raw", "untrained")
"""Methods whose maps are judged beside them."""


def feature_table(session: Session, name: str, seed: int) -> pd.DataFrame:
    """RADAR's features of every scored image with its class, "normal" or "anomalous"."""
    table = session.features(name, "radar", seed)
    return table.assign(**{"class": np.where(table["defect"] == GOOD, "normal", "anomalous")})


def overview_pieces(session: Session, name: str, seed: int) -> dict:
    """Fig. 1: arguments of `pictures.overview` for the first defective test image of a set."""
    data, denoiser, options = session.data(name), trained(session, name, seed), session.settings["radar"]
    i = first_of_each_defect(data)[0]
    image = data.images[i]
    noise = noise_map(image, denoiser, options["t"], options["stride"], seed)
    classifier, train, test = fitted(session, name, "radar", seed)
    rows = positions(image.shape[0], denoiser.patch, options["stride"])[:3]
    columns = positions(image.shape[1], denoiser.patch, options["stride"])[:3]
    return {
        "image": image,
        "corners": [(r, c) for r in rows for c in columns],
        "patch": denoiser.patch,
        "noise": noise,
        "s": sobel_features(noise, options)[0],
        "train": train,
        "test": test.reset_index(),
        "classifier": classifier,
        "highlight": data.index["image"][i],
    }


def noise_exhibit(session: Session, seed: int) -> tuple[dict[str, dict[str, np.ndarray]], pd.DataFrame]:
    """Fig. 4: predicted noise per set and kind of patch, and the table of `network.normality`."""
    t, noise, rows = session.settings["radar"]["t"], {}, []
    for name in session.sets:
        found = predicted_noise(session.data(name), trained(session, name, seed), t, seed)
        noise[name] = {kind: values for kind, (values, _) in found.items()}
        rows += [{"set": name, "kind": kind, **normality(*both)} for kind, both in found.items()]
    return noise, pd.DataFrame(rows)


def maps_exhibit(session: Session, kind: str, seed: int) -> tuple[Figure, pd.DataFrame]:
    """Figs. 6, 7: RADAR's maps on all sets of one kind of surface, and the pixel-level figures behind them."""
    names = [name for name in session.sets if surface_kind(session.data(name))[0] == kind]
    if not names:
        return message(f"no {kind} surface in this profile"), pd.DataFrame(columns=["set", "method", "metric", "ours"])
    groups = {}
    for name in names:
        data, maps = session.data(name), {m: session.maps(name, m, seed) for m in SHOWN}
        place = places(data)
        scales = {
            label: float(np.quantile(np.concatenate([m.ravel()[::7] for m in maps[key]]).astype(np.float32), 0.999))
            for key, label in SHOWN.items()
        }
        panels: list[pictures.Panel] = [
            (
                data.index["defect"][i], data.images[i], data.masks[i],
                {label: maps[key][place[i]] for key, label in SHOWN.items()},
            )
            for i in first_of_each_defect(data)
        ]  # fmt: skip
        groups[name] = panels, scales
    tables = [pixel_table(session, name, method) for name in names for method in MAPS]
    return pictures.maps_figure(groups), pd.concat(tables, ignore_index=True)
