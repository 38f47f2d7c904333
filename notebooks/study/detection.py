"""From features to decisions and RADAR's Table II: who is called anomalous, how often rightly, how surely."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from radarlib.datasets import GOOD
from radarlib.map_features import filled
from radarlib.oneclass import Distance, OneClass
from study.evaluate import NO_MASK, metric_rows, pixel_rows
from study.methods import HIGHEST, METHODS, PAPER_METHODS, label_of, table_rows
from study.metrics import DETECTION, PIXEL, TITLES
from study.session import EVALUATIONS, Session
from study.tables import stands, with_interval

FILLED = "radar, filled"  # RADAR's map after `map_features.filled`
SMOOTHED = {f"{method}, smoothed": method for method in ("ddpm", "anoddpm", "diffusionad")}
"""Maps of errors of a reconstruction after the blur that RADAR's map has had: the terms are equal then."""
GRADES = ("contrast", "area")  # columns of a simulated set's index


def fitted(
    session: Session, name: str, method: str, seed: int, **changes: float | str
) -> tuple[OneClass, pd.DataFrame, pd.DataFrame]:
    """The classifier fitted on the training images' features, and the features of training and test images.

    changes : settings of the section `decision`, e.g. contamination=0.1.
    """
    options = {**session.settings["decision"], **changes}
    table = session.features(name, method, seed)
    train, test = (table[table["split"] == split].set_index(["image", "defect"]) for split in ("train", "test"))
    train, test = train.drop(columns="split"), test.drop(columns="split")
    classifier = OneClass(options["contamination"], options["trees"], seed, options["classifier"])
    return classifier.fit(train.to_numpy()), train, test


def decide(session: Session, name: str, method: str, seed: int, **changes: float | str) -> pd.DataFrame:
    """The decision on each test image: `image`, `defect`, `score`, `threshold`, `flagged` (RADAR §III-E).

    The classifier is fitted on the training images' features; nothing here depends on a test label.
    """
    classifier, _, test = fitted(session, name, method, seed, **changes)
    values = test.to_numpy()
    return test.index.to_frame(index=False).assign(
        score=classifier.score(values), threshold=classifier.threshold, flagged=classifier.predict(values)
    )


@dataclass(frozen=True)
class Judged:
    """What the study's classifier says of images that a job has scored otherwise than Table II.

    scores, flagged, defects : (test images,); a defect's type, or "good". far : how far their features lie above those
        of the training images (`Distance`), for a forest's score is flat beyond what it was fitted on. proxy : AUROC of
        artificial defects against held-out normal images, which sees no test image; missing where there are none.
    """

    scores: np.ndarray
    flagged: np.ndarray
    defects: np.ndarray
    far: np.ndarray
    proxy: float

    @property
    def truth(self) -> np.ndarray:
        return self.defects != GOOD


def judged(session: Session, name: str, part: pd.DataFrame, seed: int) -> Judged:
    """The classifier fitted on rows of `kind` train, and its answer to those of kind test, in their order.

    part : `image`, `kind` (train, test; and held, artificial), and the features that are not missing.
    """
    options = session.settings["decision"]
    columns = part.columns[part.notna().all()].difference(["image", "kind"])
    values = {kind: rows[columns].to_numpy() for kind, rows in part.groupby("kind")}
    classifier = OneClass(options["contamination"], options["trees"], seed, options["classifier"])
    classifier.fit(values["train"])
    proxy = np.nan
    if "artificial" in values:
        held, artificial = classifier.score(values["held"]), classifier.score(values["artificial"])
        proxy = roc_auc_score(np.repeat([False, True], [len(held), len(artificial)]), [*held, *artificial])
    known = session.data(name).index.set_index("image")["defect"]
    defects = known.loc[part.loc[part["kind"] == "test", "image"]].to_numpy()
    far = Distance().fit(values["train"]).score(values["test"])
    return Judged(classifier.score(values["test"]), classifier.predict(values["test"]), defects, far, proxy)


def detected(
    session: Session, name: str, method: str, seeds: Sequence[int] | None = None
) -> tuple[np.ndarray, list[dict], dict[str, np.ndarray]]:
    """Which test images are anomalous, and `metric_rows` of a method's decisions with `seeds`, or all that it has."""
    images, scores, flagged = _decisions(session, name, method, seeds)
    truth = (images["defect"] != GOOD).to_numpy()
    return truth, *metric_rows(session, truth, scores, flagged)


