"""One page with every exhibit of a profile: pictures and tables with their captions, nothing to load from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import mistune

from radarlib.errors import UserError
from radarlib.files import read_json, write_bytes

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; }}
img {{ max-width: 100%; }} section {{ margin: 0 0 3em; overflow-x: auto; }} h2 {{ font-size: 1.1em; }}
table {{ border-collapse: collapse; font-size: 12px; }}
td, th {{ padding: 2px 8px; text-align: left; vertical-align: top; }}
thead {{ border-top: 2px solid; border-bottom: 1px solid; }} tbody {{ border-bottom: 2px solid; }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


def _section(folder: Path, name: str) -> str:
    record = folder / f"{name}.provenance.json"
    if not record.is_file():
        raise UserError(f"{record}: missing; run the workflow, the gallery shows its exhibits")
    facts = read_json(record)
    picture = folder / f"{name}.png"
    if picture.is_file():
        data = base64.b64encode(picture.read_bytes()).decode()
        shown = f'<p>{escape(facts["caption"])}</p><img alt="{name}" src="data:image/png;base64,{data}">'
    else:
        shown = str(mistune.create_markdown(plugins=["table"])((folder / f"{name}.md").read_text()))
    return f'<section id="{name}"><h2>{name}</h2>{shown}</section>'


def gallery(folder: Path, names: Sequence[str], out: Path) -> None:
    """Write the page `out` with the exhibits `names` of `folder`, in that order. Raises UserError for a missing one."""
    links = " · ".join(f'<a href="#{name}">{name}</a>' for name in names)
    body = "\n".join([f"<p>{links}</p>", *(_section(folder, name) for name in names)])
    write_bytes(out, PAGE.format(title=f"Exhibits of the profile {folder.name}", body=body).encode())
