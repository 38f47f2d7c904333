"""Tables of the chapter on noise distributions: the exhibits of Fučka et al. (2023), and which noise suits which surface."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.datasets import ImageSet
from radarlib.detection import auroc_row
from radarlib.exhibits import Example, examples, pixel_rows
from radarlib.metrics import pixel_histograms
from radarlib.noise_study import BACK, CONTROLS, FILTER, START, mask
from radarlib.roles import resized
from radarlib.score import taken_apart
from radarlib.study import STAND_INS, Study
from radarlib.tables import beside, wide

LABELS = {
    "gaussian": "Gaussian", "simplex": "simplex", "mixture": "Gaussian mixture",
    "raw": "control: image's mean", "untrained": "control: untrained",
}  # fmt: skip
PRINTED = "printed: "  # before the name of a set that only the paper has
TEXTURES = ["carpet", "grid", "leather", "tile", "wood"]
AVERAGES = ["average of textures", "average"]
MVTEC = f"{PRINTED}average of MVTec AD"
METRICS = {"pixel_auroc": "AUROC", "pixel_ap": "average precision"}
RADARS = {"radar": "Gaussian", "radar-simplex": "simplex", "radar-mixture": "Gaussian mixture"}
TIE = 0.005  # a smaller difference of AUROC is none


def sets(study: Study) -> list[str]:
    return chapter_sets(study.settings, "noise_study", study.root)


def seeds(study: Study) -> list[int]:
    return chapter_seeds(study.settings, "noise_study")


def setup(study: Study) -> str:
    """How the chapter's numbers were made, for captions."""
    options, n = study.settings["noise_study"], len(seeds(study))
    size = "each image's own size" if options["image_size"] is None else f"images at {options['image_size']} px"
    taken = min(START, options["reverse_steps"])
    return (
        f"{n} seed{'s' if n > 1 else ''}; networks trained {options['steps']} steps of {options['batch']} patches; {size};"
        f" at most {taken} reverse steps are taken, evenly spaced; [bootstrap {study.settings['evidence']['level']:.0%} interval over test images]"
    )


def printed_beside(study: Study) -> str:
    """Which printed category stands beside a simulated surface, for captions."""
    first: dict[str, str] = {}
    for real, simulated in STAND_INS.items():
        first.setdefault(simulated, real)  # where two could stand, the first does
    pairs = [f"{real} beside {simulated}" for simulated, real in first.items() if simulated in sets(study)]
    return f" (printed value: {', '.join(pairs)})" if pairs else ""


@cache
def images(study: Study, name: str) -> ImageSet:
    """The set at the size of the chapter."""
    return resized(study.data(name), study.settings["noise_study"]["image_size"])


def _read(study: Study, name: str, file: str) -> pd.DataFrame:
    """A table of the job, of every seed."""
    parts = [
        pd.read_csv(study.path(name, f"seed{seed}", "noise_study", file)).assign(set=name, seed=seed)
        for seed in seeds(study)
    ]
    return pd.concat(parts)


@cache
def scores(study: Study, name: str) -> pd.DataFrame:
    """The job's scores, with what is known of each image; `role` says what an image is scored for."""
    return _read(study, name, "scores.csv").join(study.data(name).index["defect"], on="position")


def errors(study: Study, name: str, noise: str, seed: int) -> list[np.ndarray]:
    """x̂_0 − x_0 from START of the test images, in the order of the index; float32."""
    data = images(study, name)
    with np.load(study.path(name, f"seed{seed}", "noise_study", "maps.npz")) as maps:
        return taken_apart(maps[noise].astype(np.float32), (data.images[i].shape for i in data.where("test")))


def filter_of(noise: str) -> int:
    """The mean filter of a noise; a control has Gaussian noise's."""
    return FILTER.get(noise, FILTER["gaussian"])


def _part(study: Study, name: str, noise: str, size: int, role: str = "test") -> pd.DataFrame:
    """Scores from START by a noise or control and a filter."""
    table = scores(study, name)
    chosen = (table["noise"] == noise) & (table["start"] == START) & (table["filter"] == size)
    return table[chosen & (table["role"] == role)]


@cache
def detected(study: Study, name: str, noise: str, size: int | None = None) -> tuple[dict, np.ndarray]:
    """`auroc_row` of a noise or control from START, with its own filter unless told another."""
    return auroc_row(study, _part(study, name, noise, size or filter_of(noise)))


