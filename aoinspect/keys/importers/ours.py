"""The project's own TOML key file as one importer among the others."""

from __future__ import annotations

from aoinspect.keys.importers.model import ImportContext, Importer, Mark, score
from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file

_MARKS = (
    Mark("[", r"\s*\[\[?\s*(?:keychain|peer|connection)(?:\s*\.\s*key)?\s*\]", 20),
    Mark("version", r"\s*version\s*=", 10),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    # `--local` is for files that cannot name the device: the entries of this one stand.
    return parse_key_file(text, path, is_public=context.is_public)


OURS = Importer("aoinspect", "aoinspect's own TOML key file", _recognises, _read)
