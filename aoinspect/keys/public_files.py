"""Key files that every user of the machine can read: told as a warning, or refused."""

from __future__ import annotations

from aoinspect.errors import KeyFileError
from aoinspect.keys.model import KeyStore, KeyWarning

_READABLE = "every user of this machine can read"
"""How the warning begins, whoever reads the file: our key file, a `secret-file`, a router's configuration."""


def public_files(store: KeyStore) -> list[KeyWarning]:
    """The warnings of `store` that tell of files with secrets that anybody can read."""
    return [warning for warning in store.warnings if _READABLE in warning.message]


def refuse_public_files(store: KeyStore) -> None:
    """For `--strict`: KeyFileError where a file with secrets can be read by every user."""
    lines = [f"{warning.origin}: {warning.message}; --strict refuses it" for warning in public_files(store)]
    if lines:
        raise KeyFileError("\n".join(lines))
