"""The one exception that people see without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can put right.

    The message is one line: what is wrong with which file or key, what to do.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook instead of a traceback."""
        return [f"radarlib: {self}"]
