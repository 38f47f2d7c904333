"""Tables of the chapter on noise distributions: the exhibits of Fučka et al. (2023), and which noise suits which
surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from radarlib.map_features import mask
from study.chapter import Chapter
from study.evaluate import NO_MASK, auroc_row, pixel_rows
from study.examples import Example, examples
from study.kept import taken_apart
from study.metrics import TIE
from study.noise.names import AVERAGES, LABELS, METRICS, RADARS, TEXTURES
from study.noise.plan import BACK, CONTROLS, FILTER, JOB, START
from study.session import STAND_INS, Session
from study.tables import PRINTED, beside, wide

CHAPTER = Chapter(JOB)


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    options = CHAPTER.options(session)
    side, taken = options["image_size"], min(START, options["reverse_steps"])
    return CHAPTER.setup(
        session,
        f"networks trained {options['steps']} steps of {options['batch']} patches",
        "each image's own size" if side is None else f"images at {side} px",
        f"at most {taken} reverse steps are taken, evenly spaced",
    )


def printed_beside(session: Session) -> str:
    """Which printed category stands beside a simulated surface, for captions."""
    first: dict[str, str] = {}
    for real, simulated in STAND_INS.items():
        first.setdefault(simulated, real)  # where two could stand, the first does
    pairs = [f"{real} beside {simulated}" for simulated, real in first.items() if simulated in CHAPTER.sets(session)]
    return f" (printed value: {', '.join(pairs)})" if pairs else ""


@cache
def scores(session: Session, name: str) -> pd.DataFrame:
    """The job's scores, with what is known of each image; `role` says what an image is scored for."""
    return CHAPTER.tables(session, name, "scores.csv")


def errors(session: Session, name: str, noise: str, seed: int) -> list[np.ndarray]:
    """x̂_0 − x_0 from START of the test images, in the order of the index; float32."""
    data = CHAPTER.images(session, name)
    flat = CHAPTER.array(session, name, seed, "maps.npz", noise).astype(np.float32)
    return taken_apart(flat, (data.images[i].shape for i in data.where("test")))


def maps(session: Session, name: str, noise: str, seed: int) -> list[np.ndarray]:
    """√M of the test images, in the order of the index, by the noise's own filter."""
    return [mask(error, filter_of(noise)) ** 0.5 for error in errors(session, name, noise, seed)]


def filter_of(noise: str) -> int:
    """The mean filter of a noise; a control has Gaussian noise's."""
    return FILTER.get(noise, FILTER["gaussian"])


def _part(session: Session, name: str, noise: str, size: int, role: str = "test") -> pd.DataFrame:
    """Scores from START by a noise or control and a filter."""
    table = scores(session, name)
    chosen = (table["noise"] == noise) & (table["start"] == START) & (table["filter"] == size)
    return table[chosen & (table["role"] == role)]


@cache
def detected(session: Session, name: str, noise: str, size: int | None = None) -> tuple[dict, np.ndarray]:
    """`auroc_row` of a noise or control from START, with its own filter unless told another."""
    return auroc_row(session, _part(session, name, noise, size or filter_of(noise)))


def _with_printed(session: Session, table: pd.DataFrame, exhibit: str, value: str) -> pd.DataFrame:
    """The table with printed values beside our sets, and below all that the paper prints of textures, as rows of their
    own.
    """
    keys = ["set", "noise", *(["metric"] if exhibit == "noise_table2" else [])]
    # Where a simulated surface stands in for two categories, the first is the one beside it.
    paper = session.paper_values(exhibit).drop_duplicates(keys)
    paper = paper[paper["noise"].isin(FILTER)].rename(columns={value: "paper"})
    below = paper[paper["set"].isin([*TEXTURES, *AVERAGES])].assign(set=lambda t: PRINTED + t["set"])
    if "metric" not in below:
        below["metric"] = "auroc"
    return pd.concat([beside(table, paper.set_index(keys)["paper"]), below], ignore_index=True)


