"""The comparison as text, as a terminal of some width gets it."""

from __future__ import annotations

import io

from rich.console import Console

from aoinspect.engine.comparison import Comparison
from aoinspect.report.comparison_text import print_comparison


def page(comparison: Comparison, width: int = 1 << 20, *, encoding: str = "utf-8", list_all: bool = False) -> str:
    """What is printed where stdout has that encoding."""
    octets = io.BytesIO()
    out = io.TextIOWrapper(octets, encoding=encoding)
    print_comparison(comparison, Console(file=out, width=width, highlight=False, color_system=None), list_all=list_all)
    out.flush()
    return octets.getvalue().decode(encoding)
