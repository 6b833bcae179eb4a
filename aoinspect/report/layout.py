"""How styled text fits a terminal: broken at blanks with a hanging indent, and set in columns.

Addresses and names are never broken: a word that is longer than a line runs over it, and the terminal breaks it, so
that it can be copied whole. rich's own tables fold cells in the middle of words where a terminal is narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

GAP = 2
"""Blanks between columns."""


def printable(text: str) -> str:
    """`text` without what would disturb a terminal: control characters and the like as backslash escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def broken_at_blanks(text: Text, width: int, *, hanging: int) -> Iterator[Text]:
    """`text` in lines of at most `width` columns; all but the first are indented by `hanging` more than it is."""
    if text.cell_len <= width:
        yield text
        return
    indent = len(text.plain) - len(text.plain.lstrip(" "))
    words = text[indent:].split(" ")
    margin = " " * indent
    line = Text(margin)
    is_empty = True
    for word in words:
        if not is_empty and line.cell_len + 1 + word.cell_len > width:
            yield line
            line, is_empty = Text(" " * (indent + hanging)), True
        line = line.append_text(word) if is_empty else line.append(" ").append_text(word)
        is_empty = False
    yield line


def in_columns(rows: Sequence[Sequence[Text]], right_aligned: frozenset[int] = frozenset()) -> list[Text]:
    """One line a row, all cells of a column equally wide; columns numbered in `right_aligned` end flush right.

    All rows have the same number of cells. Lines end without blanks.
    """
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = Text()
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (width - cell.cell_len)
            gap = " " * GAP if number else ""
            line.append(gap + padding if number in right_aligned else gap).append_text(cell)
            if number not in right_aligned:
                line.append(padding)
        line.rstrip()
        lines.append(line)
    return lines
