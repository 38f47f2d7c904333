"""Tables of the chapter on systems: what each finds and where, what it costs, and how they rank over sets."""

from __future__ import annotations

from functools import cache, partial
from itertools import product

import cv2
import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from radarlib import conformal
from radarlib.datasets import GOOD
from radarlib.files import read_json
from radarlib.map_features import peak
from radarlib.methods.fitting import MORE
from study.chapter import Chapter
from study.detection import GRADES
from study.drawing import Example
from study.evaluate import metric_rows, pixel_rows
from study.examples import examples, few, first_of_each_defect, places, regions
from study.kept import restored
from study.metrics import LEVELS, interval
from study.session import Session
from study.systems.pages import PAGES
from study.systems.plan import JOB, RECONSTRUCTING, SYSTEMS
from study.tables import BENCHMARKS, wide

CHAPTER = Chapter(JOB)
ALARMS = "false_alarms"
TITLES = {"auroc": "I-AUROC", "f1": "F1", ALARMS: "false alarms", "pro": "PRO", "pixel_auroc": "P-AUROC"}
NOISE_STUDY = "MVTec AD (noise study)"
LOSSES = "losses.csv"
FIRST = 3  # images that a page shows of what was found, and of what was missed


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    options = CHAPTER.options(session)
    backbone = session.settings["features"]["extractor"].replace("_", " ")
    return CHAPTER.setup(
        session,
        f"images at {options['image_size']} px; {backbone}",
        f"{options['steps']} steps of {options['batch']} images ({MORE} times as many of half as many for autoencoders"
        " and GANs)",
        f"a third of the normal images held out, by which {options['rate']:.0%} false alarms are promised",
    )


def _maps(session: Session, name: str, system: str, seed: int) -> list[np.ndarray]:
    """Of the test images, at the size of the chapter's images."""
    side = CHAPTER.options(session)["image_size"]
    small = CHAPTER.array(session, name, seed, "maps.npz", system).astype(np.float32)
    lowest = small.min()  # of log-likelihoods, which may be negative; a rank is what it was
    return [cv2.resize(m - lowest, (side, side), interpolation=cv2.INTER_LINEAR) for m in small]


@cache
def _judged(session: Session, name: str, system: str) -> list[pd.DataFrame]:
    """The test images of a set as a system judges them, a table a seed: `position`, `defect`, `score`, `flagged`, by
    the threshold that held-out normal images give.
    """
    scores = CHAPTER.tables(session, name, "scores.csv").query("system == @system")
    rate, tests = CHAPTER.options(session)["rate"], []
    for _, part in scores.groupby("seed"):
        held = part.loc[part["kind"] == "held", "score"].to_numpy()
        border = conformal.threshold(held, conformal.promised(len(held), rate))
        test = part[part["kind"] == "test"].sort_values("position")
        tests.append(test.assign(flagged=test["score"] > border))
    return tests


@cache
def _rows(session: Session, name: str, system: str) -> tuple[dict, ...]:
    """Figures of merit of one system on one set: of images, and of pixels where there are masks."""
    tests = _judged(session, name, system)
    truth = (tests[0]["defect"] != GOOD).to_numpy()
    values, flagged = (np.stack([test[c].to_numpy() for test in tests]) for c in ("score", "flagged"))
    found, _ = metric_rows(session, truth, values, flagged)
    rows = [row for row in found if row["metric"] in TITLES]
    alarms = flagged[:, ~truth].mean()
    rows.append({"metric": ALARMS, "ours": alarms, "low": np.nan, "high": np.nan})
    of = partial(_maps, session, name, system)
    pixels = pixel_rows(session, CHAPTER.images(session, name), CHAPTER.seeds(session), of)
    return (*rows, *(row for row in pixels if row["metric"] in LEVELS))


