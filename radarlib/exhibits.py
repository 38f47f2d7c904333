"""What the data are and where RADAR points: Table I, and the numbers behind Figs. 1, 6 and 7."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from radarlib import figures
from radarlib.datasets import GOOD, ImageSet, periodicity
from radarlib.detection import fitted
from radarlib.features import filled
from radarlib.methods import METHODS
from radarlib.metrics import PIXEL, interval, pixel_histograms, pixel_metrics, stratified_weights
from radarlib.patches import PatchSampler, positions
from radarlib.probes import normality, predicted_noise
from radarlib.radar import noise_map, sobel_features
from radarlib.study import Study
from radarlib.tables import with_interval

FILLED = "radar, filled"  # RADAR's map after `features.filled`
PIXEL_TITLES = {"pixel_auroc": "AUROC", "pixel_ap": "average precision", "pro": "PRO", "best_f1": "best F1"}
PERIODIC = 0.5
"""Autocorrelation above which a surface counts as periodic; simulated tracks reach 0.8, grain less than 0.1."""


def surface_kind(data: ImageSet) -> tuple[str, float]:
    """("periodic" or "stochastic", the autocorrelation's second peak), from training images alone."""
    value = periodicity(data.train_images[:20])
    return ("periodic" if value > PERIODIC else "stochastic"), value


def dataset_table(study: Study) -> pd.DataFrame:
    """`radar_table1_datasets`: one row per set and kind of image, with the paper's count."""
    printed = study.paper_values("radar_table1").set_index(["set", "part", "class"])["count"]
    patch, rows = study.settings["training"]["patch"], []
    for name in study.sets:
        data = study.data(name)
        kind, value = surface_kind(data)
        counts = data.index.groupby(["split", "defect"], sort=False).size()
        sizes = sorted({image.shape for image in data.images})
        size = (
            "×".join(map(str, sizes[0][::-1]))
            if len(sizes) == 1
            else f"{len(sizes)} sizes, {min(sizes)[1]}–{max(s[1] for s in sizes)} wide"
        )
        common = {"set": name, "surface": kind, "autocorrelation": value, "image": size}
        for (split, defect), n in counts.items():
            rows.append({**common, "part": split, "class": defect, "count": n})
        total = int((data.index["split"] == "test").sum())
        defective = total - int(counts["test", GOOD])
        rows.append({**common, "part": "test", "class": "defective", "count": defective})
        rows.append({**common, "part": "patches", "class": GOOD, "count": len(PatchSampler(data.train_images, patch))})
    table = pd.DataFrame(rows)
    table["paper"] = [printed.get((r["set"], r["part"], r["class"]), np.nan) for r in rows]
    return table


def dataset_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Table I as people read it: a row per set, the paper's counts in brackets."""
    rows = []
    for name, part in table.groupby("set", sort=False):
        row = {
            "set": name,
            "surface": f"{part['surface'].iloc[0]} ({part['autocorrelation'].iloc[0]:.2f})",
            "image": part["image"].iloc[0],
        }
        for title, split, kind in (
            ("training", "train", GOOD), ("training patches", "patches", GOOD), ("test, normal", "test", GOOD), ("test, defective", "test", "defective"),
        ):  # fmt: skip
            found = part[(part["part"] == split) & (part["class"] == kind)].iloc[0]
            row[title] = f"{found['count']:,}" + ("" if pd.isna(found["paper"]) else f" ({found['paper']:,.0f})")
        types = part[(part["part"] == "test") & ~part["class"].isin([GOOD, "defective"])]
        row["defects"] = ", ".join(f"{r['class']} {r['count']}" for _, r in types.iterrows()).replace("_", " ")
        rows.append(row)
    return pd.DataFrame(rows)


def first_of_each_defect(data: ImageSet, limit: int = 5) -> list[int]:
    """Positions of the first test image of each defect type in file order: a choice that looks at no result."""
    test = data.index[(data.index["split"] == "test") & (data.index["defect"] != GOOD)]
    return list(test.groupby("defect", sort=False).head(1).index[:limit])


Example = tuple[str, np.ndarray, np.ndarray | None, dict[str, np.ndarray]]
"""Title, image, mask, and maps by label."""


def examples(
    study: Study,
    names: Sequence[str],
    maps_of: Callable[[str], dict[str, list[np.ndarray]]],
    data_of: Callable[[Study, str], ImageSet],
) -> tuple[list[Example], pd.DataFrame]:
    """The first defective images of each set, six in all or one a set, with the maps that `maps_of` a set gives of its test images.

    Returns with them, per image and map, its mean on the defect and elsewhere.
    """
    found, rows = [], []
    most = max(1, 6 // len(names))
    for name in names:
        data = data_of(study, name)
        place = {i: k for k, i in enumerate(data.where("test"))}
        all_maps = maps_of(name)
        for i in first_of_each_defect(data, most):
            maps = {label: each[place[i]].astype(np.float32) for label, each in all_maps.items()}
            defect, kind = data.masks[i], data.index["defect"][i]
            found.append((f"{name}\n{kind}", data.images[i], defect, maps))
            if defect is None:
                continue
            for label, m in maps.items():
                for region, where in (("defect", defect), ("normal", ~defect)):
                    rows.append({"set": name, "defect": kind, "map": label, "region": region, "mean": m[where].mean()})
    return found, pd.DataFrame(rows, columns=["set", "defect", "map", "region", "mean"])


def feature_table(study: Study, name: str, seed: int) -> pd.DataFrame:
    """RADAR's features of every scored image with its class, "normal" or "anomalous"."""
    table = study.features(name, "radar", seed)
    return table.assign(**{"class": np.where(table["defect"] == GOOD, "normal", "anomalous")})


def overview_pieces(study: Study, name: str, seed: int) -> dict:
    """Fig. 1: arguments of `figures.overview` for the first defective test image of a set."""
    data, denoiser, options = study.data(name), study.denoiser(name, seed), study.settings["radar"]
    i = first_of_each_defect(data)[0]
    image = data.images[i]
    noise = noise_map(image, denoiser, options["t"], options["stride"], seed)
    classifier, train, test = fitted(study, name, "radar", seed)
    rows = positions(image.shape[0], denoiser.patch, options["stride"])[:3]
    columns = positions(image.shape[1], denoiser.patch, options["stride"])[:3]
    return {
        "image": image, "corners": [(r, c) for r in rows for c in columns], "patch": denoiser.patch, "noise": noise,
        "s": sobel_features(noise, options)[0], "train": train, "test": test.reset_index(), "classifier": classifier, "highlight": data.index["image"][i],
    }  # fmt: skip


def noise_exhibit(study: Study, seed: int) -> tuple[dict[str, dict[str, np.ndarray]], pd.DataFrame]:
    """Fig. 4: predicted noise per set and kind of patch, and the table of `probes.normality`."""
    t, noise, rows = study.settings["radar"]["t"], {}, []
    for name in study.sets:
        noise[name] = predicted_noise(study.data(name), study.denoiser(name, seed), t, seed)
        rows += [{"set": name, "kind": kind, **normality(values)} for kind, values in noise[name].items()]
    return noise, pd.DataFrame(rows)


def maps_exhibit(study: Study, kind: str, seed: int) -> tuple[Figure, pd.DataFrame]:
    """Figs. 6, 7: RADAR's maps on all sets of one kind of surface, and the pixel-level figures behind them."""
    names = [name for name in study.sets if surface_kind(study.data(name))[0] == kind]
    if not names:
        return figures.message(f"no {kind} surface in this profile"), pd.DataFrame(
            columns=["set", "method", "metric", "ours"]
        )
    groups = {}
    for name in names:
        data, maps = study.data(name), study.maps(name, "radar", seed)
        place = {i: k for k, i in enumerate(data.where("test"))}
        scale = float(np.quantile(np.concatenate([m.ravel()[::7] for m in maps]).astype(np.float32), 0.999))
        groups[name] = (
            [
                (data.index["defect"][i], data.images[i], data.masks[i], maps[place[i]])
                for i in first_of_each_defect(data)
            ],
            scale,
        )
    tables = [pixel_table(study, name, method) for name in names for method in ("radar", "raw", "untrained")]
    return figures.maps_figure(groups), pd.concat(tables, ignore_index=True)


def pixel_table(study: Study, name: str, method: str = "radar") -> pd.DataFrame:
    """Pixel-level AUROC, average precision, PRO and best F1 of a method's maps: mean over seeds, intervals over images.

    Resamples are stratified into images with a defect and without. Images without a mask are left out and counted;
    where no defect has a mask the values are missing and `why_absent` says so.
    """
    data, evidence = study.data(name), study.settings["evidence"]
    masks = [data.masks[i] for i in data.where("test")]
    with_mask = [k for k, mask in enumerate(masks) if mask is not None]
    known = [mask for mask in masks if mask is not None]
    defective = np.array([mask.any() for mask in known])
    counts = {"images_with_mask": len(known), "images_without_mask": len(masks) - len(known)}
    if not defective.any():
        reason = "no defective test image has a mask"
        empty = {"ours": np.nan, "low": np.nan, "high": np.nan, **counts, "why_absent": reason}
        return pd.DataFrame([{"set": name, "method": method, "metric": m, **empty} for m in PIXEL])
    runs = []
    source = "radar" if method == FILLED else method
    for seed in study.scored_seeds(source):
        maps = study.maps(name, source, seed)
        if method == FILLED:
            maps = [filled(s) for s in maps]
        runs.append(pixel_histograms([maps[k] for k in with_mask], known))
    keys = {"set": name, "method": method}
    return pd.DataFrame([{**keys, **row, **counts, "why_absent": ""} for row in pixel_rows(runs, defective, evidence)])


def pixel_rows(runs: list[np.ndarray], defective: np.ndarray, evidence: dict) -> list[dict]:
    """A row per pixel-level metric: mean over runs, and its bootstrap interval over images.

    runs : `pixel_histograms` of each. defective : (images,) bool, the classes that resamples are stratified by.
    evidence : that section of the settings.
    """
    weights = stratified_weights(defective, evidence["bootstrap"], np.random.default_rng(0)).astype(np.float32)
    drawn = [pixel_metrics(np.tensordot(part, run, 1)) for run in runs for part in np.array_split(weights, 40)]
    rows = []
    for metric in PIXEL:
        ours = float(np.mean([pixel_metrics(run.sum(axis=0))[metric] for run in runs]))
        resamples = np.concatenate([values[metric] for values in drawn]).reshape(len(runs), -1).mean(axis=0)
        low, high = interval(resamples, evidence["level"])
        rows.append({"metric": metric, "ours": ours, "low": low, "high": high})
    return rows


def pixel_level(study: Study) -> pd.DataFrame:
    """`radar_pixel_level`: `pixel_table` of every method, and of RADAR's map with its inside filled."""
    methods = list(METHODS)
    methods.insert(1, FILLED)
    return pd.concat([pixel_table(study, name, m) for name in study.sets for m in methods], ignore_index=True)


def pixel_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The pixel level as people read it: a row per set and method."""
    rows = []
    for (name, method), part in table.groupby(["set", "method"], sort=False):
        cells = {row.metric: with_interval(row.ours, row.low, row.high) for row in part.itertuples()}
        label = "RADAR, filled" if method == FILLED else METHODS[str(method)].label
        rows.append({"set": name, "method": label, **{PIXEL_TITLES[k]: v for k, v in cells.items()}})
    return pd.DataFrame(rows)
