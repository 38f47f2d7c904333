"""Tables of the chapter on D3AD: dynamic noise, scaling without noise, adapted features, and methods on features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import pandas as pd

from radarlib.artifacts import read_json
from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.d3ad_study import D3AD, GUIDED, NOISED, OMEGAS, STATIC, Variant
from radarlib.datasets import GOOD, ImageSet
from radarlib.detection import auroc_row, detection_table
from radarlib.exhibits import pixel_rows, pixel_table
from radarlib.methods import label_of
from radarlib.metrics import pixel_histograms
from radarlib.roles import resized
from radarlib.study import Study
from radarlib.tables import beside, stands, wide

METRICS = {"auroc": "I-AUROC", "pro": "PRO", "pixel_auroc": "P-AUROC"}
STEP = "one step on features"
METHODS = {
    D3AD.name: "D3AD", Variant(guidance=GUIDED).name: "D3AD, guided", "step": STEP, "patchcore": "PatchCore", "spade": "SPADE",
    "padim": "PaDiM", Variant(trained=False).name: "control: untrained diffusion", "raw": "control: image's mean",
}  # fmt: skip
"""Rows of Table 1 by their names in the job's results."""
POLICIES = {**{Variant(share).name: f"{share:.0%} of T_max" for share in STATIC}, D3AD.name: "dynamic"}
DISTANCE = "control: the distance alone"
PLAIN, SCALED_ONLY = Variant(omega=1.0, adapted=False), Variant(adapted=False)
ABLATION = {
    PLAIN.name: "noise, features as they are", SCALED_ONLY.name: "scaling, features as they are",
    NOISED.name: "noise, adapted features", D3AD.name: "scaling, adapted features",
}  # fmt: skip
WITHOUT = {
    "RD4AD": "trains a student of a network that needs a download", "RD++": "trains a student of a network that needs a download",
    "DRAEM": "trains on textures that need a download", "SkipGANomaly": "an adversarial network, left out",
    "SimpleNet": "trains a discriminator on features, left out", "FastFlow": "a normalising flow, left out",
    "CFA": "adapts features by metric learning, left out", "DDAD": "its guidance runs here: the row D3AD, guided",
}  # fmt: skip
"""Why a method whose printed values are shown is not run here."""
PRINTED = "printed: "  # before the name of a set that only the paper has
BENCHMARKS = {"d3ad_table1": "VisA", "d3ad_table2": "BTAD", "d3ad_table7": "MVTec AD"}


def sets(study: Study) -> list[str]:
    return chapter_sets(study.settings, "d3ad", study.root)


def seeds(study: Study) -> list[int]:
    return chapter_seeds(study.settings, "d3ad")


def setup(study: Study) -> str:
    """How the chapter's numbers were made, for captions."""
    options, n = study.settings["d3ad"], len(seeds(study))
    return (
        f"{n} seed{'s' if n > 1 else ''}; images at {options['image_size']} px; {study.settings['features']['extractor'].replace('_', ' ')};"
        f" T_max {options['t_max']}; [bootstrap {study.settings['evidence']['level']:.0%} interval over test images]"
    )


@cache
def images(study: Study, name: str) -> ImageSet:
    """The set at the size of the chapter."""
    return resized(study.data(name), study.settings["d3ad"]["image_size"])


def _table(study: Study, name: str, file: str) -> pd.DataFrame:
    """A table of every seed, with what is known of each image."""
    parts = [pd.read_csv(study.path(name, f"seed{seed}", "d3ad", file)).assign(seed=seed) for seed in seeds(study)]
    return pd.concat(parts).join(study.data(name).index["defect"], on="position")


def kept(study: Study, name: str, file: str, method: str, seed: int) -> np.ndarray:
    """What the job left of a method, of the test images in the order of the index."""
    with np.load(study.path(name, f"seed{seed}", "d3ad", file)) as found:
        return found[method]


def maps(study: Study, name: str, method: str, seed: int) -> list[np.ndarray]:
    """Of the test images, at the size of the chapter's images: (S, S) float32 each."""
    side = study.settings["d3ad"]["image_size"]
    small = kept(study, name, "maps.npz", method, seed).astype(np.float32)
    return [cv2.resize(m, (side, side), interpolation=cv2.INTER_LINEAR) for m in small]


@cache
def rows(study: Study, name: str, method: str) -> tuple[dict, ...]:
    """I-AUROC, PRO and P-AUROC of one of the job's results on a set; the pixel level where a defect has a mask."""
    scores = _table(study, name, "scores.csv")
    found = [auroc_row(study, scores[scores["method"] == method])[0]]
    data = images(study, name)
    masks = [data.masks[i] for i in data.where("test")]
    known = [m for m in masks if m is not None]
    defective = np.array([m.any() for m in known])
    if defective.any():
        runs = []
        for seed in seeds(study):
            some = [m for m, mask in zip(maps(study, name, method, seed), masks, strict=True) if mask is not None]
            runs.append(pixel_histograms(some, known))
        for row in pixel_rows(runs, defective, study.settings["evidence"]):
            if row["metric"] in METRICS:
                found.append({**row, "seeds": len(runs)})
    return tuple(found)


def _compared(study: Study, chosen: dict[str, str], key: str) -> pd.DataFrame:
    """The metrics of the job's results `chosen`, by their names in the column `key`."""
    found = [
        {"set": name, key: method, **row}
        for name in sets(study)
        for method in chosen
        for row in rows(study, name, method)
    ]
    return pd.DataFrame(found)


