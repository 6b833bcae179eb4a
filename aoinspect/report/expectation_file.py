"""`expect.toml` read: which tables there are and what each may hold.

All mistakes of a file are told at once, each as `file:line: message`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from aoinspect.engine.filtering import FilterError, parse_filter
from aoinspect.engine.findings import FINDERS, Policy
from aoinspect.engine.transitions import FIRST, PEER_RNEXT, REORDERING, UNPROMPTED
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.errors import KeyFileError, UsageError
from aoinspect.keys.addresses import parse_endpoint, parse_prefix
from aoinspect.keys.importers.registry import split_system
from aoinspect.keys.text_file import read_text
from aoinspect.keys.toml_lines import scan
from aoinspect.keys.toml_syntax import parse_toml
from aoinspect.keys.toml_table import Problems, Table, type_name
from aoinspect.report.expectation import (
    ANY_FINDING,
    ENDS,
    SOME,
    Expectations,
    ExpectedCapture,
    ExpectedConnection,
    ExpectedEnd,
    ExpectedFindings,
    ExpectedTransition,
    Range,
)

VERSION = 1

_ROOT_KEYS = ("version", "keys", "capture")
_CAPTURE_KEYS = ("name", "path", "keys", "filter", "policy", "verdicts", "findings", "connection")
_CONNECTION_KEYS = (
    *("name", "local", "remote", "count", "method", "verdicts"),
    *("key-ids", "rnext-key-ids", "transition", "findings"),
)
_TRANSITION_KEYS = ("sender", "field", "old", "new", "trigger", "max-latency")
_FINDING_KEYS = ("must", "must-not")
_TRIGGERS = (FIRST, PEER_RNEXT, REORDERING, UNPROMPTED)
_FIELDS = {"key-id": "key_id", "rnext-key-id": "rnext_key_id"}
_RANGE = re.compile(r"(\d{1,9})?\s*\.\.\s*(\d{1,9})?")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|us|s)")
_UNITS_NS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_MOST = 0xFFFF_FFFF
_IDENTS = tuple(finder.ident for finder in FINDERS)


class ExpectationError(UsageError):
    """A file of expectations cannot be used; the message has one line a mistake, each with file and line."""


def load_expectations(path: str | os.PathLike[str]) -> Expectations:
    """What the file at `path` expects; ExpectationError with all its mistakes."""
    name = os.fspath(path)
    try:
        text = read_text(name)
    except KeyFileError as error:
        raise ExpectationError(str(error).replace("key file", "file of expectations")) from None
    return parse_expectations(text, name)


def parse_expectations(text: str, path: str) -> Expectations:
    """The same for a text; captures and keys lie beside `path`."""
    parsed = parse_toml(text)
    problems = Problems(path, frozenset(problem.line for problem in parsed.problems))
    for problem in parsed.problems:
        problems.add(problem.line, problem.message)
    captures: tuple[ExpectedCapture, ...] = ()
    if parsed.values is not None:
        root = Table("the file of expectations", parsed.values, scan(parsed.text), problems)
        captures = _Document(root, Path(path).parent).captures()
    if problems.found:
        raise ExpectationError("\n".join(problems.lines_of_text()))
    return Expectations(path, captures)


class _Document:
    """One file being read."""

    def __init__(self, root: Table, folder: Path) -> None:
        self.root, self.folder = root, folder

    def captures(self) -> tuple[ExpectedCapture, ...]:
        root = self.root
        version = root.value("version")
        if version is not None and (version != VERSION or isinstance(version, bool | float)):
            root.wrong("version", f"must be {VERSION}, the only one that this release reads")
            return ()
        root.only(_ROOT_KEYS)
        root.require("version", f"begin it with `version = {VERSION}`")
        root.require("capture", "add [[capture]] with the path of a capture")
        keys = self.keys(root)
        return tuple(self.capture(table, keys) for table in root.tables("capture", "capture"))

    def paths(self, table: Table, key: str) -> tuple[str, ...]:
        """The files that `key` names, from where the command runs."""
        return tuple(self.placed(name) for name in _texts(table, key))

    def keys(self, table: Table) -> tuple[str, ...]:
        """The same for key files and router configurations, which may be named SYSTEM:FILE."""
        named = [split_system(name) for name in _texts(table, "keys")]
        return tuple(self.placed(path) if system is None else f"{system}:{self.placed(path)}" for system, path in named)

    def placed(self, name: str) -> str:
        return os.path.normpath(self.folder / name)

    def capture(self, table: Table, keys: tuple[str, ...]) -> ExpectedCapture:
        table.only(_CAPTURE_KEYS)
        table.require("path", "the capture's file, from where this file lies")
        paths = self.paths(table, "path")
        policy = _word(table, "policy", tuple(one.value for one in Policy)) or Policy.RFC.value
        return ExpectedCapture(
            line=table.line(),
            name=table.label("name") or ", ".join(os.path.basename(path) for path in paths),
            paths=paths,
            keys=self.keys(table) or keys,
            where=_filter(table),
            policy=policy,
            verdicts=_verdicts(table),
            findings=_findings(table),
            connections=tuple(_connection(one) for one in table.tables("connection", "capture.connection")),
        )


def _connection(table: Table) -> ExpectedConnection:
    table.only(_CONNECTION_KEYS)
    method = _word(table, "method", (Method.AO.word, Method.MD5.word))
    sequences: dict[tuple[str, str], tuple[int, ...]] = {}
    lines: dict[tuple[str, str], int] = {}
    for key, field in (("key-ids", "key_id"), ("rnext-key-ids", "rnext_key_id")):
        ends = table.table(key)
        if ends is None:
            continue
        ends.only(ENDS)
        for end in ENDS:
            if end in ends:
                sequences[field, end] = _ids(ends, end)
                lines[field, end] = table.line(key) if end not in ends.place.lines else ends.line(end)
    return ExpectedConnection(
        line=table.line(),
        name=table.label("name") or "",
        local=_end(table, "local"),
        remote=_end(table, "remote"),
        count=_range(table, "count") or SOME,
        method=None if method is None else (Method.AO if method == Method.AO.word else Method.MD5),
        verdicts=_verdicts(table),
        sequences=sequences,
        sequence_lines=lines,
        transitions=tuple(_transition(one) for one in table.tables("transition", "capture.connection.transition")),
        findings=_findings(table),
    )


def _transition(table: Table) -> ExpectedTransition:
    table.only(_TRANSITION_KEYS)
    table.require("sender", "local or remote: the end whose id changes")
    table.require("new", "the id that it changes to")
    return ExpectedTransition(
        line=table.line(),
        sender=_word(table, "sender", ENDS) or ENDS[0],
        field=_FIELDS[_word(table, "field", tuple(_FIELDS)) or "key-id"],
        old=table.number("old", 0, 255),
        new=table.number("new", 0, 255) or 0,
        trigger=_word(table, "trigger", _TRIGGERS),
        max_latency_ns=_duration(table, "max-latency"),
    )


def _findings(table: Table) -> ExpectedFindings:
    own = table.table("findings")
    if own is None:
        return ExpectedFindings(table.line())
    own.only(_FINDING_KEYS)
    required, forbidden = _texts(own, "must"), _texts(own, "must-not")
    for key, idents, known in (("must", required, _IDENTS), ("must-not", forbidden, (*_IDENTS, ANY_FINDING))):
        for ident in idents:
            if ident not in known:
                close = get_close_matches(ident, known, 1)
                hint = f"did you mean {close[0]}?" if close else "docs/findings.md has them all"
                own.wrong(key, f"names a finding that does not exist; {hint}")
    for ident in sorted(set(required) & set(forbidden)):
        own.wrong("must-not", f"names {ident}, which `must` names too")
    return ExpectedFindings(table.line("findings"), required, forbidden)


def _verdicts(table: Table) -> Mapping[Verdict, Range] | None:
    own = table.table("verdicts")
    if own is None:
        return None
    own.only([verdict.word for verdict in Verdict])
    ranges = {verdict: _range(own, verdict.word) for verdict in Verdict}
    return {verdict: allowed for verdict, allowed in ranges.items() if allowed is not None}


def _range(table: Table, key: str) -> Range | None:
    value = table.value(key)
    if value is None:
        return None
    if isinstance(value, str):
        if value == "any":
            return Range(0, None)
        match = _RANGE.fullmatch(value)
        if match is not None and (match[1] or match[2]):
            lowest, highest = int(match[1] or 0), None if match[2] is None else int(match[2])
            if highest is None or lowest <= highest:
                return Range(lowest, highest)
        table.wrong(key, 'must be a number, or a range as text: "1..", "..3", "1..3", "any"')
        return None
    number = table.number(key, 0, _MOST)
    return None if number is None else Range(number, number)


def _end(table: Table, key: str) -> ExpectedEnd:
    """An address, a prefix, an address with a port, or ":179" for a port of any address."""
    text = table.text(key)
    if text is None:
        return ExpectedEnd(None, None)
    if text.startswith(":") and text[1:].isascii() and text[1:].isdecimal() and 1 <= int(text[1:]) <= 0xFFFF:
        return ExpectedEnd(None, int(text[1:]))
    try:
        if text.startswith("[") or (text.count(":") == 1 and not text.startswith(":")):
            address, port = parse_endpoint(text)
            return ExpectedEnd(parse_prefix(str(address)), port)
        return ExpectedEnd(parse_prefix(text), None)
    except ValueError as error:
        table.wrong(key, str(error))
        return ExpectedEnd(None, None)


def _filter(table: Table) -> str | None:
    text = table.text("filter")
    if text is None:
        return None
    try:
        parse_filter(text)
    except FilterError as error:
        table.wrong("filter", f"cannot be read, at character {error.position + 1}: {error.problem}")
    return text


def _duration(table: Table, key: str) -> int | None:
    text = table.text(key)
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        table.wrong(key, 'must be a number and a unit in quotes: "500 ms", "2 s", "250 us"')
        return None
    return round(float(match[1]) * _UNITS_NS[match[2]])


def _word(table: Table, key: str, known: Sequence[str]) -> str | None:
    text = table.text(key)
    if text is not None and text not in known:
        table.wrong(key, f"must be one of {', '.join(known)}")
        return None
    return text


def _texts(table: Table, key: str) -> tuple[str, ...]:
    """Text, or an array of texts."""
    value = table.value(key)
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    texts = tuple(item for item in items if isinstance(item, str) and item)
    if len(texts) < len(items) or (not items and key != "must"):
        table.wrong(key, f"must be text in quotes, or an array of texts, not {_odd(items)}")
    return texts


def _ids(table: Table, key: str) -> tuple[int, ...]:
    value = table.value(key)
    if not isinstance(value, list):
        if value is not None:
            table.wrong(key, f"must be an array of KeyIDs like [1, 2], not {type_name(value)}")
        return ()
    ids = tuple(item for item in value if isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 255)
    if len(ids) < len(value):
        table.wrong(key, "must hold whole numbers from 0 to 255 only")
    return ids


def _odd(items: Sequence[object]) -> str:
    odd = next((item for item in items if not isinstance(item, str)), None)
    return "an empty one" if odd is None else type_name(odd)
