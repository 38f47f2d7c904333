"""Tables of the chapter on unclean training data: RDDPM's exhibits, and what the dirt does to methods beyond the paper."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.datasets import GOOD
from radarlib.detection import metric_rows
from radarlib.methods import METHODS
from radarlib.metrics import interval, pixel_histograms, pixel_metrics, stratified_weights
from radarlib.oneclass import OneClass
from radarlib.roles import SHARES, resized
from radarlib.runs import DELTAS, MAIN, NEIGHBOURS, Run, Training
from radarlib.score import taken_apart
from radarlib.study import Study
from radarlib.tables import beside, wide

PIXEL = {"auroc": "AUROC", "auprc": "AUPRC", "mse": "MSE, normal pixels"}
RESAMPLES = 200  # of the judged images

PAPER_RUNS: dict[str, tuple[str, str, str]] = {
    "RDDPM-Huber": ("ddpm", "huber0.2", "gaussian"),
    "RDDPM-LTS": ("ddpm", "lts", "gaussian"),
    "DDPM": ("ddpm", "l2", "gaussian"),
    "AnoDDPM": ("ddpm", "l2", "simplex"),
    "DiffusionAD": ("diffusionad", "l2", "gaussian"),
}
"""Rows of RDDPM's Table 2 and lines of its Fig. 5: method, loss and noise; LTS is defined there, and not shown."""
BY_LOSS = ("DDPM", "RDDPM-Huber", "RDDPM-LTS")  # the same but for their loss
RADAR_RUNS = {
    "RADAR": ("radar", "l2", "gaussian"),
    "RADAR, Huber": ("radar", "huber0.2", "gaussian"),
    "RADAR, LTS": ("radar", "lts", "gaussian"),
}
PAPER_CONTROLS = {"control: raw image": "raw", "control: untrained network": "ddpm-untrained"}
RADAR_CONTROLS = {"control: raw image": "raw", "control: untrained network": "untrained"}
"""What a map must beat, whatever the share: RADAR's Sobel map of the image itself, and the method with random weights."""
PRACTICE = {
    "radar-l2": "RADAR", "radar-huber0.2": "RADAR, Huber", "radar-lts": "RADAR, LTS",
    NEIGHBOURS: "nearest neighbours", **{name: METHODS[name].label for name in ("ba", "lf", "rpca", "raw", "untrained")},
}  # fmt: skip
"""Methods that meet defective training images, and their labels."""


def sets(study: Study) -> list[str]:
    """The sets of the chapter, without those that were left out of it for want of images."""
    names = chapter_sets(study.settings, "robust", study.root)
    return [
        name for name in names if len(pd.read_csv(study.path(name, f"seed{seeds(study)[0]}", "robust", "roles.csv")))
    ]


def seeds(study: Study) -> list[int]:
    """Of the curves; all else is made with the first."""
    return chapter_seeds(study.settings, "robust")


class Judged:
    """The images of a set whose pixels are judged, and the maps of them that the runs left."""

    def __init__(self, study: Study, name: str):
        self.study, self.name = study, name
        data = resized(study.data(name), study.settings["robust"]["image_size"])
        self.roles = self._table("roles.csv")
        pixels = self.roles[self.roles["pixels"] >= 0].sort_values("pixels")
        self.inside = (pixels["role"] == "inside").to_numpy()
        self.defects = pixels["defect"].tolist()
        self.images = [data.images[i] for i in pixels["position"]]
        masks = [data.masks[i] for i in pixels["position"]]
        self.masks = [mask for mask in masks if mask is not None]
        self._maps = {seed: np.load(study.path(name, f"seed{seed}", "robust", "maps.npz")) for seed in seeds(study)}

    def _table(self, file: str) -> pd.DataFrame:
        """A table that the first seed's run left."""
        seed = seeds(self.study)[0]
        return pd.read_csv(self.study.path(self.name, f"seed{seed}", "robust", file), dtype={"image": str})

    def features(self) -> pd.DataFrame:
        table = self._table("features.csv")
        return table.merge(self.roles[["position", "defect"]], on="position", validate="m:1")

    def maps(self, name: str, seed: int) -> list[np.ndarray]:
        """x̂_0 − x_0 of a run that reconstructs, or S, per judged image; float32."""
        return taken_apart(self._maps[seed][name].astype(np.float32), (image.shape for image in self.images))


@cache
def judged_images(study: Study, name: str) -> Judged:
    """Read once for all exhibits of a notebook."""
    return Judged(study, name)


