"""Tables of the chapter on noise distributions: the exhibits of Fučka et al. (2023), and which noise suits which surface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import pandas as pd
import torch

from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.datasets import GOOD, ImageSet
from radarlib.denoiser import Denoiser
from radarlib.detection import auroc_row
from radarlib.diffusion import chain
from radarlib.exhibits import first_of_each_defect, pixel_rows
from radarlib.metrics import pixel_histograms
from radarlib.noise import make_noise, power_spectrum
from radarlib.noise_study import CONTROLS, FILTER, START, mask
from radarlib.patches import PatchSampler
from radarlib.probes import normal_patch
from radarlib.reconstruct import reverse_chain
from radarlib.roles import resized
from radarlib.study import Study
from radarlib.tables import beside, wide

LABELS = {
    "gaussian": "Gaussian", "simplex": "simplex", "mixture": "Gaussian mixture",
    "raw": "control: mean of the image", "untrained": "control: untrained network",
}  # fmt: skip
PRINTED = "printed: "  # before the name of a set that only the paper has
TEXTURES = ("carpet", "grid", "leather", "tile", "wood", "average of textures", "average")
MVTEC = f"{PRINTED}average of MVTec AD"
METRICS = {"pixel_auroc": "AUROC", "pixel_ap": "average precision"}
FIELDS = 2000  # patches or fields that a spectrum is the mean of


def sets(study: Study) -> list[str]:
    return chapter_sets(study.settings, "noise_study", study.root)


def seeds(study: Study) -> list[int]:
    return chapter_seeds(study.settings, "noise_study")


@cache
def images(study: Study, name: str) -> ImageSet:
    """The set at the size of the chapter."""
    return resized(study.data(name), study.settings["noise_study"]["image_size"])


@cache
def scores(study: Study, name: str) -> pd.DataFrame:
    """The job's scores of every seed, with what is known of each image."""
    parts = [
        pd.read_csv(study.path(name, f"seed{seed}", "noise_study", "scores.csv")).assign(seed=seed)
        for seed in seeds(study)
    ]
    return pd.concat(parts).join(study.data(name).index["defect"], on="position")


def errors(study: Study, name: str, noise: str, seed: int) -> list[np.ndarray]:
    """x̂_0 − x_0 from START of the test images, in the order of the index; float32."""
    data = images(study, name)
    shapes = [data.images[i].shape for i in data.where("test")]
    with np.load(study.path(name, f"seed{seed}", "noise_study", "maps.npz")) as maps:
        flat = maps[noise].astype(np.float32)
    cuts = np.cumsum([height * width for height, width in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(flat, cuts), shapes, strict=True)]


def filter_of(noise: str) -> int:
    """The mean filter of a noise; a control has Gaussian noise's."""
    return FILTER.get(noise, FILTER["gaussian"])


def _auroc_table(study: Study, query: str, key: str, noises: Sequence[str]) -> pd.DataFrame:
    """AUROC by set, noise and `key`, of the scores that a query picks."""
    rows = []
    for name in sets(study):
        chosen = scores(study, name).query(query)
        chosen = chosen[chosen["noise"].isin(noises)]
        for (noise, value), part in chosen.groupby(["noise", key], sort=False):
            rows.append({"set": name, "noise": noise, key: value, **auroc_row(study, part)})
    return pd.DataFrame(rows)


def _with_printed(study: Study, table: pd.DataFrame, exhibit: str, value: str) -> pd.DataFrame:
    """The table with printed values beside our sets, and below all that the paper prints of textures, as rows of their own."""
    keys = ["set", "noise", *(["metric"] if exhibit == "noise_table2" else [])]
    # Where a simulated surface stands in for two categories, the first is the one beside it.
    paper = study.paper_values(exhibit).drop_duplicates(keys)
    paper = paper[paper["noise"].isin(FILTER)].rename(columns={value: "paper"})
    below = paper[paper["set"].isin(TEXTURES)].assign(set=lambda t: PRINTED + t["set"])
    if "metric" not in below:
        below["metric"] = "auroc"
    return pd.concat([beside(table, paper.set_index(keys)["paper"]), below], ignore_index=True)


def image_level(study: Study) -> pd.DataFrame:
    """`noise_table1_image_auroc`: image-level AUROC by set and noise, and the controls."""
    own = " or ".join(f"(noise == '{noise}' and filter == {filter_of(noise)})" for noise in (*FILTER, *CONTROLS))
    table = _auroc_table(study, f"start == {START} and ({own})", "filter", (*FILTER, *CONTROLS)).drop(columns="filter")
    return _with_printed(study, table, "noise_table1", "auroc")


