"""What a packet comment says of a segment, and how it is told from everybody else's comments.

    TCP-AO: OK key=2026q4 keyid=61 rnext=84 sne=0
    TCP-AO: FAIL reason=mismatch key=2026q4 keyid=61 rnext=84
    TCP-AO: UNKNOWN reason=isn-unknown key=2026q4 keyid=61 rnext=84
    TCP-MD5: OK key=old

OK: the MAC is right, and the receiving end takes it. FAIL is what `verify` counts as wrong, with the verdict's word as
`reason` and what is known beyond it as `detail`. UNKNOWN is what the capture and the keys cannot tell. A key's name may
be any text: one that is not a plain word is quoted, with backslash escapes for what could end the quotes or the line.
No comment has a secret, or anything computed from one.

Comments are made once for all segments that have the same one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import NO_MKT, Method, Reason, Verdict

ENDS_DISAGREE: Final = "ends-disagree"
"""The reason of a segment whose MAC is right, and which the receiving end drops by its own keys."""

_LONGEST_NAME = 120
_PLAIN = re.compile(r"[\w.,:;/@+*()\[\]{}<>|~^!?#$%&-]+")
_OWN = re.compile(
    rb"TCP-(?:AO|MD5): (?:OK|FAIL|UNKNOWN)"
    rb'(?: (?:reason|detail|key|keyid|rnext|sne)=(?:"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*"|[^\x00-\x20"\x7f]+))+'
)


class Mark(Enum):
    """What a comment begins with, behind the method."""

    OK = "OK"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class VerdictComment(NamedTuple):
    """One comment."""

    method: Method
    mark: Mark
    reason: str | None
    """A verdict's word, ENDS_DISAGREE, or for UNKNOWN the reason's word; None for OK."""
    detail: str | None
    key: str | None
    key_id: int | None
    rnext_key_id: int | None
    sne: int | None

    def text(self) -> str:
        """The comment as it is written: one line."""
        fields = {
            "reason": self.reason,
            "detail": self.detail,
            "key": None if self.key is None else quoted(self.key),
            "keyid": self.key_id,
            "rnext": self.rnext_key_id,
            "sne": self.sne,
        }
        told = "".join(f" {name}={value}" for name, value in fields.items() if value is not None)
        return f"TCP-{self.method.name}: {self.mark.value}{told}"


@dataclass(frozen=True, slots=True)
class FrameComments:
    """The comments of one capture."""

    frames: I64
    """Numbers of the frames that get one, ascending."""
    kinds: I64
    """Which one of `comments` each gets."""
    comments: tuple[VerdictComment, ...]

    def chosen(self, first_frame: int, count: int) -> I64:
        """For `count` frames from number `first_frame` on, the index of the comment, or -1 (`NO_COMMENT`)."""
        chosen: I64 = np.full(count, -1, dtype=np.int64)
        start, end = np.searchsorted(self.frames, [first_frame, first_frame + count]).tolist()
        chosen[self.frames[start:end] - first_frame] = self.kinds[start:end]
        return chosen


def quoted(name: str) -> str:
    """A key's name as a comment has it: a plain word, or in quotes; what is very long is cut."""
    if len(name) > _LONGEST_NAME:
        name = name[: _LONGEST_NAME - 1] + "…"
    elif _PLAIN.fullmatch(name):
        return name
    return '"' + "".join(_escaped(character) for character in name) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def is_own_comment(text: bytes) -> bool:
    """Whether a packet comment is one that this module has made, in this run or an earlier one."""
    return _OWN.fullmatch(text) is not None


def comments_of(analyzer: Analyzer, capture: int = 0) -> FrameComments:
    """The comments of the `capture`th capture that `analyzer` has read, keeping its table."""
    assert analyzer.table is not None
    rows = analyzer.table.rows
    if len(analyzer.captures) > 1:
        rows = rows.select(rows.capture == capture)
    frames, firsts = np.unique(rows.frame.astype(np.int64), return_index=True)
    rows = rows.select(firsts)
    kinds, samples = _kinds(rows)
    teller = _Teller(analyzer, rows)
    numbers: dict[VerdictComment, int] = {}
    number_of_kind = [numbers.setdefault(teller.comment(row), len(numbers)) for row in samples.tolist()]
    return FrameComments(frames, np.array(number_of_kind, dtype=np.int64)[kinds], tuple(numbers))


