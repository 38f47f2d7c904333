"""Tables of the chapter on the exact limit: errors, maps, graded defects predicted and measured, and who gains."""

from __future__ import annotations

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD
from study.chapter import Chapter
from study.detection import detected
from study.drawing import Example
from study.examples import examples
from study.limit.names import LABELS
from study.limit.plan import CLOSED, GAUSSIAN, JOB, NETWORK, NOISELESS, OWN
from study.metrics import interval
from study.session import Session

CHAPTER = Chapter(JOB)
METHODS = {NETWORK: "radar", CLOSED: "radar-closed", NOISELESS: "noiseless"}
TRAINED, NEW = "training images", "new normal images"


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    n, seeds = CHAPTER.options(session)["images"], len(CHAPTER.seeds(session))
    level = session.settings["evidence"]["level"]
    runs = f"mean of {seeds} seeds" if seeds > 1 else "1 seed"
    return f"{runs}; at most {n} images of each kind; [bootstrap {level:.0%} interval over images]"


def _mean(session: Session, values: np.ndarray) -> dict[str, float]:
    """The mean over images, with its bootstrap interval."""
    evidence, rng = session.settings["evidence"], np.random.default_rng(0)
    drawn = rng.choice(values, (evidence["bootstrap"], len(values))).mean(1)
    low, high = interval(drawn, evidence["level"])
    return {"ours": float(values.mean()), "low": low, "high": high}


def errors_table(session: Session) -> pd.DataFrame:
    """`limit_errors`: the mean squared error a pixel by set, images (trained on, or new and normal), t and predictor.

    The predictor "excess" is the network's error over the closed form's on the same noisy patches, as a share of it;
    "bound" is what the closed form would have on a Gaussian surface of the training patches' mean and covariance.
    """
    rows: list[dict] = []
    for name in CHAPTER.sets(session):
        index = session.data(name).index
        parts = [CHAPTER.table(session, name, seed, "errors.csv") for seed in CHAPTER.seeds(session)]
        table = pd.concat(parts)
        each = table[table["position"] >= 0].pivot_table(index=["position", "t"], columns="predictor", values="error")
        each["excess"] = each[NETWORK] / each[CLOSED] - 1
        known = index.loc[each.index.get_level_values("position")]
        each["images"] = np.where(known["split"] == "train", TRAINED, np.where(known["defect"] == GOOD, NEW, ""))
        for (images, t), part in each[each["images"] != ""].groupby(["images", "t"]):
            for predictor in (NETWORK, CLOSED, "excess"):
                found = _mean(session, part[predictor].to_numpy())
                rows.append({"set": name, "images": images, "t": t, "predictor": predictor, **found})
        bound = table[table["predictor"] == "bound"].groupby("t")["error"].mean()
        rows += [{"set": name, "images": "", "t": t, "predictor": "bound", "ours": e} for t, e in bound.items()]
    return pd.DataFrame(rows)


def errors_shown(table: pd.DataFrame) -> pd.DataFrame:
    """New normal images alone: a row per set and t."""
    part = table[table["images"].isin([NEW, ""])]
    wide = part.pivot_table(index=["set", "t"], columns="predictor", values="ours", sort=False)
    names = {**LABELS, "bound": "Gaussian bound", "excess": "network over closed form"}
    wide["excess"] = wide["excess"].map("{:+.1%}".format)
    return wide[[NETWORK, CLOSED, "bound", "excess"]].rename(columns=names).rename_axis(columns=None).reset_index()


def alike_table(session: Session) -> pd.DataFrame:
    """How alike maps are, by set, t and pair: the mean correlation of RADAR's map S with the closed form's, and with
    the network's own where no noise was added.
    """
    rows: list[dict] = []
    for name in CHAPTER.sets(session):
        parts = [CHAPTER.table(session, name, seed, "maps.csv") for seed in CHAPTER.seeds(session)]
        each = pd.concat(parts).groupby(["position", "t", "pair"])["correlation"].mean()
        for (t, pair), part in each.groupby(level=["t", "pair"]):
            rows.append({"set": name, "t": t, "pair": pair, **_mean(session, part.to_numpy())})
    return pd.DataFrame(rows)