def pixel_level(study: Study) -> pd.DataFrame:
    """`noise_table2_pixel`: pixel-level AUROC and average precision of M by set and noise, and the controls."""
    rows = []
    for name in sets(study):
        data = images(study, name)
        masks = [data.masks[i] for i in data.where("test")]
        known = [m for m in masks if m is not None]
        defective = np.array([m.any() for m in known])
        if not defective.any():
            continue
        for noise in (*FILTER, *CONTROLS):
            runs = []
            for seed in seeds(study):
                found = errors(study, name, noise, seed)
                maps = [mask(e, filter_of(noise)) ** 0.5 for e, m in zip(found, masks, strict=True) if m is not None]
                runs.append(pixel_histograms(maps, known))
            keys = {"set": name, "noise": noise}
            found_rows = pixel_rows(runs, defective, study.settings["evidence"])
            rows += [{**keys, **row, "seeds": len(runs)} for row in found_rows if row["metric"] in METRICS]
    table = pd.DataFrame(rows, columns=["set", "noise", "metric", "ours", "low", "high", "seeds"])
    return _with_printed(study, table, "noise_table2", "value")


def by_steps(study: Study) -> pd.DataFrame:
    """`noise_table3_steps`: image-level AUROC by the number of steps forward and back."""
    own = " or ".join(f"(noise == '{noise}' and filter == {size})" for noise, size in FILTER.items())
    table = _auroc_table(study, own, "start", tuple(FILTER))
    return _below(table, study.paper_values("noise_table3"))


def by_filter(study: Study) -> pd.DataFrame:
    """`noise_table4_filter`: image-level AUROC by the side of the mean filter."""
    table = _auroc_table(study, f"start == {START}", "filter", tuple(FILTER))
    return _below(table, study.paper_values("noise_table4"))