def image_level(session: Session) -> pd.DataFrame:
    """`noise_table1_image_auroc`: image-level AUROC by set and noise, and the controls.

    `p_highest` is the share of resamples in which a noise is higher than both others.
    """
    rows = []
    for name in CHAPTER.sets(session):
        found = {noise: detected(session, name, noise) for noise in (*FILTER, *CONTROLS)}
        for noise, (row, drawn) in found.items():
            others = np.max([found[other][1] for other in FILTER if other != noise], axis=0)
            chance = float((drawn > others).mean()) if noise in FILTER else np.nan
            rows.append({"set": name, "noise": noise, "filter": filter_of(noise), **row, "p_highest": chance})
    return _with_printed(session, pd.DataFrame(rows), "noise_table1", "auroc")


def pixel_level(session: Session) -> pd.DataFrame:
    """`noise_table2_pixel`: pixel-level AUROC and average precision of M by set and noise, and the controls.

    Where no defect has a mask the values are missing and `why_absent` says so.
    """
    rows = []
    for name in CHAPTER.sets(session):
        for noise in (*FILTER, *CONTROLS):
            of = partial(maps, session, name, noise)
            found = pixel_rows(session, CHAPTER.images(session, name), CHAPTER.seeds(session), of)
            keys = {"set": name, "noise": noise, "filter": filter_of(noise)}
            rows += [{**keys, **row, "why_absent": ""} for row in found if row["metric"] in METRICS]
            rows += [{**keys, "metric": metric, "why_absent": NO_MASK} for metric in METRICS if not found]
    columns = ["set", "noise", "filter", "metric", "ours", "low", "high", "sd", "seeds", "why_absent", "draws"]
    return _with_printed(session, pd.DataFrame(rows, columns=columns), "noise_table2", "value")


def _by(session: Session, key: str, exhibit: str) -> pd.DataFrame:
    """AUROC by set, noise and `key`; below, the printed averages, which belong to no set of ours."""
    rows = []
    for name in CHAPTER.sets(session):
        table = scores(session, name).query("role == 'test'")
        for noise, size in FILTER.items():
            own = table[table["noise"] == noise]
            own = own[own["filter"] == size] if key == "start" else own[own["start"] == START]
            for value, part in own.groupby(key):
                taken = int(part["taken"].iloc[0])
                rows.append({"set": name, "noise": noise, key: value, "taken": taken, **auroc_row(session, part)[0]})
    only = session.paper_values(exhibit).rename(columns={"auroc": "paper"})
    only = only.assign(set=f"{PRINTED}average of MVTec AD", metric="auroc")
    return pd.concat([pd.DataFrame(rows), only], ignore_index=True)


def by_steps(session: Session) -> pd.DataFrame:
    """`noise_table3_steps`: image-level AUROC by the number of steps that an image is diffused and led back."""
    return _by(session, "start", "noise_table3")


def by_filter(session: Session) -> pd.DataFrame:
    """`noise_table4_filter`: image-level AUROC by the side of the mean filter."""
    return _by(session, "filter", "noise_table4")


def skipping(session: Session) -> pd.DataFrame:
    """`noise_skipping`: masks of some test images from chains that skip steps against those of chains that take every
    one.

    Means over the images: the correlation of the two masks' pixels, the ratio of the two scores, and, since each chain
    has noise of its own, the correlation of two chains that both skip.
    """
    table = pd.concat([CHAPTER.tables(session, name, "skipped.csv").assign(set=name) for name in CHAPTER.sets(session)])
    groups = table[table["seed"] == CHAPTER.seeds(session)[0]].groupby(["set", "noise", "taken", "of"], sort=False)
    means = {name: (name, "mean") for name in ("correlation", "other_noise", "ratio")}
    return groups.agg(images=("position", "size"), **means).reset_index()


def choice(session: Session) -> pd.DataFrame:
    """`noise_choice`: the noise that held-out normal images would choose, and how it fares on the test images.

    artificial : AUROC of held-out normal images against the same with an artificial defect, by which it is chosen (the
        first of equals); ours : AUROC on the test images.
    """
    rows = []
    for name in CHAPTER.sets(session):
        for noise in FILTER:
            parts = [_part(session, name, noise, FILTER[noise], role)["score"] for role in ("held", "artificial")]
            truth = np.repeat([False, True], [len(part) for part in parts])
            row, _ = detected(session, name, noise)
            rows.append({"set": name, "noise": noise, "artificial": roc_auc_score(truth, np.concatenate(parts)), **row})
    table = pd.DataFrame(rows)
    return table.assign(chosen=table.index.isin(table.groupby("set")["artificial"].idxmax()))


