"""How a decision depends on what is guessed: contamination (RADAR Fig. 8), the classifier (§III-E), the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from radarlib import conformal
from radarlib.datasets import GOOD
from radarlib.oneclass import CLASSIFIERS, Distance, OneClass, calibrated
from radarlib.runtime import elapsed
from study.detection import fitted
from study.evaluate import metric_rows
from study.methods import dirty
from study.metrics import interval
from study.session import Session

RULES = {
    "forest": "Isolation Forest, contamination = rate",
    "conformal": "conformal",
    "conformal, dirty": "conformal, 10 % of the calibration images defective",
}
"""How a threshold is set, for `radar_conformal`."""

DECISIONS = {"distance": "distance, cross-conformal", "forest": "Isolation Forest, as published"}
"""Of `radarlib fit`, for `radar_promise`."""

PLACES = {"left out": "training images left out", "test": "good test images"}
"""Where new good images come from, for `radar_promise`."""

SIZES = (8, 12, 20, 50, 100, 200)  # numbers of good images; and all that there are
RATE, GROSS = 0.05, 3  # the share of false alarms asked for; what a gross defect does to every feature
LEAST_NEW = 4  # good images on which false alarms are counted

DIFFUSION = ("radar", "ddpm", "diffusionad", "anoddpm", "radar-closed")
CONTAMINATIONS = np.round(np.arange(0, 0.501, 0.05), 2)
RATES = (0.05, 0.1, 0.2, 0.3)
FEATURES = {"global": ["global"], "local": ["local"], "both": ["global", "local"]}
FIG8 = ("accuracy", "precision", "recall", "f1")


def _rows(session: Session, truth: np.ndarray, scores: np.ndarray, flagged: np.ndarray, **keys: object) -> list[dict]:
    """Detection metrics with intervals: scores, flagged (runs, images)."""
    found, _ = metric_rows(session, truth, scores, flagged)
    return [{**keys, **{k: row[k] for k in ("metric", "ours", "low", "high", "seeds", "draws")}} for row in found]


def _judged(
    session: Session, name: str, method: str, **changes: float | str
) -> tuple[list[OneClass], np.ndarray, np.ndarray]:
    """A method's classifiers, one per seed; the test images' truth (images,) and scores (seeds, images)."""
    fits = [fitted(session, name, method, seed, **changes) for seed in session.decision_seeds(method)]
    truth = (fits[0][2].index.get_level_values("defect") != GOOD).astype(bool)
    scores = np.stack([classifier.score(test.to_numpy()) for classifier, _, test in fits])
    return [classifier for classifier, _, _ in fits], truth, scores


def _at_threshold(session: Session, name: str, method: str, keys: dict, **changes: float | str) -> list[dict]:
    """Rows of a method at its classifiers' own thresholds."""
    classifiers, truth, scores = _judged(session, name, method, **changes)
    limits = np.array([classifier.threshold for classifier in classifiers])
    return _rows(session, truth, scores, scores > limits[:, None], **keys)


def contamination_curves(session: Session, methods: Sequence[str] = DIFFUSION) -> pd.DataFrame:
    """Fig. 8: detection metrics against the contamination that the Isolation Forest is told, 0 … 0.5."""
    rows = []
    for name in session.sets:
        for method in methods:
            classifiers, truth, scores = _judged(session, name, method)
            for share in CONTAMINATIONS:
                limits = np.array([classifier.threshold_at(share) for classifier in classifiers])
                keys = {"set": name, "curve": "told to the classifier", "method": method, "contamination": share}
                rows += _rows(session, truth, scores, scores > limits[:, None], **keys)
    return pd.DataFrame(rows)


def dirt_curves(session: Session) -> pd.DataFrame:
    """RADAR when a share of the training images is defective, seen by network and classifier alike, which is told
    0.05.
    """
    shares = [(0.0, "radar"), *((share, f"radar@{dirty(share)}") for share in session.settings["evidence"]["dirt"])]
    rows = []
    for name in session.sets:
        for share, method in shares:
            keys = {"set": name, "curve": "in the training data", "method": "radar", "contamination": share}
            rows += _at_threshold(session, name, method, keys)
    return pd.DataFrame(rows)


def classifier_table(session: Session) -> pd.DataFrame:
    """`radar_classifiers`: RADAR's features judged by each classifier of §III-E, at the study's contamination."""
    rows = []
    for name in session.sets:
        for kind in CLASSIFIERS:
            rows += _at_threshold(session, name, "radar", {"set": name, "classifier": kind}, classifier=kind)
    return pd.DataFrame(rows)


