"""All exhibits of a profile as one PDF in the two columns of an IEEE journal; needs a LaTeX with IEEEtran."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from radarlib.errors import UserError
from study.gallery import facts_of, heading
from study.latex import as_latex

LATEX = "pdflatex"
TIMES = 3  # runs, until references and the widths of long tables are settled
HEAD = r"""\documentclass[journal]{IEEEtran}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,array,booktabs,graphicx,longtable,textcomp}
\usepackage[hidelinks]{hyperref}
\newsavebox{\drawn}
\newcommand{\spread}[1]{%% two figures of half a page's height on one page
  \sbox{\drawn}{\includegraphics[width=\textwidth,height=0.85\textheight,keepaspectratio]{#1}}%%
  \ifdim\ht\drawn<0.55\textheight
    \includegraphics[width=\textwidth,height=0.4\textheight,keepaspectratio]{#1}%%
  \else\usebox{\drawn}\fi}
\setcounter{totalnumber}{8}\setcounter{dbltopnumber}{4}
\renewcommand{\topfraction}{0.95}\renewcommand{\dbltopfraction}{0.95}\renewcommand{\textfraction}{0}
\begin{document}
\title{%s}
\maketitle
"""


def _figure(folder: Path, name: str, caption: str) -> str:
    """A figure over one column where it was drawn for one, else over both."""
    column = folder / f"{name}.column.pdf"
    star, file, draw = "*", folder / f"{name}.pdf", "\\spread"
    if column.is_file():
        star, file, draw = "", column, "\\includegraphics[width=\\columnwidth,height=0.85\\textheight,keepaspectratio]"
    return (
        f"\\begin{{figure{star}}}[!t]\\centering{draw}{{{file.absolute()}}}"
        f"\\caption{{{as_latex(caption)}}}\\label{{fig:{name}}}\\end{{figure{star}}}\n"
    )


def source(folder: Path, names: Sequence[str]) -> str:
    """The LaTeX of the page: figures and short tables by heading, long tables at the end over the page's whole width.

    Raises UserError for a missing exhibit.
    """
    parts, long, last = list[str](), list[str](), list[str]()
    for text in dict.fromkeys(map(heading, names)):
        listed, shown = [f"\\section{{{text}}}\n\\begin{{itemize}}\n"], list[str]()
        for name in (name for name in names if heading(name) == text):
            table, caption = folder / f"{name}.tex", facts_of(folder, name)["caption"]
            if table.is_file():
                label, body = "Table~\\ref{tab", table.read_text()
            else:
                label, body = "Fig.~\\ref{fig", _figure(folder, name, caption)
            listed.append(f"\\item {label}:{name}}}: {as_latex(_start(caption))}\n")
            (long if "longtable" in body else shown).append(body)
        listed.append("\\end{itemize}\n")
        if shown:
            parts += [*listed, *shown, "\\clearpage\n"]
        else:  # of long tables alone: beside them
            last += listed
    end = ["\\onecolumn\n", *last, *long] if long else []
    title = as_latex(f"Exhibits of the profile {folder.name}")
    return HEAD % title + "\n".join([*parts, *end]) + "\n\\end{document}\n"


def _start(caption: str) -> str:
    """What a caption says before its details."""
    return re.split(r"; |: |\. (?=[A-Z])", caption)[0].rstrip(".") + "."


def build(folder: Path, names: Sequence[str], out: Path) -> None:
    """Write `out`, a PDF, with the exhibits `names` of `folder`; what LaTeX says stays beside it as `<out>.log`."""
    if not shutil.which(LATEX):
        raise UserError(f"{LATEX} is missing; on Debian: apt install texlive-latex-recommended texlive-publishers")
    work = out.with_suffix(".tex")
    work.parent.mkdir(parents=True, exist_ok=True)
    work.write_text(source(folder, names))
    for left in (".aux", ".out"):  # of a run that was killed: LaTeX would stop at a half-written one for ever
        work.with_suffix(left).unlink(missing_ok=True)
    command = [LATEX, "-interaction=nonstopmode", "-halt-on-error", work.name]
    for _ in range(TIMES):
        done = subprocess.run(command, cwd=work.parent, capture_output=True, text=True, errors="replace")
        if done.returncode:
            wrong = next((line for line in done.stdout.splitlines() if line.startswith("!")), "see its log")
            raise UserError(f"{work}: LaTeX stops: {wrong}; {work.with_suffix('.log')} says where")
