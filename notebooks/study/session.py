"""What a notebook sees of the study: one profile's artefacts to read, and exhibits to leave behind."""

from __future__ import annotations

import os
import time
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from radarlib.datasets import ImageSet
from radarlib.errors import UserError
from radarlib.files import read_json, write_bytes, write_csv, write_json, write_npz
from study.kept import load_maps
from study.latex import to_latex
from study.methods import TOGETHER, seeds_of, table_rows
from study.plan import WORKFLOW, find_root, profile_settings, study_sets
from study.provenance import provenance
from study.tables import to_markdown

EVALUATIONS = ("evaluations", "passes")
"""Of a network per image: patches that it is asked about, and passes of each pixel through it."""
BY_HAND = ("decision", "evidence", "seeds", "baseline_runs", "watermark")
"""Sections of the settings that a notebook reads itself, and which seeds it shows: what it may be told by hand."""
FEWER = ("sets", "runs")
"""Keys of any section that it may be told as well: to show less of what lies there."""
STAND_INS = {"tile": "tiles", "carpet": "tiles", "grid": "prints"}
"""Simulated surfaces beside which the printed values of MVTec AD's categories stand: stochastic, or periodic."""


class Session:
    """One profile: settings, artefacts under `results/<profile>/`, exhibits under `figures/<profile>/`.

    Parameters
    ----------
    profile : name of a file in `config/`, without its ending; or with "-half", the same with half of the training.
    overrides : settings on top of the profile, e.g. ``{"decision": {"contamination": 0.1}}``; by hand those of BY_HAND
        and FEWER alone.

    Raises UserError for others: what is trained and scored is read as it lies there, made with the profile's settings.
    """

    def __init__(self, profile: str, overrides: dict | None = None):
        _check(overrides or {})
        self.root, self.profile, self.started = find_root(), profile, time.monotonic()
        self.settings = profile_settings(self.root, profile, overrides)
        self.sets = study_sets(self.settings, self.root)
        self.seeds: list[int] = self.settings["seeds"]
        self.inputs: set[Path] = set()
        pd.set_option("display.max_rows", None, "display.max_colwidth", None)  # a notebook shows its tables whole

    def path(self, *parts: str | int) -> Path:
        """An artefact of this profile; remembered for the provenance.

        Raises UserError with the command that makes it.
        """
        file = self.root.joinpath("results", self.profile, *map(str, parts))
        if not file.exists():
            raise UserError(
                f"{file.relative_to(self.root)} is missing; make it with: snakemake --cores all"
                f" {file.relative_to(self.root)}"
            )
        if file.is_file():
            self.inputs.add(file)
        return file

    @cache  # noqa: B019 - a study lives as long as its notebook
    def data(self, name: str) -> ImageSet:
        self.path(name, "images.csv")
        return ImageSet.load(self.path(name, "images.npz"))

    def features(self, name: str, method: str, seed: int) -> pd.DataFrame:
        """Features of one method, or of one of TOGETHER, joined with what is known of each image (`split`,
        `defect`).
        """
        if method in TOGETHER:
            table, *others = (self.features(name, part, seed) for part in TOGETHER[method].parts)
            for k, other in enumerate(others):
                own = other.drop(columns=["split", "defect"])
                table = table.merge(own, on="image", suffixes=("", f" {k + 2}"), validate="1:1")
            return table
        seed = seed if seed in self.scored_seeds(method) else self.scored_seeds(method)[0]
        table = pd.read_csv(self.path(name, f"seed{seed}", method, "features.csv"), dtype={"image": str})
        index = self.data(name).index
        return table.merge(index[["image", "defect"]], on="image", validate="1:1")

    def maps(self, name: str, method: str, seed: int) -> list:
        return load_maps(self.path(name, f"seed{seed}", method, "maps.npz"))

    def evaluations(self, name: str, method: str) -> dict[str, float]:
        """Of a method with a diffusion network: patches that the network was asked about per image, and how often each
        of an image's pixels passed through it. Empty for other methods.
        """
        method = TOGETHER[method].parts[0] if method in TOGETHER else method
        timing = read_json(self.path(name, f"seed{self.scored_seeds(method)[0]}", method, "timing.json"))
        return {key: timing[key] for key in EVALUATIONS if key in timing}

    def scored_seeds(self, method: str) -> list[int]:
        """The seeds that a method's maps and features were made with."""
        return seeds_of(method, self.settings)

    def decision_seeds(self, method: str) -> list[int]:
        """The seeds of a method's decisions: what is not random has one set of features, but a forest per seed."""
        return self.scored_seeds(method) if table_rows([method])[method].random else self.seeds

    def paper_values(self, exhibit: str) -> pd.DataFrame:
        """The values that a paper prints, from `data/paper/`; the simulated surfaces stand in as STAND_INS says."""
        file = self.root / "data" / "paper" / f"{exhibit}.csv"
        self.inputs.add(file)
        table = pd.read_csv(file)
        if "set" not in table:
            return table
        parts = [table[table["set"] == real].assign(set=simulated) for real, simulated in STAND_INS.items()]
        return pd.concat([table, *parts], ignore_index=True)

    # --- exhibits out ---

    @cached_property
    def _devices(self) -> list[str]:
        """What the profile's networks were trained on."""
        files = self.root.glob(f"results/{self.profile}/*/seed*/models/*/timing.json")
        return sorted({read_json(file)["device"] for file in files})

    def _record(self, name: str, caption: str) -> None:
        facts = {
            "exhibit": name, "caption": caption, "profile": self.profile, "settings": self.settings,
            "sets": self.sets, "seeds": self.seeds, "seconds": round(time.monotonic() - self.started, 1),
            "device": self._devices,
        }  # fmt: skip
        write_json(self.exhibit(f"{name}.provenance.json"), provenance(self.inputs, self.root, **facts))

    def _without_draws(self, name: str, table: pd.DataFrame, keep: bool) -> pd.DataFrame:
        """The table as CSV has it. To keep draws is to leave how far its figures' resamples lie off them as
        `<name>.draws.npz`, a row each (0 where there are none): by these the ledger compares figures of the same
        images.
        """
        if keep:
            most = max((len(d) for d in table["draws"] if np.ndim(d)), default=0)
            off = np.zeros((len(table), most), np.float16)
            for row, ours, draws in zip(off, table["ours"], table["draws"], strict=True):
                if np.ndim(draws):
                    row[:] = draws - ours
            write_npz(self.exhibit(f"{name}.draws.npz"), off=off)
        return table.drop(columns="draws", errors="ignore")

    def exhibit(self, filename: str) -> Path:
        return self.root / "figures" / self.profile / filename

    def save_table(
        self, name: str, table: pd.DataFrame, shown: pd.DataFrame, caption: str, draws: bool = False
    ) -> None:
        """Leave a table as CSV (`table`, exact to six decimals) and, as people read it (`shown`), Markdown and
        LaTeX.

        draws : whether to leave its figures' resamples as well, for the ledger.
        """
        table = self._without_draws(name, table, draws)
        if mark := self.settings["watermark"]:
            table, caption = table.assign(note=mark), f"{caption} ({mark.upper()})"
        write_csv(self.exhibit(f"{name}.csv"), table, 6)
        write_bytes(self.exhibit(f"{name}.md"), to_markdown(shown, caption).encode())
        write_bytes(self.exhibit(f"{name}.tex"), to_latex(shown, caption, name).encode())
        self._record(name, caption)

    def save_measured(self, name: str, **tables: pd.DataFrame) -> None:
        """Leave what differs from run to run, measured times, as `<name>.measured.json` beside an exhibit's exact
        CSV.
        """
        write_json(
            self.exhibit(f"{name}.measured.json"), {key: table.to_dict("records") for key, table in tables.items()}
        )

    def save_figure(
        self,
        name: str,
        figure: Figure,
        numbers: pd.DataFrame,
        caption: str,
        column: Figure | None = None,
        draws: bool = False,
    ) -> None:
        """Leave a figure as PDF and PNG, and the numbers behind it as CSV.

        column : the same figure at the width of one column of a page, left as `<name>.column.pdf`. draws : whether to
        leave the numbers' resamples as well, for the ledger.
        """
        numbers = self._without_draws(name, numbers, draws)
        if mark := self.settings["watermark"]:
            numbers, caption = numbers.assign(note=mark), f"{caption} ({mark.upper()})"
        self._draw(figure, f"{name}.pdf", f"{name}.png")
        if column:
            self._draw(column, f"{name}.column.pdf")
        write_csv(self.exhibit(f"{name}.csv"), numbers, 6)
        self._record(name, caption)

    def _draw(self, figure: Figure, *files: str) -> None:
        if mark := self.settings["watermark"]:
            figure.text(
                0.5, 0.5, mark.upper(), ha="center", va="center", rotation=20, zorder=100,
                fontsize=3.6 * figure.get_figwidth(), color="0.5", alpha=0.35,
            )  # fmt: skip
        for file in files:
            buffer, suffix = BytesIO(), file.split(".")[-1]
            # Fixed metadata, so that equal figures are equal files.
            metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": "radarlib"}
            figure.savefig(buffer, format=suffix, metadata=metadata)
            write_bytes(self.exhibit(file), buffer.getvalue())
        plt.close(figure)


def _check(overrides: dict) -> None:
    """Refuse what a notebook that is run by hand cannot keep."""
    if WORKFLOW in os.environ:
        return
    for section, part in overrides.items():
        keys = [key for key in part if key not in FEWER] if isinstance(part, dict) else [""]
        if section not in BY_HAND and keys:
            raise UserError(
                f"overrides: {section}.{keys[0]}: what is trained and scored lies in results/ as the profile has it;"
                f" let the workflow make it anew: snakemake --cores all --config '{section}={{{keys[0]}: …}}'"
            )