def _with_printed(study: Study, table: pd.DataFrame, exhibit: str, value: str) -> pd.DataFrame:
    """The table with printed values beside our sets, and below all that the paper prints of textures, as rows of their own."""
    keys = ["set", "noise", *(["metric"] if exhibit == "noise_table2" else [])]
    # Where a simulated surface stands in for two categories, the first is the one beside it.
    paper = study.paper_values(exhibit).drop_duplicates(keys)
    paper = paper[paper["noise"].isin(FILTER)].rename(columns={value: "paper"})
    below = paper[paper["set"].isin([*TEXTURES, *AVERAGES])].assign(set=lambda t: PRINTED + t["set"])
    if "metric" not in below:
        below["metric"] = "auroc"
    return pd.concat([beside(table, paper.set_index(keys)["paper"]), below], ignore_index=True)


def image_level(study: Study) -> pd.DataFrame:
    """`noise_table1_image_auroc`: image-level AUROC by set and noise, and the controls.

    `p_highest` is the share of resamples in which a noise is higher than both others.
    """
    rows = []
    for name in sets(study):
        found = {noise: detected(study, name, noise) for noise in (*FILTER, *CONTROLS)}
        for noise, (row, drawn) in found.items():
            others = np.max([found[other][1] for other in FILTER if other != noise], axis=0)
            chance = float((drawn > others).mean()) if noise in FILTER else np.nan
            rows.append({"set": name, "noise": noise, "filter": filter_of(noise), **row, "p_highest": chance})
    return _with_printed(study, pd.DataFrame(rows), "noise_table1", "auroc")


def pixel_level(study: Study) -> pd.DataFrame:
    """`noise_table2_pixel`: pixel-level AUROC and average precision of M by set and noise, and the controls.

    Where no defect has a mask the values are missing and `why_absent` says so.
    """
    rows = []
    for name in sets(study):
        data = images(study, name)
        masks = [data.masks[i] for i in data.where("test")]
        known = [m for m in masks if m is not None]
        defective = np.array([m.any() for m in known])
        for noise in (*FILTER, *CONTROLS):
            keys = {"set": name, "noise": noise, "filter": filter_of(noise)}
            if not defective.any():
                reason = "no defective test image has a mask"
                rows += [{**keys, "metric": metric, "why_absent": reason} for metric in METRICS]
                continue
            runs = []
            for seed in seeds(study):
                found = errors(study, name, noise, seed)
                maps = [mask(e, filter_of(noise)) ** 0.5 for e, m in zip(found, masks, strict=True) if m is not None]
                runs.append(pixel_histograms(maps, known))
            found_rows = pixel_rows(runs, defective, study.settings["evidence"])
            rows += [
                {**keys, **row, "seeds": len(runs), "why_absent": ""} for row in found_rows if row["metric"] in METRICS
            ]
    columns = ["set", "noise", "filter", "metric", "ours", "low", "high", "seeds", "why_absent"]
    return _with_printed(study, pd.DataFrame(rows, columns=columns), "noise_table2", "value")


def _by(study: Study, key: str, exhibit: str) -> pd.DataFrame:
    """AUROC by set, noise and `key`; below, the printed averages, which belong to no set of ours."""
    rows = []
    for name in sets(study):
        table = scores(study, name).query("role == 'test'")
        for noise, size in FILTER.items():
            own = table[table["noise"] == noise]
            own = own[own["filter"] == size] if key == "start" else own[own["start"] == START]
            for value, part in own.groupby(key):
                taken = int(part["taken"].iloc[0])
                rows.append({"set": name, "noise": noise, key: value, "taken": taken, **auroc_row(study, part)[0]})
    only = study.paper_values(exhibit).rename(columns={"auroc": "paper"}).assign(set=MVTEC, metric="auroc")
    return pd.concat([pd.DataFrame(rows), only], ignore_index=True)


def by_steps(study: Study) -> pd.DataFrame:
    """`noise_table3_steps`: image-level AUROC by the number of steps that an image is diffused and led back."""
    return _by(study, "start", "noise_table3")


def by_filter(study: Study) -> pd.DataFrame:
    """`noise_table4_filter`: image-level AUROC by the side of the mean filter."""
    return _by(study, "filter", "noise_table4")


def skipping(study: Study) -> pd.DataFrame:
    """`noise_skipping`: masks of some test images from chains that skip steps against those of chains that take every one.

    Means over the images: the correlation of the two masks' pixels, the ratio of the two scores, and, since each chain has noise
    of its own, the correlation of two chains that both skip.
    """
    table = pd.concat([_read(study, name, "skipped.csv") for name in sets(study)])
    groups = table[table["seed"] == seeds(study)[0]].groupby(["set", "noise", "taken", "of"], sort=False)
    means = {name: (name, "mean") for name in ("correlation", "other_noise", "ratio")}
    return groups.agg(images=("position", "size"), **means).reset_index()


