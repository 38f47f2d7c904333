"""The workflow's commands: each reads what the ones before it have left and writes what its rule names."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from radarlib.cli import answer
from radarlib.inspection import ALL, MAPS

if TYPE_CHECKING:  # PyTorch takes seconds to import, and not every command needs it
    from radarlib.denoiser import Denoiser


def _data(args: argparse.Namespace) -> int:
    from radarlib.datasets import prepare

    prepare(args.name, args.settings, args.root, args.out)
    return 0


def _train(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet, resized
    from radarlib.train import train

    settings = args.settings
    data = ImageSet.load(args.data).blind().contaminated(settings["training"]["dirt"], args.seed)
    data = resized(data, args.side)
    train(data.train_images, settings, args.seed, args.out, settings["compute"]["device"], args.label)
    return 0


def _score(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from study.radar.score import score_set

    data = ImageSet.load(args.data).blind()
    if "dirt" in args.settings.get("training", {}):  # a method without a network sees clean data
        data = data.contaminated(args.settings["training"]["dirt"], args.seed)
    score_set(data, args.method, args.settings, args.seed, next(iter(args.model), None), args.out, args.label)
    return 0


def _denoisers(args: argparse.Namespace) -> dict[str, Denoiser]:
    """By their folders' names."""
    if not args.model:
        return {}
    from radarlib.denoiser import Denoiser

    return {directory.name: Denoiser.load(directory, args.settings["compute"]["device"]) for directory in args.model}


def _job(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet

    run = import_module(args.module).run
    run(ImageSet.load(args.data), _denoisers(args), args.settings, args.seed, args.out, args.label)
    return 0


def _cost(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from study.radar.cost import measure

    measure(ImageSet.load(args.data).blind(), _denoisers(args), args.settings, args.seed, args.out)
    return 0


def _notebook(args: argparse.Namespace) -> int:
    from study.execute import parse_parameters, run_notebook

    run_notebook(args.source, args.executed, args.html, parse_parameters(args.parameter), args.threads or 1)
    return 0


def _gallery(args: argparse.Namespace) -> int:
    from study.gallery import gallery

    gallery(args.folder, args.exhibits, args.out)
    return 0


def _pdf(args: argparse.Namespace) -> int:
    from study.paper import build

    build(args.folder, args.exhibits, args.out)
    return 0


def _cut(args: argparse.Namespace) -> int:
    from radarlib.inspection.shards import cut

    table = cut([args.images], args.out, args.size)
    print(f"{args.out}: {table['images'].sum():,} images in {len(table):,} shards")
    return 0


def _shard(args: argparse.Namespace) -> int:
    from radarlib.inspection.judge import judge_shard

    judge_shard(args.fitted, args.images, args.out, args.device, args.maps)
    return 0


def _gather(args: argparse.Namespace) -> int:
    from radarlib.inspection.shards import gather

    seen, anomalous, failed = gather(args.out)
    print(f"{args.out / 'scores.csv'}: {anomalous:,} of {seen:,} images anomalous; {failed:,} could not be judged")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="study", description="The commands that the Snakefile's rules run.")
    commands = top.add_subparsers(dest="command", required=True)
    for name, run, text in (
        ("data", _data, "Read or simulate a data set."),
        ("train", _train, "Train a denoiser on a prepared data set."),
        ("score", _score, "Maps and features of a data set by one method."),
        ("job", _job, "The work of a chapter on one set, with one seed."),
        ("cost", _cost, "Time every method in one run."),
        ("notebook", _notebook, "Run a notebook with checked parameters."),
        ("gallery", _gallery, "One page with every exhibit."),
        ("pdf", _pdf, "One PDF with every exhibit, for print."),
        ("cut", _cut, "Cut a folder or a list of images into shards."),
        ("shard", _shard, "Judge the images of a shard."),
        ("gather", _gather, "Put what was found in all shards together."),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--threads", type=int, help="threads to use (default: all; a notebook one)")
        if name == "job":
            command.add_argument("module", help="dotted name of the module whose function `run` does it")
        if name in ("train", "score", "job", "cost"):
            command.add_argument("data", type=Path, help="prepared data set (.npz)")
            command.add_argument("--seed", type=int, default=0)
            command.add_argument("--model", type=Path, nargs="+", default=[], help="folders of trained models")
        if name in ("data", "train", "score", "job", "cost"):
            command.add_argument(
                "--settings", type=json.loads, required=True, help="the sections that it needs, resolved, as JSON"
            )
            command.add_argument("--label", default=name, help="shown beside the progress bar")
        if name != "notebook":
            command.add_argument("--out", type=Path, required=True)
    chosen = commands.choices
    chosen["data"].add_argument("name")
    chosen["data"].add_argument("--root", type=Path, required=True, help="folder of the data sets")
    chosen["train"].add_argument("--side", type=int, help="of the squares that images are scaled to (default: as is)")
    chosen["score"].add_argument("--method", required=True)
    for name in ("source", "executed", "html"):
        chosen["notebook"].add_argument(name, type=Path)
    chosen["notebook"].add_argument(
        "-p", dest="parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE")
    )
    chosen["shard"].add_argument("fitted", type=Path, help="what `radarlib fit` left")
    chosen["shard"].add_argument("--device", default="auto")
    chosen["shard"].add_argument("--maps", choices=MAPS, default=ALL)
    chosen["cut"].add_argument("--size", type=int, required=True, help="images of a shard at most")
    for name in ("cut", "shard"):
        chosen[name].add_argument("images", type=Path)
    for name in ("gallery", "pdf"):
        chosen[name].add_argument("folder", type=Path)
        chosen[name].add_argument("exhibits", nargs="+")
    return top


if __name__ == "__main__":
    sys.exit(answer(parser()))
