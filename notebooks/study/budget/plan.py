"""The plan of the chapter on training: which networks are followed while they learn, and what its job leaves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from study.methods import METHODS
from study.plan import NETWORK, Job

JOB = Job(
    name="budget",
    about="networks followed while they learn",
    module="study.budget.job",
    folder="budget",
    leaves=("errors.csv", "features.csv"),
    reads=(*NETWORK, "radar", "closed_form", "reconstruction", "diffusionad", "whole"),
    section="budget",
    calls=tuple(dict.fromkeys(METHODS[name].module for name in ("radar", "ddpm", "diffusionad", "radar-whole"))),
    first=3,
    further=3,
)

KEYS = ["t_max", "width", "images", "noise", "whole"]


@dataclass(frozen=True)
class Variant:
    """A network that is followed: trained on t in 1 … t_max, with `width` channels, on this many images (0: all), in
    patches or whole.
    """

    t_max: int
    width: int
    images: int = 0
    noise: str = "gaussian"
    whole: bool = False

    @property
    def key(self) -> str:
        return f"t{self.t_max}-w{self.width}-n{self.images or 'all'}-{self.noise}{'-whole' * self.whole}"


def variants(settings: dict) -> list[Variant]:
    """The published training (all t, the study's width, all images), and around it one thing changed at a time: t_max;
    then width and number of images, each with the published and with the smallest t_max; other noise; and whole images
    instead of patches, all of them and as many as elsewhere.
    """
    options, top, width = settings["budget"], settings["diffusion"]["steps"], settings["unet"]["width"]
    published = Variant(top, width)
    ends = dict.fromkeys([top, min([top, *options["t_max"]])])
    found = [published, *(Variant(t, width) for t in options["t_max"])]
    found += [Variant(t, w) for w, t in itertools.product(options["widths"], ends)]
    found += [Variant(t, width, n) for n, t in itertools.product(options["images"], ends)]
    if "anoddpm" in options["methods"]:
        found.append(Variant(top, width, noise="simplex"))
    if options["whole"]:
        found += [Variant(top, width, n, whole=True) for n in (0, *options["images"])]
    return list(dict.fromkeys(found))


def scored(variant: Variant, settings: dict) -> list[str]:
    """The methods that a network is asked by: RADAR's step by every Gaussian one; those that reconstruct by what was
    trained as published, since they need all t.
    """
    methods, published = (
        settings["budget"]["methods"],
        Variant(settings["diffusion"]["steps"], settings["unet"]["width"]),
    )
    if variant.whole:
        return ["radar-whole"]
    if variant.noise == "simplex":
        return ["anoddpm"]
    return [m for m in methods if m == "radar" or (m != "anoddpm" and variant == published)]