def compared(session: Session) -> pd.DataFrame:
    """`systems`: a row per set, system and metric."""
    return pd.DataFrame(
        {"set": name, "family": system.family, "system": key, "label": system.label, **row}
        for name in CHAPTER.sets(session)
        for key, system in SYSTEMS.items()
        for row in _rows(session, name, key)
    )


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it: a row per set and system, a column per metric."""
    told = table.assign(
        kind=table["metric"].map(TITLES),
        method=[f"{SYSTEMS[key].label} ({SYSTEMS[key].source})" for key in table["system"]],
    )
    alarms = told["metric"] == ALARMS
    cells = wide(told[~alarms], ["set", "family", "method"], "kind")
    shares = told[alarms].set_index(["set", "method"])["ours"]
    at = zip(cells["set"], cells["method"], strict=True)
    cells.insert(5, TITLES[ALARMS], [f"{shares[key]:.0%}" for key in at])
    return cells


def rim(session: Session) -> pd.DataFrame:
    """`systems_rim`: a row per set and system, of the first seed: the share of normal test images whose map is highest
    in its rim (`at_rim`), and I-AUROC of the maps' highest values, of all of it (`whole`) and without it (`inside`).
    `clear`: I-AUROC of the system's own scores on the `clear_n` defects of full contrast and area, where a simulated
    set has weaker ones, too.
    """
    rows, seed = [], CHAPTER.seeds(session)[0]
    for name in CHAPTER.sets(session):
        grades = session.data(name).index.reindex(columns=list(GRADES)).astype(float)
        for key in SYSTEMS:
            test = _judged(session, name, key)[0]
            maps = CHAPTER.array(session, name, seed, "maps.npz", key).astype(np.float32)
            truth = (test["defect"] != GOOD).to_numpy()
            whole, inside = maps.max((1, 2)), np.array([peak(m) for m in maps])
            row = {"set": name, "system": key, "at_rim": (whole > inside)[~truth].mean()}
            row |= {"whole": roc_auc_score(truth, whole), "inside": roc_auc_score(truth, inside)}
            clear = (grades.loc[test["position"]] == 1).all(axis=1).to_numpy() & truth
            if 0 < clear.sum() < truth.sum():
                row |= {"clear_n": clear.sum(), "clear": roc_auc_score(truth[k := ~truth | clear], test["score"][k])}
            rows.append(row)
    return pd.DataFrame(rows, columns=["set", "system", "at_rim", "whole", "inside", "clear_n", "clear"])


def rim_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same as people read it: a row per system, a column per set and figure."""
    rows = []
    for system, part in table.groupby("system", sort=False):
        row = {"system": SYSTEMS[str(system)].label}
        for _, own in part.iterrows():
            name = own["set"]
            row[f"{name}: highest in the rim"] = f"{own['at_rim']:.0%}"
            row[f"{name}: I-AUROC with, without it"] = f"{own['whole']:.2f}, {own['inside']:.2f}"
            if own["clear_n"] > 0:
                row[f"{name}: I-AUROC of {own['clear_n']:.0f} clear defects"] = f"{own['clear']:.2f}"
        rows.append(row)
    return pd.DataFrame(rows)


def printed(session: Session, table: pd.DataFrame) -> pd.DataFrame:
    """`systems_printed`: a row per system and metric, the mean over our sets (`ours`) and what D3AD's tables print of
    public ones, by benchmark; and the noise study's Table 1.
    """
    known = table[table["metric"].isin(LEVELS)]
    found = known.groupby(["system", "metric"], sort=False)["ours"].mean().reset_index()
    labels = found["system"].map(lambda key: SYSTEMS[key].label)
    for file, benchmark in BENCHMARKS.items():
        average = session.paper_values(file).query("set == 'average'").set_index(["method", "metric"])["value"]
        found[benchmark] = [average.get(key, np.nan) for key in zip(labels, found["metric"], strict=True)]
    detected = session.paper_values("noise_table1").query("set == 'average'").set_index("noise")["auroc"]
    found[NOISE_STUDY] = labels.where(found["metric"] == "auroc").map(detected)
    return found


def printed_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same as people read it: systems that some paper prints, "I-AUROC, P-AUROC, PRO" of each place."""
    elsewhere = [*BENCHMARKS.values(), NOISE_STUDY]
    places = ["ours", *elsewhere]
    rows = []
    for system, part in table.groupby("system", sort=False):
        values = part.set_index("metric")
        if values[elsewhere].isna().all(axis=None):
            continue
        cells = {
            place: ", ".join(
                "–" if pd.isna(value := values[place].get(metric, np.nan)) else f"{value:.2f}"
                for metric in ("auroc", "pixel_auroc", "pro")
            )
            for place in places
        }
        rows.append({"system": SYSTEMS[str(system)].label, **cells})
    return pd.DataFrame(rows).rename(columns={"ours": "here, mean over sets"})


def cost(session: Session) -> pd.DataFrame:
    """Seconds of the fit and of an image, and the highest memory in MB, of each system on each set; of the first
    seed.
    """
    seed = CHAPTER.seeds(session)[0]
    found = []
    for name in CHAPTER.sets(session):
        timing = read_json(session.path(name, f"seed{seed}", JOB.path("timing.json")))
        found += [{"set": name, "system": SYSTEMS[key].label, **values} for key, values in timing.items()]
    return pd.DataFrame(found)


def curves(session: Session) -> pd.DataFrame:
    """Losses along the trainings (set, system, step, loss), of the first seed."""
    seed = CHAPTER.seeds(session)[0]
    parts = [CHAPTER.table(session, name, seed, LOSSES).assign(set=name) for name in CHAPTER.sets(session)]
    return pd.concat(parts, ignore_index=True)


def ranks(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """`systems_ranks`: the mean rank of each system's I-AUROC over the sets, 1 the best, with its interval over
    resampled test images.
    """
    part = table[table["metric"] == "auroc"]
    ours = part.pivot_table(index="system", columns="set", values="ours", sort=False)
    draws = np.stack([np.stack(own["draws"].to_list()) for _, own in part.groupby("set", sort=False)])
    each = pd.DataFrame(rankdata(-draws, axis=1).mean(0), ours.index)
    mean = ours.rank(ascending=False).mean(axis=1)
    bounds = [interval(row.to_numpy(), level) for _, row in each.iterrows()]
    found = pd.DataFrame(
        {"system": ours.index, "rank": mean, "low": [b[0] for b in bounds], "high": [b[1] for b in bounds]}
    )
    return found.sort_values("rank", kind="stable").reset_index(drop=True)


def pictures(session: Session) -> tuple[list[Example], pd.DataFrame]:
    """The first defective images of each set under every system's map."""
    seed = CHAPTER.seeds(session)[0]

    def maps_of(name: str) -> dict[str, list[np.ndarray]]:
        return {system.label: _maps(session, name, key, seed) for key, system in SYSTEMS.items()}

    return examples(session, CHAPTER.sets(session), maps_of, CHAPTER.images)


