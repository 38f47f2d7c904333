"""Text for LaTeX: what is not ASCII as commands that pdfLaTeX knows."""

from __future__ import annotations

import re
import unicodedata

from pylatexenc.latexencode import UnicodeToLatexEncoder

ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar"}
"""Of symbols: x̂, θ̃, ᾱ. Letters of a language, é, have commands of their own."""
RAISED = {"<super>": "^", "<sub>": "_"}
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
    for character in "%_&#":
        text = text.replace(character, f"\\{character}")
    return text
