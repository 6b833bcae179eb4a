"""docs/compare.md names whatever a comparison may say."""

from __future__ import annotations

from enum import Enum

import pytest

from aoinspect.engine.comparison.model import FIELDS, Fate, FieldName, Flow, How, MatchedBy, Outcome
from aoinspect.report.comparison_json import SCHEMA
from tests.recorded import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [MatchedBy, Fate, Outcome, How, Flow], ids=lambda words: words.__name__)
def test_the_page_has_every_word_of_the_json_form(words: type[Enum]) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in PAGE] == []


def test_the_page_names_the_schema() -> None:
    assert f"`{SCHEMA}`" in PAGE.replace('"', "")


def test_every_field_has_facts() -> None:
    assert set(FIELDS) == set(FieldName)
