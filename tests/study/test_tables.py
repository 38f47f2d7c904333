"""Tables as people read them."""

import re

import pandas as pd
import pytest
from conftest import REPOSITORY

from study.latex import LONG, to_latex


@pytest.mark.parametrize("markdown", sorted(REPOSITORY.glob("figures/default/*.md")), ids=lambda path: path.stem)
def test_latex_tables_hold_what_the_markdown_ones_do_and_compile_anywhere(markdown):
    """A person compiled them once; what any LaTeX takes is ASCII, with as many cells in every row."""
    caption, table = markdown.read_text().split("\n\n", 1)
    head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines())
    latex = markdown.with_suffix(".tex").read_text()
    assert latex == to_latex(pd.DataFrame(rows, columns=head), caption, markdown.stem)
    lines = [line.replace(r"\&", "") for line in latex.splitlines() if line.endswith(r"\\")]
    assert latex.isascii() and {line.count("&") for line in lines if "caption" not in line and "multi" not in line} == {
        len(head) - 1
    }


@pytest.mark.parametrize(("rows", "kind"), [(LONG, "tabular"), (LONG + 1, "longtable")])
def test_a_table_that_fits_on_no_page_goes_over_several(rows, kind):
    latex = to_latex(pd.DataFrame({"a": range(rows), "ω": "50 % …"}), "Of ω & others", "t")
    assert f"\\begin{{{kind}}}" in latex and latex.count("50 \\% {\\textellipsis}") == rows
    assert "Of \\ensuremath{\\omega} \\& others" in latex and ("table*" in latex) == (kind == "tabular")
    assert latex.count("{") == latex.count("}")


def test_cells_that_do_not_fit_break_their_lines_and_short_ones_do_not():
    table = pd.DataFrame(
        {"claim": ["a long sentence of words " * 6], "verdict": ["undecided (still moving)"], "n": ["3"]}
    )
    columns = to_latex(table, "c", "t").split("\\begin{tabular}{")[1].split("\n")[0]
    claim, verdict = (float(width) for width in re.findall(r"p\{([\d.]+)\\textwidth", columns))
    assert columns.endswith("l}") and claim > verdict > len("undecided") * 0.006 and 0.9 < claim + verdict < 1
    assert "p{" not in to_latex(table[["verdict", "n"]], "c", "t")
