"""Tables of the chapter on training: curves along the training, the paradox, and rules that choose without a label."""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.budget.names import RULES, variant_label
from study.budget.plan import JOB, KEYS
from study.chapter import Chapter
from study.detection import judged
from study.evaluate import metric_rows
from study.metrics import DETECTION, FAR, TITLES, interval
from study.session import Session

CHAPTER = Chapter(JOB)
POINT = [*KEYS, "steps"]  # one network at one time of its training


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    return CHAPTER.setup(session, f"at most {CHAPTER.options(session)['limit']} training and as many test images")


def base(session: Session) -> tuple[int, int]:
    """t_max and width of the published training."""
    return session.settings["diffusion"]["steps"], session.settings["unet"]["width"]


def method_t(session: Session, method: str) -> int:
    """The time step at which a method asks its network first."""
    start = session.settings["reconstruction"]["t_start"]
    return {"radar": session.settings["radar"]["t"], "diffusionad": session.settings["diffusionad"]["t_small"]}.get(
        method, start
    )


def _judged(session: Session, name: str, seed: int) -> pd.DataFrame:
    """A row per network, milestone, method and test image: truth, score, flagged, far (another score, by distance); and
    `proxy`, the AUROC of artificial defects against held-out normal images, which sees no test image.
    """
    table = CHAPTER.table(session, name, seed, "features.csv", dtype={"image": str})
    parts = []
    for _, part in table.groupby([*POINT, "method"], sort=False):
        found = judged(session, name, part.drop(columns=[*POINT, "method"]), seed)
        parts.append(part.loc[part["kind"] == "test", [*POINT, "method", "image"]].assign(
            seed=seed, proxy=found.proxy, score=found.scores, flagged=found.flagged, far=found.far,
            truth=found.truth,
        ))  # fmt: skip
    return pd.concat(parts)


def curves(session: Session) -> tuple[pd.DataFrame, dict[tuple, dict[str, np.ndarray]]]:
    """`budget` and `denoising_paradox`: by set, network, milestone and method F1 and AUROC with intervals, errors at
    the method's t, and what the network is off the closed form; and the resamples of F1 and AUROC by (set, *network,
    steps, method), with those of AUROC by distance, FAR.

    Columns: error_normal, error_defect (mean squared error a pixel, on held-out normal patches, and on artificial
    defects), excess (of error_normal over the closed form's, as a share of it), apart_normal, apart_defect (mean
    squared distance from the closed form's answer), contrast (error_defect over error_normal), proxy.
    """
    rows, draws = [], {}
    for name in CHAPTER.sets(session):
        every = pd.concat([_judged(session, name, seed) for seed in CHAPTER.seeds(session)])
        errors = pd.concat([CHAPTER.table(session, name, seed, "errors.csv") for seed in CHAPTER.seeds(session)])
        means = errors.groupby([*POINT, "t", "where"])[["error", "closed", "apart"]].mean()
        for keys, part in every.groupby([*POINT, "method"], sort=False):
            t_max, width, images, noise, whole, _, method = keys
            network = variant_label(t_max, width, images, noise, whole, base(session))
            runs = part.pivot_table(index="seed", columns="image", values=["score", "flagged", "far"], aggfunc="first")
            truth = part.drop_duplicates("image").set_index("image")["truth"].loc[runs["score"].columns].to_numpy(bool)
            flagged = runs["flagged"].to_numpy(bool)
            found, drawn = metric_rows(session, truth, runs["score"].to_numpy(float), flagged)
            by_distance, further = metric_rows(session, truth, runs["far"].to_numpy(float), flagged)
            draws[name, *keys] = drawn | {FAR: further["auroc"]}
            at = (*keys[:-1], min(method_t(session, method), t_max))
            row = dict(zip([*POINT, "method"], keys, strict=True))
            if (*at, "normal") in means.index:
                normal, defect = means.loc[(*at, "normal")], means.loc[(*at, "defect")]
                row |= {
                    "error_normal": normal["error"], "error_defect": defect["error"],
                    "closed_normal": normal["closed"], "closed_defect": defect["closed"],
                    "excess": normal["error"] / normal["closed"] - 1, "contrast": defect["error"] / normal["error"],
                    "apart_normal": normal["apart"], "apart_defect": defect["apart"],
                }  # fmt: skip
            row |= {metric["metric"]: metric["ours"] for metric in found}
            row[FAR] = next(metric["ours"] for metric in by_distance if metric["metric"] == "auroc")
            for metric in (r for r in found if r["metric"] in ("auroc", "f1")):
                row |= {metric["metric"]: metric["ours"], f"{metric['metric']}_low": metric["low"],
                        f"{metric['metric']}_high": metric["high"], "seeds": metric["seeds"]}  # fmt: skip
            rows.append({"set": name, "network": network, **row,
                         "proxy": part.groupby("seed")["proxy"].first().mean()})  # fmt: skip
    return pd.DataFrame(rows), draws