def fit_times(features: np.ndarray, sizes: Sequence[int], repeats: int = 3) -> pd.DataFrame:
    """Seconds to fit each classifier on n images, medians; and the exponent k of the best n^k through them.

    features : (m, 2) of training images, from which n are drawn with a little noise, so that none is repeated.
    """
    rng, rows = np.random.default_rng(0), []
    for n in sizes:
        drawn = features[rng.integers(len(features), size=n)] * np.exp(0.05 * rng.normal(size=(n, features.shape[1])))
        for kind in CLASSIFIERS:
            spent = [elapsed(partial(OneClass(kind=kind).model.fit, drawn)) for _ in range(repeats)]
            rows.append({"classifier": kind, "n": n, "seconds": float(np.median(spent))})
    table = pd.DataFrame(rows)
    slopes = {
        # the largest sizes only: a constant cost hides the order at small n
        kind: float(np.polyfit(np.log(part["n"].iloc[-3:]), np.log(part["seconds"].iloc[-3:]), 1)[0])
        for kind, part in table.groupby("classifier")
    }
    return table.assign(exponent=table["classifier"].map(slopes))


def conformal_table(session: Session, splits: int = 500, dirt: float = 0.1) -> pd.DataFrame:
    """`radar_conformal`: the false alarms that come when a rate is promised, and the defects found, per set and rule.

    Normal test images, which no network has seen, are split at random into halves: calibration and new. `false_alarms`
    and `recall` are means over splits and seeds, `low` and `high` the central 95 % of single splits' false alarms. In
    the dirty rule a share `dirt` of the calibration images is defective without anybody knowing; those do not count as
    new.
    """
    rows = []
    for name in session.sets:
        results: dict[tuple[str, float], list[tuple[float, float]]] = {}
        for seed in session.decision_seeds("radar"):
            classifier, _, test = fitted(session, name, "radar", seed)
            scores, good = classifier.score(test.to_numpy()), test.index.get_level_values("defect") == GOOD
            normal, defective, rng = scores[good], scores[~good], np.random.default_rng(seed)
            for _ in range(splits):
                mixed = rng.permutation(normal)
                calibration, new = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
                bad = rng.permutation(defective)
                unknown = max(1, round(dirt * len(calibration)))
                for rate in RATES:
                    limits = {
                        "forest": (classifier.threshold_at(rate), bad),
                        "conformal": (conformal.threshold(calibration, rate), bad),
                        "conformal, dirty": (
                            conformal.threshold(np.r_[calibration[unknown:], bad[:unknown]], rate), bad[unknown:]
                        ),
                    }  # fmt: skip
                    for rule, (limit, rest) in limits.items():
                        results.setdefault((rule, rate), []).append(((new > limit).mean(), (rest > limit).mean()))
        for (rule, rate), values in results.items():
            alarms, recall = np.array(values).T
            low, high = interval(alarms, 0.95)
            rows.append(
                {
                    "set": name,
                    "rule": rule,
                    "promised": rate,
                    "false_alarms": alarms.mean(),
                    "low": low,
                    "high": high,
                    "recall": recall.mean(),
                    "calibration_images": len(normal) // 2,
                    "new_images": len(normal) - len(normal) // 2,
                }
            )
    return pd.DataFrame(rows)


def promise_table(session: Session) -> pd.DataFrame:
    """`radar_promise`: what decisions keep that were fitted on few good images, by set, decision, number of images n,
    and place where the new good images come from.

    In each of `evidence.promise_fits` fits n training images are drawn; what is left of them is new to the decision,
    though not to the network, and so are the good test images. `asked` is the share of false alarms wanted, `promised`
    the least that n images can promise, `false_alarms` what came, the mean over fits, with its bootstrap interval over
    images. `missed` of `fits` gross defects were not flagged: medians of the normal features, times three. `recall`:
    of the defects in the test set, the share that was flagged.
    """
    evidence, rows, seed = session.settings["evidence"], [], session.seeds[0]
    fits = evidence["promise_fits"]
    for name in session.sets:
        _, train, test = fitted(session, name, "radar", seed)
        values, good = train.to_numpy(), test.index.get_level_values("defect") == GOOD
        new = {"test": test.to_numpy()[good], "defective": test.to_numpy()[~good]}
        for n in [n for n in SIZES if n < len(values)] + [len(values)]:
            rng = np.random.default_rng([seed, n])
            draws = [rng.permutation(len(values)) for _ in range(fits)]
            for rule in DECISIONS:
                flags = _flagged_by_few(rule, values, new, draws, n, session.settings["decision"])
                counts = {"missed": int((flags["gross"] == 0).sum()), "fits": fits, "recall": flags["defective"].mean()}
                for place in PLACES:
                    came = flags[place][:, ~np.isnan(flags[place]).all(axis=0)]
                    if came.shape[1] < LEAST_NEW:
                        continue
                    share = np.nanmean(came, axis=0)
                    drawn = rng.choice(share, (evidence["bootstrap"], len(share))).mean(axis=1)
                    low, high = interval(drawn, evidence["level"])
                    rows.append({
                        "set": name, "decision": rule, "n": n, "place": place, "asked": RATE,
                        "promised": conformal.promised(n, RATE), "false_alarms": share.mean(), "low": low, "high": high,
                        "new_images": len(share), **counts,
                    })  # fmt: skip
    return pd.DataFrame(rows)


