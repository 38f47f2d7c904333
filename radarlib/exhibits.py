"""From artefacts to the numbers of each exhibit. Tables here; drawing is in `figures`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

from radarlib import figures
from radarlib.datasets import GOOD, ImageSet, periodicity
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.metrics import DETECTION, bootstrap_metrics, detection_metrics, interval, pixel_histograms, pixel_metrics
from radarlib.oneclass import OneClass
from radarlib.patches import PatchSampler, positions
from radarlib.radar import noise_map, sobel_features
from radarlib.reconstruct import reverse_chain
from radarlib.runtime import progress
from radarlib.study import Study
from radarlib.tables import with_interval

LABELS = {
    "radar": "RADAR",
    "ddpm": "DDPM (reconstruction)",
    "raw": "control: raw image",
    "untrained": "control: untrained network",
}
PERIODIC = 0.3
"""Autocorrelation above which a surface counts as periodic; simulated stripes reach 0.6, grain 0.1."""


def paper_values(study: Study, exhibit: str) -> pd.DataFrame:
    """The values that a paper prints, from `data/paper/`."""
    return pd.read_csv(study.root / "data" / "paper" / f"{exhibit}.csv")


# --- RADAR Table I ----------------------------------------------------------------------------------


def surface_kind(data: ImageSet) -> tuple[str, float]:
    """("periodic" or "stochastic", the autocorrelation's second peak), from training images alone."""
    value = periodicity(data.train_images[:20])
    return ("periodic" if value > PERIODIC else "stochastic"), value


def dataset_table(study: Study) -> pd.DataFrame:
    """`radar_table1_datasets`: one row per set and kind of image, with the paper's count."""
    printed = paper_values(study, "radar_table1").set_index(["set", "part", "class"])["count"]
    patch, rows = study.settings["training"]["patch"], []
    for name in study.sets:
        data = study.data(name)
        kind, value = surface_kind(data)
        counts = data.index.groupby(["split", "defect"], sort=False).size()
        sizes = sorted({image.shape for image in data.images})
        size = (
            "×".join(map(str, sizes[0][::-1]))
            if len(sizes) == 1
            else f"{len(sizes)} sizes, {min(sizes)[1]}–{max(s[1] for s in sizes)} wide"
        )
        common = {"set": name, "surface": kind, "autocorrelation": value, "image": size}
        for (split, defect), n in counts.items():
            rows.append({**common, "part": split, "class": defect, "count": n})
        total = int((data.index["split"] == "test").sum())
        defective = total - int(counts["test", GOOD])
        rows.append({**common, "part": "test", "class": "defective", "count": defective})
        rows.append({**common, "part": "patches", "class": GOOD, "count": len(PatchSampler(data.train_images, patch))})
    table = pd.DataFrame(rows)
    table["paper"] = [printed.get((r["set"], r["part"], r["class"]), np.nan) for r in rows]
    return table


def dataset_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Table I as people read it: a row per set, the paper's counts in brackets."""
    rows = []
    for name, part in table.groupby("set", sort=False):
        row = {
            "set": name,
            "surface": f"{part['surface'].iloc[0]} ({part['autocorrelation'].iloc[0]:.2f})",
            "image": part["image"].iloc[0],
        }
        for title, split, kind in (
            ("training", "train", GOOD), ("training patches", "patches", GOOD), ("test, normal", "test", GOOD), ("test, defective", "test", "defective"),
        ):  # fmt: skip
            found = part[(part["part"] == split) & (part["class"] == kind)].iloc[0]
            row[title] = f"{found['count']:,}" + ("" if pd.isna(found["paper"]) else f" ({found['paper']:,.0f})")
        types = part[(part["part"] == "test") & ~part["class"].isin([GOOD, "defective"])]
        row["defects"] = ", ".join(f"{r['class']} {r['count']}" for _, r in types.iterrows()).replace("_", " ")
        rows.append(row)
    return pd.DataFrame(rows)


# --- RADAR Table II ---------------------------------------------------------------------------------


def decide(study: Study, name: str, method: str, seed: int, contamination: float | None = None) -> pd.DataFrame:
    """The decision on each test image: `image`, `defect`, `score`, `threshold`, `flagged` (RADAR §III-E).

    The classifier is fitted on the training images' features; nothing here depends on a test label.
    """
    options = study.settings["decision"]
    features = study.features(name, method, seed)
    columns = [c for c in features if c not in ("image", "split", "defect")]
    train, test = (features[features["split"] == split] for split in ("train", "test"))
    classifier = OneClass(options["contamination"] if contamination is None else contamination, options["trees"], seed)
    classifier.fit(train[columns].to_numpy())
    values = test[columns].to_numpy()
    return test[["image", "defect"]].assign(
        score=classifier.score(values), threshold=classifier.threshold, flagged=classifier.predict(values)
    )


def detection_table(study: Study, methods: tuple[str, ...] = tuple(LABELS)) -> pd.DataFrame:
    """`radar_table2_detection`: one row per set, method and metric.

    `ours` is the mean over seeds, `low` and `high` its bootstrap interval over test images, `sd` the spread
    over seeds, `paper` what RADAR's Table II prints.
    """
    printed = paper_values(study, "radar_table2").set_index(["set", "method"])
    evidence, rows = study.settings["evidence"], []
    for name, method in progress([(n, m) for n in study.sets for m in methods], desc="deciding", unit="row"):
        runs = [decide(study, name, method, seed) for seed in study.seeds_of(method)]
        truth = (runs[0]["defect"] != GOOD).to_numpy()
        scores, flagged = (np.stack([run[c].to_numpy() for run in runs]) for c in ("score", "flagged"))
        values = pd.DataFrame([detection_metrics(truth, s, f) for s, f in zip(scores, flagged, strict=True)])
        drawn = bootstrap_metrics(truth, scores, flagged, evidence["bootstrap"], seed=0)
        for metric in DETECTION:
            low, high = interval(drawn[metric], evidence["level"])
            paper = printed.loc[name, method].get(metric, np.nan) if (name, method) in printed.index else np.nan
            rows.append({
                "set": name, "method": method, "metric": metric, "ours": values[metric].mean(), "low": low, "high": high,
                "sd": values[metric].std(ddof=0), "seeds": len(runs), "test_images": len(truth), "paper": paper,
            })  # fmt: skip
    return pd.DataFrame(rows)


def detection_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Table II as people read it: a row per set and method, "ours [interval] (paper)" per metric."""
    rows = []
    for (name, method), part in table.groupby(["set", "method"], sort=False):
        cells = {"set": name, "method": LABELS[method]}
        for row in part.itertuples():
            paper = "" if pd.isna(row.paper) else f" ({row.paper:.2f})"
            cells[row.metric] = with_interval(row.ours, row.low, row.high) + paper
        rows.append(cells)
    return pd.DataFrame(rows)


def detection_caption(study: Study, table: pd.DataFrame) -> str:
    """What a reader must know of Table II: n, seeds, settings, and which sets were cut."""
    options = study.settings
    cut = [
        f"{n}: a seeded draw of {t} test images"
        for n, t in table.groupby("set", sort=False)["test_images"].first().items()
        if limited(study, n, t)
    ]
    return (
        f"Image-level detection (RADAR Table II): mean over {len(study.seeds)} training seeds [bootstrap {options['evidence']['level']:.0%} interval over test images]"
        f" (value printed in the paper, on its own images). Contamination {options['decision']['contamination']}; DDPM takes"
        f" {options['reconstruction']['reverse_steps']} of {options['reconstruction']['t_start']} reverse steps."
        + (" " + "; ".join(cut) + "." if cut else "")
    )


def limited(study: Study, name: str, test_images: int) -> bool:
    """Whether a real set was cut to `data.max_test` images."""
    limit = study.settings["data"]["max_test"]
    return name not in study.settings["data"]["counts"] and limit is not None and abs(test_images - limit) <= 3


def detection_verdicts(table: pd.DataFrame) -> list[str]:
    """One computed line per set and rival: whether RADAR's F1 is ahead, and by how much."""
    lines = []
    for name, part in table[table["metric"] == "f1"].groupby("set", sort=False):
        rows = part.set_index("method")
        ours = rows.loc["radar"]
        for method in rows.index.drop("radar"):
            rival = rows.loc[method]
            verdict = (
                "ahead of"
                if ours["low"] > rival["high"]
                else "behind"
                if ours["high"] < rival["low"]
                else "not clearly apart from"
            )
            lines.append(f"{name}: RADAR (F1 {ours['ours']:.2f}) is {verdict} {LABELS[method]} ({rival['ours']:.2f})")
    return lines


def recall_by_defect(study: Study, methods: tuple[str, ...] = tuple(LABELS)) -> pd.DataFrame:
    """Share of images called anomalous per set, defect type and method, mean over seeds ("good": false alarms)."""
    parts = []
    for name in study.sets:
        for method in methods:
            flagged = (
                pd.concat([decide(study, name, method, seed) for seed in study.seeds_of(method)])
                .groupby("defect", sort=False)["flagged"]
                .mean()
            )
            parts.append(flagged.rename(LABELS[method]).to_frame().assign(set=name).set_index("set", append=True))
    table = pd.concat(parts).groupby(level=["set", "defect"], sort=False).first()
    return table[[LABELS[m] for m in methods]].reset_index()


# --- RADAR Figs. 2 to 5 -----------------------------------------------------------------------------


def normal_patch(data: ImageSet, patch: int) -> torch.Tensor:
    """The central patch of the first normal test image, (1, 1, patch, patch)."""
    image = data.images[first_normal(data)]
    r, c = (image.shape[0] - patch) // 2, (image.shape[1] - patch) // 2
    return torch.from_numpy(image[r : r + patch, c : c + patch].copy())[None, None]


def chain_states(
    data: ImageSet, denoiser: Denoiser, seed: int, shown: int = 6
) -> tuple[pd.DataFrame, dict[str, dict[int, np.ndarray]]]:
    """Fig. 2: one patch forward to T, and back from T by ancestral sampling, at `shown` time steps.

    Returns a table (direction, t, mean, standard deviation, correlation with x_0) and the patches by direction and t.
    """
    schedule, generator = denoiser.schedule, torch.Generator().manual_seed(seed)
    x_0 = normal_patch(data, denoiser.patch)
    marks = chain(schedule.steps, shown - 1)
    eps = torch.randn(x_0.shape, generator=generator)
    forward = {t: schedule.forward(x_0, torch.tensor([t]), eps)[0, 0].numpy() for t in reversed(marks)}
    times = sorted({*marks, *chain(schedule.steps, min(schedule.steps, 250))}, reverse=True)
    states = reverse_chain(
        torch.from_numpy(forward[times[0]])[None, None].to(denoiser.device), denoiser, times, generator
    )
    visited = dict(zip(times[1:], states, strict=True)) | {times[0]: torch.from_numpy(forward[times[0]])[None, None]}
    backward = {t: visited[t][0, 0].cpu().numpy() for t in marks}
    rows = [
        {
            "direction": direction,
            "t": t,
            "mean": x.mean(),
            "sd": x.std(),
            "correlation": np.corrcoef(x.ravel(), x_0.numpy().ravel())[0, 1],
        }
        for direction, patches in (("forward", forward), ("backward", backward))
        for t, x in patches.items()
    ]
    return pd.DataFrame(rows), {"forward": forward, "backward": backward}


def noise_predictions(
    data: ImageSet, denoiser: Denoiser, seed: int, times: tuple[int, ...]
) -> tuple[pd.DataFrame, list[tuple]]:
    """Fig. 3: noise in, noisy patch, noise predicted, at several t.

    Returns a table (t, mean squared error, correlation of ε and ε_θ over 64 patches) and, per t, (t, ε, x_t, ε_θ).
    """
    generator = torch.Generator().manual_seed(seed)
    test = [data.images[i] for i in data.where("test") if data.index["defect"][i] == GOOD]
    x_0 = torch.cat([normal_patch(data, denoiser.patch), PatchSampler(test, denoiser.patch).sample(63, generator)])
    eps = torch.randn(x_0.shape, generator=generator)
    rows, shown = [], []
    for t in times:
        x_t = denoiser.schedule.forward(x_0, torch.full((len(x_0),), t), eps)
        predicted = denoiser.eps(x_t.to(denoiser.device), t).cpu()
        correlation = np.corrcoef(eps.numpy().ravel(), predicted.numpy().ravel())[0, 1]
        rows.append({"t": t, "mse": torch.mean((eps - predicted) ** 2).item(), "correlation": correlation})
        shown.append((t, eps[0, 0].numpy(), x_t[0, 0].numpy(), predicted[0, 0].numpy()))
    return pd.DataFrame(rows), shown


def predicted_noise(data: ImageSet, denoiser: Denoiser, t: int, seed: int, patches: int = 200) -> dict[str, np.ndarray]:
    """Fig. 4: ε_θ(x_t, t) of patches from normal test images and of patches centred on defects, (n, pixels) each."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    side, test = denoiser.patch, data.where("test")
    good = [data.images[i] for i in test if data.index["defect"][i] == GOOD]
    anomalous = []
    for i in test:
        mask = data.masks[i]
        if data.index["defect"][i] != GOOD and mask is not None and mask.any():
            rows, columns = np.nonzero(mask)
            for k in rng.integers(len(rows), size=3):
                r = int(np.clip(rows[k] - side // 2, 0, mask.shape[0] - side))
                c = int(np.clip(columns[k] - side // 2, 0, mask.shape[1] - side))
                anomalous.append(data.images[i][r : r + side, c : c + side])
    groups = {"normal": PatchSampler(good, side).sample(patches, generator)}
    if anomalous:
        groups["anomalous"] = torch.from_numpy(np.stack(anomalous[:patches]))[:, None]
    result = {}
    for kind, x_0 in groups.items():
        x_t = denoiser.schedule.forward(x_0, torch.full((len(x_0),), t), torch.randn(x_0.shape, generator=generator))
        result[kind] = denoiser.eps(x_t.to(denoiser.device), t).cpu().numpy().reshape(len(x_0), -1)
    return result


def normality(noise: np.ndarray) -> dict[str, float]:
    """Is the predicted noise Gaussian? noise (n patches, pixels) → statistics.

    `shapiro_w`: mean Shapiro-Wilk W of a patch (1 = Gaussian); `rejected`: share of patches that the test rejects
    at 5 %, by which a Gaussian sample of independent pixels is rejected in 5 % of cases (neighbouring pixels here
    are not quite independent); `excess_kurtosis` over all pixels (0 = Gaussian); `sd` of all pixels.
    """
    tests = [stats.shapiro(patch) for patch in noise]
    return {
        "patches": len(noise),
        "sd": float(noise.std()),
        "excess_kurtosis": float(stats.kurtosis(noise.ravel())),
        "shapiro_w": float(np.mean([test.statistic for test in tests])),
        "rejected": float(np.mean([test.pvalue < 0.05 for test in tests])),
    }


def network_layers(denoiser: Denoiser) -> pd.DataFrame:
    """Fig. 5: the blocks of the network in the order in which a patch runs through them, read off the model itself.

    Columns: block, kind, channels and side of the output, parameters, MFLOPs for one patch.
    """
    net = denoiser.net
    names = {module: name for name, module in net.named_modules()}
    blocks = [
        m
        for n, m in net.named_modules()
        if n
        and (n.count(".") == 0 or (n.split(".")[0] in ("down", "up", "downsample", "upsample") and n.count(".") == 1))
        and not isinstance(m, torch.nn.ModuleList)
    ]
    seen: list[dict] = []

    def record(module: torch.nn.Module, _: tuple, output: torch.Tensor) -> None:
        seen.append({
            "block": names[module], "kind": type(module).__name__, "channels": output.shape[1],
            "side": output.shape[-1] if output.ndim == 4 else 1, "parameters": sum(p.numel() for p in module.parameters()),
        })  # fmt: skip

    hooks = [block.register_forward_hook(record) for block in blocks]
    with FlopCounterMode(display=False) as counter:
        net(
            torch.zeros(1, 1, denoiser.patch, denoiser.patch, device=denoiser.device),
            torch.ones(1, device=denoiser.device),
        )
    for hook in hooks:
        hook.remove()
    flops = {
        key.removeprefix(f"{type(net).__name__}."): sum(value.values())
        for key, value in counter.get_flop_counts().items()
    }
    return pd.DataFrame(seen).assign(mflops=lambda table: [flops.get(name, 0) / 1e6 for name in table["block"]])


# --- RADAR Figs. 1, 6, 7 ----------------------------------------------------------------------------


def first_of_each_defect(data: ImageSet, limit: int = 5) -> list[int]:
    """Positions of the first test image of each defect type in file order: a choice that looks at no result."""
    test = data.index[(data.index["split"] == "test") & (data.index["defect"] != GOOD)]
    return list(test.groupby("defect", sort=False).head(1).index[:limit])


def first_normal(data: ImageSet) -> int:
    """Position of the first normal test image."""
    return int(data.index.index[(data.index["split"] == "test") & (data.index["defect"] == GOOD)][0])


def feature_table(study: Study, name: str, seed: int) -> pd.DataFrame:
    """RADAR's features of every scored image with its class, "normal" or "anomalous"."""
    table = study.features(name, "radar", seed)
    return table.assign(**{"class": np.where(table["defect"] == GOOD, "normal", "anomalous")})


def overview_pieces(study: Study, name: str, seed: int) -> dict:
    """Fig. 1: arguments of `figures.overview` for the first defective test image of a set."""
    data, denoiser, options = study.data(name), study.denoiser(name, seed), study.settings["radar"]
    i = first_of_each_defect(data)[0]
    image = data.images[i]
    noise = noise_map(image, denoiser, options["t"], options["stride"], seed)
    table = study.features(name, "radar", seed)
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    decision = study.settings["decision"]
    classifier = OneClass(decision["contamination"], decision["trees"], seed).fit(train[["global", "local"]].to_numpy())
    rows = positions(image.shape[0], denoiser.patch, options["stride"])[:3]
    columns = positions(image.shape[1], denoiser.patch, options["stride"])[:3]
    return {
        "image": image, "corners": [(r, c) for r in rows for c in columns], "patch": denoiser.patch, "noise": noise,
        "s": sobel_features(noise, options)[0], "train": train, "test": test, "classifier": classifier, "highlight": data.index["image"][i],
    }  # fmt: skip


def gaussian_verdict(name: str, table: pd.DataFrame) -> str:
    """Fig. 4 in a sentence, computed from `normality` of the two kinds of patches."""
    rows = table.set_index("kind")
    normal = rows.loc["normal"]
    said = "consistent with" if normal["rejected"] <= 0.1 else "not quite" if normal["rejected"] <= 0.3 else "not"
    text = f"{name}: the predicted noise of normal patches is {said} Gaussian ({normal['rejected']:.0%} rejected)"
    if "anomalous" in rows.index:
        other = rows.loc["anomalous"]
        further = "further from Gaussian" if other["shapiro_w"] < normal["shapiro_w"] else "no further from Gaussian"
        text += f"; that of anomalous ones is {further} ({other['rejected']:.0%} rejected) and {other['sd'] / normal['sd']:.1f} times as strong"
    return text


def maps_exhibit(study: Study, kind: str, seed: int) -> tuple[Figure, pd.DataFrame]:
    """Figs. 6, 7: RADAR's maps on all sets of one kind of surface, and the pixel-level figures behind them."""
    names = [name for name in study.sets if surface_kind(study.data(name))[0] == kind]
    if not names:
        return figures.message(f"no {kind} surface in this profile"), pd.DataFrame(
            columns=["set", "method", "metric", "ours", "low", "high"]
        )
    groups = {}
    for name in names:
        data, maps = study.data(name), study.maps(name, "radar", seed)
        place = {i: k for k, i in enumerate(data.where("test"))}
        scale = float(np.quantile(np.concatenate([m.ravel()[::7] for m in maps]).astype(np.float32), 0.999))
        groups[name] = (
            [
                (data.index["defect"][i], data.images[i], data.masks[i], maps[place[i]])
                for i in first_of_each_defect(data)
            ],
            scale,
        )
    return figures.maps_figure(groups), pd.concat([pixel_table(study, name) for name in names], ignore_index=True)


def pixel_table(study: Study, name: str, method: str = "radar") -> pd.DataFrame:
    """Pixel-level AUROC and average precision of a method's maps, mean over seeds with bootstrap intervals.

    Images without a mask are left out and counted; without any mask the values are missing.
    """
    data, evidence = study.data(name), study.settings["evidence"]
    masks = [data.masks[i] for i in data.where("test")]
    with_mask = [k for k, mask in enumerate(masks) if mask is not None]
    known = [masks[k] for k in with_mask]
    rows = []
    have_defects = any(mask is not None and mask.any() for mask in masks)
    if have_defects:
        histograms = [
            pixel_histograms([study.maps(name, method, seed)[k] for k in with_mask], known)
            for seed in study.seeds_of(method)
        ]
        values = pd.DataFrame([pixel_metrics(h.sum(axis=0)) for h in histograms])
        rng = np.random.default_rng(0)
        weights = rng.multinomial(len(known), np.full(len(known), 1 / len(known)), min(evidence["bootstrap"], 500))
        drawn = pd.DataFrame(
            [
                np.mean([list(pixel_metrics(np.tensordot(w, h, 1)).values()) for h in histograms], axis=0)
                for w in weights
            ],
            columns=values.columns,
        )
    for metric in ("pixel_auroc", "pixel_ap"):
        low, high = interval(drawn[metric].to_numpy(), evidence["level"]) if have_defects else (np.nan, np.nan)
        rows.append({"set": name, "method": method, "metric": metric, "ours": values[metric].mean() if have_defects else np.nan,
                     "low": low, "high": high, "images_with_mask": len(with_mask), "images_without_mask": len(masks) - len(with_mask)})  # fmt: skip
    return pd.DataFrame(rows)
