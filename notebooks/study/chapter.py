"""What a notebook reads of a chapter's job: its sets, seeds and images, its tables, and the maps that it has kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from radarlib.datasets import ImageSet, resized
from study.plan import Job
from study.session import Session


@dataclass(frozen=True)
class Chapter:
    """The results of one job. A session remembers for the provenance what is read of it."""

    job: Job

    def options(self, session: Session) -> dict:
        """The chapter's own section of the settings."""
        return session.settings[self.job.section]

    def sets(self, session: Session) -> list[str]:
        return self.job.sets(session.settings, session.root)

    def seeds(self, session: Session) -> list[int]:
        return self.job.seeds(session.settings)

    def images(self, session: Session, name: str) -> ImageSet:
        """The set at the size of the chapter's images, where it has one of its own."""
        return _images(session, name, self.options(session).get("image_size"))

    def table(self, session: Session, name: str, seed: int, file: str, **options: Any) -> pd.DataFrame:
        """A table that the job left. options : of `pandas.read_csv`."""
        return pd.read_csv(session.path(name, f"seed{seed}", self.job.path(file)), **options)

    def tables(self, session: Session, name: str, file: str, **options: Any) -> pd.DataFrame:
        """A table of every seed, with `seed` and, of the image at `position`, its `defect`."""
        parts = [self.table(session, name, seed, file, **options).assign(seed=seed) for seed in self.seeds(session)]
        return pd.concat(parts).join(session.data(name).index["defect"], on="position")

    def array(self, session: Session, name: str, seed: int, file: str, part: str) -> np.ndarray:
        """One of the arrays that the job left."""
        with np.load(session.path(name, f"seed{seed}", self.job.path(file))) as found:
            return found[part]

    def setup(self, session: Session, *facts: str) -> str:
        """How its numbers were made, for captions."""
        n, level = len(self.seeds(session)), session.settings["evidence"]["level"]
        seeds, over = (f"{n} seeds", "test images and seeds") if n > 1 else ("1 seed", "test images")
        return "; ".join([seeds, *facts, f"[bootstrap {level:.0%} interval over {over}]"])


@cache
def _images(session: Session, name: str, side: int | None) -> ImageSet:
    return resized(session.data(name), side)
