"""Tables of the chapter on D3AD: dynamic noise, scaling without noise, adapted features, and methods on features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import cv2
import numpy as np
import pandas as pd

from radarlib.datasets import GOOD
from radarlib.files import read_json
from study.chapter import Chapter
from study.d3ad.names import (
    ABLATION,
    CONTROLS,
    DISTANCE,
    METHODS,
    PLAIN,
    POLICIES,
    SCALED_ONLY,
    STEP,
    WITHOUT,
)
from study.d3ad.plan import D3AD, JOB, NOISED, OMEGAS, STATIC, Variant
from study.detection import detection_table, pixel_table
from study.evaluate import auroc_row, pixel_rows
from study.methods import label_of
from study.metrics import LEVELS
from study.session import Session
from study.tables import BENCHMARKS, PRINTED, beside, stands, wide

CHAPTER = Chapter(JOB)


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    options = CHAPTER.options(session)
    return CHAPTER.setup(
        session,
        f"images at {options['image_size']} px",
        session.settings["features"]["extractor"].replace("_", " "),
        f"T_max {options['t_max']}",
    )


def maps(session: Session, name: str, method: str, seed: int) -> list[np.ndarray]:
    """Of the test images, at the size of the chapter's images: (S, S) float32 each."""
    side = CHAPTER.options(session)["image_size"]
    small = CHAPTER.array(session, name, seed, "maps.npz", method).astype(np.float32)
    return [cv2.resize(m, (side, side), interpolation=cv2.INTER_LINEAR) for m in small]


@cache
def rows(session: Session, name: str, method: str) -> tuple[dict, ...]:
    """I-AUROC, PRO and P-AUROC of one of the job's results; without masks the first alone."""
    scores = CHAPTER.tables(session, name, "scores.csv")
    found = [auroc_row(session, scores[scores["method"] == method])[0]]
    of = partial(maps, session, name, method)
    pixels = pixel_rows(session, CHAPTER.images(session, name), CHAPTER.seeds(session), of)
    return (*found, *(row for row in pixels if row["metric"] in LEVELS))


def _compared(session: Session, chosen: dict[str, str], key: str) -> pd.DataFrame:
    """The metrics of the job's results `chosen`, by their names in the column `key`."""
    found = [
        {"set": name, key: method, **row}
        for name in CHAPTER.sets(session)
        for method in chosen
        for row in rows(session, name, method)
    ]
    return pd.DataFrame(found)


def _of_radar(session: Session) -> pd.DataFrame:
    """RADAR's own rows, in pixels and in both spaces: its classifier's score, and its map S at the images' own size."""
    detected = detection_table(session, ("radar", "radar-both")).query("metric == 'auroc'")
    table = pd.concat([detected, *(pixel_table(session, name) for name in CHAPTER.sets(session))]).query(
        "metric in @LEVELS"
    )
    table = table[table["set"].isin(CHAPTER.sets(session))].assign(seeds=len(session.seeds))
    columns = ["set", "method", "metric", "ours", "low", "high", "seeds", "draws"]
    return table.assign(method=table["method"].map(label_of))[columns]


def image_pro(session: Session) -> pd.DataFrame:
    """`d3ad_table1_image_pro`: I-AUROC, PRO and P-AUROC by set and method, with what the paper prints of MVTec AD's
    categories beside the surfaces that stand in for them, and below all its averages; `not_run` says why a method has
    no value of ours.
    """
    table = pd.concat([_of_radar(session), _compared(session, METHODS, "method").replace({"method": METHODS})])
    table = table.sort_values("set", key=lambda names: names.map(CHAPTER.sets(session).index), kind="stable")
    keys = ["set", "method", "metric"]
    paper = session.paper_values("d3ad_table7").drop_duplicates(keys)
    parts = [beside(table, paper.set_index(keys)["value"])]
    for file, benchmark in BENCHMARKS.items():
        average = session.paper_values(file).query("set == 'average'").rename(columns={"value": "paper"})
        parts.append(average.assign(set=f"{PRINTED}{benchmark}"))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(
        not_run=[WITHOUT.get(m, "") if pd.isna(v) else "" for m, v in zip(found["method"], found["ours"], strict=True)]
    )


