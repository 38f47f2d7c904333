"""One page with every exhibit of a profile, to search, filter and enlarge; nothing to load from elsewhere."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mistune
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from radarlib.errors import UserError
from radarlib.files import read_json, write_bytes
from study.methods import METHODS

LEDGER = "claims"
GROUPS = {
    LEDGER: "Ledger", "radar": "RADAR", "rddpm": "RDDPM", "unclean": "RDDPM", "noise": "Noise study", "d3ad": "D3AD",
    "ran": "RAN", "system": "Every system", "systems": "Every system",
}  # fmt: skip
"""Headings by the first word of an exhibit's name; others stand under OWN."""
OWN = "Beyond the papers"


def heading(name: str) -> str:
    """Under which an exhibit stands."""
    return GROUPS.get(name.split("_")[0], OWN)


COLUMNS = ["claim", "verdict", "ours", "paper", "where", "kind", "stability", "real", "real_verdict", "exhibit"]
FACTS = ("commit", "device", "seeds", "sets", "seconds", "machine", "versions")


def _size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG file, from its header."""
    return struct.unpack(">II", png[16:24])


def _methods(table: pd.DataFrame) -> list[str]:
    """What is compared in an exhibit, as people read it."""
    labels = {method.label for method in METHODS.values()}
    named = {METHODS[key].label if key in METHODS else key for key in table.get("method", [])} & labels
    return sorted(named | set(table.get("label", [])))


def _plain(value: Any) -> str:
    """A fact of the provenance in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def facts_of(folder: Path, name: str) -> dict[str, Any]:
    """An exhibit's provenance. Raises UserError where there is none."""
    record = folder / f"{name}.provenance.json"
    if not record.is_file():
        raise UserError(f"{record}: missing; run the workflow, whose exhibits are shown")
    return read_json(record)


def _exhibit(folder: Path, name: str) -> dict[str, Any]:
    """What the page shows of an exhibit."""
    facts = facts_of(folder, name)
    table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False) if (folder / f"{name}.csv").is_file() else None
    found = {
        "name": name, "caption": facts["caption"], "sets": facts["sets"], "settings": facts["settings"],
        "inputs": facts["inputs"], "facts": {key: _plain(facts[key]) for key in FACTS if facts.get(key) is not None},
        "methods": [] if table is None else _methods(table), "kind": "table",
    }  # fmt: skip
    picture = folder / f"{name}.png"
    if name == LEDGER and table is not None:
        columns = [column for column in COLUMNS if column in table]
        counts = {key: table[key].value_counts().to_dict() for key in ("verdict", "kind")}
        found |= {"claims": table.to_dict("records"), "columns": columns, "counts": counts}
    elif picture.is_file():
        data = picture.read_bytes()
        width, height = _size(data)
        found |= {"kind": "figure", "picture": base64.b64encode(data).decode(), "width": width, "height": height}
    else:
        lines = (folder / f"{name}.md").read_text().split("\n\n", 1)[1]  # the caption is its first paragraph
        found["table"] = Markup(mistune.create_markdown(plugins=["table"])(lines))
    return found


def gallery(folder: Path, names: Sequence[str], out: Path) -> None:
    """Write the page `out` with the exhibits `names` of `folder`, in that order under each heading. Raises UserError
    for a missing one.
    """
    exhibits = [_exhibit(folder, name) for name in names]
    settings: list[str] = []  # each text once
    groups: dict[str, list] = {text: [] for text in dict.fromkeys([*GROUPS.values(), OWN])}
    for exhibit in exhibits:
        shown = json.dumps(exhibit["settings"], indent=1)
        if shown not in settings:
            settings.append(shown)
        exhibit["settings"] = settings.index(shown)
        groups[heading(exhibit["name"])].append(exhibit)
    groups = {text: members for text, members in groups.items() if members}
    filters = {
        "paper": list(groups), "kind": sorted({exhibit["kind"] for exhibit in exhibits}),
        "set": sorted({name for exhibit in exhibits for name in exhibit["sets"]}),
        "method": sorted({name for exhibit in exhibits for name in exhibit["methods"]}),
    }  # fmt: skip
    facts = sorted({f"commit {exhibit['facts']['commit'][:7]}" for exhibit in exhibits if "commit" in exhibit["facts"]})
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = pages.get_template("gallery.html.j2").render(
        title=f"Exhibits of the profile {folder.name}", exhibits=exhibits, groups=groups, filters=filters, facts=facts,
        settings=settings, names={exhibit["name"] for exhibit in exhibits},
    )  # fmt: skip
    write_bytes(out, page.encode())
