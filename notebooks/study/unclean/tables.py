"""Tables of the chapter on unclean training data: RDDPM's exhibits, and what the dirt does to methods beyond the
paper.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD
from radarlib.oneclass import OneClass
from study.chapter import Chapter
from study.drawing import Example
from study.evaluate import metric_rows
from study.examples import regions
from study.kept import taken_apart
from study.methods import METHODS
from study.metrics import interval, over_runs, pixel_histograms, pixel_metrics, stratified_weights
from study.session import Session
from study.tables import beside, wide
from study.unclean.names import BY_LOSS, PAPER_RUNS
from study.unclean.plan import DELTAS, JOB, MAIN, NEIGHBOURS, SHARES, Run, Training

RESAMPLES = 200  # of the judged images, at most

PRACTICE = {
    "radar-l2": "RADAR",
    "radar-huber0.2": "RADAR, Huber",
    "radar-lts": "RADAR, LTS",
    NEIGHBOURS: "nearest neighbours",
    **{name: METHODS[name].label for name in ("ba", "lf", "rpca", "raw", "untrained")},
}
"""Methods that meet defective training images, and their labels."""

CHAPTER = Chapter(JOB)
"""Its seeds are those of the curves; all else is made with the first."""


def sets(session: Session) -> list[str]:
    """The sets of the chapter, without those that were left out of it for want of images."""
    first = CHAPTER.seeds(session)[0]
    return [name for name in CHAPTER.sets(session) if len(CHAPTER.table(session, name, first, "roles.csv"))]


class Judged:
    """The images of a set whose pixels are judged, and the maps of them that the runs left."""

    def __init__(self, session: Session, name: str):
        self.session, self.name = session, name
        data = CHAPTER.images(session, name)
        self.roles = self._table("roles.csv")
        pixels = self.roles[self.roles["pixels"] >= 0].sort_values("pixels")
        self.inside = (pixels["role"] == "inside").to_numpy()
        self.defects = pixels["defect"].tolist()
        self.images = [data.images[i] for i in pixels["position"]]
        masks = [data.masks[i] for i in pixels["position"]]
        self.masks = [mask for mask in masks if mask is not None]

    def _table(self, file: str) -> pd.DataFrame:
        """A table that the first seed's run left."""
        seed = CHAPTER.seeds(self.session)[0]
        return CHAPTER.table(self.session, self.name, seed, file, dtype={"image": str})

    def features(self) -> pd.DataFrame:
        table = self._table("features.csv")
        return table.merge(self.roles[["position", "defect"]], on="position", validate="m:1")

    def maps(self, name: str, seed: int) -> list[np.ndarray]:
        """x̂_0 − x_0 of a run that reconstructs, or S, per judged image; float32."""
        flat = CHAPTER.array(self.session, self.name, seed, "maps.npz", name).astype(np.float32)
        return taken_apart(flat, (image.shape for image in self.images))


@cache
def judged_images(session: Session, name: str) -> Judged:
    """Read once for all exhibits of a notebook."""
    return Judged(session, name)


