"""The scan of lines: it must agree with what tomllib makes of the same text."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from aoinspect.keys.toml_lines import Place, scan

ODD_DOCUMENT = '''# [[comment]]
first = """
[[not-a-table]]
no-key = 1 \\""" ""  """ # still line 2
second = [ # [1,
  "]", {inline = [1, {deep = 2}], other = '}'},
  3,
  { late = 1 } ]
third = "a#b" # "
"quo.ted" = '[[x]]'
dotted.a."b\\u0063" = 1
[ table . sub ] # comment
'literal' = \'\'\'
[nothing]
\'\'\'
when = 2026-10-01 00:00:00Z
[[array]]
[[array]] # second
key = 1
  [array.table]
  inner = { x = 1, y = { z = 2 } }
  [[array.list]]
  [[array.list]]
  last = 1
'''


def lines_of(place: Place) -> dict[str, int]:
    """Every key with its path, and its line."""
    found: dict[str, int] = {}
    for key, line in place.lines.items():
        found[key] = line
        for number, inner in enumerate(place.inner.get(key, [])):
            found.update({f"{key}[{number}].{path}": at for path, at in lines_of(inner).items()})
    return found


def test_every_key_of_an_odd_document_is_placed_on_its_line() -> None:
    expected = {
        "first": 2,
        "second": 5,
        "second[1].inline": 6,
        "second[1].inline[1].deep": 6,
        "second[1].other": 6,
        "second[3].late": 8,
        "third": 9,
        "quo.ted": 10,
        "dotted": 11,
        "dotted[0].a": 11,
        "dotted[0].a[0].bc": 11,
        "table": 12,
        "table[0].sub": 12,
        "table[0].sub[0].literal": 13,
        "table[0].sub[0].when": 16,
        "array": 17,
        "array[1].key": 19,
        "array[1].table": 20,
        "array[1].table[0].inner": 21,
        "array[1].table[0].inner[0].x": 21,
        "array[1].table[0].inner[0].y": 21,
        "array[1].table[0].inner[0].y[0].z": 21,
        "array[1].list": 22,
        "array[1].list[1].last": 24,
    }
    assert lines_of(scan(ODD_DOCUMENT)) == expected


def test_line_ends_of_windows_change_no_line() -> None:
    text = ODD_DOCUMENT.replace("\n", "\r\n")
    assert tomllib.loads(text)
    assert lines_of(scan(text)) == lines_of(scan(ODD_DOCUMENT))


def assert_placed(values: Mapping[str, object], place: Place) -> None:
    """Every key has a line, every table and array its parts."""
    assert set(place.lines) == set(values)
    for key, value in values.items():
        if isinstance(value, dict):
            (inner,) = place.inner[key]
            assert_placed(value, inner)
        elif isinstance(value, list):
            items = place.inner[key]
            assert len(items) == len(value)
            for item, item_place in zip(value, items, strict=True):
                if isinstance(item, dict):
                    assert_placed(item, item_place)


def test_the_scan_finds_the_tables_that_tomllib_finds() -> None:
    assert_placed(tomllib.loads(ODD_DOCUMENT), scan(ODD_DOCUMENT))


FRAGMENTS = st.sampled_from(
    [
        "[[a]]",
        "[b]",
        "[a.c]",
        "[[a.d]]",
        "k = 1",
        "m.n = 'x'",
        'k = "[a]"',
        "q = [1, {r = 2}]",
        "s = {}",
        "# [",
        't = """\n[[a]]\n"""',
        "u = [\n1,\n{v = 1}]",
        "'w' = ''",
        "",
        "x = {y.z = 1}",
        "k = 1e3",
        "] ",
        '"',
        "'''",
        "=",
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map("\n".join))
def test_whatever_tomllib_accepts_is_placed_alike_and_nothing_else_fails(text: str) -> None:
    place = scan(text)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert_placed(values, place)


@given(st.text(alphabet="ab=[]{}\"'\\.,#\n\r\t 1"))
def test_the_scan_ends_on_any_text(text: str) -> None:
    place = scan(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(place).values())