def reconstructions(session: Session) -> tuple[list[Example], pd.DataFrame]:
    """The same images as every system gives them back that does, x̂_0 of the chapter's size; and how far it lies from
    the image on the defect and elsewhere.
    """
    seed, shown, rows = CHAPTER.seeds(session)[0], [], []
    for name in CHAPTER.sets(session):
        data = CHAPTER.images(session, name)
        place = places(data)
        kept = {key: CHAPTER.array(session, name, seed, "pictures.npz", key) for key in RECONSTRUCTING}
        for i in first_of_each_defect(data, few(CHAPTER.sets(session))):
            image, defect, kind = data.images[i], data.masks[i], data.index["defect"][i]
            own = {SYSTEMS[key].label: restored(x[place[i]], image.shape) for key, x in kept.items()}
            shown.append((f"{name}\n{kind}", image, defect, own))
            for (label, x_hat), (region, where) in product(own.items(), regions(defect).items()):
                apart = np.abs(image - x_hat)[where].mean()
                rows.append({"set": name, "defect": kind, "system": label, "region": region, "difference": apart})
    return shown, pd.DataFrame(rows, columns=["set", "defect", "system", "region", "difference"])


Seen = tuple[str, np.ndarray, np.ndarray | None, np.ndarray | None]
"""Title, image, the defect's mask, and the system's map; without a map a place where nothing is to be shown."""


def found_and_missed(session: Session, system: str) -> tuple[list[tuple[str, list[Seen]]], pd.DataFrame]:
    """For a system's page, by set: the first FIRST defective images that it flags and the first that it does not, in
    file order; and the numbers of the set.
    """
    rows, numbers, seed = [], [], CHAPTER.seeds(session)[0]
    for name in CHAPTER.sets(session):
        data, test = CHAPTER.images(session, name), _judged(session, name, system)[0]
        place = places(data)
        grids, shown = _maps(session, name, system, seed), []
        for flagged, word in ((True, "found"), (False, "missed")):
            hits = test[(test["defect"] != GOOD) & (test["flagged"] == flagged)]["position"].head(FIRST)
            own = [(word, data.images[i], data.masks[i], grids[place[i]]) for i in hits]
            blank = np.zeros_like(data.images[0])
            title = f"no more {word}" if own else f"none {word}"
            shown += [*own, *[(title, blank, None, None)] * (FIRST - len(own))]
        rows.append((name, shown))
        numbers += [{"set": name, "metric": row["metric"], "ours": row["ours"]} for row in _rows(session, name, system)]
    return rows, pd.DataFrame(numbers)


def told(session: Session, system: str) -> str:
    """A system's page in words: what it is, its equation, where it is in the code, what it reached."""
    page, entry = PAGES[system], SYSTEMS[system]
    reached = []
    for name in CHAPTER.sets(session):
        values = {row["metric"]: row["ours"] for row in _rows(session, name, system)}
        pro = f", PRO {values['pro']:.2f}" if "pro" in values else ""
        reached.append(
            f"{name}: AUROC {values['auroc']:.2f}, F1 {values['f1']:.2f} at {values[ALARMS]:.0%} false alarms{pro}"
        )
    module, function = entry.function.split(":")
    return (
        f"{entry.label} ({entry.source}). {page.about} {page.equation}. In the code: {function} in {module}. Here:"
        f" {'; '.join(reached)}."
    )
