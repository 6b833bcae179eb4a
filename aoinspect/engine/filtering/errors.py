"""What a person is told about a filter that cannot be read, with a caret under the place.

The caret stands under the right cell of a terminal also behind wide and combining characters, and control characters
(a filter pasted from somewhere) are shown as spaces, so that the two lines always agree.
"""

from __future__ import annotations

import unicodedata

from aoinspect.errors import UsageError


class FilterError(UsageError):
    """A filter's text cannot be read, or compares what cannot be compared."""

    def __init__(self, problem: str, text: str, position: int, end: int | None = None) -> None:
        """`position` and `end` count characters of `text`; `end` is at most its length, `position` at most `end`."""
        self.problem = problem
        """One sentence: what is wrong, and what to write."""
        self.text = text
        self.position = position
        """The first character that is wrong; the length of `text` where something is missing at its end."""
        self.end = position if end is None else end
        """The first character behind what is wrong."""
        super().__init__(f"{problem}\n{self.rendering}")

    @property
    def rendering(self) -> str:
        """Two lines: the filter, and a caret under the place with tildes under the rest of what is wrong."""
        before = _cells(self.text[: self.position])
        under = max(_cells(self.text[self.position : self.end]), 1)
        return f"{_printable(self.text)}\n{' ' * before}^{'~' * (under - 1)}"


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)


def _cells(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    count = 0
    for character in text:
        if unicodedata.combining(character):
            continue
        count += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return count
