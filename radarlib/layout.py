"""Where data sets lie, which are there, and how each is laid out. Imports nothing heavy, for the Snakefile.

Known layouts, found by themselves: MVTec AD and MVTec AD 2, BTAD, VisA, KolektorSDD, plain folders of good and bad
images, and a CSV list.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from radarlib.errors import UserError

GOOD = "good"
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".gif")
"""Endings of the images that are read."""
NORMAL = {"good", "ok", "normal", "pass", "non_defective", "no_defect", "0"}
"""What lists call normal images, in lower case, and folders, but for 0 (`_normal`)."""
DRAWN = {"mask", "masks", "ground_truth", "gt", "label", "labels", "annotations"}
"""Folders that hold no photographs."""
LIST = "images.csv"
HELD_OUT = 5  # where a set has no test part of its own, one in so many normal images


@dataclass(frozen=True)
class Entry:
    """An image of a set. split : train or test. defect : GOOD or a type; None where its mask alone tells. mask : its
    file, if there is one.
    """

    path: Path
    split: str
    defect: str | None
    mask: Path | None = None


@dataclass(frozen=True)
class Listing:
    """A set's images. layout : its name for people, with what was decided about the set."""

    folder: Path
    layout: str
    entries: tuple[Entry, ...]


def data_root(root: Path) -> Path:
    """Where data sets are found: $RADARLIB_DATA, or the repository's data/."""
    return Path(os.environ.get("RADARLIB_DATA") or root / "data").expanduser().resolve()


def available_sets(root: Path) -> list[str]:
    """Names of the folders under `root` that are laid out in a known way."""
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and any(fits(p) for fits, _ in LAYOUTS))


def listing(root: Path, name: str) -> Listing:
    """The images of `root/name`. Raises UserError where the folder is laid out in no known way, or lacks a part."""
    folder = root / name
    for fits, read in LAYOUTS:
        if folder.is_dir() and fits(folder):
            layout, entries = read(folder)
            return Listing(folder, layout, tuple(entries))
    known = ", ".join(available_sets(root)) or "none"
    raise UserError(
        f"{folder}: no data set (neither train/good nor another known layout, see data/README.md); sets found under"
        f" {root}: {known}"
    )


def _unshared(entries: Iterable[Entry]) -> list[Entry]:
    """The entries. Raises UserError where a mask that was found by its name would be that of two images."""
    masks = dict[Path, Path]()
    for entry in (found := list(entries)):
        if entry.mask and (other := masks.setdefault(entry.mask, entry.path)) != entry.path:
            raise UserError(f"{entry.mask}: the mask of {other} and of {entry.path}; give each a mask of its own name")
    return found


def files_in(folder: Path, suffixes: Iterable[str]) -> Iterator[Path]:
    """Files of a folder with one of these endings, subfolders included, also linked ones, hidden ones left out. Raises
    UserError for a subfolder that may not be read.
    """
    met, places = set[str](), [folder]  # each real folder counts once; links wait, so that it keeps its own name
    for top in places:
        for here, names_below, names in os.walk(top, onerror=_refuse):
            place = Path(here)
            if (real := os.path.realpath(place)) in met:
                names_below.clear()
                continue
            met.add(real)
            below = [place / name for name in sorted(names_below) if not name.startswith(".")]
            places += [p for p in below if p.is_symlink()]
            names_below[:] = [p.name for p in below if not p.is_symlink()]
            found = (place / name for name in names if not name.startswith("."))
            yield from (p for p in found if p.suffix.lower() in suffixes and (p.is_file() or not p.exists()))


