"""The workflow's steps, as commands: each reads what the ones before it have left and writes what its rule names."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""Adds a command: its name, what runs it, and its help."""


def _prepare(args: argparse.Namespace) -> int:
    from radarlib.datasets import prepare

    prepare(args.name, args.settings, args.root, args.out)
    return 0


def _train(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.train import train

    settings = args.settings
    data = ImageSet.load(args.data).blind().contaminated(settings["training"]["dirt"], args.seed)
    train(
        data.train_images,
        settings,
        args.seed,
        args.out,
        settings["compute"]["device"],
        args.label,
    )
    return 0


def _score(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.score import score_set

    data = ImageSet.load(args.data).blind()
    if "training" in args.settings:  # a method without a network sees clean data
        data = data.contaminated(args.settings["training"]["dirt"], args.seed)
    score_set(data, args.method, args.settings, args.seed, args.model, args.out, args.label)
    return 0


def _denoisers(args: argparse.Namespace) -> dict:
    from radarlib.denoiser import Denoiser

    return {directory.name: Denoiser.load(directory, args.settings["compute"]["device"]) for directory in args.model}


def _ablate(args: argparse.Namespace) -> int:
    from radarlib.ablation import ablate
    from radarlib.datasets import ImageSet

    ablate(ImageSet.load(args.data).blind(), _denoisers(args), args.settings, args.seed, args.out, args.label)
    return 0


def _robust(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.robust import leave_out, study_dirt
    from radarlib.roles import UnsuitedError

    try:
        study_dirt(ImageSet.load(args.data), args.settings, args.seed, args.out, args.label, args.only_curves)
    except UnsuitedError as error:
        if not args.leave_out:
            raise
        leave_out(f"{args.label}: {error}", args.out)
    return 0


def _noise_study(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.noise_study import study_noise

    study_noise(ImageSet.load(args.data), args.settings, args.seed, args.out, args.label)
    return 0


def _d3ad(args: argparse.Namespace) -> int:
    from radarlib.d3ad_study import study_latents
    from radarlib.datasets import ImageSet

    study_latents(ImageSet.load(args.data), args.settings, args.seed, args.out, args.label)
    return 0


def _ran(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.denoiser import Denoiser
    from radarlib.ran_study import study_steps

    denoiser = Denoiser.load(args.model, args.settings["compute"]["device"])
    study_steps(ImageSet.load(args.data), denoiser, args.settings, args.seed, args.out, args.label)
    return 0


def _cost(args: argparse.Namespace) -> int:
    from radarlib.cost import measure
    from radarlib.datasets import ImageSet

    measure(ImageSet.load(args.data).blind(), _denoisers(args), args.settings, args.seed, args.out)
    return 0


def _notebook(args: argparse.Namespace) -> int:
    from radarlib.notebook import parse_parameters, run_notebook

    run_notebook(args.source, args.executed, args.html, parse_parameters(args.parameter), args.threads or 1)
    return 0


def _gallery(args: argparse.Namespace) -> int:
    from radarlib.gallery import gallery

    gallery(args.folder, args.exhibits, args.out)
    return 0


def add_steps(command: Command) -> None:
    for name, run, text in (
        ("prepare", _prepare, "Workflow step: read or simulate a data set."),
        ("train", _train, "Workflow step: train a denoiser on a prepared data set."),
        ("score", _score, "Workflow step: maps and features of a data set by one method."),
        ("ablate", _ablate, "Workflow step: RADAR's features under changed settings."),
        (
            "robust",
            _robust,
            "Workflow step: train on unclean data in every way of RDDPM, and see what becomes of each method.",
        ),
        ("noise_study", _noise_study, "Workflow step: reconstruct with three kinds of noise."),
        ("d3ad", _d3ad, "Workflow step: D3AD in every variant, and methods on features."),
        ("ran", _ran, "Workflow step: errors at intermediate steps, in pixels and in features."),
        ("cost", _cost, "Workflow step: time every method in one run."),
    ):
        step = command(name, run, text)
        step.add_argument(
            "--settings", type=json.loads, required=True, help="the sections that the step needs, resolved, as JSON"
        )
        step.add_argument("--out", type=Path, required=True)
        step.add_argument("--label", default=name, help="shown beside the progress bar")
        if name == "prepare":
            step.add_argument("name")
            step.add_argument(
                "--root", type=Path, default=Path("data"), help="folder of the data sets in MVTec AD layout"
            )
        else:
            step.add_argument("data", type=Path, help="prepared data set (.npz)")
            step.add_argument("--seed", type=int, default=0)
        if name in ("ablate", "cost"):
            step.add_argument("--model", type=Path, nargs="+", required=True, help="directories of trained models")
        if name == "ran":
            step.add_argument("--model", type=Path, required=True, help="directory of the trained model")
        if name == "robust":
            step.add_argument("--leave-out", action="store_true", help="pass over a set that does not suit the chapter")
            step.add_argument(
                "--only-curves", action="store_true", help="what further seeds are for: the paper's curves alone"
            )
        if name == "score":
            step.add_argument("--method", required=True)
            step.add_argument("--model", type=Path, help="directory of the trained model")

    notebook = command("notebook", _notebook, "Workflow step: run a notebook with checked parameters.")
    notebook.add_argument("source", type=Path)
    notebook.add_argument("executed", type=Path)
    notebook.add_argument("html", type=Path)
    notebook.add_argument("-p", dest="parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))

    page = command("gallery", _gallery, "Workflow step: one page with every exhibit.")
    page.add_argument("folder", type=Path)
    page.add_argument("exhibits", nargs="+")
    page.add_argument("--out", type=Path, required=True)