def shown(table: pd.DataFrame, rows: Sequence[str], columns: str, names: dict | None = None) -> pd.DataFrame:
    """A table of this chapter as people read it."""
    return wide(table.assign(noise=table["noise"].map(LABELS)), rows, columns, names, more=1)


def best(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The values of `key` whose AUROC lies within TIE of the highest, by set and noise: ours, and the paper's among its
    own.
    """
    table = table.assign(value=table["ours"].fillna(table["paper"]))
    top = table.groupby(["set", "noise"])["value"].transform("max")
    found = table[table["value"] >= top - TIE]
    cells = found.pivot_table(
        index="set", columns="noise", values=key, aggfunc=lambda v: ", ".join(f"{x:.0f}" for x in v), sort=False
    )
    return cells[list(FILTER)]


def chains(session: Session, name: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Fig. 1: for each noise a field of it, one normal patch on its way forward, and back from START; titles and
    patches.
    """
    seed, last = CHAPTER.seeds(session)[0], session.settings["diffusion"]["steps"]
    titles = ["ε", "$x_{50}$", f"$x_{{{START}}}$", f"$x_{{{last}}}$", *(rf"back: $\hat x_{{{t}}}$" for t in BACK)]
    patch, *found = (CHAPTER.array(session, name, seed, "chains.npz", part) for part in ("patch", *FILTER))
    return {
        noise: [("$x_0$", patch), *zip(titles, states, strict=True)]
        for noise, states in zip(FILTER, found, strict=True)
    }


def samples(session: Session) -> tuple[list[Example], pd.DataFrame]:
    """Fig. 2: the first defective images of each set, six in all or one a set, and what each noise's mask M shows of
    them.

    Returns them with √M by noise, and per image and noise the mean of √M on the defect and elsewhere.
    """
    seed = CHAPTER.seeds(session)[0]

    def of(name: str) -> dict[str, list[np.ndarray]]:
        return {LABELS[noise]: maps(session, name, noise, seed) for noise in FILTER}

    return examples(session, CHAPTER.sets(session), of, CHAPTER.images)


def radar_maps(session: Session) -> tuple[list[Example], pd.DataFrame]:
    """RADAR's map S of the same images with a network trained on each noise, at the images' own size."""
    seed = CHAPTER.seeds(session)[0]
    return examples(
        session,
        CHAPTER.sets(session),
        lambda name: {label: session.maps(name, method, seed) for method, label in RADARS.items()},
        Session.data,
    )


def findings(session: Session, table: pd.DataFrame) -> list[str]:
    """One computed line per set of `image_level`: the highest noise on its test images, how surely, and the controls
    beside it.
    """
    lines = []
    for name in CHAPTER.sets(session):
        rows = table[table["set"] == name].set_index("noise")
        first = rows.loc[list(FILTER), "ours"].idxmax()
        controls = {c: detected(session, name, c, FILTER[first])[0] for c in CONTROLS}
        control = max(controls, key=lambda c: controls[c]["ours"])
        above = "above" if rows.loc[first, "low"] > controls[control]["high"] else "not clearly above"
        lines.append(
            f"{name}: {LABELS[first]} noise is highest (AUROC {rows.loc[first, 'ours']:.2f}; so in"
            f" {rows.loc[first, 'p_highest']:.0%} of resamples), {above} the {LABELS[control]} with the same filter"
            f" ({controls[control]['ours']:.2f})"
        )
    return lines


def chosen_lines(table: pd.DataFrame) -> list[str]:
    """One computed line per set of `choice`."""
    lines = []
    for name, part in table.groupby("set", sort=False):
        chosen, top = part[part["chosen"]].iloc[0], part.loc[part["ours"].idxmax()]
        end = (
            "none of the three is better"
            if chosen["ours"] >= top["ours"] - TIE
            else f"{LABELS[top['noise']]} would have given {top['ours']:.2f}"
        )
        lines.append(
            f"{name}: artificial defects choose {LABELS[chosen['noise']]} noise, AUROC {chosen['ours']:.2f} on the test"
            f" images; {end}"
        )
    return lines
