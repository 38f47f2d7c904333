"""The methods that the study compares: their names, where they stand, and what each needs. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from radarlib.errors import UserError


@dataclass(frozen=True)
class Method:
    """One row of the detection table.

    label : as tables and figures name it.
    function : "module:name" of `score(image, denoiser, settings, seed) → map, features`; named, not imported, so that
        the workflow knows which modules a method depends on and reads this list without loading PyTorch.
    network : the denoiser that it is given.
    section : of the settings that is its own.
    random : whether its map and features depend on the seed.
    """

    label: str
    function: str
    network: Literal["trained", "untrained", None]
    section: str
    random: bool = True

    @property
    def module(self) -> str:
        return self.function.split(":")[0]

    def load(self) -> Callable:
        module, name = self.function.split(":")
        return getattr(import_module(f"radarlib.{module}"), name)


METHODS = {
    "radar": Method("RADAR", "radar:score", "trained", "radar"),
    "ddpm": Method("DDPM (reconstruction)", "reconstruct:score", "trained", "reconstruction"),
    "raw": Method("control: raw image", "radar:score_raw", None, "radar", random=False),
    "untrained": Method("control: untrained network", "radar:score", "untrained", "radar"),
}


def method(name: str) -> Method:
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}; there are: {', '.join(METHODS)}")
    return METHODS[name]


def seeds_of(name: str, settings: dict) -> list[int]:
    """The seeds that a method scores with; one stands for all where no part of it is random."""
    runs = None if name == "radar" else settings["baseline_runs"]
    return settings["seeds"][: runs if method(name).random else 1]
