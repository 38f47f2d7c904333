"""Device, precision, threads: the edge between the mathematics and the machine."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from radarlib.errors import UserError

if TYPE_CHECKING:  # PyTorch takes seconds to import, and jobs without a network need none of it
    import torch


T = TypeVar("T")
TIMED = 5  # images that the seconds of one are the median of
SPINS = "2500"
"""How often a thread of GNU OpenMP, which PyTorch's Linux wheels have, looks for work before it sleeps. The library's
own 300,000 takes the core from whoever else wants it: with two other processes on two cores a training on two threads
was 2.2 times as fast this way, and on an idle machine 0.95 times (medians).
"""


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. Raises UserError where the named device is absent."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, present in available.items() if present)
    if not available.get(name.split(":")[0], False):
        raise UserError(
            f"device {name!r} is not available here; use one of {[k for k, v in available.items() if v]} or auto"
        )
    try:
        return torch.device(name)
    except RuntimeError:
        raise UserError(f"device {name!r}: unknown; use auto, or one as cpu or cuda:0") from None


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` takes bfloat16 where the device computes it faster than float32, and float32 elsewhere."""
    import torch

    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    if device.type == "cpu":
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Mixed precision in bfloat16; does nothing in float32."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def use_threads(threads: int | None) -> None:
    """Bound the threads of PyTorch, OpenCV and NumPy. None: as many as the process may use, and NumPy's as they are."""
    # NumPy reads how many threads it may use when it is loaded, which it is by now. With more threads than free cores
    # each waits for the others: a product of small matrices took 16 ms beside two other processes on two cores, and
    # 0.3 ms with this.
    if threads is not None:
        threadpool_limits(threads)
    else:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for libraries that are imported later
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    cv2.setNumThreads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next tensors instead of returning it after every step: a tenth faster."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-1, 2**30)  # M_TRIM_THRESHOLD
            libc.mallopt(-3, 2**25)  # M_MMAP_THRESHOLD: larger blocks still go back at once


def image_generator(image: np.ndarray, seed: int) -> torch.Generator:
    """A generator for the noise on one image.

    It depends on the seed and the image's content, so that an image gets the same score alone and among
    others, and different images get independent noise.
    """
    import torch

    # PyTorch's CPU generator uses 32 bits of its seed, so both go into 32 bits.
    return torch.Generator().manual_seed(zlib.crc32(image.tobytes(), seed))


def progress(things: Iterable[T] | None = None, **options: Any) -> tqdm[T]:
    """A progress bar: live on a terminal, one line every ten seconds in a log."""
    live = sys.stderr.isatty()
    return tqdm(things, mininterval=0.5 if live else 10, miniters=1 if live else None, **options)


def elapsed(run: Callable[[], object], device: torch.device | None = None) -> float:
    """Wall time of one call in seconds, with the work that it leaves running on a device."""

    def wait() -> None:
        if device is not None and device.type != "cpu":
            import torch

            getattr(torch, device.type).synchronize()

    wait()
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started


def median_seconds(judge: Callable[[T], object], images: Sequence[T]) -> float:
    """Median wall time of one of the first TIMED images; the first call does not count."""
    judge(images[0])
    return float(np.median([elapsed(partial(judge, image)) for image in images[:TIMED]]))


def seconds(run: Callable[[], object], repeats: int = 3, device: torch.device | None = None) -> float:
    """Median wall time of a call; the first, which may compile or allocate, does not count."""
    run()
    return float(np.median([elapsed(run, device) for _ in range(repeats)]))
