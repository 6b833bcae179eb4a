"""Key files in a few words, for tests."""

from __future__ import annotations

import pytest

from aoinspect.errors import KeyFileError
from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file

PEER = 'version = 1\n[[peer]]\nlocal = "10.0.0.1"\nremote = "10.0.0.2"\n'
"""Four lines, to which a test adds keys."""
KEY = '[[peer.key]]\nsend-id = 1\nrecv-id = 2\nalgorithm = "hmac-sha-1-96"\nsecret = "open sesame"\n'
"""Five lines."""


def key_with(**fields: str | None) -> str:
    """A whole key file whose one key has these fields (TOML text; None: not there; `_` stands for `-`)."""
    written = {
        "send-id": "1",
        "recv-id": "2",
        "algorithm": '"hmac-sha-1-96"',
        "secret": '"open sesame"',
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    lines = [f"{name} = {value}\n" for name, value in written.items() if value is not None]
    return PEER + "[[peer.key]]\n" + "".join(lines)


def peer_with(**fields: str) -> str:
    """A whole key file whose one peer has these fields."""
    lines = [f"{name.replace('_', '-')} = {value}\n" for name, value in fields.items()]
    return "version = 1\n[[peer]]\n" + "".join(lines) + KEY


def connection_with(**fields: str | None) -> str:
    """A whole key file with one known connection."""
    written = {
        "local": '"10.0.0.1:59863"',
        "remote": '"10.0.0.2:179"',
        "local-isn": "1",
        "remote-isn": "2",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    lines = [f"{name} = {value}\n" for name, value in written.items() if value is not None]
    return "version = 1\n[[connection]]\n" + "".join(lines)


def mistakes(text: str, path: str = "k.toml") -> list[str]:
    """The lines of the error that `text` must give."""
    with pytest.raises(KeyFileError) as caught:
        parse_key_file(text, path)
    return str(caught.value).split("\n")


def mistake(text: str, path: str = "k.toml") -> str:
    """The one line of the error that `text` must give."""
    (only,) = mistakes(text, path)
    return only


def read(text: str, path: str = "k.toml") -> KeyStore:
    return parse_key_file(text, path)
