"""The JSON Schema of the key file holds what the reader takes, and refuses what it refuses."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from aoinspect.commands.keys import EXAMPLE
from aoinspect.errors import KeyFileError
from aoinspect.keys.secret_sources import SECRET_SOURCES
from aoinspect.keys.toml_file import parse_key_file
from tests.keys import key_texts
from tests.keys.two_ends import key as key_of_peer

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((PROJECT_ROOT / "aoinspect" / "keys" / "keyfile.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KEY_FILES = sorted(
    path
    for folder in ("samples", "tests/captures")
    for path in (PROJECT_ROOT / folder).rglob("*.toml")
    if re.search(r"^version = 1$", path.read_text(encoding="utf-8"), re.MULTILINE)
)


def as_json(value: object) -> object:
    """TOML's values as JSON has them."""
    if isinstance(value, dict):
        return {name: as_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def is_valid(text: str) -> bool:
    return bool(VALIDATOR.is_valid(as_json(tomllib.loads(text))))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_there_are_key_files_to_check() -> None:
    assert len(KEY_FILES) > 20


@pytest.mark.parametrize("path", KEY_FILES, ids=lambda path: path.stem)
def test_every_key_file_that_is_shipped_is_valid(path: Path) -> None:
    VALIDATOR.validate(as_json(tomllib.loads(path.read_text(encoding="utf-8"))))


def test_the_example_is_valid_and_loads_without_a_warning() -> None:
    assert is_valid(EXAMPLE)
    store = parse_key_file(EXAMPLE, "keys.toml")
    assert store.warnings == ()
    assert [mkt.name for mkt in store.keychains[0].mkts] == ["2026q4", "2027q1"]
    assert (len(store.peers), len(store.connections)) == (2, 1)


def test_its_members_are_those_of_the_reader() -> None:
    def members(title: str, text: str) -> set[str]:
        with pytest.raises(KeyFileError) as raised:
            parse_key_file(text, "keys.toml")
        found = re.search(rf"unknown key in {re.escape(title)}; it takes (.*)", str(raised.value))
        assert found is not None
        return set(found[1].split(", "))

    definitions = SCHEMA["$defs"]
    for name, title, text in (
        ("keychain", "[[keychain]]", "version = 1\n[[keychain]]\nzzzz = 1\n"),
        ("key", "[[peer.key]]", "version = 1\n[[peer]]\n[[peer.key]]\nzzzz = 1\n"),
        ("peer", "[[peer]]", "version = 1\n[[peer]]\nzzzz = 1\n"),
        ("connection", "[[connection]]", "version = 1\n[[connection]]\nzzzz = 1\n"),
    ):
        assert set(definitions[name]["properties"]) == members(title, text)
    assert {choice["required"][0] for choice in definitions["key"]["oneOf"]} == {*SECRET_SOURCES, "gap"}


CASES = [
    (key_texts.key_with(), True),
    (key_texts.key_with(secret=None, secret_hex='"0f 1e:2d"'), True),
    (key_texts.key_with(secret=None, gap='"not known yet"'), True),
    (key_texts.key_with(gap='"beside a secret"'), False),
    (key_texts.key_with(secret=None), False),
    (key_texts.key_with(secret_hex='"0f"'), False),
    (key_texts.key_with(send_id="256"), False),
    (key_texts.key_with(recv_id=None), False),
    (key_texts.key_with(mac_length="37"), False),
    (key_texts.key_with(tcp_options='"yes"'), False),
    (key_texts.key_with(algorithm='"tcp-md5"', send_id=None, recv_id=None), True),
    (key_texts.key_with(algorithm='"tcp-md5"'), False),
    (key_texts.key_with(algorithm='"MD5"', send_id=None, recv_id=None), True),
    (key_texts.key_with(send_lifetime="{ from = 2026-10-01T00:00:00Z }"), True),
    (key_texts.key_with(send_lifetime='{ until = "2026-10-01T00:00:00.123456789+02:00" }'), True),
    (key_texts.key_with(send_lifetime="{ }"), False),
    (key_texts.key_with(send_lifetime='{ from = "tomorrow" }'), False),
    (key_texts.peer_with(local='"10.0.0.0/24"', remote='"fd00::1"').replace('local = "10.0.0.0/24"\n', ""), True),
    (key_texts.peer_with(vlan="4095"), False),
    (key_texts.peer_with(interface="3"), True),
    (key_texts.peer_with(keychain='"edge"'), False),
    (key_texts.connection_with(), True),
    (key_texts.connection_with(local_isn="0xffffffff"), True),
    (key_texts.connection_with(local_isn="0x100000000"), False),
    (key_texts.connection_with(remote=None), False),
    ("version = 2\n", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=range(len(CASES)))
def test_the_schema_and_the_reader_agree(text: str, expected: bool) -> None:
    try:
        parse_key_file(text, "keys.toml")
    except KeyFileError:
        is_read = False
    else:
        is_read = True
    assert (is_valid(text), is_read) == (expected, expected)


def test_a_key_of_a_peer_in_the_tests_own_words_is_valid() -> None:
    assert is_valid('version = 1\n[[peer]]\nremote = "10.0.0.2"\n' + key_of_peer() + "\n")
