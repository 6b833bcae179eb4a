"""BIRD's `include`: one text of all the files that a configuration is made of, which knows where each part came from.

BIRD puts an included file's text in the place of the statement, which stands alone at the beginning of a line; a name
without a leading slash begins in the including file's folder, and `*`, `?` and `[` make a pattern of it. Only regular
files are read. Source: BIRD's user's guide and its lexer.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field

from aoinspect.ao.mkt import Origin
from aoinspect.errors import KeyFileError
from aoinspect.keys.importers.model import Piece
from aoinspect.keys.text_file import MOST_OCTETS, read_octets

_INCLUDE = re.compile(
    r"/\*[\s\S]*?(?:\*/|\Z)|#[^\n]*|\"[^\"\n]*\"|(?P<include>^[ \t]*include[ \t]*\"(?P<name>[^\"\n]+)\"[ \t]*;)",
    re.MULTILINE,
)
_MOST_DEPTH = 8
"""As in BIRD."""
_MOST_FILES = 1000


@dataclass(slots=True)
class Whole:
    """A configuration with all that it includes."""

    text: str = ""
    pieces: list[Piece] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    """The included files, each once."""
    troubles: list[tuple[Origin, str]] = field(default_factory=list)
    """Where something is included, and why it is missing."""


def with_includes(text: str, path: str) -> Whole:
    """The whole configuration of which `path` has the text `text`. Never raises."""
    whole = Whole()
    parts: list[str] = []
    _add(text, path, whole, parts, 0, (os.path.realpath(path),))
    whole.text = "".join(parts)
    return whole


def _add(text: str, path: str, whole: Whole, parts: list[str], at: int, above: tuple[str, ...]) -> int:
    """Adds a file's text from the offset `at` of the whole on; gives the offset at which it ends."""
    begin, line = 0, 1
    for match in _INCLUDE.finditer(text):
        if match["include"] is None:
            continue
        at = _add_piece(text[begin : match.start()], path, line, whole, parts, at)
        line += text.count("\n", begin, match.end())
        begin = match.end()
        place = Origin(path, line)
        if len(above) > _MOST_DEPTH:
            whole.troubles.append((place, "it is included too deeply"))
            continue
        names, trouble = _files(match["name"], path)
        for name in names:
            real = os.path.realpath(name)
            if real in above or len(whole.paths) >= _MOST_FILES:
                trouble = "it includes itself" if real in above else f"there are more than {_MOST_FILES} files"
                continue
            try:
                octets = read_octets(name, MOST_OCTETS - min(at, MOST_OCTETS))
            except KeyFileError as error:
                trouble = str(error).rpartition(": ")[2]
                continue
            if name not in whole.paths:
                whole.paths.append(name)
            inner = octets.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
            at = _add(inner if inner.endswith("\n") else f"{inner}\n", name, whole, parts, at, (*above, real))
        if trouble:
            whole.troubles.append((place, trouble))
    return _add_piece(text[begin:], path, line, whole, parts, at)


def _add_piece(text: str, path: str, line: int, whole: Whole, parts: list[str], at: int) -> int:
    whole.pieces.append(Piece(at, path, line))
    parts.append(text)
    return at + len(text)


def _files(name: str, including: str) -> tuple[list[str], str]:
    """The regular files that an include names, and why one that it has to name is none of them."""
    path = os.path.join(os.path.dirname(including), name)
    if "\0" in path:
        return [], "no such file"
    if re.search(r"[*?\[]", name):
        return [found for found in sorted(glob.glob(path)) if os.path.isfile(found)], ""
    if os.path.isfile(path):
        return [path], ""
    return [], "it is no regular file" if os.path.exists(path) else "no such file"