def _refuse(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); allow it, or move the folder away")


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder, sorted, subfolders included."""
    return sorted(files_in(folder, SUFFIXES))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


class _Masks:
    """The masks of a folder by the names that tools give them. alone : without its subfolders."""

    def __init__(self, folder: Path, alone: bool = False):
        found = [p for p in images_in(folder) if not alone or p.parent == folder] if folder.is_dir() else []
        self.by_name = {p.relative_to(folder).with_suffix("").as_posix(): p for p in reversed(found)}

    def of(self, image: Path, folder: Path) -> Path | None:
        """`<name>_mask`, or `<name>` itself: at the same place below its folder, or at its top."""
        places = image.relative_to(folder).with_suffix("").as_posix(), image.stem
        known = (self.by_name.get(name) for place in places for name in (f"{place}_mask", place))
        return next(filter(None, known), None)


def _parts(train: Path, test: Path, truth: Path, normal: str = GOOD) -> list[Entry]:
    """Entries of a folder of normal images to train on, one of folders by class to test, and one of masks by class."""
    found = [Entry(p, "train", GOOD) for p in _some(train)]
    for folder in _subfolders(test) if test.is_dir() else []:
        defect, masks = GOOD if folder.name == normal else folder.name, _Masks(truth / folder.name)
        found += [Entry(p, "test", defect, None if defect == GOOD else masks.of(p, folder)) for p in images_in(folder)]
    return _unshared(found)


def _some(folder: Path) -> list[Path]:
    if not (files := images_in(folder)):
        raise UserError(f"{folder}: no image in this folder (looked for {', '.join(SUFFIXES)})")
    return files


def held_out(normal: list[Path]) -> list[Entry]:
    """Normal images with the last of them, by name, for the test: neighbours are often alike."""
    n = max(1, len(normal) // HELD_OUT)
    return [Entry(p, "train" if k < len(normal) - n else "test", GOOD) for k, p in enumerate(normal)]


Read = tuple[str, Iterable[Entry]]


def _mvtec(folder: Path) -> Read:
    return "MVTec AD", _parts(folder / "train" / GOOD, folder / "test", folder / "ground_truth")


def _mvtec2(folder: Path) -> Read:
    test = folder / "test_public"
    found = [e for e in _parts(folder / "train" / GOOD, test, test / "ground_truth") if e.defect != "ground_truth"]
    return "MVTec AD 2, its public test", found


def _btad(folder: Path) -> Read:
    return "BTAD", _parts(folder / "train" / "ok", folder / "test", folder / "ground_truth", "ok")


def _visa(folder: Path) -> Read:
    split = folder.parent / "split_csv" / "1cls.csv"
    if not split.is_file():
        raise UserError(f"{split}: missing; it comes with VisA and says which images are for training")
    rows = _rows(split, ("object", "split", "label", "image"))
    found = [_entry(split, k, row, folder.parent) for k, row in rows if row["object"] == folder.name]
    return "VisA, split 1cls.csv", found


def _kolektor(folder: Path) -> Read:
    """Half of the commutators, every other by name, are for the test; and of the others what is cracked."""
    found = []
    for k, part in enumerate(p for p in _subfolders(folder) if p.name.lower().startswith("kos")):
        masks = {p.stem.removesuffix("_label"): p for p in images_in(part) if p.stem.endswith("_label")}
        found += [
            Entry(p, "test" if k % 2 else "train", None, masks.get(p.stem))
            for p in images_in(part)
            if not p.stem.endswith("_label")
        ]
    return "KolektorSDD, every other commutator for the test", found


def _classes(folder: Path) -> list[Path]:
    """Subfolders with images, without those of masks."""
    return [p for p in _subfolders(folder) if p.name.lower() not in DRAWN and any(files_in(p, SUFFIXES))]


def _normal(classes: list[Path]) -> list[Path]:
    """The classes of normal images. A folder called 0 is one beside 1 alone: else it may be that of a camera."""
    if sorted(p.name for p in classes) == ["0", "1"]:
        return [p for p in classes if p.name == "0"]
    return [p for p in classes if p.name.lower() in NORMAL - {"0"}]


def _plain(folder: Path) -> Read:
    classes = _classes(folder)
    normal = _normal(classes)
    drawn = [p for p in _subfolders(folder) if p.name.lower() in DRAWN]
    every = [_Masks(place, alone=True) for place in drawn]  # a subfolder has the masks of its class
    found = held_out([image for part in normal for image in images_in(part)])
    for part in (p for p in classes if p not in normal):
        tables = [*(_Masks(place / part.name) for place in drawn), *every]
        for image in images_in(part):
            found.append(Entry(image, "test", part.name, next(filter(None, (t.of(image, part) for t in tables)), None)))
    return "plain folders, a fifth of the good images, the last by name, for the test", _unshared(found)


def _listed(folder: Path) -> Read:
    found, normal, known = [], [], dict[str, int]()
    for k, row in _rows(folder / LIST, ("image", "label")):
        entry = _entry(folder / LIST, k, row, folder)
        if (path := os.path.normpath(entry.path)) in known:
            raise UserError(f"{folder / LIST}: line {k}: {row['image']} stands in line {known[path]}, too; take it out")
        known[path] = k
        if entry.split:
            found.append(entry)
        else:
            normal.append(entry.path)
    return f"the list {LIST}", [*found, *(held_out(normal) if normal else [])]


def _entry(file: Path, line: int, row: dict[str, str], folder: Path) -> Entry:
    """An image of a CSV file; its split is empty for a normal one of which none is told. Raises UserError, which names
    the line, for another split, and for a defective image to train on.
    """
    defect = GOOD if row["label"].lower() in NORMAL else row["label"]
    split = row.get("split") or ("" if defect == GOOD else "test")
    if split not in ("", "train", "test"):
        raise UserError(f"{file}: line {line}: split {split!r}; use train or test")
    if split == "train" and defect != GOOD:
        raise UserError(f"{file}: line {line}: a {defect!r} image to train on; normal ones alone are")
    return Entry(folder / row["image"], split, defect, folder / row["mask"] if row.get("mask") else None)


def _rows(path: Path, wanted: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file, each with its line, without spaces around cells. Raises UserError for one that is unreadable,
    has no such columns, or a row without a value in one of them.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable CSV file ({error})") from None
    missing = [key for key in wanted if not rows or key not in rows[0][1]]
    if missing:
        raise UserError(f"{path}: needs rows with the columns {', '.join(wanted)}; missing: {', '.join(missing)}")
    found = []
    for line, row in rows:
        told = {key: value.strip() for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
        if empty := [key for key in wanted if not told.get(key)]:
            raise UserError(f"{path}: line {line}: nothing stands in the column {empty[0]}")
        found.append((line, told))
    return found


def _has(*parts: str) -> Callable[[Path], bool]:
    return lambda folder: all((folder / part).is_dir() for part in parts)


def _is_plain(folder: Path) -> bool:
    """A folder of normal images beside at least one of others."""
    if not folder.is_dir() or (folder / "train").is_dir():
        return False
    classes = _classes(folder)
    return 0 < len(_normal(classes)) < len(classes)


LAYOUTS: tuple[tuple[Callable[[Path], bool], Callable[[Path], Read]], ...] = (
    (lambda folder: (folder / LIST).is_file(), _listed),
    (_has(f"train/{GOOD}", "test_public"), _mvtec2),
    (_has(f"train/{GOOD}"), _mvtec),
    (_has("train/ok"), _btad),
    (_has("Data/Images"), _visa),
    (lambda folder: any(p.is_dir() for p in folder.glob("kos[0-9]*")), _kolektor),
    (_is_plain, _plain),
)
"""Whether a folder has a layout, and how it is read: the first that fits."""


def is_set(folder: Path) -> bool:
    """Whether a folder is the root of a data set, with test images in it."""
    return (folder / "ground_truth").is_dir() or any(fits(folder) for fits, _ in LAYOUTS)
