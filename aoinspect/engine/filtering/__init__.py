"""The filter language of `--filter` and of the terminal interface: Wireshark's fields and ours, evaluated on columns.

    chosen = parse_filter('ao.verdict == mismatch and ip.addr == 10.0.0.0/8')
    rows = analyzer.table.rows
    rows.select(chosen.mask(rows, FilterContext(analyzer)))

docs/filter.md describes the language for people.
"""

from __future__ import annotations

from dataclasses import dataclass

from aoinspect.engine.filtering.context import FilterContext
from aoinspect.engine.filtering.errors import FilterError
from aoinspect.engine.filtering.evaluation import mask_of
from aoinspect.engine.filtering.fields import FIELDS, Field
from aoinspect.engine.filtering.parsing import parse
from aoinspect.engine.filtering.syntax import Node, operands, text_of
from aoinspect.engine.locate import Mask
from aoinspect.engine.table import Rows

__all__ = ["FIELDS", "Field", "Filter", "FilterContext", "FilterError", "parse_filter"]

_STREAM = "tcp.stream"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that has been read and checked. Its `str` is its canonical text."""

    root: Node

    def mask(self, rows: Rows, context: FilterContext) -> Mask:
        """Which of `rows` (any rows of the context's analysis, in any order) are selected: shape (n,).

        UsageError where the filter names `tcp.stream` and the run did not count streams.
        """
        return mask_of(self.root, rows, context)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that the filter mentions."""
        return frozenset(operand.field.name for operand in operands(self.root))

    @property
    def names_stream(self) -> bool:
        """Whether it can only be evaluated where every TCP segment was counted (`Analyzer(count_streams=True)`)."""
        return _STREAM in self.fields

    def __str__(self) -> str:
        return text_of(self.root)


def parse_filter(text: str) -> Filter:
    """The filter that `text` writes; FilterError with position and caret where it is none. Takes microseconds."""
    return Filter(parse(text))
