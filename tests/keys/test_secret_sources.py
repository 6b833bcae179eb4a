"""Where a master key comes from, and that no message ever shows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aoinspect.keys.model import KeyWarning
from aoinspect.keys.secret_sources import SECRET_SOURCES
from tests.keys.key_texts import key_with, mistake, mistakes, read


def secret_of(source: str, written: str, path: str = "k.toml") -> bytes | None:
    (mkt,) = read(key_with(**{"secret": None, source: f"'{written}'"}), path).peers[0].mkts
    return mkt.secret


@pytest.mark.parametrize(
    ("source", "written", "secret"),
    [
        ("secret", "tëst vector ", "tëst vector ".encode()),
        ("secret_hex", "deadBEEF", b"\xde\xad\xbe\xef"),
        ("secret_hex", "de:ad be ef", b"\xde\xad\xbe\xef"),
        ("secret_base64", "emVybw==", b"zero"),
        ("secret_cisco7", "011A08105E19091F", b"interop"),
        ("secret_junos9", "$9$.PT3REyv87CtMX-waJz36", b"interop"),
    ],
)
def test_a_secret_written_in_the_file_is_read(source: str, written: str, secret: bytes) -> None:
    assert secret_of(source, written) == secret


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"a b", b"a b"),
        (b"ab\n", b"ab"),
        (b"ab\r\n", b"ab"),
        (b"ab\n\n", b"ab\n"),
        (b"\x00\xff\n", b"\x00\xff"),
    ],
)
def test_a_secret_file_loses_exactly_one_line_end(tmp_path: Path, content: bytes, secret: bytes) -> None:
    (tmp_path / "edge.key").write_bytes(content)
    assert secret_of("secret_file", "edge.key", str(tmp_path / "k.toml")) == secret


@pytest.mark.parametrize(
    ("content", "is_odd"),
    [(b"ab\n", False), (b"a b", False), (b"ab\n\n", True), (b" ab", True), (b"ab \n", True)],
)
def test_white_space_around_the_secret_of_a_file_is_a_warning(tmp_path: Path, content: bytes, is_odd: bool) -> None:
    (tmp_path / "edge.key").write_bytes(content)
    (tmp_path / "edge.key").chmod(0o600)
    store = read(key_with(secret=None, secret_file='"edge.key"'), str(tmp_path / "k.toml"))
    assert [(warning.origin.line, "white space" in warning.message) for warning in store.warnings] == [
        (9, True)
    ] * is_odd


def test_a_secret_file_that_everyone_can_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "edge.key").write_bytes(b"ab\n")
    (tmp_path / "edge.key").chmod(0o644)
    (warning,) = read(key_with(secret=None, secret_file='"edge.key"'), str(tmp_path / "k.toml")).warnings
    assert isinstance(warning, KeyWarning)
    assert "every user of this machine" in warning.message


def test_a_secret_file_that_is_not_there_is_told_with_where_paths_start(tmp_path: Path) -> None:
    message = mistake(key_with(secret=None, secret_file='"edge.key"'), str(tmp_path / "k.toml"))
    assert message.endswith(f"secret-file names a file that cannot be used (no such file); paths start at {tmp_path}")
    (tmp_path / "edge.key").mkdir()
    assert "directory" in mistake(key_with(secret=None, secret_file='"edge.key"'), str(tmp_path / "k.toml"))
    assert "cannot be used" in mistake(key_with(secret=None, secret_file='"a\\u0000b"'), str(tmp_path / "k.toml"))


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AO_EDGE", "from the environment")
    assert secret_of("secret_env", "AO_EDGE") == b"from the environment"
    monkeypatch.delenv("AO_EDGE")
    told = mistake(key_with(secret=None, secret_env='"HUNTER2"'))
    assert "environment variable which is not set" in told
    # It may be the secret itself.
    assert "HUNTER2" not in told


def test_a_key_has_exactly_one_secret() -> None:
    message = mistake(key_with(secret=None))
    assert message.startswith("k.toml:5: [[peer.key]] has no secret: give exactly one of secret, secret-hex,")
    assert all(source in message for source in SECRET_SOURCES)
    assert mistake(key_with(secret_hex='"00"')) == (
        "k.toml:10: secret-hex is a second secret beside secret: keep exactly one of them"
    )


@pytest.mark.parametrize("source", ["secret", "secret_hex", "secret_base64"])
def test_an_empty_secret_is_a_mistake(source: str) -> None:
    assert "is empty" in mistake(key_with(**{"secret": None, source: '""'}))


def test_a_secret_of_a_length_that_the_algorithm_does_not_take_is_a_mistake() -> None:
    message = mistake(key_with(algorithm='"cmac(aes)"', secret='"seventeen octets!"'))
    assert message.endswith("secret has a length that cmac(aes) does not take: it must be 16, 24 or 32 octets")


@pytest.mark.parametrize(
    ("source", "written", "expected"),
    [
        ("secret_hex", "canary", "must be hexadecimal digits only"),
        ("secret_hex", "abc", "has an odd number of hexadecimal digits"),
        ("secret_base64", "can?ary", "is not base64"),
        ("secret_base64", "canary", "is not base64"),
        ("secret_base64", "canäry", "is not base64"),
        ("secret_cisco7", "canary", "is not a Cisco type 7 string"),
        ("secret_junos9", "$9$canary", "Junos $9$ string"),
        ("secret_junos9", "$8$canary", "$8$ cannot be read"),
        ("secret_file", "canary", "names a file that cannot be used"),
        ("secret_env", "canary", "names an environment variable which is not set"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told_without_it(source: str, written: str, expected: str) -> None:
    message = mistake(key_with(secret=None, **{source: f'"{written}"'}))
    assert expected in message
    assert written not in message.replace("$8$ cannot be read", "")


CANARY = "12345canary"
PLACES = [
    "name-of-nothing",
    "name",
    "send-id",
    "recv-id",
    "algorithm",
    "mac-length",
    "tcp-options",
    "send-lifetime",
]
SPELLINGS = [
    CANARY,
    f'"{CANARY}',
    f"{CANARY}'",
    f'"a" {CANARY}',
    f"[{CANARY}",
    f"{{ {CANARY} = 1",
    f'["{CANARY}"]',
    f'{{ from = "{CANARY}", {CANARY} = 1 }}',
    f'{{ {CANARY} = 1, {CANARY} = "{CANARY}" }}',
    f'"\\q{CANARY}"',
    f'"""{CANARY}',
    f'"\\u0000{CANARY}"',
]


@pytest.mark.parametrize("field", [*SECRET_SOURCES, *PLACES])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_message_shows_a_secret_wherever_and_however_it_is_written(field: str, spelling: str) -> None:
    text = key_with(**{"secret": None, "name": '"k"', field: spelling}) + "[[peer]]\nport = 0\n"
    told = "\n".join(mistakes(text))
    assert "canary" not in told
    assert "12345" not in told


@pytest.mark.parametrize(
    "line",
    [
        f"{CANARY} = 1",
        f'"{CANARY}" = 1',
        CANARY,
        f"[{CANARY}]",
        f"[[peer.{CANARY}]]",
        f"= {CANARY}",
        f"secret {CANARY}",
    ],
)
def test_no_message_shows_a_secret_that_stands_for_a_key_or_a_table(line: str) -> None:
    assert "canary" not in "\n".join(mistakes(key_with() + line + "\n"))


def test_no_repr_shows_a_secret() -> None:
    store = read(key_with(secret=f'"{CANARY}"'))
    assert "canary" not in repr(store)
