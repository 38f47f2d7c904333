"""What a user gets: each set through the detector that `radarlib fit` makes, by space, beside PatchCore and PaDiM on
the same pretrained features, images and splits; of the good images the rivals see at most `d3ad.memory`. No label is
seen but by the figures of merit.

    RADARLIB_DATA=~/sets python workflow/detectors.py [--sets NAME …] [--settings '{"unet": {"width": 8}}']

Left in data/detectors.csv: AUROC with its interval over test images, F1 at the detector's own threshold, the share of
good test images that are flagged with its 95 % interval (Clopper and Pearson), pixel AUROC, PRO, seconds of the fit and
of an image, and the highest memory in MB. The row `chosen` is the space that artificial defects on the good images
choose; those of `mean` have, as `over_low` and `over_high`, the interval of how far the mean AUROC lies above
PatchCore's. Each measurement is a process of its own; what the same code has finished lies in results/detectors, and is
not done again. As people read it, the table is data/detectors.md, and its means data/detectors_mean.md.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]  # where the packages `radarlib` and `study` lie

from scipy.stats import binomtest  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from radarlib.config import merge, resolve  # noqa: E402
from radarlib.datasets import GOOD, drawn, prepare  # noqa: E402
from radarlib.errors import UserError  # noqa: E402
from radarlib.extractor import Extractor  # noqa: E402
from radarlib.files import read_json, settings_key, sha256_bytes, write_bytes, write_csv, write_json  # noqa: E402
from radarlib.inspection.detector import Detector  # noqa: E402
from radarlib.layout import available_sets, data_root  # noqa: E402
from radarlib.map_features import peak, smoothed  # noqa: E402
from radarlib.methods import padim, patchcore  # noqa: E402
from radarlib.runtime import median_seconds, progress, use_threads  # noqa: E402
from radarlib.sources import OWN, imported, source_files  # noqa: E402
from radarlib.textures import artificial_defect  # noqa: E402
from study.metrics import bootstrap_metrics, detection_metrics, interval, pixel_histograms, pixel_metrics  # noqa: E402

SPACES, RIVALS = ("pixels", "features", "both"), ("patchcore", "padim")
LABELS = {"patchcore": "PatchCore", "padim": "PaDiM"}
PACKAGES = {**OWN, "study": ROOT / "notebooks"}
RESAMPLES, LEVEL, SEED = 2000, 0.95, 0
PROBES = 40  # artificial defects by which a space is chosen
Judge = Callable[[np.ndarray], tuple[float, bool, np.ndarray]]
"""Of an image its score, whether it is flagged, and its map."""


def detector(images: list[np.ndarray], settings: dict, space: str) -> tuple[Judge, np.ndarray, list[np.ndarray]]:
    """A fitted detector, the scores of good images by decisions that had not seen them, and these images."""
    fitted = Detector(merge(settings, {"decision": {"space": space}}), SEED).fit(images)

    def judge(image: np.ndarray) -> tuple[float, bool, np.ndarray]:
        found = fitted.detect(image)
        return found.score, found.anomalous, found.anomaly_map

    return judge, fitted.calibration_scores_, [images[i] for i in fitted.judged_]  # a set is read without copies


def rival(images: list[np.ndarray], settings: dict, name: str) -> tuple[Judge, np.ndarray, list[np.ndarray]]:
    """PatchCore or PaDiM, which have no threshold of their own."""
    extractor, options = Extractor(settings["features"], "cpu"), settings["d3ad"]
    some = drawn(np.arange(len(images)), options["memory"], SEED)
    embedded = [extractor.embed(images[i]) for i in progress(some, desc="features", unit="image")]
    if name == "patchcore":
        told = partial(patchcore.score, bank=patchcore.fit(embedded, options["coreset"], SEED, greedy=True))
    else:
        told = partial(padim.score, model=padim.fit(embedded, SEED))

    def judge(image: np.ndarray) -> tuple[float, bool, np.ndarray]:
        found = told(extractor.embed(image))
        grid = smoothed(found.reshape(extractor.grid, extractor.grid), options["sigma"])
        return peak(found), False, cv2.resize(grid, image.shape[::-1], interpolation=cv2.INTER_LINEAR)

    return judge, np.array([]), []


def measure(name: str, way: str, settings: dict) -> dict:
    """What one way gives on one set: by image its truth, score and verdict; figures of pixels; times; memory."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(name, settings, data_root(ROOT), Path(folder) / "images.npz")
    start = time.monotonic()
    judge, known, good = (detector if way in SPACES else rival)(data.train_images, settings, way)
    found: dict = {"fit_s": time.monotonic() - start}
    test = data.where("test")
    judged = [judge(data.images[i]) for i in progress(test, desc=f"{name}: {way}", unit="image")]
    found["image_s"] = median_seconds(judge, [data.images[i] for i in test])
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 1024
    )
    scores, flagged, maps = zip(*judged, strict=True)
    found |= {"truth": [data.index["defect"][i] != GOOD for i in test], "score": list(map(float, scores))}
    found |= {"flagged": list(map(bool, flagged)), "images": len(data.train_images)}
    masked = [(m, data.masks[i]) for m, i in zip(maps, test, strict=True) if data.masks[i] is not None]
    histogram = pixel_histograms([m for m, _ in masked], [mask for _, mask in masked]).sum(0)
    found |= {key: float(value) for key, value in pixel_metrics(histogram).items()}
    if len(known):
        probes = [artificial_defect(good[k % len(good)], np.random.default_rng([SEED, k]))[0] for k in range(PROBES)]
        found["probes"] = roc_auc_score(
            np.repeat([0, 1], [len(known), PROBES]), [*known, *(judge(x)[0] for x in probes)]
        )
    return found


