"""Tables as people read them."""

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
