"""Configurations whose blocks are told by indentation: Cisco, Arista, Huawei.

This file decides what a line belongs to: the nearest line above that is indented less. `!` and `#` lines are comments
or separators; where such a line stands at the margin, it ends every block. Banners are free text up to their closing
mark, and nothing in them is a line of the configuration. Words are cut only from the lines that an importer asks for,
so that a large configuration costs little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aoinspect.keys.importers.model import Word

_WORD = re.compile(r'"([^"\n]*)"(?=\s|$)|(\S+)')
_LINE = re.compile(r"[^\n]*")
_BANNER = re.compile(r"banner\s+\S+(?:\s+(\^C|\S))?", re.IGNORECASE)
_TAB_WIDTH = 8
_MOST_DEPTH = 50


class Line:
    """One line of the configuration and the lines below it that belong to it."""

    __slots__ = ("children", "depth", "start", "text")

    def __init__(self, text: str, start: int, depth: int) -> None:
        self.text = text
        """Without blanks at either end."""
        self.start = start
        """Offset of its first character that is no blank."""
        self.depth = depth
        """Columns of indentation; -1 for the root."""
        self.children: list[Line] = []

    def __repr__(self) -> str:
        return f"Line(start={self.start}, children={len(self.children)})"

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def place(self) -> tuple[int, int]:
        """The whole line, for `Draft.mistake`."""
        return self.start, self.end

    @property
    def words(self) -> list[Word]:
        """Its words; text in double quotes is one. Cut anew at every call."""
        return [
            Word(match[2] if match[1] is None else match[1], self.start + match.start(), self.start + match.end())
            if match[1] is None
            else Word(match[1], self.start + match.start(), self.start + match.end(), True)
            for match in _WORD.finditer(self.text)
        ]

    def begins(self, phrase: str) -> bool:
        """Whether its first words are those of `phrase` (lower case, one blank between); case does not matter."""
        length = len(phrase)
        head = self.text[:length]
        if head.lower() == phrase:
            return len(self.text) == length or self.text[length].isspace()
        return "  " in self.text and " ".join(self.text.lower().split()).startswith(phrase + " ")

    def after(self, phrase: str) -> list[Word] | None:
        """The words after `phrase`, or None where the line does not begin with it."""
        return self.words[len(phrase.split()) :] if self.begins(phrase) else None

    def under(self, *phrases: str) -> Iterator[Line]:
        """The lines directly below it that begin with one of `phrases`."""
        for line in self.children:
            if any(line.begins(phrase) for phrase in phrases):
                yield line

    def descendants(self) -> Iterator[Line]:
        for line in self.children:
            yield line
            yield from line.descendants()


def read_lines(text: str) -> Line:
    """The root, whose children are the lines at the margin (or indented less than any before them)."""
    root = Line("", 0, -1)
    open_lines = [root]
    banner_end: str | None = None
    for match in _LINE.finditer(text):
        raw = match[0]
        stripped = raw.strip()
        if banner_end is not None:
            if banner_end in raw:
                banner_end = None
            continue
        if not stripped:
            continue
        if stripped[0] in "!#":
            if raw[0] in "!#":
                del open_lines[1:]
            continue
        lead = raw[: len(raw) - len(raw.lstrip())]
        depth = len(lead.expandtabs(_TAB_WIDTH))
        while open_lines[-1].depth >= depth:
            open_lines.pop()
        # No system nests this deep: what does is no configuration.
        del open_lines[_MOST_DEPTH:]
        line = Line(stripped, match.start() + len(lead), depth)
        open_lines[-1].children.append(line)
        open_lines.append(line)
        if stripped[:7].lower() == "banner ":
            banner_end = _end_of_banner(stripped)
    return root


def _end_of_banner(line: str) -> str | None:
    """What closes the banner that begins on this line; None where the line closes it, or it is none."""
    parts = _BANNER.match(line)
    if parts is None:
        return None
    if parts[1] is None:
        # Arista: free text up to a line `EOF`.
        return "EOF"
    return None if parts[1] in line[parts.end() :] else parts[1]