def _pixel_values(maps: list[np.ndarray], masks: list[np.ndarray], draws: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel AUROC, average precision and MSE on normal pixels for weights of the images, (resamples, images)."""
    found = pixel_metrics(np.tensordot(draws, pixel_histograms([np.abs(m) for m in maps], masks), 1))
    squares = np.array([[(m[~mask] ** 2).sum(), (~mask).sum()] for m, mask in zip(maps, masks, strict=True)])
    total, count = (draws @ squares).T
    return {"auroc": found["pixel_auroc"], "auprc": found["pixel_ap"], "mse": total / count}


def pixel_rows(
    judged: Judged, run: str, chosen: list[int], images: np.ndarray | None = None, **keys: object
) -> list[dict]:
    """A row per metric of PIXEL: mean over the `chosen` seeds, its interval over images, the lowest and the highest seed.

    run : the name of its maps. images : (n,) bool, which of the judged ones count; all by default. A map that is no
    reconstruction has no MSE.
    """
    some = np.flatnonzero(np.ones(len(judged.masks), bool) if images is None else images)
    if not len(some):
        return []
    resamples = stratified_weights(np.ones(len(some), bool), RESAMPLES, np.random.default_rng(0))
    draws = np.vstack([np.ones(len(some)), resamples])
    masks = [judged.masks[k] for k in some]
    values: dict[str, list[np.ndarray]] = {}
    for seed in chosen:
        maps = judged.maps(run, seed)
        for metric, value in _pixel_values([maps[k] for k in some], masks, draws).items():
            values.setdefault(metric, []).append(value)
    rows = []
    for metric, each in values.items():
        if metric == "mse" and not run.startswith(("ddpm", "diffusionad")):
            continue
        low, high = interval(np.mean(each, axis=0)[1:], judged.study.settings["evidence"]["level"])
        whole = [value[0] for value in each]
        rows.append({
            "set": judged.name, **keys, "metric": metric, "ours": np.mean(whole), "low": low, "high": high,
            "seed_low": min(whole), "seed_high": max(whole), "seeds": len(whole), "images": len(some),
        })  # fmt: skip
    return rows


def contamination(study: Study, chosen: dict[str, tuple[str, str, str]], controls: dict[str, str]) -> pd.DataFrame:
    """Pixel-level metrics against the share of corrupted training patches, by method (RDDPM Fig. 5), and the controls."""
    rows = []
    for name in sets(study):
        judged = judged_images(study, name)
        for label, (method, loss, noise) in chosen.items():
            for share in SHARES:
                run = Run(method, Training(loss, noise, share=share)).name
                rows += pixel_rows(judged, run, seeds(study), method=label, share=share)
        for label, run in controls.items():
            found = pixel_rows(judged, run, seeds(study), method=label)
            rows += [{**row, "share": share} for share in SHARES for row in found]
    return _table(rows, "method", "share")


def _table(rows: list[dict], *keys: str) -> pd.DataFrame:
    """Rows of `pixel_rows` as a table, which has its columns even where no image has a mask."""
    columns = ["set", *keys, "metric", "ours", "low", "high", "seed_low", "seed_high", "seeds", "images"]
    return pd.DataFrame(rows, columns=columns)


def domain(study: Study) -> pd.DataFrame:
    """RDDPM Table 1: a fifth of the training images defective; defects of types that training saw, and of one that it did not.

    Made with one seed.
    """
    rows, first = [], seeds(study)[:1]
    for name in sets(study):
        judged = judged_images(study, name)
        for label in BY_LOSS:
            method, loss, noise = PAPER_RUNS[label]
            for share in (0.0, MAIN):
                run = Run(method, Training(loss, noise, "defects", share)).name
                for kind, images in (("in domain", judged.inside), ("out of domain", ~judged.inside)):
                    keys = {"method": label, "share": share, "anomalies": kind}
                    rows += [row for row in pixel_rows(judged, run, first, images, **keys) if row["metric"] == "auroc"]
    paper = study.paper_values("rddpm_table1").set_index(["method", "anomalies"])["auroc"]
    table = _table(rows, "method", "share", "anomalies")
    return beside(table, paper).assign(paper=lambda t: t["paper"].where(t["share"] == MAIN))


def delta(study: Study) -> pd.DataFrame:
    """RDDPM Table 3, Fig. 4: Huber's δ with a fifth of the patches corrupted, with one seed; δ = ∞ is DDPM."""
    losses = [(f"{d}", f"huber{d}") for d in DELTAS] + [("∞ (DDPM)", "l2"), ("0.2, pseudo-Huber", "pseudo_huber0.2")]
    paper = study.paper_values("rddpm_table3").astype({"delta": str}).set_index(["set", "delta", "metric"])["value"]
    rows = []
    for name in sets(study):
        judged = judged_images(study, name)
        for text, loss in losses:
            rows += pixel_rows(judged, Run("ddpm", Training(loss, share=MAIN)).name, seeds(study)[:1], delta=text)
    table = _table(rows, "delta")
    return beside(table, paper)


def contaminated(curves: pd.DataFrame, study: Study) -> pd.DataFrame:
    """RDDPM Table 2: the curves at a share of MAIN, with the paper's values."""
    paper = study.paper_values("rddpm_table2").set_index(["set", "method", "metric"])["value"]
    table = curves[curves["share"] == MAIN].reset_index(drop=True)
    return beside(table, paper)


def practice(study: Study) -> pd.DataFrame:
    """Image-level metrics against the share of defective training images, seen by the method and by its classifier.

    The classifier is told the study's contamination, whatever the share.
    """
    options, seed, rows = study.settings["decision"], seeds(study)[0], []
    for name in sets(study):
        table = judged_images(study, name).features()
        groups = {key: part for key, part in table.groupby(["method", "share"])}
        for method, share in itertools.product(PRACTICE, SHARES):
            part = groups[method, share]
            columns = part.dropna(axis=1, how="all").columns.difference(
                ["method", "share", "position", "split", "defect"]
            )
            train, test = (part[part["split"] == split] for split in ("train", "test"))
            classifier = OneClass(options["contamination"], options["trees"], seed, options["classifier"])
            classifier.fit(train[columns].to_numpy())
            values, truth = test[columns].to_numpy(), (test["defect"] != GOOD).to_numpy()
            found, _ = metric_rows(study, truth, classifier.score(values)[None], classifier.predict(values)[None])
            rows += [{"set": name, "method": PRACTICE[method], "share": share, **row} for row in found]
    return pd.DataFrame(rows, columns=["set", "method", "share", "metric", "ours", "low", "high", "sd", "seeds"])


def best_by_share(table: pd.DataFrame, metric: str = "f1") -> pd.DataFrame:
    """Which method a practitioner should pick: the highest of a metric per set and share of dirt."""
    part = table[(table["metric"] == metric) & ~table["method"].str.startswith("control")].reset_index(drop=True)
    best = part.loc[part.groupby(["set", "share"], sort=False)["ours"].idxmax()]
    return best[["set", "share", "method", "ours", "low", "high"]].reset_index(drop=True)


def shown(table: pd.DataFrame, rows: Sequence[str], columns: str, names: dict | None = None) -> pd.DataFrame:
    """`tables.wide` with the digits of this chapter's metrics."""
    return wide(table, rows, columns, names, {"mse": 3})


def reconstructions(study: Study, most: int = 3) -> tuple[list, pd.DataFrame]:
    """RDDPM Fig. 1: what networks trained on corrupted patches make of defective images, the first of up to `most` types a set.

    Returns the examples that `robust_charts.reconstructions_figure` draws, and per image, method and region the mean absolute
    difference between image and reconstruction: large on the defect and small elsewhere is what is wanted.
    """
    seed, examples, rows = seeds(study)[0], [], []
    for name in sets(study):
        judged = judged_images(study, name)
        chosen = [judged.defects.index(kind) for kind in dict.fromkeys(judged.defects)][:most]
        maps = {
            label: judged.maps(Run(method, Training(loss, noise, share=MAIN)).name, seed)
            for label, (method, loss, noise) in ((m, PAPER_RUNS[m]) for m in BY_LOSS)
        }
        for k in chosen:
            image, mask = judged.images[k], judged.masks[k]
            found = {label: image + parts[k] for label, parts in maps.items()}
            examples.append((f"{name}\n{judged.defects[k]}", image, mask, found))
            for label, parts in maps.items():
                difference = np.abs(parts[k])
                for region, where in (("defect", mask), ("normal", ~mask)):
                    rows.append({
                        "set": name, "defect": judged.defects[k], "method": label, "region": region,
                        "difference": difference[where].mean(),
                    })  # fmt: skip
    return examples, pd.DataFrame(rows, columns=["set", "defect", "method", "region", "difference"])


def trimmed(study: Study) -> pd.DataFrame:
    """Which samples least trimmed squares leaves out, by set, range of t and kind of patch (`robust.trimmed`), one seed."""
    seed = seeds(study)[0]
    parts = [
        pd.read_csv(study.path(name, f"seed{seed}", "robust", "trimmed.csv")).assign(set=name) for name in sets(study)
    ]
    table = pd.concat([pd.DataFrame(columns=["set", "t", "corrupted", "dropped", "samples"]), *parts])
    return table.assign(patches=table["corrupted"].map({True: "corrupted", False: "clean"})).drop(columns="corrupted")


def trimmed_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The share left out, a row per set and range of t."""
    wide = table.pivot_table(index=["set", "t"], columns="patches", values="dropped", sort=False)
    return wide.map("{:.0%}".format).rename_axis(columns=None).reset_index()
