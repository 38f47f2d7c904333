"""Images in, checked: sets in any known layout, and the simulated sets, as one data type."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib import textures
from radarlib.errors import UserError
from radarlib.files import write_csv, write_npz
from radarlib.images import content_hash, distinct, marked, read_image, read_mask, resize, resize_mask
from radarlib.layout import GOOD, HELD_OUT, Entry, held_out, listing
from radarlib.runtime import progress

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

    def normal_test(self) -> list[int]:
        """Positions of the normal test images."""
        return list(np.flatnonzero((self.index["split"] == "test") & (self.index["defect"] == GOOD)))

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


def subset(classes: dict[str, list[Entry]], limit: int | None, seed: int) -> dict[str, list[Entry]]:
    """At most about `limit` images in all, the same share of every class (at least one of each)."""
    total = sum(map(len, classes.values()))
    if limit is None or total <= limit:
        return classes
    limits = {name: max(1, round(limit * len(own) / total)) for name, own in classes.items()}
    return {name: [own[i] for i in drawn(np.arange(len(own)), limits[name], seed)] for name, own in classes.items()}


def _known(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries whose class is known: where the mask alone tells, it is looked at; what is defective is no training
    image.
    """
    for entry in entries:
        if entry.defect is None:
            bad = entry.mask is not None and bool(marked(entry.mask).any())
            entry = replace(entry, defect="defect" if bad else GOOD, split="test" if bad else entry.split)
        yield entry


def read_set(root: Path, name: str, options: dict, smallest: int) -> ImageSet:
    """Read `root/name`, laid out in any way that `layout` knows; `options` is a configuration's `data` section.

    Says on stderr which layout it found, and how many defective images have no mask. Where there is no normal image to
    test, some of those to train on are held out for it. A defective image without a mask is kept. Of training images
    that are copies of each other, as real sets have, one is kept: with a few copies of an unusual image a classifier
    takes what lies beyond it for usual, and an image held out from a network would have been seen by it.

    Raises UserError for a missing or empty folder, an unreadable or too small image, a mask of another size than its
    image, and an image that stands in train and in test.
    """
    found = listing(root, name)
    folder, size, entries, layout = found.folder, options["image_size"], list(_known(found.entries)), found.layout
    if not any(entry.split == "test" and entry.defect == GOOD for entry in entries):
        layout += f"; no normal images to test, so every {HELD_OUT}th of those to train on is, the last by name"
        rest = [entry for entry in entries if entry.split == "test"]
        entries = [*held_out([entry.path for entry in entries if entry.split == "train"]), *rest]
    train = [entry for entry in entries if entry.split == "train"]
    tests: dict[str, list[Entry]] = {}
    for entry in (entry for entry in entries if entry.split == "test"):
        tests.setdefault(str(entry.defect), []).append(entry)
    print(f"{name}: {layout}: {len(train)} images to train on, {len(entries) - len(train)} to test", file=sys.stderr)
    if not train:
        raise UserError(f"{folder}: no normal images to train on ({layout})")
    if set(tests) == {GOOD}:
        raise UserError(f"{folder}: only normal images in its test part; a test needs defective ones")
    chosen = [*train, *itertools.chain(*subset(tests, options["max_test"], options["seed"]).values())]
    images: list[np.ndarray] = []
    masks: list[np.ndarray | None] = []
    for entry in progress(chosen, desc=f"reading {name}", unit="image"):
        image = read_image(entry.path, None, smallest if size is None else 1)
        shape = image.shape
        images.append(image if size is None else read_image(entry.path, size, smallest))
        if entry.defect == GOOD:
            masks.append(np.zeros(images[-1].shape, bool))
        else:
            masks.append(read_mask(entry.mask, entry.path, shape, size) if entry.mask else None)
    if missing := sum(mask is None for mask in masks):
        defective = sum(entry.defect != GOOD for entry in chosen)
        print(
            f"{name}: {missing} of {defective} defective images have no mask (NAME_mask.* or NAME.*); their pixels are"
            " not judged",
            file=sys.stderr,
        )
    first, tested = distinct(images[: len(train)]), range(len(train), len(images))
    refuse_shared(
        {content: train[i].path for content, i in first.items()}, ((chosen[i].path, images[i]) for i in tested)
    )
    if copies := len(train) - len(first):
        print(f"{name}: {copies} of {len(train)} training images are copies of others; left out", file=sys.stderr)
    kept = [*first.values(), *tested]
    rows = [(_below(chosen[i].path, folder), chosen[i].split, chosen[i].defect) for i in kept]
    index = pd.DataFrame(rows, columns=["image", "split", "defect"])
    return ImageSet([images[i] for i in kept], index, [masks[i] for i in kept])


def _below(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


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
        result = read_set(root, name, data, settings["training"]["patch"])
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
