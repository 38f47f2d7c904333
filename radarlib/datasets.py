"""Images in, checked: single files, folders, sets in MVTec AD layout, and the simulated sets as one data type."""

from __future__ import annotations

import glob
import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib import textures
from radarlib.errors import UserError
from radarlib.files import write_csv, write_npz
from radarlib.images import content_hash, distinct, list_images, read_image, read_mask, resize, resize_mask
from radarlib.layout import available_sets
from radarlib.runtime import progress

GOOD = "good"
SIMULATED = 100  # px of a simulated image's side where the settings name none: RADAR's


@dataclass
class ImageSet:
    """Images of one data set with what is known of each.

    images : 2-D float32 arrays in [-1, 1], sizes may differ.
    index : one row per image: `image` (name), `split` (train or test), `defect` ("good" or its type).
    masks : for each image a bool array of its shape, or None where a defective image has no mask.
    """

    images: list[np.ndarray]
    index: pd.DataFrame
    masks: list[np.ndarray | None]

    def where(self, split: str) -> list[int]:
        return list(np.flatnonzero(self.index["split"] == split))

    @property
    def train_images(self) -> list[np.ndarray]:
        return [self.images[i] for i in self.where("train")]

    def blind(self) -> ImageSet:
        """The same images without labels and masks: what training and scoring get."""
        index = self.index[["image", "split"]].assign(defect="")
        return ImageSet(self.images, index, [None] * len(self.images))

    def contaminated(self, share: float, seed: int) -> ImageSet:
        """The same set where a seeded draw of `share` of the training images has an artificial defect: unclean data."""
        rng, images, train = np.random.default_rng(seed), list(self.images), self.where("train")
        for i in rng.choice(train, round(share * len(train)), replace=False):
            images[i] = textures.artificial_defect(images[i], rng)[0]
        return ImageSet(images, self.index, self.masks)

    def first_normal(self) -> int:
        """Position of the first normal test image."""
        return int(np.flatnonzero((self.index["split"] == "test") & (self.index["defect"] == GOOD))[0])

    def save(self, path: Path) -> None:
        """One file without pickles: pixels laid end to end, shapes, and the index beside it as CSV."""
        shapes = np.array([image.shape for image in self.images])
        write_npz(
            path,
            shapes=shapes,
            pixels=np.concatenate([image.ravel() for image in self.images]),
            masks=np.concatenate(
                [
                    np.zeros(i.size, bool) if m is None else m.ravel()
                    for i, m in zip(self.images, self.masks, strict=True)
                ]
            ),
            has_mask=np.array([mask is not None for mask in self.masks]),
        )
        write_csv(path.with_suffix(".csv"), self.index)

    @classmethod
    def load(cls, path: Path) -> ImageSet:
        if not path.is_file():
            raise UserError(f"{path}: missing; run the workflow's data rule first")
        with np.load(path) as data:
            shapes, has_mask = data["shapes"], data["has_mask"]
            cuts = np.cumsum(shapes.prod(1))[:-1]
            images = [flat.reshape(s) for flat, s in zip(np.split(data["pixels"], cuts), shapes, strict=True)]
            masks = [flat.reshape(s) for flat, s in zip(np.split(data["masks"], cuts), shapes, strict=True)]
        index = pd.read_csv(path.with_suffix(".csv"), dtype=str, keep_default_na=False)
        return cls(images, index, [m if has else None for m, has in zip(masks, has_mask, strict=True)])


def refuse_shared(known: dict[str, Path], test: Iterable[tuple[Path, np.ndarray]]) -> None:
    """Raise UserError if a test image stands among the training images too, `known` by their contents' hashes."""
    for path, image in test:
        if (other := known.get(content_hash(image))) is not None:
            raise UserError(f"{path}: the same image is also the training image {other}; remove one of the two")


def drawn(positions: np.ndarray, limit: int | None, seed: int) -> np.ndarray:
    """All positions, or where there are more than `limit` a seeded draw of that many, in their order."""
    if limit is None or len(positions) <= limit:
        return positions
    return np.sort(np.random.default_rng(seed).choice(positions, limit, replace=False))


def subset(files: dict[str, list[Path]], limit: int | None, seed: int) -> dict[str, list[Path]]:
    """At most about `limit` files in all, the same share of every class (at least one of each)."""
    total = sum(map(len, files.values()))
    if limit is None or total <= limit:
        return files
    limits = {name: max(1, round(limit * len(paths) / total)) for name, paths in files.items()}
    return {name: [paths[i] for i in drawn(np.arange(len(paths)), limits[name], seed)] for name, paths in files.items()}