def _pixel_values(maps: list[np.ndarray], masks: list[np.ndarray], draws: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel AUROC, average precision and MSE on normal pixels for weights of the images, (resamples, images)."""
    found = pixel_metrics(np.tensordot(draws, pixel_histograms([np.abs(m) for m in maps], masks), 1))
    squares = np.array([[(m[~mask] ** 2).sum(), (~mask).sum()] for m, mask in zip(maps, masks, strict=True)])
    total, count = (draws @ squares).T
    return {"auroc": found["pixel_auroc"], "auprc": found["pixel_ap"], "mse": total / count}


def judged_rows(
    judged: Judged, run: str, chosen: list[int], images: np.ndarray | None = None, **keys: object
) -> list[dict]:
    """A row per metric of PIXEL: mean over the `chosen` seeds, its interval over images, the lowest and the highest
    seed.

    run : the name of its maps. images : (n,) bool, which of the judged ones count; all by default. A map that is no
    reconstruction has no MSE.
    """
    some = np.flatnonzero(np.ones(len(judged.masks), bool) if images is None else images)
    if not len(some):
        return []
    most = min(RESAMPLES, judged.session.settings["evidence"]["bootstrap"])
    resamples = stratified_weights(np.ones(len(some), bool), most, np.random.default_rng(0))
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
        drawn = over_runs([value[1:] for value in each])
        low, high = interval(drawn, judged.session.settings["evidence"]["level"])
        whole = [value[0] for value in each]
        rows.append({
            "set": judged.name, **keys, "metric": metric, "ours": np.mean(whole), "low": low, "high": high,
            "seed_low": min(whole), "seed_high": max(whole), "seeds": len(whole), "images": len(some),
            "draws": drawn,
        })  # fmt: skip
    return rows


def contamination(session: Session, chosen: dict[str, tuple[str, str, str]], controls: dict[str, str]) -> pd.DataFrame:
    """Pixel-level metrics against the share of corrupted training patches, by method (RDDPM Fig. 5), and the
    controls.
    """
    rows = []
    for name in sets(session):
        judged = judged_images(session, name)
        for label, (method, loss, noise) in chosen.items():
            for share in SHARES:
                run = Run(method, Training(loss, noise, share=share)).name
                rows += judged_rows(judged, run, CHAPTER.seeds(session), method=label, share=share)
        for label, run in controls.items():
            found = judged_rows(judged, run, CHAPTER.seeds(session), method=label)
            rows += [{**row, "share": share} for share in SHARES for row in found]
    return _table(rows, "method", "share")


def _table(rows: list[dict], *keys: str) -> pd.DataFrame:
    """Rows of `judged_rows` as a table, which has its columns even where no image has a mask."""
    columns = ["set", *keys, "metric", "ours", "low", "high", "seed_low", "seed_high", "seeds", "images", "draws"]
    return pd.DataFrame(rows, columns=columns)


def domain(session: Session) -> pd.DataFrame:
    """RDDPM Table 1: a fifth of the training images defective; defects of types that training saw, and of one that it
    did not.

    Made with one seed.
    """
    rows, first = [], CHAPTER.seeds(session)[:1]
    for name in sets(session):
        judged = judged_images(session, name)
        for label in BY_LOSS:
            method, loss, noise = PAPER_RUNS[label]
            for share in (0.0, MAIN):
                run = Run(method, Training(loss, noise, "defects", share)).name
                for kind, images in (("in domain", judged.inside), ("out of domain", ~judged.inside)):
                    keys = {"method": label, "share": share, "anomalies": kind}
                    rows += [row for row in judged_rows(judged, run, first, images, **keys) if row["metric"] == "auroc"]
    paper = session.paper_values("rddpm_table1").set_index(["method", "anomalies"])["auroc"]
    table = _table(rows, "method", "share", "anomalies")
    return beside(table, paper).assign(paper=lambda t: t["paper"].where(t["share"] == MAIN))


def delta(session: Session) -> pd.DataFrame:
    """RDDPM Table 3, Fig. 4: Huber's δ with a fifth of the patches corrupted, with one seed; δ = ∞ is DDPM."""
    losses = [(f"{d}", f"huber{d}") for d in DELTAS] + [("∞ (DDPM)", "l2"), ("0.2, pseudo-Huber", "pseudo_huber0.2")]
    paper = session.paper_values("rddpm_table3").astype({"delta": str}).set_index(["set", "delta", "metric"])["value"]
    rows = []
    for name in sets(session):
        judged = judged_images(session, name)
        for text, loss in losses:
            rows += judged_rows(
                judged, Run("ddpm", Training(loss, share=MAIN)).name, CHAPTER.seeds(session)[:1], delta=text
            )
    table = _table(rows, "delta")
    return beside(table, paper)


def contaminated(curves: pd.DataFrame, session: Session) -> pd.DataFrame:
    """RDDPM Table 2: the curves at a share of MAIN, with the paper's values."""
    paper = session.paper_values("rddpm_table2").set_index(["set", "method", "metric"])["value"]
    table = curves[curves["share"] == MAIN].reset_index(drop=True)
    return beside(table, paper)


def practice(session: Session) -> pd.DataFrame:
    """Image-level metrics against the share of defective training images, seen by the method and by its classifier.

    The classifier is told the study's contamination, whatever the share.
    """
    options, seed, rows = session.settings["decision"], CHAPTER.seeds(session)[0], []
    for name in sets(session):
        table = judged_images(session, name).features()
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
            found, _ = metric_rows(session, truth, classifier.score(values)[None], classifier.predict(values)[None])
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


def reconstructions(session: Session, most: int = 3) -> tuple[list[Example], pd.DataFrame]:
    """RDDPM Fig. 1: what networks trained on corrupted patches make of defective images, the first of up to `most`
    types a set.

    Returns with them, per image, method and region, the mean absolute difference between image and reconstruction:
    large on the defect and small elsewhere is what is wanted.
    """
    seed, examples, rows = CHAPTER.seeds(session)[0], [], []
    for name in sets(session):
        judged = judged_images(session, name)
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
                for region, where in regions(mask).items():
                    rows.append({
                        "set": name, "defect": judged.defects[k], "method": label, "region": region,
                        "difference": difference[where].mean(),
                    })  # fmt: skip
    return examples, pd.DataFrame(rows, columns=["set", "defect", "method", "region", "difference"])


def trimmed(session: Session) -> pd.DataFrame:
    """Which samples least trimmed squares leaves out, by set, range of t and kind of patch (`job.trimmed`), one
    seed.
    """
    seed = CHAPTER.seeds(session)[0]
    parts = [CHAPTER.table(session, name, seed, "trimmed.csv").assign(set=name) for name in sets(session)]
    table = pd.concat([pd.DataFrame(columns=["set", "t", "corrupted", "dropped", "samples"]), *parts])
    return table.assign(patches=table["corrupted"].map({True: "corrupted", False: "clean"})).drop(columns="corrupted")


def trimmed_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The share left out, a row per set and range of t."""
    wide = table.pivot_table(index=["set", "t"], columns="patches", values="dropped", sort=False)
    return wide.map("{:.0%}".format).rename_axis(columns=None).reset_index()
