"""The methods that the study compares: their names, where they stand, and what each needs. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module

from radarlib.config import merge
from radarlib.errors import UserError

PAPER_METHODS = ("radar", "ddpm", "anoddpm", "diffusionad", "ba", "lf")
"""The six methods of RADAR's Table II."""

HIGHEST = "p_highest_f1"  # the share of resamples in which a method's F1 is the highest of PAPER_METHODS
DIRT = (0.1, 0.2, 0.3)  # shares of defective training images that `evidence.dirt` may name


def _patch(share: float) -> Callable[[dict], dict]:
    """Patches of a share of the configured side, to the nearest multiple of four."""
    return lambda settings: {"training": {"patch": max(8, 4 * round(settings["training"]["patch"] * share / 4))}}


def dirty(share: float) -> str:
    """The name of the denoiser that was trained with this share of defective images."""
    return f"dirt{round(100 * share)}"


def _dirt(share: float) -> Callable[[dict], dict]:
    return lambda _: {"training": {"dirt": share}}


WHOLE = ("whole", "whole_simplex")
"""Denoisers of MODELS that are trained on whole images, scaled to squares of `whole.side` px."""


def _whole(settings: dict) -> dict:
    """A network's "patch" is the whole image; unless told otherwise, a batch has the pixels of one of patches."""
    options, side, training = settings["whole"], settings["whole"]["side"], settings["training"]
    times = 2 ** (len(settings["unet"]["multipliers"]) - 1)
    if side % times:
        raise UserError(f"whole.side: {side} cannot be halved as often as the network does; use a multiple of {times}")
    return {
        "training": {
            "patch": side,
            "batch": options["batch"] or -(-training["batch"] * training["patch"] ** 2 // side**2),
        }
    }


MODELS: dict[str, Callable[[dict], dict]] = {
    "gaussian": lambda _: {},
    "simplex": lambda _: {"noise": {"kind": "simplex"}},
    "mixture": lambda _: {"noise": {"kind": "mixture"}},
    **{dirty(share): _dirt(share) for share in DIRT},
    "patch_small": _patch(3 / 7),
    "patch_medium": _patch(5 / 7),
    "whole": _whole,
    "whole_simplex": lambda settings: {**_whole(settings), "noise": {"kind": "simplex"}},
}
"""The denoisers that the study trains: what each changes of a configuration."""


@dataclass(frozen=True)
class Method:
    """One row of the detection table.

    label : as tables and figures name it.
    function : "dotted.module:name" of `score(image, model, settings, seed) → map, features`; named, not imported, so
        that the workflow knows which modules a method depends on and reads this list without loading PyTorch.
    sections : of the settings that are its own, or single keys as "section.key".
    model : what it is given: a denoiser of MODELS by its name, an "untrained" one, what the module's
        `fit(images, settings, seed)` returns ("fit"), or nothing (None).
    random : whether its map and features depend on the seed.
    """

    label: str
    function: str
    sections: tuple[str, ...]
    model: str | None
    random: bool = True

    @property
    def module(self) -> str:
        return self.function.split(":")[0]

    @property
    def trained(self) -> bool:
        return self.model in MODELS

    @property
    def control(self) -> bool:
        """Whether it is no method but what a method must beat."""
        return self.label.startswith("control")

    def load(self) -> Callable:
        return getattr(import_module(self.module), self.function.split(":")[1])

    def load_fit(self) -> Callable:
        return import_module(self.module).fit


METHODS = {
    "radar": Method("RADAR", "radarlib.radar:score", ("radar",), "gaussian"),
    "radar-closed": Method(
        "RADAR, closed form",
        "radarlib.methods.closed_form:score",
        ("radar", "closed_form", "diffusion", "training.patch"),
        "fit",
    ),
    "radar-simplex": Method("RADAR, simplex noise", "radarlib.radar:score", ("radar",), "simplex"),
    "radar-mixture": Method("RADAR, mixture noise", "radarlib.radar:score", ("radar",), "mixture"),
    "radar-features": Method(
        "one step on features", "radarlib.feature_step:score", ("feature_step", "features"), "fit"
    ),
    "ddpm": Method("DDPM", "radarlib.methods.reconstruct:score", ("reconstruction", "radar.stride"), "gaussian"),
    "anoddpm": Method("AnoDDPM", "radarlib.methods.reconstruct:score", ("reconstruction", "radar.stride"), "simplex"),
    "diffusionad": Method(
        "DiffusionAD", "radarlib.methods.reconstruct:score_one_step", ("diffusionad", "radar.stride"), "gaussian"
    ),
    "radar-whole": Method("RADAR, whole images", "radarlib.methods.whole:score_radar", ("radar",), "whole"),
    "ddpm-whole": Method(
        "DDPM, whole images", "radarlib.methods.whole:score", ("reconstruction", "radar.stride"), "whole"
    ),
    "anoddpm-whole": Method(
        "AnoDDPM, whole images", "radarlib.methods.whole:score", ("reconstruction", "radar.stride"), "whole_simplex"
    ),
    "diffusionad-whole": Method(
        "DiffusionAD, whole images", "radarlib.methods.whole:score_one_step", ("diffusionad", "radar.stride"), "whole"
    ),
    "ba": Method("B&A", "radarlib.methods.bui_apley:score", ("bui_apley",), "fit"),
    "lf": Method("L&F", "radarlib.methods.caltanissetta:score", ("caltanissetta",), "fit"),
    "rpca": Method("RPCA", "radarlib.methods.lowrank:score_rpca", ("lowrank",), None, random=False),
    "ssd": Method("smooth-sparse", "radarlib.methods.lowrank:score_smooth_sparse", ("lowrank",), None, random=False),
    "psd": Method(
        "periodic-sparse", "radarlib.methods.lowrank:score_periodic_sparse", ("lowrank",), None, random=False
    ),
    "raw": Method("control: raw image", "radarlib.radar:score_raw", ("radar",), None, random=False),
    "untrained": Method("control: untrained network", "radarlib.radar:score", ("radar",), "untrained"),
    "noiseless": Method("control: no noise added", "radarlib.radar:score_noiseless", ("radar",), "gaussian"),
}

EVERY_SEED = ("radar", "radar-closed", "noiseless")
"""What is compared over trainings, and so runs with all seeds; the others run with `baseline_runs` of them."""


@dataclass(frozen=True)
class Together:
    """A row of the detection table with the features of several methods at once, decided by one classifier."""

    label: str
    parts: tuple[str, ...]
    control: bool = False
    random: bool = True


TOGETHER = {"radar-both": Together("RADAR, pixels and features", ("radar", "radar-features"))}


def table_rows(names: Iterable[str] = METHODS) -> dict[str, Method | Together]:
    """The rows of a detection table: methods, and after the last of its parts each of TOGETHER whose parts are all
    there.
    """
    found: dict[str, Method | Together] = {}
    for name in names:
        found[name] = TOGETHER[name] if name in TOGETHER else method(name)
        found |= {k: v for k, v in TOGETHER.items() if set(v.parts) <= set(found) and k not in found}
    return found


def label_of(name: str) -> str:
    """How tables and figures name a row."""
    return table_rows([name])[name].label


def method(name: str) -> Method:
    """A method by its name; "radar@dirt10" is RADAR with another denoiser of MODELS."""
    base, _, model = name.partition("@")
    if base not in METHODS or (model and model not in MODELS):
        raise UserError(
            f"unknown method {name!r}; there are: {', '.join(METHODS)}, and with @ one of {', '.join(MODELS)}"
        )
    return replace(METHODS[base], model=model) if model else METHODS[base]


def seeds_of(name: str, settings: dict) -> list[int]:
    """The seeds that a method scores with; one stands for all where no part of it is random."""
    if name in TOGETHER:
        name = TOGETHER[name].parts[0]
    runs = None if name in EVERY_SEED else 1 if "@" in name else settings["baseline_runs"]
    return settings["seeds"][: runs if method(name).random else 1]


def model_settings(settings: dict, model: str) -> dict:
    """The configuration that a denoiser of MODELS is trained with."""
    return merge(settings, MODELS[model](settings))
