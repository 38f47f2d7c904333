"""From features to decisions and RADAR's Table II: who is called anomalous, how often rightly, how surely."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD
from radarlib.methods import label_of, table_rows
from radarlib.metrics import DETECTION, bootstrap_metrics, detection_metrics, interval
from radarlib.oneclass import OneClass
from radarlib.study import Study
from radarlib.tables import stands, with_interval

PAPER_METHODS = ("radar", "ddpm", "anoddpm", "diffusionad", "ba", "lf")
"""The six methods of RADAR's Table II."""
HIGHEST = "p_highest_f1"  # the share of resamples in which a method's F1 is the highest of PAPER_METHODS


def fitted(
    study: Study, name: str, method: str, seed: int, **changes: float | str
) -> tuple[OneClass, pd.DataFrame, pd.DataFrame]:
    """The classifier fitted on the training images' features, and the features of training and test images.

    changes : settings of the section `decision`, e.g. contamination=0.1.
    """
    options = {**study.settings["decision"], **changes}
    table = study.features(name, method, seed)
    train, test = (table[table["split"] == split].set_index(["image", "defect"]) for split in ("train", "test"))
    train, test = train.drop(columns="split"), test.drop(columns="split")
    classifier = OneClass(options["contamination"], options["trees"], seed, options["classifier"])
    return classifier.fit(train.to_numpy()), train, test


def decide(study: Study, name: str, method: str, seed: int, **changes: float | str) -> pd.DataFrame:
    """The decision on each test image: `image`, `defect`, `score`, `threshold`, `flagged` (RADAR §III-E).

    The classifier is fitted on the training images' features; nothing here depends on a test label.
    """
    classifier, _, test = fitted(study, name, method, seed, **changes)
    values = test.to_numpy()
    return test.index.to_frame(index=False).assign(
        score=classifier.score(values), threshold=classifier.threshold, flagged=classifier.predict(values)
    )


def metric_rows(
    study: Study, truth: np.ndarray, scores: np.ndarray, flagged: np.ndarray
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """A row per metric, mean over runs with its bootstrap interval over images and spread over runs; and the resamples.

    truth : (images,) bool. scores, flagged : (runs, images).
    """
    evidence, rows = study.settings["evidence"], []
    values = pd.DataFrame([detection_metrics(truth, s, f) for s, f in zip(scores, flagged, strict=True)])
    drawn = bootstrap_metrics(truth, scores, flagged, evidence["bootstrap"], seed=0)
    for metric in DETECTION:
        low, high = interval(drawn[metric], evidence["level"])
        ours, sd = values[metric].mean(), values[metric].std(ddof=0)
        rows.append({"metric": metric, "ours": ours, "low": low, "high": high, "sd": sd, "seeds": len(scores)})
    return rows, drawn


def auroc_row(study: Study, part: pd.DataFrame) -> tuple[dict, np.ndarray]:
    """Image-level AUROC of scores: mean over seeds, interval over images, spread over seeds; and its resamples.

    part : a row per seed and image with `seed`, `position`, `score` and `defect`. Parts of the same images are resampled alike.
    """
    table = part.pivot_table(index="seed", columns="position", values="score")
    truth = part.drop_duplicates("position").set_index("position")["defect"].loc[table.columns] != GOOD
    values = table.to_numpy()
    rows, drawn = metric_rows(study, truth.to_numpy(), values, np.zeros(values.shape, bool))
    return next(row for row in rows if row["metric"] == "auroc"), drawn["auroc"]


def detection_table(study: Study, methods: tuple[str, ...] = tuple(table_rows())) -> pd.DataFrame:
    """`radar_table2_detection`: one row per set, method and metric.

    `ours` is the mean over seeds, `low` and `high` its bootstrap interval over test images, `sd` the spread
    over seeds, `paper` what RADAR's Table II prints.
    """
    printed = study.paper_values("radar_table2").set_index(["set", "method"])
    rows: list[dict] = []
    draws: dict[str, dict[str, np.ndarray]] = {name: {} for name in study.sets}
    for name, method in itertools.product(study.sets, methods):
        runs = [decide(study, name, method, seed) for seed in study.decision_seeds(method)]
        truth = (runs[0]["defect"] != GOOD).to_numpy()
        scores, flagged = (np.stack([run[c].to_numpy() for run in runs]) for c in ("score", "flagged"))
        found, drawn = metric_rows(study, truth, scores, flagged)
        draws[name][method] = drawn["f1"]  # of the same resampled images for every method
        for row in found:
            paper = printed.loc[name, method].get(row["metric"], np.nan) if (name, method) in printed.index else np.nan
            rows.append({"set": name, "method": method, **row, "test_images": len(truth), "paper": paper})
    for name, values in draws.items():
        rivals = [m for m in PAPER_METHODS if m in values]
        best = np.argmax([values[m] for m in rivals], axis=0)
        for k, method in enumerate(rivals if len(rivals) > 1 else []):
            rows.append({"set": name, "method": method, "metric": HIGHEST, "ours": float((best == k).mean())})
    return pd.DataFrame(rows)


def detection_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Table II as people read it: a row per set and method, "ours [interval] (paper)" per metric."""
    rows = []
    for (name, method), part in table.groupby(["set", "method"], sort=False):
        cells = {"set": name, "method": label_of(method)}
        for row in part[part["metric"].isin(DETECTION)].itertuples():
            paper = "" if pd.isna(row.paper) else f" ({row.paper:.2f})"
            cells[row.metric] = with_interval(row.ours, row.low, row.high) + paper
        rows.append(cells)
    return pd.DataFrame(rows)


def detection_caption(study: Study, table: pd.DataFrame) -> str:
    """What a reader must know of Table II: n, seeds, settings, and which sets were cut."""
    options = study.settings
    counts = table.groupby("method", sort=False)["seeds"].first().astype(int)
    runs = ", ".join(f"{label_of(m)} {n}" for m, n in counts.items())
    limit, simulated = options["data"]["max_test"], options["data"]["counts"]
    real = [name for name in study.sets if name not in simulated]
    cut = (
        f" Of a set with more than {limit} test images a seeded draw of about {limit} is taken."
        if limit and real
        else ""
    )
    return (
        f"Image-level detection (RADAR Table II): mean over training seeds ({runs}) [bootstrap {options['evidence']['level']:.0%} interval over test images]"
        f" (value printed in the paper, on its own images). Contamination {options['decision']['contamination']}; DDPM takes"
        f" {options['reconstruction']['reverse_steps']} of {options['reconstruction']['t_start']} reverse steps." + cut
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
                f"{name}: RADAR (F1 {ours['ours']:.2f}) is {stands(ours, rival)} {label_of(method)} ({rival['ours']:.2f})"
            )
    return lines


def recall_by_defect(study: Study, methods: tuple[str, ...] = tuple(table_rows())) -> pd.DataFrame:
    """Share of images called anomalous per set, defect type and method, mean over seeds ("good": false alarms)."""
    parts = []
    for name in study.sets:
        for method in methods:
            flagged = (
                pd.concat([decide(study, name, method, seed) for seed in study.decision_seeds(method)])
                .groupby("defect", sort=False)["flagged"]
                .mean()
            )
            parts.append(flagged.rename(label_of(method)).to_frame().assign(set=name).set_index("set", append=True))
    table = pd.concat(parts).groupby(level=["set", "defect"], sort=False).first()
    return table[[label_of(m) for m in methods]].reset_index()
