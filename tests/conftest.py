"""Shared fixtures: tiny settings, tiny images, and one run of the `smoke` profile per session in a copy of the
repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from filelock import FileLock

from radarlib.config import resolve
from radarlib.denoiser import Denoiser
from radarlib.files import read_json, write_json
from radarlib.runtime import use_threads
from study.noise.plan import START

use_threads(1)  # as each worker has one core
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """A command that was called before may have left more."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m "not smoke"` leaves out what waits for a run of the `smoke` profile."""
    for item in items:
        if "smoke" in getattr(item, "fixturenames", ()):
            item.add_marker("smoke")


@pytest.fixture
def settings() -> dict:
    """Settings of a network that trains in a second."""
    return resolve({
        "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": []},
        "training": {"patch": 8, "steps": 12, "batch": 4, "precision": "float32"},
        "radar": {"stride": 4, "window": 8},
        "reconstruction": {"stride": 8, "reverse_steps": 3},
    })  # fmt: skip


@pytest.fixture
def images() -> list[np.ndarray]:
    """Ten gray images in [-1, 1] of two sizes."""
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (20, 16 + 8 * (k % 2))).astype(np.float32) for k in range(10)]


class Perfect(torch.nn.Module):
    """Knows x_0 and so predicts the noise exactly."""

    def __init__(self, x_0: float, schedule):
        super().__init__()
        self.x_0, self.schedule = x_0, schedule

    def forward(self, x_t, t):
        a = self.schedule.alphas_cumprod[t.long()].float().reshape(-1, 1, 1, 1)
        return (x_t - a.sqrt() * self.x_0) / (1 - a).sqrt()


@pytest.fixture
def perfect(settings) -> Denoiser:
    denoiser = Denoiser.untrained(settings, 0)
    denoiser.net = Perfect(0.25, denoiser.schedule)
    return denoiser


def write_png(path: Path, image: np.ndarray) -> Path:
    """Write an array as it is (8 or 16 bit) and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return path


@pytest.fixture
def mvtec(tmp_path) -> Path:
    """A data root with one small set "cloth" in MVTec AD layout."""
    rng = np.random.default_rng(1)
    root = tmp_path / "root"

    def image() -> np.ndarray:
        return rng.integers(0, 256, (24, 24)).astype(np.uint8)

    for k in range(6):
        write_png(root / "cloth/train/good" / f"{k}.png", image())
    for k in range(4):
        write_png(root / "cloth/test/good" / f"{k}.png", image())
        write_png(root / "cloth/test/hole" / f"{k}.png", image())
        mask = np.zeros((24, 24), np.uint8)
        mask[k : k + 5, 3:9] = 255
        write_png(root / "cloth/ground_truth/hole" / f"{k}_mask.png", mask)
    return root


def environment_of(cwd: Path, **changes: str) -> dict[str, str]:
    """In which a program takes one thread, and imports radarlib and study from `cwd` if they are there."""
    env = {**os.environ, "PYTHONPATH": f"{cwd}{os.pathsep}{cwd / 'notebooks'}", "OMP_NUM_THREADS": "1", **changes}
    return {**env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a Python module as a user would."""
    env = environment_of(cwd, **environment)
    return subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, env=env, capture_output=True, text=True)


def copy_repository(target: Path) -> Path:
    """The repository's own files (not its results) in a place where tests may change them."""
    names = ("Snakefile", "config", "radarlib", "notebooks", "workflow", "data")
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = REPOSITORY / name
        if source.is_dir():
            keep = ("paper", "wobble.csv", "README.md") if name == "data" else None
            ignore = (
                (lambda folder, found, keep=keep: [n for n in found if Path(folder).name == "data" and n not in keep])
                if keep
                else shutil.ignore_patterns("__pycache__")
            )
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy2(source, target / name)
    return target


def sure(folder: Path, exhibit: str) -> None:
    """The resamples of an exhibit's figures as the figures themselves: for tests in which only these are to count."""
    rows = (folder / f"{exhibit}.csv").read_text().count("\n") - 1
    np.savez(folder / f"{exhibit}.draws.npz", off=np.zeros((rows, 50)))


def changed_settings(folder: Path, exhibit: str, section: str, **values: object) -> None:
    """As if an exhibit had been made with other settings."""
    record = read_json(folder / f"{exhibit}.provenance.json")
    record["settings"][section].update(values)
    write_json(folder / f"{exhibit}.provenance.json", record)


def whole_chains(folder: Path) -> Path:
    """As if no reconstruction of these exhibits had skipped a step."""
    for file in folder.glob("*.provenance.json"):
        record = read_json(file)
        chains = record["settings"]["reconstruction"]
        chains["reverse_steps"] = chains["t_start"]
        record["settings"]["noise_study"]["reverse_steps"] = START
        record["settings"]["ran"]["steps"] = chains["t_start"]
        write_json(file, record)
    return folder


def snakemake(where: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return run("snakemake", "--cores", "2", *arguments, cwd=where, **environment)


def jobs(output: str) -> dict[str, int]:
    """Rules that a dry run would run, with their counts."""
    table = output.split("Job stats:")[1].split("total")[0] if "Job stats:" in output else ""
    return {name: int(n) for name, n in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    """A copy of the repository in which the `smoke` profile has run: once, and all workers read it."""
    base = tmp_path_factory.getbasetemp()
    where = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "smoke"
    with FileLock(f"{where}.lock"):
        if not where.exists():
            copy_repository(where)
            done = snakemake(where, "smoke")
            (where / "outcome.txt").write_text("" if done.returncode == 0 else done.stdout + done.stderr)
    outcome = (where / "outcome.txt").read_text()
    assert not outcome, outcome
    return where
