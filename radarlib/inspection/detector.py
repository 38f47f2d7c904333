"""RADAR on a user's own images: a detector that is fitted on good ones, its directory on disk, and what it says of new
ones.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from radarlib import conformal
from radarlib.config import resolve
from radarlib.datasets import drawn
from radarlib.errors import UserError
from radarlib.files import read_versioned, sha256_file, write_json
from radarlib.images import distinct, from_array, list_images, read_image, resize_mask, unlike
from radarlib.inspection.regions import Region, regions
from radarlib.inspection.roi import looked_at, read_roi, write_roi
from radarlib.inspection.spaces import COLUMNS, SPACES
from radarlib.layout import DRAWN, is_set
from radarlib.oneclass import Distance, OneClass, calibrated
from radarlib.runtime import progress

FORMAT = 4  # of detector.json
FORESTS = 2  # the last format whose models were all decided by a forest
UNCALIBRATED = 3  # the last format whose maps have no threshold
SCALED = 24  # images that the layers of a map are scaled by
KEPT = 2**29  # bytes of their maps, which are not made again to learn from
FEWEST = 8  # images to learn from
APART = 19  # images, a third of all, from which on those that decide are kept from the networks
RATE = 0.05  # of false alarms, where none is asked for
ROI = "roi.png"  # in a model directory
LARGE = 2**22  # pixels: ten seconds on two cores, each time an image is looked at
DARK = 2 / 16 - 1  # the highest value of images with a sixteenth of their files' range


@dataclass
class Detection:
    """What the detector says of one image: the map (H, W) float32, the score (higher = more anomalous), the decision,
    from a calibrated detector the conformal p-value, and the regions.

    Of the map, 1 is what as many normal images reach anywhere as may be flagged. (A model of before format 4 gives S,
    or the mean of its spaces' maps, and no regions.)
    """

    anomaly_map: np.ndarray
    score: float
    threshold: float
    anomalous: bool
    p_value: float | None = None
    regions: list[Region] | None = None


class Detector(OutlierMixin, BaseEstimator):
    """RADAR's single step in one space or two, with a one-class decision on its features: an estimator as
    scikit-learn's are, of images instead of rows.

    The rule `distance` is calibrated on good images (at most `data.max_classifier` of them, or as many as the rate
    needs), each judged by a decision that was fitted without it (cross-conformal, Vovk 2015) and, where a third of all
    is enough (APART, or more for a lower rate), by networks that have not seen it. It flags
    `decision.false_alarm_rate` of new normal ones, or what so many images can promise. A `forest` does so where images
    were held out for it (split-conformal), else as its contamination says.

    Parameters
    ----------
    settings : a configuration, as `radarlib.config.resolve` gives it (None: its defaults).
    seed : of all that is random. device : auto, cpu, cuda or mps.
    roi : (H, W) bool, the part of the images that is looked at (None: all of them); then all have its size before they
        are resized.

    Attributes
    ----------
    spaces_ : fitted on the images, as `decision.space` of the settings says.
    region_ : `roi` at the size at which images are looked at. resized_roi_ : whether `roi` itself is of that size,
        whatever the photographs' is, as in models of an older radarlib.
    features_ : (n, 2 per space) of the good images that the decision was fitted on.
    judged_ : after `fit`, their positions among the different images that were given.
    unseen_ : after `fit`, whether each of them is judged by networks that have not seen it.
    map_scales_ : of each layer of the map, the median over some of those images of its 99.9 % quantile.
    peaks_ : (n,) the highest value of the map of each of these images, or of the held-out ones where there are any;
        None in models of before format 4.
    map_threshold_ : of the map, from the peaks. size_ : (height, width) of all images, None where they differ.
    calibration_ : (m, 2 per space) of held-out normal images that neither a network nor a forest has seen, or none.
    decision_ : of the features. threshold_ : an image is anomalous if its score is above it.
    calibration_scores_ : of the images that p-values are told from, or none.

    Examples
    --------
    >>> detector = Detector().fit("good/")                   # doctest: +SKIP
    >>> detector.score(read_image(Path("part.png")))         # doctest: +SKIP
    >>> detector.predict([read_image(Path("part.png"))])     # doctest: +SKIP
    """

    def __init__(
        self, settings: dict | None = None, seed: int = 0, device: str = "auto", roi: np.ndarray | None = None
    ):
        self.settings, self.seed, self.device, self.roi = settings, seed, device, roi

    def fit(self, X: Path | str | Sequence[np.ndarray], y: None = None, out: Path | None = None) -> Detector:
        """Learn what is normal from a folder of good images, or from images as `from_array` takes them.

        out : a folder for what is trained, where a fit that was killed goes on; `save` there makes a model directory of
        it (None: nothing is left). Raises UserError for a missing or empty folder, the root of a data set, an
        unreadable or too small image, fewer than FEWEST images, a training that diverged; ValueError for arrays that
        are no images.
        """
        self.settings_, self.resized_roi_ = self.settings or resolve({}), False
        self.region_ = self._resized_region()
        images = self._folder(Path(X)) if isinstance(X, (str, Path)) else self._arrays(X)
        images = [images[i] for i in distinct(images).values()]
        if len(images) < FEWEST:
            where = f"{X}: " if isinstance(X, (str, Path)) else ""
            raise UserError(
                f"{where}{len(images)} different images are too few to learn what is normal; give at least {FEWEST}"
            )
        if out is not None:
            return self._learn(images, out)
        with tempfile.TemporaryDirectory() as folder:
            return self._learn(images, Path(folder))

    def _folder(self, good: Path) -> list[np.ndarray]:
        if is_set(good):
            known = [part for part in (good / "train/good", good / "train/ok", good / "good") if part.is_dir()]
            where = f": {known[0]}" if known else ", in a folder of their own"
            raise UserError(f"{good}: a data set with its test images; give the normal ones alone{where}")
        files = list_images(good)
        below = {folder for path in files for folder in path.parents if folder.is_relative_to(good) and folder != good}
        if other := sorted(folder for folder in below if folder.name.lower() in DRAWN or is_set(folder)):
            raise UserError(f"{other[0]}: holds masks, or defects too; give a folder of good images alone")
        stems = {path.with_suffix("") for path in files}
        for path in files:
            of, _, kind = path.stem.rpartition("_")
            if kind.lower() in DRAWN and path.with_name(of) in stems:
                raise UserError(f"{path}: a mask, by its name; give a folder of good images alone")
        images = [
            looked_at(self.read(path), self.region_, str(path))
            for path in progress(files, desc="reading", unit="image")
        ]
        height, width = max((image.shape[:2] for image in images), key=lambda shape: shape[0] * shape[1])
        if height * width > LARGE and self.settings_["decision"]["space"] != "features":
            print(
                f"{good}: images of {width}×{height} px take about {round(height * width / LARGE) * 10} s each;"
                f" --image-size 1024 takes 2, and sees what is wider than {max(height, width) / 1024:.0f} px",
                file=sys.stderr,
            )
        if max(float(image.max()) for image in images) <= DARK:
            print(
                f"{good}: no pixel is brighter than a sixteenth of the files' range (12 bits saved in 16?); rescaled"
                " images, new ones alike, would show RADAR more",
                file=sys.stderr,
            )
        return images

    def _arrays(self, images: Iterable[np.ndarray]) -> list[np.ndarray]:
        return [self._seen(image, f"image {k}") for k, image in enumerate(images)]

    def _seen(self, pixels: np.ndarray, name: str) -> np.ndarray:
        """An image in memory as the detector looks at it: gray or colour, of the size and the part that it was fitted
        for.
        """
        seen = from_array(pixels, self.colour, self.settings_["data"]["image_size"])
        if self.shape is not None and np.shape(pixels)[:2] not in (self.shape, seen.shape[:2]):
            raise UserError(f"{name}: {unlike(np.shape(pixels), self.shape)}")
        return looked_at(seen, self.region_, name)

    def _learn(self, images: list[np.ndarray], out: Path) -> Detector:
        known, chosen, held_out = self._parts(len(images))
        self.judged_ = chosen
        self.spaces_, kinds = [], SPACES[self.settings_["decision"]["space"]]
        self.unseen_ = len(np.intersect1d(known, chosen)) == 0 or all(kind.cross_fitted for kind in kinds)
        for kind in kinds:
            learned = np.union1d(known, chosen) if kind.cross_fitted else known
            self.spaces_.append(kind.fit([images[i] for i in learned], self.settings_, self.seed, out, self.device))
        shapes = {image.shape[:2] for image in images}
        self.size_: tuple[int, int] | None = shapes.pop() if len(shapes) == 1 else None
        some = drawn(chosen, SCALED, self.seed)
        kept: dict[int, tuple[list[np.ndarray], np.ndarray]] = {}
        quantiles, room = [], KEPT
        for i in progress(some, desc="scaling maps", unit="image"):
            layers, features = self._scored(images[i])
            quantiles.append([np.quantile(layer, 0.999) for layer in layers])
            room -= sum(layer.nbytes for layer in layers)
            if room >= 0:
                kept[i] = layers, features
        self.map_scales_ = [max(scale, 1e-12) for scale in np.median(quantiles, axis=0).tolist()]
        rows, peaks = [], []
        for i in progress([*chosen, *held_out], desc="learning what is normal", unit="image"):
            layers, features = kept.pop(i) if i in kept else self._scored(images[i])
            rows.append(features)
            peaks.append(float(self._joined(layers).max()))
        if not np.isfinite(rows).all():
            raise UserError("the training diverged: scores are no numbers; lower training.lr or feature_step.lr")
        self.features_, self.calibration_ = np.split(np.array(rows), [len(chosen)])
        self.peaks_: np.ndarray | None = np.array(peaks[len(chosen) :] or peaks)
        return self._decide()

    def _parts(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of n images: of those that networks learn from, of those that the decision is fitted on, and of
        those that give a forest's threshold alone.

        Of enough images a third decides, which a network that is not cross-fitted does not see: it would know them
        better than any new one, and the promise be too good.
        """
        options, every, none = self.settings_["decision"], np.arange(n), np.array([], int)
        limit = self.settings_["data"]["max_classifier"] or n
        if options["rule"] == "forest":
            rate = options["false_alarm_rate"]
            known, held_out = conformal.split(n, rate, self.seed, FEWEST) if rate else (every, none)
            return known, drawn(known, limit, self.seed), held_out
        limit = max(limit, conformal.images_needed(self.asked))
        if n < self.enough or all(kind.cross_fitted for kind in SPACES[options["space"]]):
            return every, drawn(every, limit, self.seed), none
        chosen = drawn(every, min(n // 3, limit), self.seed)
        return np.setdiff1d(every, chosen), chosen, none

    def _decide(self) -> Detector:
        """The decision and its threshold, from the features."""
        options = self.settings_["decision"]
        self.map_threshold_ = 1.0
        if self.peaks_ is not None:
            self.map_threshold_ = conformal.threshold(self.peaks_, conformal.promised(len(self.peaks_), self.asked))
        self.decision_: Distance | OneClass
        if options["rule"] == "distance":
            self.decision_, self.calibration_scores_, self.threshold_ = calibrated(
                self.features_, self.asked, self.seed
            )
            return self
        forest = OneClass(options["contamination"], options["trees"], self.seed, options["classifier"])
        self.decision_ = forest.fit(self.features_)
        self.calibration_scores_, self.threshold_ = np.array([]), forest.threshold
        if len(self.calibration_):
            self.calibration_scores_ = forest.score(self.calibration_)
            self.threshold_ = conformal.threshold(self.calibration_scores_, options["false_alarm_rate"])
        return self

    def _scored(self, image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The layers of all spaces of an image, and the features, (2 per space,)."""
        found = [space.score(image, self.region_) for space in self.spaces_]
        layers = [layer for layers, _ in found for layer in layers]
        return layers, np.array([features[c] for _, features in found for c in COLUMNS])

    def _joined(self, layers: list[np.ndarray]) -> np.ndarray:
        """One map of its layers, before its threshold; 0 where nobody looks."""
        found = np.mean([layer / scale for layer, scale in zip(layers, self.map_scales_, strict=True)], axis=0)
        return found if self.region_ is None else np.where(self.region_, found, 0)

    @property
    def asked(self) -> float:
        """The share of new normal images that `distance`, and the map, are asked to flag."""
        return self.settings_["decision"]["false_alarm_rate"] or RATE

    @property
    def enough(self) -> int:
        """The least number of good images of which a third is kept from networks that are not cross-fitted."""
        return 3 * max(conformal.images_needed(self.asked), APART)

    @property
    def promise(self) -> float:
        """The share of new normal images that `distance` flags, about: of those that so many images can tell the
        highest that is not above what was asked; where none is as low, the lowest.
        """
        return conformal.reached(len(self.features_), self.asked)

    @property
    def colour(self) -> bool:
        """Whether images are red, green and blue, (H, W, 3), and not gray."""
        return self.settings_["data"]["colour"]

    def _resized_region(self) -> np.ndarray | None:
        size = self.settings_["data"]["image_size"]
        return self.roi if self.roi is None or size is None else resize_mask(self.roi, size)

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width) of the photographs that the region is for; None for any: without a region, and in models that
        kept theirs resized and did not say of which they were.
        """
        if self.roi is None or self.resized_roi_:
            return None
        height, width = self.roi.shape
        return height, width

    def read(self, path: Path) -> np.ndarray:
        """A file's image at the size at which it is looked at. Raises UserError as `read_image` does."""
        size = self.settings_["data"]["image_size"]
        return read_image(path, size, self.smallest, self.colour, self.shape, least=self.smallest)

    @property
    def smallest(self) -> int:
        """Least side of an image that can be judged, in px."""
        return self.settings_["training"]["patch"]

    @property
    def map_scale(self) -> float:
        """Of the map that `detect` gives: overlays show what exceeds it."""
        return self.map_scales_[0] if self.peaks_ is None and len(self.map_scales_) == 1 else 1.0

    def detect(self, image: np.ndarray, name: str = "the image") -> Detection:
        """Judge one image, as `from_array` takes it, each side at least `smallest`; it is resized as the images were
        that the detector was fitted on, and map and regions are of that size. name : by which errors call it.
        """
        check_is_fitted(self)
        image = self._seen(image, name)
        if min(image.shape[:2]) < self.smallest:
            raise ValueError(f"an image of {image.shape} is smaller than the {self.smallest}-px patch")
        layers, features = self._scored(image)
        value = float(self.decision_.score(features[None])[0])
        calibrated = len(self.calibration_scores_) > 0
        p = float(conformal.p_values(self.calibration_scores_, np.array([value]))[0]) if calibrated else None
        decided = value, self.threshold_, value > self.threshold_, p
        if self.peaks_ is None:
            return Detection(layers[0] if len(layers) == 1 else self._joined(layers), *decided)
        found = (self._joined(layers) / self.map_threshold_).astype(np.float32)
        return Detection(found, *decided, regions(found, self.peaks_ / self.map_threshold_, decided[2]))

    def score(self, image: np.ndarray) -> float:
        """How anomalous one image is; higher is more."""
        return self.detect(image).score

    def score_samples(self, X: Iterable[np.ndarray]) -> np.ndarray:
        """(n,) of images; as in scikit-learn, lower is more anomalous."""
        return -np.array([self.score(image) for image in X])

    def decision_function(self, X: Iterable[np.ndarray]) -> np.ndarray:
        """(n,) of images; as in scikit-learn, below 0 is anomalous."""
        return self.score_samples(X) + self.threshold_

    def predict(self, X: Iterable[np.ndarray]) -> np.ndarray:
        """(n,) of images; as in scikit-learn, -1 is anomalous, 1 is normal."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def save(self, directory: Path | str) -> None:
        """Leave a model directory: safetensors, JSON and PNG, nothing that executes."""
        check_is_fitted(self)
        directory = Path(directory)
        for space in self.spaces_:
            space.save(directory)
        if self.roi is not None:
            write_roi(self.roi, directory / ROI)
        write_json(
            directory / "detector.json",
            {
                "format": UNCALIBRATED if self.peaks_ is None else FORMAT,
                "files": self._digests(directory),
                "seed": self.seed,
                "settings": self.settings_,
                "map_scale": list(self.map_scales_),
                **({} if self.peaks_ is None else {"peaks": self.peaks_.tolist(), "size": self.size_}),
                **({} if self.shape is None else {"photographs": list(self.shape)}),
                "features": self.features_.tolist(),
                "calibration": self.calibration_.tolist(),
            },
        )

    def _digests(self, directory: Path) -> dict[str, str]:
        files = [file for space in self.spaces_ for file in space.files] + ([] if self.roi is None else [ROI])
        return {file: sha256_file(directory / file) for file in files}

    @classmethod
    def load(cls, directory: Path | str, device: str = "auto") -> Detector:
        """Read a model directory that `save` or the command `fit` has left.

        Raises UserError, naming the file, where one is missing or damaged.
        """
        directory = Path(directory)
        if not directory.is_dir():
            raise UserError(
                f"{directory}: no such model directory; make it with: radarlib fit GOOD_DIR --out {directory}"
            )
        path = directory / "detector.json"
        if not path.is_file():
            raise UserError(f"{path}: missing, the fit has not ended; the same radarlib fit goes on")
        saved = read_versioned(path, FORMAT, FORESTS)
        try:
            return cls._of(saved, directory, device)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}: damaged ({type(error).__name__}: {error}); fit the model again") from None

    @classmethod
    def _of(cls, saved: dict[str, Any], directory: Path, device: str) -> Detector:
        path = directory / "detector.json"
        if saved["format"] <= FORESTS:
            saved["settings"]["decision"]["rule"] = "forest"
        settings, seed = resolve(saved["settings"], str(path)), saved["seed"]
        own = cls(settings, seed, device, read_roi(directory / ROI) if ROI in saved["files"] else None)
        own.settings_, side = settings, settings["data"]["image_size"]
        # An older radarlib may have kept it resized.
        own.resized_roi_ = own.roi is not None and own.roi.shape == (side, side) and "photographs" not in saved
        own.region_ = own._resized_region()
        old, kinds = saved["format"] <= UNCALIBRATED, SPACES[settings["decision"]["space"]]
        own.spaces_ = [kind.load(directory, settings, seed, device, old) for kind in kinds]
        for file, digest in own._digests(directory).items():
            if saved["files"][file] != digest:
                raise UserError(
                    f"{directory / file}: damaged, or of another fit (its SHA-256 differs from detector.json);"
                    " fit the model again"
                )
        own.features_, own.calibration_ = (
            np.array(saved[key], dtype=float).reshape(-1, len(COLUMNS) * len(own.spaces_))
            for key in ("features", "calibration")
        )
        own.map_scales_ = np.atleast_1d(np.array(saved["map_scale"], dtype=float)).tolist()
        own.peaks_ = None if old else np.array(saved["peaks"], dtype=float)
        own.size_ = None if old or not saved["size"] else (int(saved["size"][0]), int(saved["size"][1]))
        if len(own.features_) < 2 or not all(np.isfinite(v).all() for v in (own.features_, own.calibration_)):
            raise ValueError("features that are no numbers, or of too few images")
        if len(own.map_scales_) != sum(space.layers for space in own.spaces_) or not _positive(own.map_scales_):
            raise ValueError("map_scale: not a positive number of each layer")
        if own.peaks_ is not None and (own.peaks_.ndim != 1 or len(own.peaks_) < 2 or not _positive(own.peaks_)):
            raise ValueError("peaks: not positive numbers")
        return own._decide()


def _positive(values: Sequence[float] | np.ndarray) -> bool:
    return bool(min(values) > 0 and max(values) < np.inf)
