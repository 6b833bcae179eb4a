"""docs/filter.md is a reference: its tables are the code's, and its examples are filters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aoinspect.engine.filtering import FIELDS, parse_filter
from aoinspect.engine.filtering.fields import NOT_IN_THE_TABLE, NOT_IN_THE_TABLE_GROUPS
from aoinspect.engine.filtering.operators import SPELLINGS
from aoinspect.engine.filtering.values import OneWord

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "filter.md").read_text(encoding="utf-8")
(EXAMPLES,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def rows(heading: str, table: int = 0) -> list[list[str]]:
    """The cells of a table under a heading, without its header."""
    text = re.split(r"\n##+ ", PAGE.split(f"# {heading}\n")[1])[0]
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    lines = tables[table].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def spelled(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_of_fields_is_the_codes() -> None:
    assert rows("Fields") == [[f"`{field.name}`", field.type.name, field.meaning] for field in FIELDS.values()]


def test_the_table_of_words_is_the_codes() -> None:
    listed = [(spelled(name)[0], spelled(words)) for name, words in rows("Words")]
    kinds = {field.name: field.type for field in FIELDS.values()}
    assert listed == [
        (name, [kind.show(number) for number in kind.words.values()])
        for name, kind in kinds.items()
        if isinstance(kind, OneWord)
    ]


def test_the_table_of_comparisons_has_every_spelling_and_no_other() -> None:
    listed = {spelling for written, also, _ in rows("Comparisons") for spelling in spelled(written) + spelled(also)}
    assert listed == {*SPELLINGS, "in {…}"}


def test_every_type_has_its_values_described() -> None:
    described = {name for cell, _ in rows("Comparisons", 1) for name in cell.split(", ")}
    words = {field.type.name for field in FIELDS.values() if isinstance(field.type, OneWord)}
    assert described - {"words"} == {field.type.name for field in FIELDS.values()} - words - {"presence"}


def test_the_fields_that_are_not_kept_are_listed() -> None:
    section = PAGE.split("### Not kept for every segment\n")[1]
    assert spelled(section)[1:] == [*NOT_IN_THE_TABLE, *NOT_IN_THE_TABLE_GROUPS]


@pytest.mark.parametrize("example", EXAMPLES.splitlines())
def test_an_example_is_a_filter(example: str) -> None:
    assert parse_filter(example).fields <= FIELDS.keys()
