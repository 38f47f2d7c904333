"""Tables of the chapter on equal terms: whole chains, whole images, one pattern and two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD
from study.chapter import Chapter
from study.detection import detected, judged, pixel_table
from study.evaluate import auroc_row, metric_rows
from study.methods import label_of
from study.metrics import TITLES, interval
from study.plan import Job
from study.session import Session
from study.terms.plan import BOTH, JOB, ONE, PAIRS

CHAPTER = Chapter(JOB)
METRICS = ("auroc", "f1", "pro")  # by which patches and whole images are compared


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    return CHAPTER.setup(session)


def chains(session: Session) -> pd.DataFrame:
    """`terms_chain`: by set and method AUROC of the residual's feature by the shortened chain (`short`), by the same
    with other noise (`again`) and by every step (`full`), over a seeded draw of test images; `again_change` and
    `full_change`, the differences from the first with their intervals; and the mean correlation of the residuals with
    its own. AUROC is missing where the draw has one class alone.
    """
    rows = []
    for name in CHAPTER.sets(session):
        every = CHAPTER.tables(session, name, "chain.csv")
        for method, part in every.groupby("method", sort=False):
            images = part.drop_duplicates("position")
            row = {
                "set": name,
                "method": method,
                "images": len(images),
                "defective": int((images["defect"] != GOOD).sum()),
            }
            row |= {key: part[key].mean() for key in ("again_correlation", "full_correlation")}
            if 0 < row["defective"] < row["images"]:
                found = {key: auroc_row(session, part.assign(score=part[key])) for key in ("short", "again", "full")}
                row |= {key: own["ours"] for key, (own, _) in found.items()}
                for key in ("again", "full"):
                    low, high = interval(found[key][1] - found["short"][1], session.settings["evidence"]["level"])
                    row |= {f"{key}_change": row[key] - row["short"], f"{key}_low": low, f"{key}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def chains_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it."""

    def change(key: str) -> list[str]:
        if f"{key}_change" not in table:
            return ["–"] * len(table)
        rows = table[[f"{key}_change", f"{key}_low", f"{key}_high"]].to_numpy()
        return ["–" if np.isnan(c) else f"{c:+.2f} [{low:+.2f}, {high:+.2f}]" for c, low, high in rows]

    short = table["short"] if "short" in table else pd.Series(np.nan, table.index)
    return pd.DataFrame({
        "set": table["set"], "method": table["method"].map(label_of),
        "images (defective)": [f"{r.images} ({r.defective})" for r in table.itertuples()],
        "AUROC, shortened": ["–" if np.isnan(v) else f"{v:.2f}" for v in short],
        "change by every step": change("full"), "change by other noise": change("again"),
        "maps alike: every step": [f"{v:.2f}" for v in table["full_correlation"]],
        "maps alike: other noise": [f"{v:.2f}" for v in table["again_correlation"]],
    })  # fmt: skip


def whole(session: Session) -> pd.DataFrame:
    """`terms_whole`: by set, method and metric the figure on patches and on whole images, by networks of the same
    seeds, and `ours`, what patches gain, with its interval over the same test images.
    """
    rows = []
    for name in session.sets:
        for method, other in PAIRS.items():
            seeds = session.scored_seeds(other)
            found = [
                {row["metric"]: row for row in detected(session, name, m, seeds)[1]}
                | {row["metric"]: row for row in pixel_table(session, name, m, seeds).to_dict("records")}
                for m in (method, other)
            ]
            keys = {"set": name, "method": method}
            rows += _paired(session, keys, METRICS, patches=found[0], whole=found[1])
    return pd.DataFrame(rows)


def _paired(session: Session, keys: dict, metrics: Sequence[str], **found: dict[str, dict]) -> list[dict]:
    """A row per metric of two ways, by their names: both figures and `ours`, how far the first is above the second,
    with its interval. Each way has rows by metric, of the same test images; a metric without a value is left out.
    """
    (one, first), (other, second) = found.items()
    rows = []
    for metric in metrics:
        a, b = first[metric], second[metric]
        if np.isnan(a["ours"]):
            continue  # no masks
        draws = a["draws"] - b["draws"]
        low, high = interval(draws, session.settings["evidence"]["level"])
        values = {one: a["ours"], other: b["ours"], "ours": a["ours"] - b["ours"]}
        rows.append({**keys, "metric": metric, "seeds": a["seeds"], **values, "low": low, "high": high, "draws": draws})
    return rows


