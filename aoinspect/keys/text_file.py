"""Reading a key file's octets as text, and whether other users of the machine can read it too.

Keys may come from a pipe as well (`--keys <(decrypt keys.toml.age)`), so nothing here needs to seek or to
know the size.
"""

from __future__ import annotations

import os
import stat

from aoinspect.errors import KeyFileError

MOST_OCTETS = 64 << 20
"""A key file that is larger is something else: a capture, or a device that never ends."""
READABLE_BY_ALL = "every user of this machine can read this file and its secrets (chmod o-r helps)"
"""What is warned of where `is_readable_by_all`."""


def read_text(path: str) -> str:
    """The text of the UTF-8 file at `path`, without a byte order mark. Raises KeyFileError."""
    return decode_text(read_octets(path, MOST_OCTETS), path)


def decode_text(octets: bytes, path: str) -> str:
    """The same for octets that were read from `path` already."""
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise KeyFileError(f"{path}: this is UTF-16; save it as UTF-8")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise KeyFileError(
            f"{path}:{line}: not UTF-8 text at octet {error.start}; save the file as UTF-8, "
            "and check that it is a key file"
        ) from None
    nul = octets.find(b"\0")
    if nul >= 0:
        line = octets.count(b"\n", 0, nul) + 1
        raise KeyFileError(
            f"{path}:{line}: a NUL at octet {nul}; save it as UTF-8 text, and check that it is a key file"
        )
    return text.removeprefix("\ufeff")


def read_octets(path: str, most_octets: int) -> bytes:
    """All octets of the file or pipe at `path`. Raises KeyFileError, also for more than `most_octets`."""
    try:
        with open(path, "rb") as file:
            octets = file.read(most_octets + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: {_reason(error)}") from None
    except ValueError:
        raise KeyFileError(f"{path!r}: not a file name") from None
    if len(octets) > most_octets:
        raise KeyFileError(f"{path}: larger than {most_octets} octets; check that it is a key file")
    return octets


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a directory; name the key file in it"
    if isinstance(error, PermissionError):
        return "not readable for this user; see its owner and mode"
    return f"cannot be read: {error.strerror or type(error).__name__}"


def is_readable_by_all(path: str) -> bool:
    """Whether `path` is a regular file that its mode lets every user of the machine read."""
    if os.name != "posix":
        return False
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
