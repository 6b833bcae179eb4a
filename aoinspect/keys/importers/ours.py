"""The project's own TOML key file as one importer among the others."""

from __future__ import annotations

import re

from aoinspect.keys.importers.model import ImportContext, Importer, score
from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file

_TABLE = re.compile(r"^[ \t]*\[\[?[ \t]*(?:keychain|peer|connection)(?:[ \t]*\.[ \t]*key)?[ \t]*\]", re.MULTILINE)
_VERSION = re.compile(r"^[ \t]*version[ \t]*=", re.MULTILINE)


def _recognises(text: str) -> int:
    return score(text, (_TABLE, 20), (_VERSION, 10))


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    # `--local` is for files that cannot name the device: the entries of this one stand.
    return parse_key_file(text, path, is_public=context.is_public)


OURS = Importer("aoinspect", "aoinspect's own TOML key file", _recognises, _read)
