"""Words in columns of a terminal, where a letter takes one cell, or two, or none."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def padded(words: str, width: int) -> str:
    """`words` with blanks behind, `width` cells wide or more."""
    return words + " " * (width - cell_len(words))


def shortened(words: str, width: int) -> str:
    """`words`, or as many of them as fit in `width` cells with a "~" behind."""
    return words if cell_len(words) <= width else set_cell_size(words, width - 1).rstrip() + "~"


def frames_text(first: int, last: int) -> str:
    """ "frame 7", "frames 7–9"."""
    return f"frame {first}" if first == last else f"frames {first}–{last}"


def counted(number: int, word: str, plural: str = "") -> str:
    """ "1 segment", "2 segments"."""
    return f"{number} {word if number == 1 else plural or word + 's'}"
