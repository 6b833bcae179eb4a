"""How a text becomes a file: whole or not at all.

A full disk costs no page and no baseline that was there before.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress


def write_whole_text(path: str | os.PathLike[str], text: str, *, errors: str = "strict") -> None:
    """Puts `text` (UTF-8) into the file at `path`, in the place of one that may be there; its permissions stay.

    What is no regular file (a device, a pipe) is written to as it is, and so is a file in whose directory nothing can
    be made. OSError where that fails; then a regular file is as it was.
    """
    octets = text.encode("utf-8", errors)
    target = os.path.realpath(path)
    try:
        mode: int | None = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        _write(os.open(target, os.O_WRONLY), octets)
        return
    directory, name = os.path.split(target)
    beside = os.path.join(directory, f".{name[:200]}.{secrets.token_hex(6)}.part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except PermissionError:
        if mode is None:
            raise
        _write(os.open(target, os.O_WRONLY | os.O_TRUNC), octets)
        return
    try:
        _write(descriptor, octets)
        if mode is not None:
            os.chmod(beside, stat.S_IMODE(mode))
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _write(descriptor: int, octets: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