def _kinds(rows: Rows) -> tuple[I64, I64]:
    """Which rows are told alike (a number for each), and one row of each kind."""
    code = rows.method.astype(np.int64) << 43 | rows.verdict.astype(np.int64) << 40
    code |= rows.reason.astype(np.int64) << 34 | rows.has_sne.astype(np.int64) << 33
    code |= rows.is_refused.astype(np.int64) << 32 | rows.key_id.astype(np.int64) << 24
    code |= rows.rnext_key_id.astype(np.int64) << 16 | rows.mkt
    kinds = _numbered(code)
    if rows.sne.any():
        kinds = _numbered(kinds << 32 | rows.sne)
    # What is not verified is told with the keys of its connection.
    is_open = rows.verdict != Verdict.VERIFIED
    if is_open.any():
        ends = np.where(is_open, rows.connection.astype(np.int64) * 2 + rows.direction + 1, 0)
        kinds = _numbered(kinds << 32 | _numbered(ends))
    samples = np.zeros(int(kinds.max()) + 1 if len(kinds) else 0, dtype=np.int64)
    samples[kinds] = np.arange(len(kinds))
    return kinds, samples


def _numbered(code: I64) -> I64:
    _, numbers = np.unique(code, return_inverse=True)
    return numbers.astype(np.int64)


class _Teller:
    """Makes the comment of one row; called for one row of each kind."""

    def __init__(self, analyzer: Analyzer, rows: Rows) -> None:
        self._analyzer = analyzer
        self._rows = rows
        self._index_of = {number: index for index, number in enumerate(analyzer.tallies.column("number").tolist())}
        self._a_sides = analyzer.connections.a_sides()
        self._with_ao = _connections_with(rows, rows.method, Method.AO)
        self._with_md5 = _connections_with(rows, rows.method, Method.MD5)

    def comment(self, row: int) -> VerdictComment:
        rows = self._rows
        verdict, reason = Verdict(int(rows.verdict[row])), Reason(int(rows.reason[row]))
        method, is_signed = self._method(row, reason), verdict not in (Verdict.UNSIGNED, Verdict.MALFORMED)
        has_ids = is_signed and Method(int(rows.method[row])) is Method.AO
        mark, told, detail = self._outcome(row, verdict, reason)
        return VerdictComment(
            method=method,
            mark=mark,
            reason=told,
            detail=detail,
            key=self._key(row) if is_signed else None,
            key_id=int(rows.key_id[row]) if has_ids else None,
            rnext_key_id=int(rows.rnext_key_id[row]) if has_ids else None,
            sne=int(rows.sne[row]) if has_ids and rows.has_sne[row] else None,
        )

    def _outcome(self, row: int, verdict: Verdict, reason: Reason) -> tuple[Mark, str | None, str | None]:
        detail = None if reason is Reason.NONE else reason.word
        if verdict is Verdict.VERIFIED:
            return (Mark.FAIL, ENDS_DISAGREE, None) if self._rows.is_refused[row] else (Mark.OK, None, None)
        if verdict is Verdict.UNVERIFIABLE:
            return Mark.UNKNOWN, detail or verdict.word, None
        if verdict is Verdict.NO_KEY and self._analyzer.pairs.keys[self._pair(row)] is None:
            # The keys do not speak of this socket pair.
            return Mark.UNKNOWN, verdict.word, None
        return Mark.FAIL, verdict.word, detail

    def _method(self, row: int, reason: Reason) -> Method:
        """What the segment is signed with; for one without a sound signature, what its connection is signed with."""
        if reason in (Reason.AO_LENGTH, Reason.TWO_AO, Reason.AO_AND_MD5):
            return Method.AO
        if reason in (Reason.MD5_LENGTH, Reason.TWO_MD5):
            return Method.MD5
        method, connection = Method(int(self._rows.method[row])), int(self._rows.connection[row])
        if method is not Method.NONE:
            return method
        if connection in self._with_ao:
            return Method.AO
        keys = self._analyzer.pairs.keys[self._pair(row)]
        mkts = set() if keys is None else {one.mkt for listed in keys.lists.values() for one in listed}
        is_md5_alone = bool(mkts) and all(self._analyzer.keyring.mkts[mkt].send_id is None for mkt in mkts)
        return Method.MD5 if connection in self._with_md5 or is_md5_alone else Method.AO

    def _key(self, row: int) -> str | None:
        """Name of the key that verified the segment, or of the one that its KeyID selects."""
        rows, mkts = self._rows, self._analyzer.keyring.mkts
        if rows.mkt[row] != NO_MKT:
            return mkts[int(rows.mkt[row])].name
        keys = self._analyzer.pairs.keys[self._pair(row)]
        if keys is None:
            return None
        side = int(rows.direction[row]) ^ int(self._a_sides[self._connection(row)])
        candidates = keys.candidates(side, int(rows.method[row]), int(rows.key_id[row]))
        names = {mkts[candidate.mkt].name for candidate in candidates}
        # Of several that were tried, none is the one.
        return names.pop() if len(names) == 1 else None

    def _connection(self, row: int) -> int:
        return self._index_of[int(self._rows.connection[row])]

    def _pair(self, row: int) -> int:
        return int(self._analyzer.connections.pairs[self._connection(row)])


def _connections_with(rows: Rows, methods: U8, method: Method) -> frozenset[int]:
    return frozenset(np.unique(rows.connection[methods == method]).tolist())