def read_mvtec(root: Path, name: str, options: dict, smallest: int) -> ImageSet:
    """Read `root/name` in MVTec AD layout; `options` is a configuration's `data` section.

    Raises UserError for a missing or empty folder, an unreadable or too small image, a mask of another size
    than its image, and an image that stands in train and in test. A defective image without a mask is kept. Of training
    images that are copies of each other, as real sets have, one is kept: with a few copies of an unusual image a
    classifier takes what lies beyond it for usual, and an image held out from a network would have been seen by it.
    """
    folder = root / name
    if not (folder / "train" / GOOD).is_dir():
        known = ", ".join(available_sets(root)) or "none"
        raise UserError(f"{folder}: no data set (train/good is missing); sets found under {root}: {known}")
    if not (folder / "test" / GOOD).is_dir():
        raise UserError(f"{folder / 'test' / GOOD}: no such folder; a test needs normal images as well")
    size = options["image_size"]
    train = list_images(folder / "train" / GOOD)
    tests = {p.name: list_images(p) for p in sorted((folder / "test").iterdir()) if p.is_dir()}
    if len(tests) == 1:
        raise UserError(f"{folder / 'test'}: only normal images; a test needs a folder of defective ones")
    tests = subset(tests, options["max_test"], options["seed"])
    paths = [(p, "train", GOOD) for p in train] + [(p, "test", d) for d, ps in tests.items() for p in ps]
    images: list[np.ndarray] = []
    masks: list[np.ndarray | None] = []
    for path, _, defect in progress(paths, desc=f"reading {name}", unit="image"):
        image = read_image(path, None, smallest if size is None else 1)
        shape = image.shape
        images.append(image if size is None else read_image(path, size, smallest))
        found = sorted((folder / "ground_truth" / defect).glob(f"{glob.escape(path.stem)}_mask.*"))
        if defect == GOOD:
            masks.append(np.zeros(images[-1].shape, bool))
        else:
            masks.append(read_mask(found[0], path, shape, size) if found else None)
    first, tested = distinct(images[: len(train)]), range(len(train), len(images))
    refuse_shared({content: train[i] for content, i in first.items()}, ((paths[i][0], images[i]) for i in tested))
    if copies := len(train) - len(first):
        print(f"{name}: {copies} of {len(train)} training images are copies of others; left out", file=sys.stderr)
    kept = [*first.values(), *tested]
    rows = [(str(p.relative_to(folder)), split, defect) for p, split, defect in (paths[i] for i in kept)]
    index = pd.DataFrame(rows, columns=["image", "split", "defect"])
    return ImageSet([images[i] for i in kept], index, [masks[i] for i in kept])


def simulate(
    name: str,
    counts: dict,
    size: int,
    seed: int,
    contrasts: Sequence[float] = (1.0,),
    areas: Sequence[float] = (1.0,),
) -> ImageSet:
    """Simulate `prints` or `tiles` with the given numbers of images (a configuration's `data.counts`).

    Each image has a generator of its own, so that a larger set contains the smaller one. contrasts, areas : of the
    defects of prints, every pair in turn. The index has them as columns `contrast` and `area`, and the prints' `angle`.
    """
    plan = [("train", GOOD, counts["train"]), ("test", GOOD, counts["test_good"])]
    plan += [("test", defect, counts["test_defective"][defect]) for defect in counts["test_defective"]]
    images: list[np.ndarray] = []
    masks: list[np.ndarray | None] = []
    rows = []
    grades = list(itertools.product(contrasts, areas))
    bar = progress(total=sum(n for _, _, n in plan), desc=f"simulating {name}", unit="image")
    for stage, (split, defect, n) in enumerate(plan):
        for k in range(n):
            rng = np.random.default_rng([seed, stage, k])
            kind, grade, angle = None if defect == GOOD else defect, (1.0, 1.0), ""
            if name == "prints":
                angle = "135" if k % 2 else "45"
                if kind:  # each pair at both angles; another type begins with another pair
                    grade = grades[(k // 2 + stage) % len(grades)]
                image, mask = textures.print_image(size, float(angle), kind, rng, *grade)
            else:
                image, mask = textures.tile_image(size, kind, rng)
            images.append(image * 2 - 1)
            masks.append(mask)
            rows.append((f"{split}/{defect}/{k:03d}", split, defect, *grade, angle))
            bar.update()
    bar.close()
    columns = ["image", "split", "defect", "contrast", "area", "angle"]
    return ImageSet(images, pd.DataFrame(rows, columns=columns), masks)


def prepare(name: str, settings: dict, root: Path, out: Path) -> ImageSet:
    """Make or read one data set and leave it as `out` (.npz, index beside it as .csv)."""
    data = settings["data"]
    if name in data["counts"]:
        size = data["image_size"] or SIMULATED
        result = simulate(name, data["counts"][name], size, data["seed"], data["contrasts"], data["areas"])
    else:
        result = read_mvtec(root, name, data, settings["training"]["patch"])
    result.save(out)
    return result


def resized(data: ImageSet, side: int | None) -> ImageSet:
    """The set at side × side px, as RDDPM resizes its images; None keeps each image's own size."""
    if side is None:
        return data

    images = [resize(image, side) for image in data.images]
    masks = [mask if mask is None else resize_mask(mask, side) for mask in data.masks]
    return ImageSet(images, data.index, masks)


def classifier_images(index: pd.DataFrame, limit: int | None, seed: int) -> np.ndarray:
    """Positions of the training images whose features the classifier sees: all, or a seeded draw of `limit`."""
    return drawn(np.flatnonzero(index["split"] == "train"), limit, seed)
