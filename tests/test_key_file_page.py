"""docs/key-file.md is a reference: its tables list what the reader takes, and its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aoinspect.ao.algorithms import ALGORITHMS
from aoinspect.errors import KeyFileError
from aoinspect.keys.toml_file import parse_key_file
from aoinspect.keys.toml_key import LONGEST_MAC

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "key-file.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its header."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def block(opening: str) -> str:
    """The one fenced block that starts with ``` and these words."""
    (text,) = re.findall(rf"^```{opening}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def errors_of(text: str) -> str:
    with pytest.raises(KeyFileError) as raised:
        parse_key_file(text, "keys.toml")
    return str(raised.value)


def members(title: str, unknown_in: str) -> list[str]:
    """The members that the reader says a table takes, asked with one that is unlike all of them."""
    found = re.search(rf"unknown key in {re.escape(title)}; it takes (.*)", errors_of(unknown_in))
    assert found is not None
    return found[1].split(", ")


def test_the_algorithm_table_is_the_products() -> None:
    listed = [
        (name.strip("`"), tuple(re.findall(r"`([^`]+)`", aliases)), int(mac_length), int(longest))
        for name, aliases, mac_length, longest in rows("Algorithms")
    ]
    assert listed == [
        (row.name, row.aliases, row.mac_length, min(row.digest_length, LONGEST_MAC)) for row in ALGORITHMS
    ]


@pytest.mark.parametrize(
    ("heading", "title", "text"),
    [
        ("`[[keychain]]`", "[[keychain]]", "version = 1\n[[keychain]]\nzzzz = 1\n"),
        ("`[[keychain.key]]` and `[[peer.key]]`", "[[peer.key]]", "version = 1\n[[peer]]\n[[peer.key]]\nzzzz = 1\n"),
        ("`[[peer]]`", "[[peer]]", "version = 1\n[[peer]]\nzzzz = 1\n"),
        ("`[[connection]]`", "[[connection]]", "version = 1\n[[connection]]\nzzzz = 1\n"),
    ],
    ids=["keychain", "key", "peer", "connection"],
)
def test_a_table_lists_every_member_that_the_reader_takes(heading: str, title: str, text: str) -> None:
    listed = [cells[0].strip("`") for cells in rows(heading)]
    assert listed == members(title, text)


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("`[[keychain]]`", "version = 1\n[[keychain]]\n"),
        ("`[[keychain.key]]` and `[[peer.key]]`", "version = 1\n[[peer]]\n[[peer.key]]\n"),
        ("`[[connection]]`", "version = 1\n[[connection]]\n"),
    ],
    ids=["keychain", "key", "connection"],
)
def test_required_members_are_those_that_the_reader_misses(heading: str, text: str) -> None:
    required = {cells[0].strip("`") for cells in rows(heading) if cells[1] == "required"}
    missed = set(re.findall(r" has no ([a-z-]+):", errors_of(text)))
    # Which secret it is, is a choice; and of tables the message speaks in the plural.
    assert required == {"key" if member == "keys" else member for member in missed - {"secret"}}


def test_the_example_is_a_key_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MD5_PASSWORD", "testvector")
    store = parse_key_file(block("toml"), "keys.toml")
    assert [mkt.name for peer in store.peers for mkt in peer.mkts] == ["2026q4", "tcp-md5"]
    assert len(store.connections) == 1
    assert not store.warnings


def test_the_broken_example_gives_the_errors_that_are_shown() -> None:
    assert errors_of(block("toml broken")) == block("text").rstrip("\n")
