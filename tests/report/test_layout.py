"""Breaking and aligning lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from aoinspect.report.layout import broken_at_blanks, in_columns, printable

WORDS = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30), min_size=1, max_size=30)


def lines_of(text: str, width: int, hanging: int = 2) -> list[str]:
    return [line.plain for line in broken_at_blanks(Text(text), width, hanging=hanging)]


@given(words=WORDS, width=st.integers(20, 100), indent=st.integers(0, 8))
def test_breaking_keeps_every_word_whole_and_in_order(words: list[str], width: int, indent: int) -> None:
    lines = lines_of(" " * indent + " ".join(words), width)
    assert " ".join(lines).split() == words
    assert all(Text(line).cell_len <= width or len(line.split()) == 1 for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_what_fits_is_not_broken() -> None:
    assert lines_of("    one two", 11) == ["    one two"]


def test_further_lines_hang() -> None:
    assert lines_of("    one two three", 12, hanging=3) == ["    one two", "       three"]


def test_a_word_wider_than_the_terminal_stands_alone() -> None:
    assert lines_of("see 2001:db8::1 there", 8) == ["see", "  2001:db8::1", "  there"]


def test_styles_survive_breaking() -> None:
    line = Text.assemble("plain words and ", ("styled words here", "bold"))
    first, second = broken_at_blanks(line, 22, hanging=2)
    assert (first.plain, second.plain) == ("plain words and styled", "  words here")
    assert [first.plain[span.start : span.end] for span in first.spans] == ["styled"]
    assert [second.plain[span.start : span.end] for span in second.spans] == ["words", "here"]


def test_columns_line_up_left_and_right() -> None:
    rows = [[Text("name"), Text("count")], [Text("a"), Text("7")], [Text("long name"), Text("12345678")]]
    assert [line.plain for line in in_columns(rows, frozenset({1}))] == [
        "name          count",
        "a                 7",
        "long name  12345678",
    ]


def test_wide_characters_take_two_columns() -> None:
    rows = [[Text("鍵"), Text("x")], [Text("ab"), Text("x")]]
    assert [line.plain for line in in_columns(rows)] == ["鍵  x", "ab  x"]


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain é 鍵", "plain é 鍵"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\udcff", "\\udcff"),
        ("\u202eevil", "\\u202eevil"),
    ],
)
def test_nothing_disturbs_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
