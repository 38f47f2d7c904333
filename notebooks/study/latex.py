"""Text and tables for LaTeX: what is not ASCII as commands that pdfLaTeX knows."""

from __future__ import annotations

import re
import unicodedata

import pandas as pd
from pylatexenc.latexencode import UnicodeToLatexEncoder

ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar"}
"""Of symbols: x̂, θ̃, ᾱ. Letters of a language, é, have commands of their own."""
RAISED = {"<super>": "^", "<sub>": "_"}

SPECIAL = str.maketrans(
    {c: rf"\{c}" for c in "%_&#${}"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
)
"""What LaTeX would read as commands, in captions and names of sets."""

LONG = 50  # rows beyond which a table does not fit on a page
SHORT = 16  # characters up to which a cell is never broken
CHARACTER, GAP = 0.0068, 0.008  # widths of a character at \scriptsize and of the space between columns, in \textwidth
SMALL = "\\scriptsize\n\\setlength{\\tabcolsep}{2pt}\n"

_ENCODER = UnicodeToLatexEncoder(
    non_ascii_only=True,
    unknown_char_policy="replace",  # by a bold question mark: a name in a script that pdfLaTeX lacks stops no page
    unknown_char_warning=False,
)


def as_commands(text: str) -> str:
    """LaTeX that pdfLaTeX takes: characters beyond ASCII as commands; all else stays.

    pylatexenc knows letters and symbols; symbols under an accent, and raised or lowered ones, are put together here.
    """
    parts = "".join(map(_apart, unicodedata.normalize("NFC", text)))
    accented = re.sub(f"(.)([{''.join(ACCENTS)}])", lambda m: rf"\ensuremath{{\{ACCENTS[m[2]]}{{{m[1]}}}}}", parts)
    return _ENCODER.unicode_to_latex(accented)


def _apart(character: str) -> str:
    """ᾱ as α and its accent, ² as ^ and 2; others as they are."""
    letters = unicodedata.normalize("NFD", character)
    if letters[-1] in ACCENTS and not letters[0].isascii():
        return letters
    kind, _, code = unicodedata.decomposition(character).rpartition(" ")
    return rf"\ensuremath{{{RAISED[kind]}{{{chr(int(code, 16))}}}}}" if kind in RAISED else character


def as_latex(text: str) -> str:
    """Running text for LaTeX: its special characters as well stand for themselves."""
    return as_commands(escaped(text))


def escaped(text: str) -> str:
    return text.translate(SPECIAL)


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A booktabs table over both columns of a page, or over several pages where it has more than LONG rows; needs
    \\usepackage{array,booktabs}, and for long ones \\usepackage{longtable} and a text of one column. What is not
    ASCII is written as commands, so that any LaTeX takes it.
    """
    cells, long = table.astype(str), len(table) > LONG
    body = cells.to_latex(
        index=False,
        escape=True,
        longtable=long,
        column_format=_columns(cells),
        caption=escaped(caption),
        label=f"tab:{label}",
        position=None if long else "t",
    )
    if long:
        body = f"{{{SMALL}{body}}}\n"
    body = body.replace("{table}", "{table*}").replace("\\begin{tabular}", SMALL + "\\begin{tabular}")
    return as_commands(body)


def _columns(cells: pd.DataFrame) -> str:
    """Columns as wide as they must be where that fits on a page. Else those of long cells break their lines: each gets
    of the rest what its longest word needs, and of what is left then by the square root of its longest cell.
    """
    words = pd.Series({c: max(len(w) for cell in [c, *cells[c]] for w in [*cell.split(), ""]) for c in cells})
    longest = pd.Series({c: max(map(len, [c, *cells[c]])) for c in cells})
    broken = longest[longest > SHORT].index
    if longest.sum() * CHARACTER + len(longest) * GAP <= 1 or broken.empty:
        return "l" * len(longest)
    rest = 1 - longest.drop(broken).sum() * CHARACTER - len(longest) * GAP
    least = words[broken] * CHARACTER
    roots = longest[broken] ** 0.5
    widths = least + roots / roots.sum() * max(0.0, rest - least.sum())
    wrapped = {c: rf">{{\raggedright\arraybackslash}}p{{{widths[c]:.3f}\textwidth}}" for c in broken}
    return "".join(wrapped.get(c, "l") for c in longest.index)