def _of_radar(study: Study) -> pd.DataFrame:
    """RADAR's own rows, in pixels and in both spaces: its classifier's score, and its map S at the images' own size."""
    detected = detection_table(study, ("radar", "radar-both")).query("metric == 'auroc'")
    table = pd.concat([detected, *(pixel_table(study, name) for name in sets(study))]).query("metric in @METRICS")
    table = table[table["set"].isin(sets(study))].assign(seeds=len(study.seeds))
    columns = ["set", "method", "metric", "ours", "low", "high", "seeds"]
    return table.assign(method=table["method"].map(label_of))[columns]


def image_pro(study: Study) -> pd.DataFrame:
    """`d3ad_table1_image_pro`: I-AUROC, PRO and P-AUROC by set and method, with what the paper prints of MVTec AD's categories
    beside the surfaces that stand in for them, and below all its averages; `not_run` says why a method has no value of ours."""
    table = pd.concat([_of_radar(study), _compared(study, METHODS, "method").replace({"method": METHODS})])
    table = table.sort_values("set", key=lambda names: names.map(sets(study).index), kind="stable")
    keys = ["set", "method", "metric"]
    paper = study.paper_values("d3ad_table7").drop_duplicates(keys)
    parts = [beside(table, paper.set_index(keys)["value"])]
    for file, benchmark in BENCHMARKS.items():
        average = study.paper_values(file).query("set == 'average'").rename(columns={"value": "paper"})
        parts.append(average.assign(set=f"{PRINTED}{benchmark}"))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(
        not_run=[WITHOUT.get(m, "") if pd.isna(v) else "" for m, v in zip(found["method"], found["ours"], strict=True)]
    )


def dynamic(study: Study) -> pd.DataFrame:
    """`d3ad_table5_dynamic`: dynamic conditioning against shares of T_max; the paper's values are of VisA.

    A control: the distance to normal images, from which the steps follow, as an image's score without any diffusion.
    """
    table = _compared(study, POLICIES, "policy")
    names = {"dic": D3AD.name, **{f"static{round(100 * share)}": Variant(share).name for share in STATIC}}
    paper = study.paper_values("d3ad_table5").replace({"policy": names}).set_index(["policy", "metric"])["value"]
    found = beside(table, paper).replace({"policy": POLICIES})
    alone = []
    for name in sets(study):
        scores = _table(study, name, "bins.csv").query("split == 'test'").rename(columns={"distance": "score"})
        alone.append({"set": name, "policy": DISTANCE, **auroc_row(study, scores)[0]})
    found = pd.concat([found, pd.DataFrame(alone)])
    return found.sort_values("set", key=lambda names: names.map(sets(study).index), kind="stable", ignore_index=True)


def ablation(study: Study) -> pd.DataFrame:
    """`d3ad_table6_ablation`: scaling without noise, and domain adaptation, each with and without; the paper's are of VisA."""
    table = _compared(study, ABLATION, "variant")
    printed = study.paper_values("d3ad_table6")
    names = {
        (False, False): PLAIN.name,
        (True, False): SCALED_ONLY.name,
        (False, True): NOISED.name,
        (True, True): D3AD.name,
    }
    printed["variant"] = [names[key] for key in zip(printed["downscaling"], printed["adaptation"], strict=True)]
    return beside(table, printed.set_index(["variant", "metric"])["value"]).replace({"variant": ABLATION})


def omega(study: Study) -> pd.DataFrame:
    """`d3ad_fig13_omega`: the metrics by ω, the share of the noise (Eq. 12)."""
    names = {Variant(omega=value).name: value for value in OMEGAS}
    return _compared(study, dict.fromkeys(names, ""), "omega").replace({"omega": names}).astype({"omega": float})


def speed(study: Study) -> pd.DataFrame:
    """`d3ad_table9_speed`: seconds per image by set and method, measured in the job that made the maps, one image at a time."""
    found = []
    for name in sets(study):
        for method, seconds in read_json(study.path(name, f"seed{seeds(study)[0]}", "d3ad", "timing.json")).items():
            found.append({"set": name, "method": METHODS[method], "seconds": seconds})
    return pd.DataFrame(found)


def speed_printed(study: Study) -> pd.DataFrame:
    """What the paper prints of its own machine, a row per method, and why one is not run here."""
    table = study.paper_values("d3ad_table9").rename(columns={"seconds": "paper"})
    return table.assign(not_run=table["method"].map(WITHOUT).fillna(""))


def bins(study: Study) -> pd.DataFrame:
    """`d3ad_fig5_bins`: of every training and test image its distance to normal images, bin and T̂, first seed."""
    parts = []
    for name in sets(study):
        table = _table(study, name, "bins.csv").query("seed == @seeds(@study)[0]")
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
    found = wide(table, keys, "metric", METRICS, more=1)
    return found[[*keys, *(label for label in METRICS.values() if label in found)]]


def findings(table: pd.DataFrame) -> list[str]:
    """One computed line per set of `image_pro`: the highest method, and how the one step on features stands to RADAR."""
    lines = []
    for name, part in table[table["metric"] == "auroc"].dropna(subset="ours").groupby("set", sort=False):
        found = part.set_index("method")
        best, step, radar = found["ours"].idxmax(), found.loc[STEP], found.loc["RADAR"]
        lines.append(
            f"{name}: {best} is highest (I-AUROC {found.loc[best, 'ours']:.2f}); the {STEP} ({step['ours']:.2f}) is {stands(step, radar)} RADAR ({radar['ours']:.2f})"
        )
    return lines