def _below(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """The printed averages, which belong to no set of ours, as rows of their own."""
    only = paper.rename(columns={"auroc": "paper"}).assign(set=MVTEC, metric="auroc")
    return pd.concat([table, only], ignore_index=True)


def shown(table: pd.DataFrame, rows: Sequence[str], columns: str, names: dict | None = None) -> pd.DataFrame:
    """A table of this chapter as people read it."""
    return wide(table.assign(noise=table["noise"].map(LABELS)), rows, columns, names, more=1)


def best(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The value of `key` with the highest AUROC, by set and noise: ours, and the paper's among its own."""
    table = table.assign(value=table["ours"].fillna(table["paper"]))
    found = table.loc[table.groupby(["set", "noise"], sort=False)["value"].idxmax()]
    return found.pivot_table(index="set", columns="noise", values=key, sort=False)[list(FILTER)].astype(int)


# --- what the noises are ---


@cache
def denoiser(study: Study, name: str, noise: str) -> Denoiser:
    """The first seed's network for a noise."""
    weights = study.path(name, f"seed{seeds(study)[0]}", "noise_study", "models", noise, "model.safetensors")
    return Denoiser.load(weights.parent, study.settings["compute"]["device"])


def fields(study: Study, noise: str, n: int = FIELDS) -> np.ndarray:
    """n fields of the size of a patch, (n, S, S) float32."""
    side = study.settings["training"]["patch"]
    draw = make_noise({**study.settings["noise"], "kind": noise})
    return draw((n, 1, side, side), torch.Generator().manual_seed(0))[:, 0].numpy()


def surface(study: Study, name: str, n: int = FIELDS) -> np.ndarray:
    """n patches of normal training images, (n, S, S) float32."""
    sampler = PatchSampler(images(study, name).train_images, study.settings["training"]["patch"])
    return sampler.sample(n, torch.Generator().manual_seed(0))[:, 0].numpy()


def spectra(named: Iterable[tuple[str, np.ndarray]], key: str) -> pd.DataFrame:
    """Power by wave number of fields by name: columns `key`, wave_number, power."""
    parts = [
        pd.DataFrame({key: name, "wave_number": range(1, len(power)), "power": power[1:]})
        for name, power in ((name, power_spectrum(values)) for name, values in named)
    ]
    return pd.concat(parts, ignore_index=True)


FORWARD, BACK = (0, 50, START, 1000), (100, 0)


def chains(study: Study, name: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Fig. 1: for each noise a field of it, one normal patch on its way forward, and back from START; titles and patches."""
    result = {}
    for noise in FILTER:
        model, generator = denoiser(study, name, noise), torch.Generator().manual_seed(0)
        x_0 = normal_patch(images(study, name), model.patch)
        eps = model.noise(tuple(x_0.shape), generator)
        forward = {t: model.schedule.forward(x_0, torch.tensor([t]), eps) if t else x_0 for t in FORWARD}
        times = sorted({*chain(START, min(START, 50)), *BACK}, reverse=True)
        states = dict(
            zip(times[1:], reverse_chain(forward[START].to(model.device), model, times, generator), strict=True)
        )
        pictures = [("ε", eps), *((f"$x_{{{t}}}$", x) for t, x in forward.items())]
        pictures += [(rf"back: $\hat x_{{{t}}}$", states[t].cpu()) for t in BACK]
        result[noise] = [(title, x[0, 0].numpy()) for title, x in pictures]
    return result


def marginals(study: Study) -> pd.DataFrame:
    """Quantiles of the pixels of each noise, beside the spectra in the numbers of Fig. 1."""
    levels = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    return pd.DataFrame({noise: np.quantile(fields(study, noise), levels) for noise in FILTER}, index=levels)


def samples(study: Study, most: int = 3) -> tuple[list[tuple[str, np.ndarray, np.ndarray | None, dict]], pd.DataFrame]:
    """Fig. 2: the first defective image of up to `most` types a set, and what each noise's mask M shows of it.

    Returns (title, image, mask, M by noise), and per image and noise the mean of √M on the defect and elsewhere.
    """
    examples, rows = [], []
    for name in sets(study):
        data = images(study, name)
        place = {i: k for k, i in enumerate(data.where("test"))}
        found = {noise: errors(study, name, noise, seeds(study)[0]) for noise in FILTER}
        for i in first_of_each_defect(data, most):
            maps = {noise: mask(each[place[i]], FILTER[noise]) ** 0.5 for noise, each in found.items()}
            examples.append((f"{name}\n{data.index['defect'][i]}", data.images[i], data.masks[i], maps))
            for noise, m in maps.items():
                rows += [
                    {"set": name, "defect": data.index["defect"][i], "noise": noise, "region": region, "error": m[where].mean()}
                    for region, where in _regions(data.masks[i])
                ]  # fmt: skip
    return examples, pd.DataFrame(rows, columns=["set", "defect", "noise", "region", "error"])


def _regions(defect: np.ndarray | None) -> list[tuple[str, np.ndarray]]:
    return [] if defect is None else [("defect", defect), ("normal", ~defect)]


# --- beyond the paper ---


def surfaces(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How near each noise's spectrum lies to each surface's, beside its AUROC in `table` (`image_level`).

    Returns the spectra of the surfaces, and a row per set and noise with `distance`: the mean over wave numbers of the
    absolute difference of the two log10 spectra.
    """
    noises = spectra(((noise, fields(study, noise)) for noise in FILTER), "noise").set_index("noise")
    found = spectra(((name, surface(study, name)) for name in sets(study)), "set")
    rows = []
    auroc = table.set_index(["set", "noise"])["ours"]
    for name, part in found.groupby("set", sort=False):
        for noise in FILTER:
            difference = np.log10(part["power"].to_numpy()) - np.log10(noises.loc[noise, "power"].to_numpy())
            rows.append({
                "set": name, "noise": noise, "distance": np.abs(difference).mean(), "auroc": auroc[name, noise],
            })  # fmt: skip
    return found, pd.DataFrame(rows)


def verdict(near: pd.DataFrame) -> str:
    """One computed line: in how many sets the noise with the nearest spectrum is the best one."""
    groups = list(near.groupby("set", sort=False))
    hits = sum(
        part.loc[part["distance"].idxmin(), "noise"] == part.loc[part["auroc"].idxmax(), "noise"] for _, part in groups
    )
    return (
        f"The noise whose spectrum is nearest to the surface's has the highest AUROC on {hits} of {len(groups)} sets"
        f" (guessing: {len(groups) / len(FILTER):.1f})."
    )


def advice(table: pd.DataFrame) -> list[str]:
    """One computed line per set of `image_level`: the best noise, whether it is clearly so, and whether it beats the controls."""
    lines = []
    for name, part in table[~table["set"].str.startswith(PRINTED)].groupby("set", sort=False):
        rows = part.set_index("noise")
        first, second = rows.loc[list(FILTER)].sort_values("ours", ascending=False).index[:2]
        clearly = "clearly ahead of" if rows.loc[first, "low"] > rows.loc[second, "high"] else "not clearly apart from"
        control = rows.loc[list(CONTROLS), "ours"].idxmax()
        beats = "above" if rows.loc[first, "low"] > rows.loc[control, "high"] else "not clearly above"
        lines.append(
            f"{name}: {LABELS[first]} noise (AUROC {rows.loc[first, 'ours']:.2f}) is {clearly} {LABELS[second]} noise"
            f" ({rows.loc[second, 'ours']:.2f}), and {beats} the {LABELS[control]} ({rows.loc[control, 'ours']:.2f})"
        )
    return lines