def paired_shown(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Pairs as people read them: a row per set and method, "one, other (difference [interval])" per metric."""
    columns = [one, other, "ours", "low", "high"]
    cells = [
        f"{a:.2f}, {b:.2f} ({gap:+.2f} [{low:+.2f}, {high:+.2f}])"
        for a, b, gap, low, high in table[columns].itertuples(index=False)
    ]
    found = table.assign(cell=cells, method=table["method"].map(label_of), metric=table["metric"].map(TITLES))
    wide = found.pivot_table(index=["set", "method"], columns="metric", values="cell", aggfunc="first", sort=False)
    return wide.fillna("–").rename_axis(columns=None).reset_index()


def patterns(session: Session) -> pd.DataFrame:
    """`terms_patterns`: by set with several angles, method and metric the figure on the images of one angle, by a
    network of this angle alone (`one`) and by one of both (`both`), and `ours`, what the second pattern costs, with its
    interval over the same test images.
    """
    rows, seeds = [], CHAPTER.seeds(session)
    for name in CHAPTER.sets(session):
        runs = [CHAPTER.table(session, name, seed, "patterns.csv", dtype={"image": str}) for seed in seeds]
        for method in dict.fromkeys(runs[0]["method"]):
            found = {}
            for key in (ONE, BOTH):
                own = [run[(run["method"] == method) & (run["network"] == key)] for run in runs]
                answers = [
                    judged(session, name, part.drop(columns=["method", "network"]), seed)
                    for part, seed in zip(own, seeds, strict=True)
                ]
                scores, flagged = (np.stack([getattr(a, of) for a in answers]) for of in ("scores", "flagged"))
                found[key] = {row["metric"]: row for row in metric_rows(session, answers[0].truth, scores, flagged)[0]}
            rows += _paired(session, {"set": name, "method": method}, ("auroc", "f1"), **found)
    columns = ["set", "method", "metric", "seeds", ONE, BOTH, "ours", "low", "high", "draws"]
    return pd.DataFrame(rows, columns=columns)


def networks(session: Session, jobs: Mapping[str, Job]) -> pd.DataFrame:
    """`terms_networks`: by set, chapter, network and t the mean squared error on normal patches that it was not trained
    on, mean over seeds; the closed form's on the same noise; and `excess`, how far the former lies above the latter, as
    a share of it. jobs : which trained the networks or asked them, by how the chapter is called.
    """
    parts = []
    for title, job in jobs.items():
        chapter = Chapter(job)
        for name in chapter.sets(session):
            runs = [chapter.table(session, name, s, "networks.csv").assign(seed=s) for s in chapter.seeds(session)]
            if not (found := pd.concat(runs)).empty:  # of a set that does not suit a chapter nothing is known
                parts.append(found.assign(set=name, chapter=title))
    means = (
        pd.concat(parts)
        .groupby(["set", "chapter", "network", "t"], sort=False)
        .agg(seeds=("seed", "nunique"), error=("error", "mean"), closed=("closed", "mean"))
    )
    return means.assign(excess=means["error"] / means["closed"] - 1).reset_index()


def networks_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it: a row per set, chapter and t, with the best and the worst network."""
    rows = []
    for (name, title, t), part in table.groupby(["set", "chapter", "t"], sort=False):
        row = {"set": name, "chapter": title, "t": t, "networks": len(part)}
        row["error"] = _between(part, "error", "{:.3g}".format)
        row["over the closed form"] = _between(part.dropna(subset="excess"), "excess", "{:+.0%}".format)
        rows.append(row)
    return pd.DataFrame(rows)


def _between(part: pd.DataFrame, key: str, form: Callable[[float], str]) -> str:
    """The lowest and the highest value, and whose they are."""
    if part.empty:
        return "–"
    ends = [part.loc[getattr(part[key], of)()] for of in ("idxmin", "idxmax")]
    texts = [f"{form(row[key])} ({row['network']})" for row in ends]
    return " … ".join(dict.fromkeys(texts))


def findings(chain: pd.DataFrame, patches: pd.DataFrame, angles: pd.DataFrame) -> list[str]:
    """Computed lines: whether a term that was unequal decides anything."""
    lines = []
    if "full_change" in chain:
        known = chain.dropna(subset="full_change")
        moved = known[(known["full_low"] > 0) | (known["full_high"] < 0)]
        lines.append(
            f"Every reverse step: AUROC changes by {known['full_change'].abs().max():.2f} at most (other noise:"
            f" {known['again_change'].abs().max():.2f}); clearly in {len(moved)} of {len(known)} cases"
        )
    part = patches[patches["metric"] == "auroc"]
    for method, rows in part.groupby("method", sort=False):
        ahead, behind = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
        lines.append(
            f"{label_of(str(method))}: patches ahead of whole images in AUROC on {ahead}, behind on {behind}, of"
            f" {len(rows)} sets"
        )
    for row in angles[angles["metric"] == "auroc"].itertuples():
        label = label_of(row.method)
        lines.append(f"{row.set}: {label} has AUROC {row.one:.2f} after training on one angle, {row.both:.2f} on both")
    return lines