def pictures(session: Session) -> list[Example]:
    """The first defective images of each set, with the maps of the network, the closed form, and without noise."""
    seed, names = session.seeds[0], CHAPTER.sets(session)

    def maps_of(name: str) -> dict[str, list[np.ndarray]]:
        return {LABELS[key]: session.maps(name, method, seed) for key, method in METHODS.items()}

    return examples(session, names, maps_of, lambda session, name: session.data(name))[0]


def _auroc(session: Session, normal: np.ndarray, defective: np.ndarray) -> dict[str, float]:
    """AUROC of images with a bump against *other* images without, mean over seeds, with its interval over the images.

    normal, defective : (seeds, images), the same images. An image is not held against itself: that it rises with a bump
    says nothing of whether it stands out.
    """
    evidence, n = session.settings["evidence"], normal.shape[1]
    wins = np.mean(np.sign(defective[:, :, None] - normal[:, None]) / 2 + 0.5, axis=0)  # of each with each
    others = 1 - np.eye(n)

    def of(weights: np.ndarray) -> np.ndarray:
        won, pairs = (np.einsum("bi,ij,bj->b", weights, part, weights) for part in (wins * others, others))
        return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), evidence["bootstrap"]).astype(float)
    found = of(drawn)
    found = found[np.isfinite(found)]  # few images: a resample may be one image alone
    low, high = interval(found, evidence["level"]) if len(found) else (np.nan, np.nan)
    return {"ours": float(of(np.ones((1, n)))[0]), "low": low, "high": high}


def power_table(session: Session) -> pd.DataFrame:
    """`limit_power`: AUROC of graded defects by set, sensor noise, contrast, radius, predictor and surface.

    Measured by the global and the local feature; "predicted" is the global feature's AUROC on a Gaussian surface, from
    the training images' spectrum alone.
    """
    rows: list[dict] = []
    for name in CHAPTER.sets(session):
        seeds = CHAPTER.seeds(session)
        graded = pd.concat([CHAPTER.table(session, name, seed, "graded.csv").assign(seed=seed) for seed in seeds])
        predicted = pd.concat([CHAPTER.table(session, name, seed, "predicted.csv") for seed in seeds])
        grades = ["sensor", "contrast", "radius"]
        for (tau, contrast, radius), part in predicted[predicted["contrast"] > 0].groupby(grades):
            keys = {"set": name, "sensor": tau, "contrast": contrast, "radius": radius}
            keys |= {"surface": GAUSSIAN, "predictor": "predicted", "feature": "global"}
            rows.append({**keys, "ours": part["auroc"].mean()})
        for (surface, predictor, tau), part in graded.groupby(["surface", "predictor", "sensor"], sort=False):
            for feature in ("global", "local"):
                each = part.pivot_table(index=["contrast", "radius", "seed"], columns="image", values=feature)
                for contrast, radius in each.index.droplevel("seed").unique():
                    if not contrast:
                        continue
                    pair = (each.loc[key].to_numpy() for key in ((0.0, 0.0), (contrast, radius)))
                    keys = {"set": name, "sensor": tau, "contrast": contrast, "radius": radius}
                    keys |= {"surface": surface, "predictor": predictor, "feature": feature}
                    rows.append({**keys, **_auroc(session, *pair)})
    return pd.DataFrame(rows)