def _flagged_by_few(
    rule: str, values: np.ndarray, new: dict[str, np.ndarray], draws: Sequence[np.ndarray], n: int, options: dict
) -> dict[str, np.ndarray]:
    """What decisions flag, 1 or 0, that were fitted on the first n images of each draw; a row a fit: images `left out`
    (NaN where they were not), each kind of `new` ones, and a `gross` defect, (fits, 1).

    values : (images, 2) features of good images. draws : orders of them.
    """
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in ("left out", *new, "gross")}
    for k, order in enumerate(draws):
        given = values[order[:n]]
        decision: Distance | OneClass
        if rule == "distance":
            decision, _, limit = calibrated(given, RATE, k)
        else:
            decision = forest = OneClass(options["contamination"], options["trees"], k).fit(given)
            limit = forest.threshold
        asked = {"left out": values, **new, "gross": GROSS * np.median(given, axis=0)[None]}
        above = (decision.score(np.concatenate(list(asked.values()))) > limit).astype(float)
        above[order[:n]] = np.nan  # among `values`, which come first
        for kind, part in zip(asked, np.split(above, np.cumsum([len(v) for v in asked.values()])[:-1]), strict=True):
            found[kind].append(part)
    return {kind: np.array(parts) for kind, parts in found.items()}


def promise_verdicts(table: pd.DataFrame) -> list[str]:
    """One computed line per set: what fits on all its good images keep, and how many gross defects few images miss."""
    lines = []
    for name, part in table.groupby("set", sort=False):
        gross = part.drop_duplicates(["decision", "n"]).groupby("decision")[["missed", "fits"]].sum()
        last = part[(part["place"] == "test") & (part["n"] == part["n"].max())].set_index("decision")
        kept = {
            rule: f"{row['false_alarms']:.0%} [{row['low']:.0%}, {row['high']:.0%}]" for rule, row in last.iterrows()
        }
        lines.append(
            f"{name}: of good test images {kept['distance']} are flagged where"
            f" {last.loc['distance', 'promised']:.0%} are promised (forest: {kept['forest']}, nothing promised); gross"
            f" defects missed in"
            f" {gross.loc['distance', 'missed']} of {gross.loc['distance', 'fits']} fits (forest:"
            f" {gross.loc['forest', 'missed']})"
        )
    return lines


def ablation_table(session: Session) -> pd.DataFrame:
    """`radar_ablation`: F1 and AUROC on the test set for each value of each factor, features and classifier included.

    `chosen_by_normal_images` marks, per factor, the value that would have been taken without a test image: the highest
    AUROC between held-out training images and the same with artificial defects, by a classifier fitted on the other
    half.
    """
    rows, options, seed = [], session.settings["decision"], session.seeds[0]
    for name in session.sets:
        table = pd.read_csv(session.path(name, f"seed{seed}", "ablation.csv"), dtype={"image": str, "value": str})
        table = table.merge(session.data(name).index[["image", "defect"]], on="image")
        groups = [
            (key, part, ["global", "local"], options["classifier"])
            for key, part in table.groupby(["factor", "value"], sort=False)
        ]
        default = table[(table["factor"] == "t") & (table["value"] == f"{session.settings['radar']['t']}")]
        groups += [(("feature", label), default, columns, options["classifier"]) for label, columns in FEATURES.items()]
        groups += [(("classifier", CLASSIFIERS[kind]), default, ["global", "local"], kind) for kind in CLASSIFIERS]
        for (factor, value), part, columns, kind in groups:
            train, artificial, test = (part[part["kind"] == k] for k in ("train", "artificial", "test"))
            truth = (test["defect"] != GOOD).to_numpy()

            def fit(images: pd.DataFrame, kind: str = kind, columns: list = columns) -> OneClass:
                classifier = OneClass(options["contamination"], options["trees"], seed, kind)
                return classifier.fit(images[columns].to_numpy())

            whole, half = fit(train), fit(train.iloc[::2])
            held_out = pd.concat([train.iloc[1::2][: len(artificial)], artificial])[columns].to_numpy()
            proxy = roc_auc_score(np.repeat([False, True], len(artificial)), half.score(held_out))
            values = test[columns].to_numpy()
            scores, flagged = whole.score(values), whole.predict(values)
            found = {row["metric"]: row for row in _rows(session, truth, scores[None], flagged[None])}
            rows.append(
                {
                    "set": name,
                    "factor": factor,
                    "value": value,
                    "without_test_images": proxy,
                    **{
                        f"{m}{end}": found[m][k]
                        for m in ("f1", "auroc")
                        for end, k in (("", "ours"), ("_low", "low"), ("_high", "high"))
                    },
                }
            )
    result = pd.DataFrame(rows)
    best = result.groupby(["set", "factor"], sort=False)["without_test_images"].idxmax()  # of equals the first
    return result.assign(chosen_by_normal_images=result.index.isin(best))
