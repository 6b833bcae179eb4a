"""How the octets of a master key are written or where they are kept: one row of one table each.

Errors say what form is expected, and never repeat any of what was written.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable
from pathlib import Path

from aoinspect.errors import KeyFileError
from aoinspect.keys.obfuscation import reveal_cisco7, reveal_junos9
from aoinspect.keys.text_file import read_octets

_MOST_SECRET_OCTETS = 1 << 16
_HEX = re.compile(r"[0-9A-Fa-f]*")


def _from_text(written: str, directory: Path) -> bytes:
    return written.encode("utf-8")


def _from_hex(written: str, directory: Path) -> bytes:
    digits = re.sub(r"[ :]", "", written)
    if not _HEX.fullmatch(digits):
        raise ValueError("must be hexadecimal digits only (blanks and colons between octets are allowed)")
    if len(digits) % 2:
        raise ValueError("has an odd number of hexadecimal digits; an octet is two")
    return bytes.fromhex(digits)


def _from_base64(written: str, directory: Path) -> bytes:
    try:
        return base64.b64decode(written.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(
            "is not base64: A-Z a-z 0-9 + / in groups of four, with = at the end to fill the last"
        ) from None


def _from_file(written: str, directory: Path) -> bytes:
    # The name is not shown: it may be the secret itself, under the wrong key.
    path = str(directory / written)
    try:
        octets = read_octets(path, _MOST_SECRET_OCTETS)
    except KeyFileError as error:
        reason = str(error).rpartition(": ")[2]
        raise ValueError(f"names a file that cannot be used ({reason}); paths start at {directory}") from None
    if octets.endswith(b"\r\n"):
        return octets[:-2]
    return octets.removesuffix(b"\n")


def _from_environment(written: str, directory: Path) -> bytes:
    value = os.environb.get(os.fsencode(written)) if os.supports_bytes_environ else os.environ.get(written)
    if value is None:
        # The name is not shown: it may be the secret itself, under the wrong key.
        raise ValueError("names an environment variable which is not set; export it, or use secret-file")
    return value if isinstance(value, bytes) else value.encode("utf-8")


def _from_cisco7(written: str, directory: Path) -> bytes:
    return reveal_cisco7(written)


def _from_junos9(written: str, directory: Path) -> bytes:
    return reveal_junos9(written)


SECRET_SOURCES: dict[str, Callable[[str, Path], bytes]] = {
    "secret": _from_text,
    "secret-hex": _from_hex,
    "secret-base64": _from_base64,
    "secret-file": _from_file,
    "secret-env": _from_environment,
    "secret-cisco7": _from_cisco7,
    "secret-junos9": _from_junos9,
}
"""Per key of a key file: what makes octets of its text and the key file's directory, or raises ValueError."""

INLINE_SECRET_SOURCES = frozenset(SECRET_SOURCES) - {"secret-file", "secret-env"}
"""Those with which the key file itself holds the secret."""
