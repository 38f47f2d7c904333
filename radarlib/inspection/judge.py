"""Folders of images: a detector fitted on good ones, and what it says of others, as files that people look at."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from radarlib.config import resolve
from radarlib.errors import UserError
from radarlib.files import alone_in, read_json, sha256_file, write_bytes, write_csv, write_json
from radarlib.images import FOREIGN, content_hash, foreign
from radarlib.inspection import ALL, FLAGGED
from radarlib.inspection.detector import Detector
from radarlib.inspection.inputs import inputs, refuse_within
from radarlib.inspection.regions import Region
from radarlib.inspection.report import report
from radarlib.inspection.roi import read_roi
from radarlib.inspection.shards import listed
from radarlib.layout import SUFFIXES, files_in
from radarlib.runtime import progress, use_threads
from radarlib.textures import PRINT_DEFECTS, print_image

FLUSH_SECONDS = 2.0  # what a killed detection loses at most, while results are few
FLUSH_SHARE = 20  # times as long as writing them took at least lie between two times, so that it stays a small part
BOX = (255, 255, 0)  # cyan, which neither gray images nor the heat have
POLL_SECONDS = 1.0  # between two looks at a folder that is watched; a file that has not changed meanwhile is whole
REFIT = "refit"  # the folder of a model that is being fitted while another is there
NAME_BYTES = 255  # of a file's name, at most, on the file systems that are in use
EMPTY_SECONDS = 10.0  # until a file that stays empty, or a link to nothing, is named
AGAIN_SECONDS = 60.0  # until an image that could not be judged is tried again: a full disk may have room by then


def fit(
    good: Path, out: Path, settings: dict | None = None, seed: int = 0, device: str = "auto", roi: Path | None = None
) -> Detector:
    """Train on a folder of normal images and leave a model directory: safetensors and JSON, nothing that executes.

    settings : a configuration (None: the defaults, which are the `real` profile's). roi : a file that says which part
        of the images is looked at. Raises UserError as `Detector.fit` and `read_roi` do, and for a model that would lie
        among the images.
    """
    settings = settings or resolve({})
    refuse_within(out, [good])
    if roi and roi.suffix.lower() in SUFFIXES and roi.resolve().is_relative_to(good.resolve()):
        raise UserError(f"{roi}: lies among the good images, and would be taken for one; move it out of {good}")
    detector = Detector(settings, seed, device, read_roi(roi) if roi else None)
    with alone_in(out):
        place = out
        if (out / REFIT / "detector.json").is_file():  # a fit that was stopped while its model took the other's place
            _take_place(out / REFIT, out)
        if (out / "detector.json").is_file():
            if "format" not in read_json(out / "detector.json"):
                raise UserError(f"{out}: holds an export, which a fitted model would spoil; give another --out")
            print(f"{out}: holds a fitted model, which this one will replace when it is done", file=sys.stderr)
            place = _beside(out)
        detector.fit(good, out=place)
        detector.save(place)
        if place != out:
            _take_place(place, out)
    return detector


def _take_place(place: Path, out: Path) -> None:
    """Put a model that is whole where another is."""
    for file in sorted(place.iterdir(), key=lambda file: file.name == "detector.json"):  # it comes last
        file.replace(out / file.name)
    place.rmdir()


def _beside(out: Path) -> Path:
    """A folder for a fit that shall leave the model in `out` as it is until its own is whole. It knows the training
    there, which need not be repeated where it is the same.
    """
    place = out / REFIT
    if not place.is_dir():
        for name in ("model.safetensors", "model.json", "loss.csv", "timing.json"):
            if (out / name).is_file():
                write_bytes(place / name, (out / name).read_bytes())
    return place


def overlay(image: np.ndarray, s: np.ndarray, scale: float, found: Sequence[Region] = ()) -> np.ndarray:
    """The map as colour on the image, (H, W, 3) uint8 BGR: clear up to `scale`, hottest at three times it; and a
    box around each region.
    """
    pixels = ((image + 1) * 127.5).round().astype(np.uint8)
    seen = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR)
    heat = np.clip((s / scale - 1) / 2, 0, 1)
    colour = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = (0.75 * np.sqrt(heat))[..., None]
    painted = (seen * (1 - alpha) + colour * alpha).round().astype(np.uint8)
    line = max(1, round(min(image.shape[:2]) / 300))
    for region in found:  # a little outside, or it would hide what it shows
        corner = region.x - 1 - line, region.y - 1 - line
        opposite = region.x + region.width + line, region.y + region.height + line
        cv2.rectangle(painted, corner, opposite, BOX, line)
    return painted


@dataclass
class Results:
    """What is left in `out`: `scores.csv` (image, score, threshold, anomalous, p_value from a calibrated model, and
    from format 4 on the number of regions), `detections.json` (the same, and each region as `Region` describes it),
    `maps/<image>.tiff` (float32), `overlays/<image>.png`, `report.html`, and `detect.json`, by which a killed run goes
    on where it stopped if the model and the image are the same.

    maps : of which images maps and overlays are kept, one of MAPS.
    """

    out: Path
    model: str
    values: list[str]
    maps: str = ALL
    done: dict[str, dict] = field(default_factory=dict)
    rows: dict[str, dict] = field(default_factory=dict)
    stale: bool = False  # whether the page, which is written last, lacks something
    flushed: float = field(default_factory=time.monotonic)
    pause: float = 0.0  # seconds until the next time, at least
    refused: bool = False  # whether they could not be written the last time

    @classmethod
    def of(cls, detector: Detector, out: Path, model: Path, maps: str = ALL) -> Results:
        values = ["score", "threshold", "anomalous", *(["p_value"] if len(detector.calibration_scores_) else [])]
        values += [] if detector.peaks_ is None else ["regions"]
        fingerprint, path = sha256_file(model / "detector.json"), out / "detect.json"
        state = read_json(path) if path.is_file() else {}
        done = state.get("done", {}) if state.get("model") == fingerprint else {}
        return cls(out, fingerprint, values, maps, done)

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(
            [{"image": name, **row} for name, row in self.rows.items()], columns=["image", *self.values]
        )

    def files(self, name: str) -> tuple[Path, Path]:
        """Of an image: its map and its overlay."""
        return self.out / "maps" / f"{name}.tiff", self.out / "overlays" / f"{name}.png"

    def clear(self, name: str) -> None:
        """Remove map and overlay of an image."""
        for file in self.files(name):
            file.unlink(missing_ok=True)

    def drawn(self, anomalous: bool) -> bool:
        """Whether map and overlay of such an image are kept."""
        return self.maps == ALL or (self.maps == FLAGGED and anomalous)

    def known(self, name: str, content: str) -> bool:
        kept = self.done.get(name, {})
        if kept.get("content") != content or "size" not in kept:
            return False
        return not self.drawn(kept["anomalous"]) or all(f.is_file() for f in self.files(name))

    def take_up(self) -> None:
        """What an earlier run of this model has found stays in the results, though its images may be gone by now."""
        for name, found in self.done.items():
            if "size" in found:
                self._show(name, found)

    def _show(self, name: str, found: dict) -> None:
        self.rows[name] = {key: found[key] for key in self.values}
        if "regions" in self.values:
            self.rows[name]["regions"] = len(found["regions"])

    def add(self, name: str, found: dict) -> None:
        self.done[name] = found
        self._show(name, found)
        self.stale = True
        if self.rested and time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def drop(self, name: str) -> None:
        """Forget what was found of an image that has become another, which cannot be judged."""
        if self.done.pop(name, None):
            self.rows.pop(name, None)
            self.stale = True

    @property
    def rested(self) -> bool:
        """Whether results were last written so long ago that writing them stays a small part of the work."""
        return time.monotonic() - self.flushed > self.pause

    def flush(self) -> None:
        began = time.monotonic()
        write_json(self.out / "detect.json", {"model": self.model, "done": self.done})
        said = {name: {key: self.done[name][key] for key in ("size", *self.values)} for name in self.rows}
        write_json(self.out / "detections.json", {"model": self.model, "images": said})
        write_csv(self.out / "scores.csv", self.table, 6)
        self.flushed = time.monotonic()
        self.pause = FLUSH_SHARE * (self.flushed - began)


def judged(detector: Detector, path: Path, name: str, results: Results) -> dict:
    """What is kept of one image; its map and overlay are written. Raises UserError where it cannot be judged."""
    if not _utf8(f"{path}{name}"):
        raise UserError(f"{str(path)!a}: a name that is no UTF-8; rename the file")
    if len(Path(f"{name}.tiff").name.encode()) > NAME_BYTES:
        raise UserError(f"{path}: a name too long for that of its map; rename the file")
    image = detector.read(path)
    content = content_hash(image)
    if results.known(name, content):
        if not results.drawn(results.done[name]["anomalous"]):  # an earlier run kept more
            results.clear(name)
        return results.done[name]
    found = detector.detect(image, str(path))
    if results.drawn(bool(found.anomalous)):
        pictures = found.anomaly_map, overlay(image, found.anomaly_map, detector.map_scale, found.regions or ())
        for file, pixels in zip(results.files(name), pictures, strict=True):
            write_bytes(file, cv2.imencode(file.suffix, pixels)[1].tobytes())
    else:  # of another model, or of another image of that name
        results.clear(name)
    return {
        "content": content,
        "score": found.score,
        "threshold": found.threshold,
        "anomalous": bool(found.anomalous),
        "p_value": found.p_value,
        "size": [image.shape[1], image.shape[0]],
        "regions": None if found.regions is None else [asdict(region) for region in found.regions],
    }


def _utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_worker: tuple[Detector, Results] | None = None  # of a process of its own


def _start(model: Path, device: str, out: Path, maps: str) -> None:
    global _worker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(1)
    detector = Detector.load(model, device)
    _worker = detector, Results.of(detector, out, model, maps)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work without end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _judge_there(path: Path, name: str) -> dict | str:
    assert _worker is not None
    try:
        return judged(_worker[0], path, name, _worker[1])
    except UserError as error:
        return str(error)


def _each(
    detector: Detector, todo: list[tuple[Path, str]], results: Results, model: Path, jobs: int
) -> Iterator[dict | str]:
    """What is found of each image, in their order, or why it cannot be judged; in `jobs` processes."""
    if jobs > 1:
        context = multiprocessing.get_context("spawn")
        start = (model, detector.device, results.out, results.maps)
        with ProcessPoolExecutor(jobs, context, initializer=_start, initargs=start) as pool:
            try:
                yield from pool.map(_judge_there, *zip(*todo, strict=True))
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
            except BrokenProcessPool:
                raise UserError(
                    f"--jobs {jobs}: a process was ended, most likely for want of memory; the same command with fewer"
                    " goes on"
                ) from None
        return
    for path, name in todo:
        try:
            yield judged(detector, path, name, results)
        except UserError as error:
            yield str(error)


def detect(
    detector: Detector, targets: list[Path], out: Path, model: Path, jobs: int = 1, maps: str = ALL
) -> tuple[pd.DataFrame, list[str]]:
    """Judge images, folders and lists of images. Returns the table of scores and one line for each image that failed.

    Leaves in `out` what `Results` says. jobs : processes, each with a thread. maps : of MAPS.
    """
    refuse_within(out, targets)
    return judge(detector, inputs(targets), out, model, jobs, maps)


def judge(
    detector: Detector, todo: list[tuple[Path, str]], out: Path, model: Path, jobs: int = 1, maps: str = ALL
) -> tuple[pd.DataFrame, list[str]]:
    """Judge files, each with its name in the results, as `detect` does."""
    failures = list[str]()
    with alone_in(out):
        _refuse_gathered(out)
        results = Results.of(detector, out, model, maps)
        answers = _each(detector, todo, results, model, min(jobs, len(todo)))
        for (_, name), answer in zip(progress(todo, desc="detecting", unit="image"), answers, strict=True):
            if isinstance(answer, str):
                failures.append(answer)
            else:
                results.add(name, answer)
        results.flush()
        report(results.table, failures, out)
    _say_sizes(detector, results, results.rows)
    return results.table, failures


def _refuse_gathered(out: Path) -> None:
    """Results of many shards are in one table, which others would replace."""
    if (out / "shards.csv").is_file():
        raise UserError(f"{out}: holds the table of `snakemake detect`; give another --out")


def _say_sizes(detector: Detector, results: Results, names: Iterable[str]) -> bool:
    """A line where images are not of the size of the good ones, as of another camera, or resized; whether there was."""
    if detector.size_ is None:
        return False
    height, width = detector.size_
    other = [name for name in names if tuple(results.done[name]["size"]) != (width, height)]
    if other:
        print(
            f"{other[0]}{f' and {len(other) - 1} more' if other[1:] else ''}: of another size than the good images"
            f" ({width}×{height} px); their scores mean the same only where a pixel shows as much of the surface",
            file=sys.stderr,
        )
    return bool(other)


def judge_shard(model: Path, shard: Path, out: Path, device: str, maps: str) -> None:
    """Judge the images of a shard's list: `out` has what `Results` says, and `failures.csv`, a line for each image that
    could not be judged. Where a run was killed it goes on.
    """
    _, failures = judge(Detector.load(model, device), listed(shard), out, model, maps=maps)
    write_csv(out / "failures.csv", pd.DataFrame({"failure": failures}))


def watch(detector: Detector, folder: Path, out: Path, model: Path, polls: int | None = None) -> None:
    """Judge the images of a folder as they arrive, and say of each a line, until it is interrupted.

    A file is judged when it has not changed between two looks; one that cannot be judged is named, and tried again when
    it changes, and from time to time. What was judged stays in the results when its file is gone, in a later watch of
    the same model too. polls : how often to look (None: without end). Raises UserError for a missing folder, and for
    results that would lie in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    refuse_within(out, [folder])
    print(f"{folder}: watched; interrupt to stop", file=sys.stderr)
    with _until_terminated(), alone_in(out):
        _refuse_gathered(out)
        results, seen, settled = Results.of(detector, out, model), dict[Path, tuple[int, int]](), set[Path]()
        failures: dict[Path, _Failure] = {}
        empty, unread, sizes_said = dict[Path, float](), "", False
        results.take_up()

        def leave() -> None:
            results.flush()
            report(results.table, [failure.line for failure in failures.values()], out)
            results.stale = False

        try:
            while polls is None or polls > 0:
                polls, idle = None if polls is None else polls - 1, True
                every = sorted(files_in(folder, (*SUFFIXES, *FOREIGN)))
                found = [path for path in every if path.suffix.lower() in SUFFIXES]
                for path in set(failures).difference(found):
                    del failures[path]
                    results.stale = True
                if (now := foreign(set(every).difference(found))) != unread:
                    unread = now
                    print(f"{folder}: {unread or 'all files are read now'}", file=sys.stderr)
                for path in found:
                    state = _state(path)
                    if state is None:
                        since = empty.setdefault(path, time.monotonic())
                        if path not in failures and time.monotonic() - since > EMPTY_SECONDS:
                            failures[path], results.stale = _Failure(f"{path}: empty, or a link to nothing"), True
                            print(f"radarlib: {failures[path].line}", file=sys.stderr)
                        continue
                    empty.pop(path, None)
                    if seen.get(path) != state:
                        seen[path] = state
                        settled.discard(path)
                    elif path not in settled or (path in failures and failures[path].due):
                        settled.add(path)
                        idle = False
                        name = path.relative_to(folder).as_posix()
                        _announce(detector, path, name, results, failures)
                        sizes_said = sizes_said or _say_sizes(detector, results, {name} & results.rows.keys())
                if idle and results.stale and results.rested:
                    _or_later(leave, results)
                if polls != 0:
                    time.sleep(POLL_SECONDS)
        finally:
            if results.stale or results.rows or failures or not (out / "scores.csv").is_file():
                leave()


@contextmanager
def _until_terminated() -> Iterator[None]:
    """SIGTERM, by which a service is stopped, ends what is done here as its success. (Of another thread than the first
    the system asks no signals.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    class Terminated(BaseException): ...

    def stop(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Terminated:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _or_later(write: Callable[[], None], results: Results) -> None:
    """Results that cannot be written now, as on a full disk, wait until the next time; the first time this is said."""
    try:
        write()
        results.refused = False
    except UserError as error:
        if not results.refused:
            print(f"radarlib: {error}; tried again later", file=sys.stderr)
        results.refused, results.flushed = True, time.monotonic()


@dataclass
class _Failure:
    """Why an image could not be judged."""

    line: str
    since: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        return time.monotonic() - self.since > AGAIN_SECONDS


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where it is gone, or still empty."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if found.st_size else None


def _announce(detector: Detector, path: Path, name: str, results: Results, failures: dict[Path, _Failure]) -> None:
    before = failures.pop(path, None)
    try:
        found = judged(detector, path, name, results)
    except UserError as error:
        if _state(path) is None:  # taken away meanwhile
            return
        failures[path], results.stale = _Failure(str(error)), True
        results.drop(name)
        if before is None or before.line != str(error):
            print(f"radarlib: {error}", file=sys.stderr)
        return
    _or_later(partial(results.add, name, found), results)
    print(f"{name}: {'ANOMALOUS' if found['anomalous'] else 'normal'}, score {found['score']:.3g}", flush=True)


def example_folders(out: Path, n: int = 24) -> tuple[Path, Path]:
    """Write a few simulated prints as PNG, normal ones to learn from and a mixed test, to try `fit` and `detect` on."""
    for folder, kinds in (("good", [None] * n), ("test", [None, None, None, *PRINT_DEFECTS])):
        for k, kind in enumerate(kinds):
            image, _ = print_image(64, 45, kind, np.random.default_rng([7, len(kinds), k]))
            png = cv2.imencode(".png", (image * 255).round().astype(np.uint8))[1].tobytes()
            write_bytes(out / folder / f"{kind or 'normal'}_{k:02d}.png", png)
    return out / "good", out / "test"