def _decisions(
    session: Session, name: str, method: str, seeds: Sequence[int] | None = None
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The test images (`image`, `defect`), and scores and flags of each, (seeds, images)."""
    runs = [decide(session, name, method, seed) for seed in seeds or session.decision_seeds(method)]
    scores, flagged = (np.stack([run[c].to_numpy() for run in runs]) for c in ("score", "flagged"))
    return runs[0][["image", "defect"]], scores, flagged


def detection_table(session: Session, methods: tuple[str, ...] = tuple(table_rows())) -> pd.DataFrame:
    """`radar_table2_detection`: one row per set, method and metric.

    `ours` is the mean over seeds, `low` and `high` its bootstrap interval over test images, `sd` the spread
    over seeds, `paper` what RADAR's Table II prints. Of methods with a diffusion network also EVALUATIONS.
    """
    printed = session.paper_values("radar_table2").set_index(["set", "method"])
    rows: list[dict] = []
    draws: dict[str, dict[str, np.ndarray]] = {name: {} for name in session.sets}
    for name, method in itertools.product(session.sets, methods):
        truth, found, drawn = detected(session, name, method)
        draws[name][method] = drawn["f1"]  # of the same resampled images for every method
        for row in found:
            paper = printed.loc[name, method].get(row["metric"], np.nan) if (name, method) in printed.index else np.nan
            rows.append({"set": name, "method": method, **row, "test_images": len(truth), "paper": paper})
        counted = session.evaluations(name, method)
        rows += [{"set": name, "method": method, "metric": key, "ours": value} for key, value in counted.items()]
    for name, values in draws.items():
        rivals = [m for m in PAPER_METHODS if m in values]
        each = np.array([values[m] for m in rivals])
        best = each == each.max(axis=0)
        shares = (best / best.sum(axis=0)).mean(axis=1)  # who are level share it
        for method, share in zip(rivals, shares, strict=True) if len(rivals) > 1 else ():
            rows.append({"set": name, "method": method, "metric": HIGHEST, "ours": float(share)})
    return pd.DataFrame(rows)


def detection_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Table II as people read it: a row per set and method, "ours [interval] (paper)" per metric."""
    rows = []
    for (name, method), part in table.groupby(["set", "method"], sort=False):
        cells = {"set": name, "method": label_of(method)}
        for row in part[part["metric"].isin(DETECTION)].itertuples():
            paper = "" if pd.isna(row.paper) else f" ({row.paper:.2f})"
            cells[row.metric] = with_interval(row.ours, row.low, row.high) + paper
        asked = part.set_index("metric")["ours"].reindex(EVALUATIONS)
        cells["evaluations"] = "–" if asked.isna().any() else f"{asked.iloc[0]:.0f} ({asked.iloc[1]:.1f})"
        rows.append(cells)
    return pd.DataFrame(rows)


def detection_caption(session: Session, table: pd.DataFrame) -> str:
    """What a reader must know of Table II: n, seeds, settings, and which sets were cut."""
    options = session.settings
    counts = table.groupby("method", sort=False)["seeds"].first().astype(int)
    runs = ", ".join(f"{label_of(m)} {n}" for m, n in counts.items())
    limit, simulated = options["data"]["max_test"], options["data"]["counts"]
    real = [name for name in session.sets if name not in simulated]
    cut = (
        f" Of a set with more than {limit} test images a seeded draw of about {limit} is taken."
        if limit and real
        else ""
    )
    return (
        f"Image-level detection (RADAR Table II): mean over training seeds ({runs}) [bootstrap"
        f" {options['evidence']['level']:.0%} interval over test images and seeds] (value printed in the paper, on its"
        f" own images). Contamination {options['decision']['contamination']}; DDPM takes"
        f" {options['reconstruction']['reverse_steps']} of {options['reconstruction']['t_start']} reverse steps."
        " Only the step on features judges training images by a network that has not seen them."
        " Evaluations: patches that the network is asked about per image (passes of each pixel through it); all"
        " methods on patches have one stride." + cut
    )


def detection_verdicts(table: pd.DataFrame) -> list[str]:
    """One computed line per set and rival: whether RADAR's F1 is ahead, and by how much."""
    lines = []
    for name, part in table[table["metric"] == "f1"].groupby("set", sort=False):
        rows = part.set_index("method")
        ours = rows.loc["radar"]
        for method in rows.index.drop("radar"):
            rival = rows.loc[method]
            lines.append(
                f"{name}: RADAR (F1 {ours['ours']:.2f}) is {stands(ours, rival)} {label_of(method)}"
                f" ({rival['ours']:.2f})"
            )
    return lines


def recall_by_defect(session: Session, methods: tuple[str, ...] = tuple(table_rows())) -> pd.DataFrame:
    """Share of images called anomalous per set, defect type and method, mean over seeds ("good": false alarms)."""
    parts = []
    for name in session.sets:
        for method in methods:
            flagged = (
                pd.concat([decide(session, name, method, seed) for seed in session.decision_seeds(method)])
                .groupby("defect", sort=False)["flagged"]
                .mean()
            )
            parts.append(flagged.rename(label_of(method)).to_frame().assign(set=name).set_index("set", append=True))
    table = pd.concat(parts).groupby(level=["set", "defect"], sort=False).first()
    return table[[label_of(m) for m in methods]].reset_index()


def by_grade(session: Session, methods: tuple[str, ...] = tuple(table_rows())) -> pd.DataFrame:
    """`radar_by_grade`: by set, grade (contrast or area of the defects), its value and method, AUROC of these defects
    against all normal images with its interval, and the share of them that is flagged (`recall`). Grades of one value,
    or of none that is known, are left out.
    """
    rows = []
    for name in session.sets:
        index = session.data(name).index
        known = index[index["defect"] != GOOD].set_index("image").reindex(columns=list(GRADES)).astype(float)
        graded = [grade for grade in GRADES if len(set(known[grade].dropna())) > 1]
        for method in methods if graded else ():
            images, scores, flagged = _decisions(session, name, method)
            defective = (images["defect"] != GOOD).to_numpy()
            for grade in graded:
                own = images["image"].map(known[grade]).to_numpy()
                for value in sorted(set(own[defective])):
                    some = ~defective | (own == value)
                    found = metric_rows(session, defective[some], scores[:, some], flagged[:, some])[0]
                    metrics = {row["metric"]: row for row in found}
                    auroc = {key: metrics["auroc"][key] for key in ("ours", "low", "high", "seeds")}
                    keys = {"set": name, "grade": grade, "method": method, "value": value}
                    counts = {"images": int((some & defective).sum()), "metric": "auroc"}
                    rows.append({**keys, **counts, **auroc, "recall": metrics["recall"]["ours"]})
    columns = ["set", "grade", "method", "value", "images", "metric", "ours", "low", "high", "seeds", "recall"]
    return pd.DataFrame(rows, columns=columns)


def pixel_table(session: Session, name: str, method: str = "radar", seeds: Sequence[int] | None = None) -> pd.DataFrame:
    """Pixel-level AUROC, average precision, PRO and best F1 of a method's maps: mean over `seeds`, or all that it has,
    intervals over images and seeds.

    Images without a mask are left out and counted; where no defect has a mask the values are missing and `why_absent`
    says so.
    """
    data, source = session.data(name), "radar" if method == FILLED else SMOOTHED.get(method, method)

    def maps(seed: int) -> list[np.ndarray]:
        found = session.maps(name, source, seed)
        if method in SMOOTHED:
            sigma = session.settings["radar"]["sigma"]
            return [gaussian_filter(s.astype(np.float32), sigma).astype(np.float16) for s in found]
        return [filled(s) for s in found] if method == FILLED else found

    rows, why = pixel_rows(session, data, seeds or session.scored_seeds(source), maps), ""
    if not rows:
        why = NO_MASK
        rows = [{"metric": metric, "ours": np.nan, "low": np.nan, "high": np.nan} for metric in PIXEL]
    known = sum(data.masks[i] is not None for i in data.where("test"))
    counts = {"images_with_mask": known, "images_without_mask": len(data.where("test")) - known}
    return pd.DataFrame([{"set": name, "method": method, **row, **counts, "why_absent": why} for row in rows])


def pixel_level(session: Session) -> pd.DataFrame:
    """`radar_pixel_level`: `pixel_table` of every method, of RADAR's map with its inside filled, and of SMOOTHED."""
    after = {"radar": FILLED, **{method: name for name, method in SMOOTHED.items()}}
    methods = [name for method in METHODS for name in (method, after.get(method)) if name]
    return pd.concat([pixel_table(session, name, m) for name in session.sets for m in methods], ignore_index=True)


def pixel_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The pixel level as people read it: a row per set and method."""
    rows = []
    for (name, method), part in table.groupby(["set", "method"], sort=False):
        cells = {row.metric: with_interval(row.ours, row.low, row.high) for row in part.itertuples()}
        first, _, more = str(method).partition(", ")
        label = ", ".join(filter(None, (METHODS[first].label, more)))
        rows.append({"set": name, "method": label, **{TITLES[k]: v for k, v in cells.items()}})
    return pd.DataFrame(rows)
