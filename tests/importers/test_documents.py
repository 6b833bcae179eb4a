"""TOML, JSON and YAML as one tree: values as they are written, each with its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.keys.importers.documents import Node, read_document
from aoinspect.keys.importers.model import Draft, ImportContext, Source, own_words

CANARY = "Canary-7f3a-Canary"


def draft_of(text: str) -> Draft:
    return Draft("a document", Source(text, "k.json"), ImportContext(), own_words("a b"))


def plain(node: Node) -> object:
    """The tree without places."""
    if isinstance(node.value, dict):
        return {name: plain(member) for name, member in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def as_written(value: object) -> object:
    """What `plain` gives for a value that json has written."""
    if isinstance(value, dict):
        return {name: as_written(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(texts, values, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_json_is_what_json_says(value: dict[str, object], indent: int | None, ensure_ascii: bool) -> None:
    draft = draft_of(json.dumps(value, indent=indent, ensure_ascii=ensure_ascii))
    assert plain(read_document(draft)) == as_written(value)
    assert draft.mistakes == []


@given(st.text(st.sampled_from('{}[]:,"\\u12e-.truefalsn \n'), max_size=40).map(lambda text: "{" + text))
def test_any_text_that_begins_as_json_is_what_json_says_or_a_mistake(text: str) -> None:
    draft = draft_of(text)
    tree = plain(read_document(draft))
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        # Digits that json refuses (01, 1.) may pass: an importer checks every number.
        return
    assert draft.mistakes or tree == as_written(expected) or "." in text or "e" in text


def test_every_value_knows_its_place_in_json() -> None:
    text = '{\n "a": [\n  1, "two"],\n "b": {"c": true}}'
    root = read_document(draft_of(text))
    for path, written in ((("b", "c"), "true"), (("a",), '[\n  1, "two"]')):
        node = root.get(*path)
        assert node is not None
        assert text[node.start : node.end] == written


@pytest.mark.parametrize("text", ['a = 1\n[b]\nc = "x" # y\n', "a: 1\nb:\n  c: 'x' # y\n", '{"a": 1, "b": {"c": "x"}}'])
def test_the_three_forms_give_one_tree(text: str) -> None:
    root = read_document(draft_of(text))
    assert plain(root) == {"a": "1", "b": {"c": "x"}}
    node = root.get("b", "c")
    assert node is not None
    assert text[node.start : node.end].startswith(('"x"', "'x'"))
    assert node.is_quoted


@pytest.mark.parametrize(
    "text",
    [
        f'{{"a": "{CANARY}" "b": 1}}',
        f'{{"a": "{CANARY}',
        f'{{"a": "\\ud800{CANARY}"}}',
        f'{{"a": {CANARY}}}',
        f"a: '{CANARY}\nb: 1\n",
        f"a: [{CANARY}\n",
        f'a = "{CANARY}\n',
        f"a = {CANARY}\n",
        "[" * 200,
    ],
)
def test_what_is_no_document_is_a_mistake_that_shows_no_value(text: str) -> None:
    draft = draft_of(text)
    assert plain(read_document(draft)) in ({}, {"a": ""}, {"a": "0"}, {"a": 0}) or draft.mistakes
    assert draft.mistakes
    assert CANARY not in repr(draft.mistakes)


def test_a_node_shows_none_of_its_values() -> None:
    node = read_document(draft_of(f'{{"a": "{CANARY}"}}'))
    assert CANARY not in repr(node)
    assert CANARY not in repr(node.word("a"))


def test_a_name_that_comes_twice_is_told_and_the_last_counts() -> None:
    draft = draft_of('{"a": 1, "a": 2}')
    assert plain(read_document(draft)) == {"a": "2"}
    assert [mistake.message for mistake in draft.mistakes] == ["this name is there already; the last one counts"]