def published(session: Session, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks that are trained as published, with Gaussian or with simplex noise."""
    t_max, width = base(session)
    usual = (table["t_max"] == t_max) & (table["width"] == width) & (table["images"] == 0)
    return table[usual & ~table["whole"].astype(bool)]


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """RADAR's step by networks of all training images: those of few are judged by few as well, and so differ by more
    than the network.
    """
    return table[(table["method"] == "radar") & (table["images"] == 0)]


def chosen(session: Session, table: pd.DataFrame, draws: dict[tuple, dict[str, np.ndarray]]) -> pd.DataFrame:
    """`paradox_rules`: by set and rule the network and milestone that it takes without a test image, what that gives in
    AUROC and F1, and the difference from the published way with its interval; and the best that there was.
    """
    rows = []
    for name, part in comparable(table).groupby("set", sort=False):
        usual = published(session, part).sort_values("steps").iloc[-1]
        last = part[part["steps"] == part["steps"].max()]
        picks = {
            "published": usual,
            "error": last.loc[last["error_normal"].idxmin()],
            "artificial": part.loc[part["proxy"].idxmax()],
            "contrast": part.loc[part["contrast"].idxmax()],
        }
        for rule in RULES:
            pick, row = picks[rule], {"set": name, "rule": rule}
            row |= {key: pick[key] for key in ("network", *POINT, "auroc", "f1", "proxy", "error_normal", "contrast")}
            for metric in ("auroc", "f1"):
                ours, theirs = (draws[(name, *p[POINT], "radar")][metric] for p in (pick, usual))
                low, high = interval(ours - theirs, session.settings["evidence"]["level"])
                row |= {f"{metric}_gain": pick[metric] - usual[metric], f"{metric}_low": low, f"{metric}_high": high}
                row[f"best_{metric}"] = part[metric].max()
            rows.append(row)
    return pd.DataFrame(rows)


def chosen_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it: a row per set and rule."""
    cells = {
        m: [
            f"{r[m]:.2f} ({r[f'{m}_gain']:+.2f} [{r[f'{m}_low']:+.2f}, {r[f'{m}_high']:+.2f}])"
            for r in table.to_dict("records")
        ]
        for m in ("auroc", "f1")
    }
    return pd.DataFrame({
        "set": table["set"], "rule": table["rule"].map(RULES).str.replace("$", ""), "network": table["network"],
        "steps": table["steps"], "AUROC (over published)": cells["auroc"], "F1 (over published)": cells["f1"],
        "best there was": [f"{a:.2f}, {f:.2f}" for a, f in zip(table["best_auroc"], table["best_f1"], strict=True)],
    })  # fmt: skip


def explained(table: pd.DataFrame) -> pd.DataFrame:
    """`paradox_explained`: by set, over all milestones of networks of all images, how AUROC and F1 go (Spearman) with
    what could explain them: error on normal patches, on defects, the contrast of both, and AUROC on artificial defects.
    """
    rows = []
    for name, part in comparable(table).groupby("set", sort=False):
        for metric in ("auroc", "f1"):
            for key in ("error_normal", "error_defect", "contrast", "apart_defect", "proxy"):
                known = part[[key, metric]].nunique().min() > 1  # a constant goes with nothing
                found = part[key].corr(part[metric], method="spearman") if known else np.nan
                rows.append(
                    {"set": name, "metric": metric, "explained_by": key, "spearman": found, "points": len(part)}
                )
    return pd.DataFrame(rows)


def last_doubling(session: Session, table: pd.DataFrame, draws: dict[tuple, dict[str, np.ndarray]]) -> pd.DataFrame:
    """`budget_stability`: by set, method and metric how the figure changes over the last doubling of the training, for
    networks trained as published, with its interval over the same test images.
    """
    rows = []
    for (name, method), part in published(session, table).groupby(["set", "method"], sort=False):
        if len(part) < 2:
            continue
        before, after = (row for _, row in part.sort_values("steps").iloc[-2:].iterrows())
        for metric in DETECTION:
            late, early = (draws[(name, *row[POINT], method)][metric] for row in (after, before))
            low, high = interval(late - early, session.settings["evidence"]["level"])
            rows.append({
                "set": name, "method": method, "metric": metric, "steps": after["steps"], "before": before[metric],
                "after": after[metric], "change": after[metric] - before[metric], "low": low, "high": high,
            })  # fmt: skip
    return pd.DataFrame(rows)


def few(session: Session, table: pd.DataFrame, draws: dict[tuple, dict[str, np.ndarray]]) -> pd.DataFrame:
    """`budget_few`: by set, number of training images and metric what RADAR's step reaches on patches and on whole
    images, after the last milestone, with this number and with all; `ours`, how much less patches lose by having few,
    with its interval over the same test images; and `moved`, how far the last doubling of the training moved that.

    The forest learns from the few images as well, and beyond them its score is flat: what a network of few images does
    is told by the AUROC by distance, FAR, which goes on rising.
    """
    (t_max, width), rows = base(session), []
    step = table[(table["t_max"] == t_max) & (table["width"] == width) & (table["noise"] == "gaussian")]
    step = step[step["method"].isin(["radar", "radar-whole"])]
    before, last = sorted(set(step["steps"]))[-2:]
    for name, part in step.groupby("set", sort=False):
        figures = part.set_index(["whole", "images", "steps"])
        kept = {
            (r["whole"], r["images"], r["steps"]): draws[(name, *(r[key] for key in [*POINT, "method"]))]
            for r in part.to_dict("records")
        }
        numbers = (set(part.loc[part["whole"] == whole, "images"]) for whole in (False, True))
        for images in sorted(set.intersection(*numbers) - {0}):
            for metric in (FAR, "auroc", "f1"):
                at = figures[metric]
                gap, earlier = (
                    (at[False, images, s] - at[False, 0, s]) - (at[True, images, s] - at[True, 0, s])
                    for s in (last, before)
                )
                lost = [kept[whole, images, last][metric] - kept[whole, 0, last][metric] for whole in (False, True)]
                low, high = interval(lost[0] - lost[1], session.settings["evidence"]["level"])
                values = {f"{way}_{key}": at[whole, n, last] for way, whole in (("patches", False), ("whole", True))
                          for key, n in (("all", 0), ("few", images))}  # fmt: skip
                rows.append({
                    "set": name, "images": images, "metric": metric, "steps": last, **values, "ours": gap, "low": low,
                    "high": high, "moved": abs(gap - earlier), "draws": lost[0] - lost[1],
                })  # fmt: skip
    ways = ["patches_all", "patches_few", "whole_all", "whole_few"]
    columns = ["set", "images", "metric", "steps", *ways, "ours", "low", "high", "moved", "draws"]
    return pd.DataFrame(rows, columns=columns)


def few_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it: all images → few, and how much less patches lose."""
    ways = {
        title: [f"{a:.2f} → {b:.2f}" for a, b in zip(table[f"{key}_all"], table[f"{key}_few"], strict=True)]
        for key, title in (("patches", "patches"), ("whole", "whole images"))
    }
    gain = [f"{r.ours:+.2f} [{r.low:+.2f}, {r.high:+.2f}]" for r in table.itertuples()]
    titles = {**TITLES, FAR: "AUROC by distance"}
    return pd.DataFrame({"set": table["set"], "training images": table["images"], "metric": table["metric"].map(titles),
                         **ways, "patches lose less": gain})  # fmt: skip


def findings(rules: pd.DataFrame) -> list[str]:
    """Computed lines: on how many sets each rule is ahead of the published way, level, or behind."""
    lines = []
    for rule, part in rules[rules["rule"] != "published"].groupby("rule", sort=False):
        cells = []
        for metric, title in (("auroc", "AUROC"), ("f1", "F1")):
            ahead, behind = int((part[f"{metric}_low"] > 0).sum()), int((part[f"{metric}_high"] < 0).sum())
            cells.append(f"{title} ahead on {ahead}, behind on {behind}, mean {part[f'{metric}_gain'].mean():+.3f}")
        lines.append(f"{RULES[rule].replace('$', '')}: of {len(part)} sets, {'; '.join(cells)}")
    return lines