def choice(study: Study) -> pd.DataFrame:
    """`noise_choice`: the noise that held-out normal images would choose, and how it fares on the test images.

    artificial : AUROC of held-out normal images against the same with an artificial defect, by which it is chosen (the first of
    equals); ours : AUROC on the test images.
    """
    rows = []
    for name in sets(study):
        for noise in FILTER:
            parts = [_part(study, name, noise, FILTER[noise], role)["score"] for role in ("held", "artificial")]
            truth = np.repeat([False, True], [len(part) for part in parts])
            row, _ = detected(study, name, noise)
            rows.append({"set": name, "noise": noise, "artificial": roc_auc_score(truth, np.concatenate(parts)), **row})
    table = pd.DataFrame(rows)
    return table.assign(chosen=table.index.isin(table.groupby("set")["artificial"].idxmax()))


def shown(table: pd.DataFrame, rows: Sequence[str], columns: str, names: dict | None = None) -> pd.DataFrame:
    """A table of this chapter as people read it."""
    return wide(table.assign(noise=table["noise"].map(LABELS)), rows, columns, names, more=1)


def best(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The values of `key` whose AUROC lies within TIE of the highest, by set and noise: ours, and the paper's among its own."""
    table = table.assign(value=table["ours"].fillna(table["paper"]))
    top = table.groupby(["set", "noise"])["value"].transform("max")
    found = table[table["value"] >= top - TIE]
    cells = found.pivot_table(
        index="set", columns="noise", values=key, aggfunc=lambda v: ", ".join(f"{x:.0f}" for x in v), sort=False
    )
    return cells[list(FILTER)]


def chains(study: Study, name: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Fig. 1: for each noise a field of it, one normal patch on its way forward, and back from START; titles and patches."""
    path = study.path(name, f"seed{seeds(study)[0]}", "noise_study", "chains.npz")
    last = study.settings["diffusion"]["steps"]
    titles = ["ε", "$x_{50}$", f"$x_{{{START}}}$", f"$x_{{{last}}}$", *(rf"back: $\hat x_{{{t}}}$" for t in BACK)]
    with np.load(path) as found:
        return {
            noise: [("$x_0$", found["patch"]), *zip(titles, found[noise], strict=True)] for noise in FILTER
        }  # fmt: skip


def samples(study: Study) -> tuple[list[Example], pd.DataFrame]:
    """Fig. 2: the first defective images of each set, six in all or one a set, and what each noise's mask M shows of them.

    Returns them with √M by noise, and per image and noise the mean of √M on the defect and elsewhere.
    """
    return examples(study, sets(study), lambda name: {
        LABELS[noise]: [mask(e, FILTER[noise]) ** 0.5 for e in errors(study, name, noise, seeds(study)[0])] for noise in FILTER
    }, images)  # fmt: skip


def radar_maps(study: Study) -> tuple[list[Example], pd.DataFrame]:
    """RADAR's map S of the same images with a network trained on each noise, at the images' own size."""
    seed = seeds(study)[0]
    return examples(
        study,
        sets(study),
        lambda name: {label: study.maps(name, method, seed) for method, label in RADARS.items()},
        Study.data,
    )


def findings(study: Study, table: pd.DataFrame) -> list[str]:
    """One computed line per set of `image_level`: the highest noise on its test images, how surely, and the controls beside it."""
    lines = []
    for name in sets(study):
        rows = table[table["set"] == name].set_index("noise")
        first = rows.loc[list(FILTER), "ours"].idxmax()
        controls = {c: detected(study, name, c, FILTER[first])[0] for c in CONTROLS}
        control = max(controls, key=lambda c: controls[c]["ours"])
        above = "above" if rows.loc[first, "low"] > controls[control]["high"] else "not clearly above"
        lines.append(
            f"{name}: {LABELS[first]} noise is highest (AUROC {rows.loc[first, 'ours']:.2f}; so in {rows.loc[first, 'p_highest']:.0%}"
            f" of resamples), {above} the {LABELS[control]} with the same filter ({controls[control]['ours']:.2f})"
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
            f"{name}: artificial defects choose {LABELS[chosen['noise']]} noise, AUROC {chosen['ours']:.2f} on the test images; {end}"
        )
    return lines
