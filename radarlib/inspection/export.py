"""A fitted detector as one graph for ONNX Runtime or OpenVINO, with an example that runs it without PyTorch."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.errors import UserError
from radarlib.feature_step import FeatureStep, Whitening
from radarlib.files import alone_in, read_json, write_bytes, write_json
from radarlib.inspection.detector import ROI, Detector
from radarlib.inspection.roi import write_roi
from radarlib.inspection.spaces import Features, Pixels
from radarlib.map_features import HIGHEST, PAPER_SIDE
from radarlib.oneclass import Distance
from radarlib.patches import positions

EXAMPLE = Path(__file__).with_name("exported.py")
SUFFIXES = (".onnx", ".xml", ".bin")  # of graphs
MOST = 2**21  # pixels, all of whose patches a graph asks at once: four GB
TRUNCATE = 4.0  # standard deviations of a Gaussian that SciPy's filter takes


class _PixelGraph(nn.Module):
    """`radar.score` and the layer of `Pixels` for images of one size."""

    def __init__(self, space: Pixels, height: int, width: int):
        super().__init__()
        options, denoiser = space.settings["radar"], space.denoiser
        self.net, self.size = denoiser.net, (height, width)
        window = min(options["window"], height, width)
        self.rows, self.columns = (
            torch.ones(n, n).triu().tril(window - 1)[: n - window + 1] / window for n in self.size
        )
        patch = denoiser.patch
        flat = torch.arange(height * width).view(height, width)
        corners = [
            (r, c)
            for r in positions(height, patch, options["stride"])
            for c in positions(width, patch, options["stride"])
        ]
        self.index = torch.stack([flat[r : r + patch, c : c + patch] for r, c in corners])
        # Of each pixel, where its answers lie in the patches: to gather is many times faster than to scatter.
        order = self.index.flatten().argsort(stable=True)
        counts = torch.bincount(self.index.flatten(), minlength=height * width)[:, None]
        nth = torch.arange(int(counts.max()))
        self.answers = order[counts.cumsum(0) - counts + torch.minimum(nth, counts - 1)]
        self.shares = (nth < counts) / counts
        self.t = torch.full((len(corners),), options["t"])
        a = denoiser.schedule.alphas_cumprod[options["t"]]
        self.signal, self.sigma = a.sqrt().item(), (1 - a).sqrt().item()
        self.blur = _Blur(options["sigma"], height, width) if options["sigma"] else nn.Identity()
        self.smooth = _Blur(space.smooth * min(height, width) / PAPER_SIDE, height, width)
        self.edges = _Edges(height, width)

    def forward(self, image: Tensor, noise: Tensor, roi: Tensor) -> tuple[Tensor, list[Tensor]]:
        x_t = (self.signal * image + self.sigma * noise).flatten()
        eps = self.net(x_t[self.index][:, None], self.t)[:, 0]
        averaged = (eps.flatten()[self.answers] * self.shares).sum(1).view(self.size)
        s = self.edges(self.blur(averaged)) * roi
        squares = s**2
        local = (self.rows @ squares @ self.columns.T).max().clamp(min=0)
        return torch.stack([squares.mean().sqrt(), local.sqrt()]), [self.smooth(s)]


class _FeatureGraph(nn.Module):
    """`feature_step.score` of a new image, and the layers of `levels`, for images of one size."""

    def __init__(self, space: Features, height: int, width: int, roi: np.ndarray | None):
        super().__init__()
        extractor, where = space.model.extractor, space.where
        assert where is not None
        self.net, self.side, self.grid, self.size = extractor.net, extractor.side, extractor.grid, (height, width)
        # Resizing is linear and separable: the resize of unit vectors says all of it, antialiasing too.
        self.down = _resize(height, self.side)
        self.across = _resize(width, self.side)
        self.steps = nn.ModuleList(_Step(step) for step in space.model.steps)
        self.levels = nn.ModuleList(_Level(folds) for folds in zip(*where.folds, strict=True))
        seen = torch.ones(height, width) if roi is None else torch.from_numpy(roi.astype(np.float32))
        shown = F.interpolate(seen[None, None], (self.grid, self.grid), mode="area").flatten() > 0
        self.shown = shown.float()

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = (self.down @ image @ self.across.T).expand(1, 3, self.side, self.side)
        means = [F.avg_pool2d(m, 3, stride=1, padding=1, count_include_pad=False) for m in self.net(x, True)]
        parts = [
            m if m.shape[-1] == self.grid else F.interpolate(m, (self.grid, self.grid), mode="bilinear")
            for m in means[-len(self.net.channels) :]
        ]
        flat = torch.cat(parts, 1)[0].flatten(1).T
        found = torch.stack([step(flat) for step in self.steps]).mean(0) * self.shown
        features = torch.stack([(found**2).mean().sqrt(), found.topk(HIGHEST).values.mean()])
        fine = [m[0].permute(1, 2, 0) for m in means if m.shape[-1] * 16 >= self.side]
        layers = []
        for level, x in zip(self.levels, fine, strict=True):
            grid = level(x)
            layers.append(F.interpolate(grid[None, None], self.size, mode="bilinear")[0, 0])
        return features, layers


class Graph(nn.Module):
    """image (H, W) in [-1, 1], outside of the region its mean, and where pixels are looked at the noise (H, W) →
    score (), map (H, W), as `Detector.detect` gives them.
    """

    def __init__(self, detector: Detector, height: int, width: int):
        super().__init__()
        self.spaces = nn.ModuleList(
            _PixelGraph(space, height, width)
            if isinstance(space, Pixels)
            else _FeatureGraph(space, height, width, detector.region_)
            for space in detector.spaces_
        )
        decision = detector.decision_
        assert isinstance(decision, Distance)
        seen = np.ones((height, width)) if detector.region_ is None else detector.region_
        self.roi = torch.from_numpy(seen.astype(np.float32))
        self.centre = torch.from_numpy(decision.centre).float()
        self.spread = torch.from_numpy(decision.spread).float()
        self.scales, self.threshold = [1 / s for s in detector.map_scales_], detector.map_threshold_

    def forward(self, image: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features, layers = [], []
        for space in self.spaces:
            own, found = space(image, noise, self.roi) if isinstance(space, _PixelGraph) else space(image)
            features.append(own)
            layers += found
        z = (torch.cat(features).clamp(min=1e-12).log() - self.centre) / self.spread
        score = (z.clamp(min=0) ** 2).sum().sqrt()
        joined = torch.stack([layer * scale for layer, scale in zip(layers, self.scales, strict=True)]).mean(0)
        return score, joined * self.roi / self.threshold


class _Whitened(nn.Module):
    def __init__(self, whitening: Whitening):
        super().__init__()
        self.mean = torch.from_numpy(whitening.mean)
        self.matrix = torch.from_numpy(whitening.matrix)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.matrix


class _Level(nn.Module):
    """A layer of `Levels` of a new image, on its grid."""

    def __init__(self, folds: Sequence[Whitening]):
        super().__init__()
        self.folds = nn.ModuleList(_Whitened(fold) for fold in folds)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([fold(x).norm(dim=-1) for fold in self.folds]).mean(0)


class _Step(nn.Module):
    """`feature_step.predict`."""

    def __init__(self, step: FeatureStep):
        super().__init__()
        self.white, self.net, self.signal = _Whitened(step.whitening), step.net, (1 - step.sigma**2) ** 0.5

    def forward(self, features: Tensor) -> Tensor:
        return self.net(self.white(features) * self.signal).norm(dim=1)


class _Blur(nn.Module):
    """SciPy's `gaussian_filter`: beyond the border an image is its own mirror."""

    def __init__(self, sigma: float, height: int, width: int):
        super().__init__()
        radius = int(TRUNCATE * sigma + 0.5)
        x = torch.arange(-radius, radius + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        self.rows = _filter((kernel / kernel.sum()).tolist(), height)
        self.columns = _filter((kernel / kernel.sum()).tolist(), width)

    def forward(self, image: Tensor) -> Tensor:
        return self.rows @ image @ self.columns.T


class _Edges(nn.Module):
    """`sobel_map` without its blur."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.rows_slope, self.columns_slope = (_filter([-1, 0, 1], n) for n in (height, width))
        self.rows_mean, self.columns_mean = (_filter([1, 2, 1], n) for n in (height, width))

    def forward(self, image: Tensor) -> Tensor:
        down = self.rows_slope @ image @ self.columns_mean.T
        across = self.rows_mean @ image @ self.columns_slope.T
        return (down**2 + across**2).sqrt()


def _filter(kernel: list[float], n: int) -> Tensor:
    """A filter along a side of n px, mirrored at its ends, as a matrix (n, n)."""
    matrix, radius = torch.zeros(n, n, dtype=torch.float64), len(kernel) // 2
    at = torch.arange(n)
    for k, weight in enumerate(kernel):
        mirrored = (at + k - radius) % (2 * n)
        matrix.index_put_((at, torch.minimum(mirrored, 2 * n - 1 - mirrored)), torch.tensor(weight).double(), True)
    return matrix.float()


def _resize(n: int, side: int) -> Tensor:
    """(side, n): what `Extractor.maps` does along one side."""
    return F.interpolate(torch.eye(n)[None, None], (side, n), mode="bilinear", antialias=True)[0, 0]


def export(detector: Detector, out: Path, kind: str = "onnx", size: tuple[int, int] | None = None) -> None:
    """Leave a folder that runs without PyTorch: the graph, `detector.json`, and `run.py`, an example.

    kind : onnx, or openvino. size : (height, width) of the images; None takes that of the images that were learned
        from. Raises UserError for a model that has no graph, images of several sizes, a missing package, and a folder
        to which another process writes.
    """
    size = _exportable(detector, size)
    _package("onnx"), _package("onnxscript")
    openvino = _package("openvino") if kind == "openvino" else None
    with alone_in(out):
        if (out / "detector.json").is_file() and "format" in read_json(out / "detector.json"):
            raise UserError(f"{out}: holds a fitted model, which the export would replace; give another --out")
        _write(detector, out, size, openvino)


def _exportable(detector: Detector, size: tuple[int, int] | None) -> tuple[int, int]:
    """The size, (height, width), of the images that a detector is exported for; raises UserError where it cannot be."""
    settings = detector.settings_
    if detector.peaks_ is None or settings["decision"]["rule"] != "distance":
        raise UserError("export knows models by --decision distance of this radarlib; fit the model again")
    if detector.colour:
        raise UserError("export knows models of gray images alone; fit one without --colour")
    if _pixels(detector) and (settings["noise"]["kind"] != "gaussian" or settings["radar"]["blur"] != "gaussian"):
        raise UserError("export knows Gaussian noise and the Gaussian blur alone; change noise.kind or radar.blur")
    size = size or detector.size_
    if size is None:
        raise UserError(
            "the model was fitted on images of several sizes; say which --size to export for, or fit with --image-size"
        )
    if min(size) < detector.smallest:
        raise UserError(f"--size: a side of {min(size)} px is smaller than the {detector.smallest}-px patch")
    side = settings["data"]["image_size"]
    if side and size != (side, side):
        raise UserError(f"--size: the model looks at images of {side}×{side} px; leave it out")
    if _pixels(detector) and size[0] * size[1] > MOST:
        raise UserError(
            f"images of {size[1]}×{size[0]} px are too large to export on pixels: a graph asks all patches at once, in"
            " gigabytes; fit with --image-size 1024, or --space features"
        )
    if detector.region_ is not None and detector.region_.shape != size:
        raise UserError(f"--size: the model's region is {detector.region_.shape[1]}×{detector.region_.shape[0]} px")
    return size


def _pixels(detector: Detector) -> bool:
    return any(isinstance(space, Pixels) for space in detector.spaces_)


def _write(detector: Detector, out: Path, size: tuple[int, int], openvino: ModuleType | None) -> None:
    graph = Graph(detector, *size).cpu().eval().requires_grad_(False)
    names = ["image", "noise"] if _pixels(detector) else ["image"]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, on how it is made
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # and on packages that it could use
        path = Path(folder) / "detector.onnx"
        torch.onnx.export(
            graph, tuple(torch.zeros(size) for _ in names), path, input_names=names, output_names=["score", "map"],
            external_data=False, dynamo=True, verbose=False,
        )  # fmt: skip
        # Of an earlier export: `run.py` would take them, and half of each where this one is stopped.
        for name in ("detector.json", *(f"detector{suffix}" for suffix in SUFFIXES), ROI):
            (out / name).unlink(missing_ok=True)
        if openvino is None:
            write_bytes(out / path.name, path.read_bytes())
        else:
            made = path.with_suffix(".xml")
            openvino.save_model(openvino.convert_model(path), made, compress_to_fp16=False)
            for file in (made.with_suffix(".bin"), made):
                write_bytes(out / file.name, file.read_bytes())
    write_json(
        out / "detector.json",
        {
            "size": list(size), "side": detector.settings_["data"]["image_size"], "shape": detector.shape,
            "noise": _pixels(detector), "seed": detector.seed, "threshold": detector.threshold_,
            "calibration": np.sort(detector.calibration_scores_).tolist(),
        },
    )  # fmt: skip
    if detector.region_ is not None:
        write_roi(detector.region_, out / ROI)
    write_bytes(out / "run.py", EXAMPLE.read_bytes())


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise UserError(f"export needs the package {name}: pip install '.[export]'") from None