def moments_table(session: Session) -> pd.DataFrame:
    """The squared global feature of normal surfaces without sensor noise: mean and spread predicted, and measured by
    the closed form on Gaussian fields and on the surface itself.
    """
    rows: list[dict] = []
    for name in CHAPTER.sets(session):
        seed = CHAPTER.seeds(session)[0]
        graded, predicted = (CHAPTER.table(session, name, seed, file) for file in ("graded.csv", "predicted.csv"))
        first = predicted[(predicted["contrast"] == 0) & (predicted["sensor"] == 0)].iloc[0]
        row = {"set": name, "mean, predicted": first["mean"], "sd, predicted": first["sd"]}
        normal = graded[(graded["contrast"] == 0) & (graded["sensor"] == 0) & (graded["predictor"] == CLOSED)]
        for surface, label in ((GAUSSIAN, "Gaussian fields"), (OWN, "itself")):
            squared = normal[normal["surface"] == surface]["global"] ** 2
            row |= {f"mean, {label}": squared.mean(), f"sd, {label}": squared.std()}
        rows.append(row)
    return pd.DataFrame(rows)


def gain_table(session: Session) -> pd.DataFrame:
    """`limit_gain`: by set and metric what the network adds to the closed form, beside the surface's departure from a
    Gaussian one. Intervals are of the difference, on the same resampled test images.
    """
    rows: list[dict] = []
    for name in CHAPTER.sets(session):
        departure = CHAPTER.table(session, name, CHAPTER.seeds(session)[0], "departure.csv").iloc[0]
        found = {key: _decisions(session, name, method) for key, method in METHODS.items()}
        for metric in ("auroc", "f1"):
            ours = {key: values[0][metric] for key, values in found.items()}
            for other in (CLOSED, NOISELESS):
                drawn = found[NETWORK][1][metric] - found[other][1][metric]
                low, high = interval(drawn, session.settings["evidence"]["level"])
                rows.append({
                    "set": name, "metric": metric, "against": other, "network": ours[NETWORK], "other": ours[other],
                    "gain": ours[NETWORK] - ours[other], "low": low, "high": high, **departure,
                })  # fmt: skip
    return pd.DataFrame(rows)


def _decisions(session: Session, name: str, method: str) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    _, rows, drawn = detected(session, name, method)
    return {row["metric"]: row["ours"] for row in rows}, drawn


def gain_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it: the closed form alone, a row per set and metric."""
    part = table[table["against"] == CLOSED]
    cells = [f"{r.gain:+.2f} [{r.low:+.2f}, {r.high:+.2f}]" for r in part.itertuples()]
    columns = ["set", "metric", "network", "other", "kurtosis", "overdispersion"]
    return part[columns].round(2).rename(columns={"other": "closed form"}).assign(gain=cells)


def findings(gain: pd.DataFrame, errors: pd.DataFrame, alike: pd.DataFrame) -> list[str]:
    """Computed lines: where the network beats the closed form, and what its noise does."""
    lines = []
    for row in gain[(gain["metric"] == "auroc") & (gain["against"] == CLOSED)].itertuples():
        verdict = "ahead of" if row.low > 0 else "behind" if row.high < 0 else "not clearly apart from"
        at = errors[(errors["set"] == row.set) & (errors["predictor"] == "excess") & (errors["images"] == NEW)]
        first = at.sort_values("t").iloc[0]
        maps = alike[(alike["set"] == row.set) & (alike["t"] == alike["t"].min())].set_index("pair")["ours"]
        lines.append(
            f"{row.set}: AUROC {row.network:.2f}, {verdict} the closed form's {row.other:.2f}; its error at t ="
            f" {first['t']:.0f} is {first['ours']:+.1%} against the closed form's; maps go together by"
            f" {maps[CLOSED]:.2f}, with and without noise by {maps[NOISELESS]:.2f}"
        )
    return lines


def rank_correlation(gain: pd.DataFrame, key: str) -> float:
    """Spearman's, of the gain in AUROC with a measure of departure; NaN for fewer than three sets."""
    part = gain[(gain["metric"] == "auroc") & (gain["against"] == CLOSED)]
    return float(part["gain"].corr(part[key], method="spearman")) if len(part) > 2 else float("nan")
