"""Tables as people read them: numbers with their intervals, in Markdown and LaTeX."""

from __future__ import annotations

import pandas as pd


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """ "0.94 [0.90, 0.97]", or "–" where there is no value."""
    if pd.isna(value):
        return "–"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def to_markdown(table: pd.DataFrame, caption: str) -> str:
    return f"{caption}\n\n{table.to_markdown(index=False, disable_numparse=True)}\n"


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A booktabs table; needs \\usepackage{booktabs}, and UTF-8 input."""
    escaped = caption.replace("\\", "").replace("%", r"\%").replace("_", r"\_").replace("&", r"\&").replace("#", r"\#")
    body = table.astype(str).to_latex(
        index=False,
        escape=True,
        column_format="l" * table.shape[1],
        caption=escaped,
        label=f"tab:{label}",
        position="t",
    )
    return body.replace("–", "--").replace("−", "$-$")
