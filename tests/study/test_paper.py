"""The exhibits for print: what stands where, and a journal's rules for figures."""

import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import REPOSITORY
from matplotlib.colors import to_rgb
from pypdf import PdfReader

from radarlib.errors import UserError
from radarlib.files import write_json
from study import drawing
from study.latex import as_latex
from study.paper import LATEX, build, source

MOST_DPI, MOST_WIDTH = 600, 1.1
EVERY = (
    "details: √ᾱ_t x̂_0, ‖θ̃‖² ≥ 1 − Σδ⁻¹, αᵀβ₁ ⊙ ½, ⌊π⌋ – Ö and é, of 木目, ~$5_{a}^b\\n#"  # symbols, and names of sets
)


@pytest.fixture
def folder(tmp_path):
    drawing.use_style()
    where = tmp_path / "figures/tiny"
    where.mkdir(parents=True)
    fig, ax = plt.subplots(figsize=(drawing.COLUMN, 1))
    ax.set(xlabel="steps, 50 %", title="ᾱ_t")
    for name in ("radar_cost.pdf", "radar_cost.column.pdf", "d3ad_fig5_bins.pdf"):
        fig.savefig(where / name)
    plt.close(fig)
    (where / "radar_table1.tex").write_text(
        "\\begin{table*}[t]\\caption{Images}\\label{tab:radar_table1}\\begin{tabular}{l}prints\\end{tabular}\\end{table*}"
    )
    (where / "claims.tex").write_text("\\begin{longtable}{l}\\label{tab:claims}one\\end{longtable}")
    for name in ("claims", "radar_cost", "radar_table1", "d3ad_fig5_bins"):
        write_json(where / f"{name}.provenance.json", {"caption": f"Of {name}: 5 % & more; {EVERY}."})
    return where


NAMES = ["claims", "radar_cost", "radar_table1", "d3ad_fig5_bins"]


def test_exhibits_stand_under_their_paper_in_the_width_that_they_were_drawn_for(folder):
    text = source(folder, NAMES)
    assert [part.split("}")[0] for part in text.split("\\section{")[1:]] == ["RADAR", "D3AD", "Ledger"]
    assert "radar_cost.column.pdf" in text and "begin{figure}[!t]" in text  # one column
    assert "d3ad_fig5_bins.pdf" in text and "begin{figure*}[!t]" in text  # both
    assert "5 \\% \\& more" in text and text.index("longtable}{l}") > text.index("\\onecolumn")
    assert "Table~\\ref{tab:claims}: Of claims." in text


def test_nothing_but_ascii_comes_to_latex():
    text = as_latex(EVERY)
    assert text.isascii() and "\\hat{x}" in text and "\\bar{\\ensuremath{\\alpha}}\\ensuremath" not in text
    assert as_latex("μ²") == "\\ensuremath{\\mu}\\ensuremath{^{2}}" and as_latex("5 %") == "5 \\%"
    assert as_latex("$x^2\\{~}$") == "\\$x\\textasciicircum{}2\\textbackslash{}\\{\\textasciitilde{}\\}\\$", (
        "as it stands"
    )


def test_a_missing_exhibit_is_named(folder):
    with pytest.raises(UserError, match=r"systems\.provenance\.json: missing; run the workflow"):
        source(folder, ["systems"])


@pytest.mark.skipif(shutil.which(LATEX) is None, reason="no LaTeX on this machine")
def test_latex_takes_it(folder, tmp_path):
    build(folder, NAMES, tmp_path / "out/exhibits.pdf")
    text = " ".join(page.extract_text() for page in PdfReader(tmp_path / "out/exhibits.pdf").pages)
    assert "Of radar cost" in text or "Of radar_cost" in text
    aux = tmp_path / "out/exhibits.aux"
    aux.write_bytes(aux.read_bytes()[:-200])  # as a run leaves it that is killed
    build(folder, NAMES, tmp_path / "out/exhibits.pdf")
    (folder / "claims.tex").write_text("\\undefined longtable")
    with pytest.raises(UserError, match="LaTeX stops: ! Undefined control sequence"):
        build(folder, NAMES, tmp_path / "out/exhibits.pdf")


def test_without_latex_it_is_said_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="pdflatex is missing; on Debian: apt install"):
        build(folder, NAMES, tmp_path / "exhibits.pdf")


def test_committed_figures_keep_a_journals_rules():
    keep_a_journals_rules(REPOSITORY / "figures/default")


@pytest.mark.smoke
def test_figures_keep_a_journals_rules(smoke):
    keep_a_journals_rules(smoke / "figures/smoke")


def keep_a_journals_rules(folder):
    """Fonts embedded and none of Type 3, pictures of no more than MOST_DPI, and nowhere so much wider than a column or
    two, to which LaTeX shrinks a figure, that its print gets too small.
    """
    files = sorted(folder.glob("*.pdf"))
    assert len(files) > 60
    for file in files:
        (page,) = PdfReader(file).pages
        width = float(page.mediabox.width) / 72
        wanted = drawing.COLUMN if file.name.endswith(".column.pdf") else drawing.WIDTH
        assert width <= MOST_WIDTH * wanted, f"{file.name}: {width:.2f} in wide"
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            assert font["/Subtype"] != "/Type3", file.name
            inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"].get_object()), file.name
        for part in page["/Resources"].get("/XObject", {}).values():
            picture = part.get_object()
            assert picture["/Subtype"] != "/Image" or picture["/Width"] / width <= MOST_DPI, file.name


def test_a_legend_too_wide_for_its_figure_gets_fewer_columns():
    drawing.use_style()
    fig, ax = plt.subplots(figsize=(drawing.COLUMN, 2))
    for k in range(6):
        ax.plot([0, 1], label=f"some method {k}")
    drawing.legend_above(fig, 6, *ax.get_legend_handles_labels())
    (legend,) = fig.legends
    assert legend.get_window_extent().width <= fig.bbox.width and legend._ncols > 1
    plt.close(fig)


def test_colours_of_normal_and_anomalous_are_apart_in_gray_print():
    gray = [to_rgb(colour) @ np.array([0.299, 0.587, 0.114]) for colour in (drawing.NORMAL, drawing.ANOMALOUS)]
    assert abs(gray[0] - gray[1]) > 0.2


def test_lines_are_told_apart_without_colour():
    assert len(set(drawing.STYLES)) == len(drawing.STYLES) >= 6  # marker and dashes