def dynamic(session: Session) -> pd.DataFrame:
    """`d3ad_table5_dynamic`: dynamic conditioning against shares of T_max; the paper's values are of VisA.

    Controls: CONTROLS; and the distance to normal images, from which the steps follow, as an image's score without any
    diffusion.
    """
    ways = {**POLICIES, **CONTROLS}
    table = _compared(session, ways, "policy")
    names = {"dic": D3AD.name, **{f"static{round(100 * share)}": Variant(share).name for share in STATIC}}
    paper = session.paper_values("d3ad_table5").replace({"policy": names}).set_index(["policy", "metric"])["value"]
    found = beside(table, paper).replace({"policy": ways})
    alone = []
    for name in CHAPTER.sets(session):
        scores = (
            CHAPTER.tables(session, name, "bins.csv").query("split == 'test'").rename(columns={"distance": "score"})
        )
        alone.append({"set": name, "policy": DISTANCE, **auroc_row(session, scores)[0]})
    found = pd.concat([found, pd.DataFrame(alone)])
    return found.sort_values(
        "set", key=lambda names: names.map(CHAPTER.sets(session).index), kind="stable", ignore_index=True
    )


def ablation(session: Session) -> pd.DataFrame:
    """`d3ad_table6_ablation`: scaling without noise, and domain adaptation, each with and without; the paper's are of
    VisA.
    """
    table = _compared(session, ABLATION, "variant")
    printed = session.paper_values("d3ad_table6")
    names = {
        (False, False): PLAIN.name,
        (True, False): SCALED_ONLY.name,
        (False, True): NOISED.name,
        (True, True): D3AD.name,
    }
    printed["variant"] = [names[key] for key in zip(printed["downscaling"], printed["adaptation"], strict=True)]
    return beside(table, printed.set_index(["variant", "metric"])["value"]).replace({"variant": ABLATION})


def omega(session: Session) -> pd.DataFrame:
    """`d3ad_fig13_omega`: the metrics by ω, the share of the noise (Eq. 12)."""
    names = {Variant(omega=value).name: value for value in OMEGAS}
    return _compared(session, dict.fromkeys(names, ""), "omega").replace({"omega": names}).astype({"omega": float})


def speed(session: Session) -> pd.DataFrame:
    """`d3ad_table9_speed`: seconds per image by set and method, measured in the job that made the maps, one image at a
    time.
    """
    found = []
    for name in CHAPTER.sets(session):
        for method, seconds in read_json(
            session.path(name, f"seed{CHAPTER.seeds(session)[0]}", "d3ad", "timing.json")
        ).items():
            found.append({"set": name, "method": METHODS[method], "seconds": seconds})
    return pd.DataFrame(found)


def speed_printed(session: Session) -> pd.DataFrame:
    """What the paper prints of its own machine, a row per method, and why one is not run here."""
    table = session.paper_values("d3ad_table9").rename(columns={"seconds": "paper"})
    return table.assign(not_run=table["method"].map(WITHOUT).fillna(""))


def bins(session: Session) -> pd.DataFrame:
    """`d3ad_fig5_bins`: of every training and test image its distance to normal images, bin and T̂, first seed."""
    parts = []
    for name in CHAPTER.sets(session):
        table = CHAPTER.tables(session, name, "bins.csv")
        table = table[table["seed"] == CHAPTER.seeds(session)[0]]
        kind = np.where(
            table["split"] == "train", "training", np.where(table["defect"] == GOOD, "test, normal", "test, defective")
        )
        parts.append(table.assign(set=name, images=kind)[["set", "images", "position", "distance", "bin", "steps"]])
    return pd.concat(parts, ignore_index=True)


def bins_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Images per bin, by set and kind of image."""
    counts = table.pivot_table(index=["set", "images"], columns="bin", values="position", aggfunc="count", sort=False)
    return counts[sorted(counts.columns)].fillna(0).astype(int).reset_index()


def shown(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A table of this chapter as people read it: a column per metric."""
    found = wide(table, keys, "metric", LEVELS, more=1)
    return found[[*keys, *(label for label in LEVELS.values() if label in found)]]


def findings(table: pd.DataFrame) -> list[str]:
    """One computed line per set of `image_pro`: the highest method, and how the one step on features stands to
    RADAR.
    """
    lines = []
    for name, part in table[table["metric"] == "auroc"].dropna(subset="ours").groupby("set", sort=False):
        found = part.set_index("method")
        best, step, radar = found["ours"].idxmax(), found.loc[STEP], found.loc["RADAR"]
        lines.append(
            f"{name}: {best} is highest (I-AUROC {found.loc[best, 'ours']:.2f}); the {STEP} ({step['ours']:.2f}) is"
            f" {stands(step, radar)} RADAR ({radar['ours']:.2f})"
        )
    return lines