def row(name: str, way: str, found: dict) -> dict:
    """A row of the table, with its resamples of AUROC in "draws"."""
    truth, score, flagged = (np.array(found[key]) for key in ("truth", "score", "flagged"))
    draws = bootstrap_metrics(truth, score[None], flagged[None], RESAMPLES, SEED)["auroc"]
    alarms, good = int(flagged[~truth].sum()), int((~truth).sum())
    reached, own = detection_metrics(truth, score, flagged), {}
    if way in SPACES:
        low, high = binomtest(alarms, good).proportion_ci(LEVEL)
        own = {"f1": reached["f1"], "false_alarms": alarms / good, "alarms_low": low, "alarms_high": high}
    low, high = interval(draws, LEVEL)
    numbers = {key: found[key] for key in ("pixel_auroc", "pro", "fit_s", "image_s", "peak_mb")}
    return {
        "set": name, "way": LABELS.get(way, way), "images": found["images"], "good": good,
        "defective": len(truth) - good,
        "auroc": reached["auroc"], "low": low, "high": high, **own, **numbers,
        "probes": found.get("probes", np.nan), "draws": draws,
    }  # fmt: skip


def table(rows: list[dict]) -> pd.DataFrame:
    """The rows, those of the space that is chosen without a label, and of each way the means over sets."""
    found = pd.DataFrame(rows)
    own = found[found["way"].isin(SPACES)]
    chosen = own.loc[own.groupby("set", sort=False)["probes"].idxmax()].assign(way="chosen")
    found = pd.concat([found, chosen], ignore_index=True)
    drawn_means = {way: np.mean(part["draws"].tolist(), axis=0) for way, part in found.groupby("way", sort=False)}
    means = []
    for way, part in found.groupby("way", sort=False):
        mean = part[["auroc", "f1", "false_alarms", "pixel_auroc", "pro", "fit_s", "image_s", "peak_mb"]].mean()
        (low, high), over = interval(drawn_means[way], LEVEL), drawn_means[way] - drawn_means[LABELS["patchcore"]]
        ahead = dict(zip(("over_low", "over_high"), interval(over, LEVEL), strict=True))
        means.append({"set": "mean", "way": way, **mean, "low": low, "high": high, **ahead})
    order = {name: k for k, name in enumerate(dict.fromkeys(found["set"]))}
    found = found.sort_values("set", key=lambda names: names.map(order), kind="stable")
    return pd.concat([found, pd.DataFrame(means)], ignore_index=True).drop(columns="draws")


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table as people read them."""

    def cell(value: float, low: float = np.nan, high: float = np.nan, form: str = ".2f") -> str:
        between = "" if pd.isna(low) else f" [{low:{form}}, {high:{form}}]"
        return "–" if pd.isna(value) else f"{value:{form}}{between}"

    rows = []
    for line in found.to_dict("records"):
        alarms = [100 * line.get(key, np.nan) for key in ("false_alarms", "alarms_low", "alarms_high")]
        rows.append({
            "set": line["set"],
            "way": line["way"],
            "AUROC": cell(*(line[key] for key in ("auroc", "low", "high"))),
            "above PatchCore": f"{line['over_low']:+.2f} to {line['over_high']:+.2f}" if "over_low" in line else "",
            "F1": cell(line["f1"]),
            "false alarms, %": cell(*alarms, form=".0f"),
            "pixel AUROC": cell(line["pixel_auroc"]),
            "PRO": cell(line["pro"]),
            "fit, s": cell(line["fit_s"], form=".0f"),
            "image, s": cell(line["image_s"]),
            "MB": cell(line["peak_mb"], form=".0f"),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    return table.loc[:, (table != "").any()]


def code() -> str:
    """A digest of this script and of all that it imports of ours."""
    files = source_files(imported(Path(__file__).read_text(), PACKAGES), PACKAGES)
    return sha256_bytes(b"".join(file.read_bytes() for file in (Path(__file__), *files)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sets", nargs="+", help="folders of $RADARLIB_DATA (default: all)")
    parser.add_argument("--settings", type=json.loads, default={}, help="what differs from the defaults, as JSON")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=2, metavar=("SET", "WAY"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    settings = resolve(args.settings)
    work = ROOT / "results/detectors" / sha256_bytes((settings_key(settings) + code()).encode())[:12]
    if args.one:
        use_threads(args.threads)
        write_json(work / "{}-{}.json".format(*args.one), measure(*args.one, settings))
        return
    rows = []
    for name in args.sets or available_sets(data_root(ROOT)):
        for way in (*SPACES, *RIVALS):
            file = work / f"{name}-{way}.json"
            if not file.exists():
                same = ["--threads", str(args.threads), "--settings", json.dumps(args.settings)]
                subprocess.run([sys.executable, __file__, *same, "--one", name, way], check=True)
            rows.append(row(name, way, read_json(file)))
    found = table(rows)
    write_csv(ROOT / "data/detectors.csv", found, 4)
    means = found["set"] == "mean"
    for name, part in {"detectors": found[~means], "detectors_mean": found[means]}.items():
        plain = shown(part.dropna(axis=1, how="all"))
        plain = plain.drop(columns="set") if name == "detectors_mean" else plain
        write_bytes(ROOT / f"data/{name}.md", f"{plain.to_markdown(index=False, disable_numparse=True)}\n".encode())
    print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"detectors.py: {error}")
