"""New connections, changes of verdict and SNE roll-overs, read off the rows of each batch.

What is kept is one row of numbers for each direction of a connection. A direction whose verdicts alternate, as under
injection, may change `BURST` times at once and once a second on the long run (of the capture's time); what lies between
is counted and told with the next change, or when a second has passed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64
from aoinspect.engine.columns import Columns
from aoinspect.engine.connections import I8, OPENER_UNKNOWN
from aoinspect.engine.live.events import ConnectionEvent, Event, Passage, RollOverEvent, State, VerdictEvent
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, EndResult, end_result, opened_by
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import NO_MKT, Method, Reason, Verdict

BURST = 20
"""Changes of one direction that are told however fast they come."""
REFILL_NS = 1_000_000_000
"""After so long another one is."""

_NOTHING = -1
_REFUSED = 8
"""In a state, beside the verdict's number."""

_PER_DIRECTION = {
    "state": (np.int8, _NOTHING, ()),
    "told": (np.int8, _NOTHING, ()),
    "counts": (np.int64, 0, (len(Verdict),)),
    "sne": (np.int64, _NOTHING, ()),
}


class VerdictChanges:
    """Follows each direction of each connection; directions are numbered connection * 2 + side."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._opened = Columns({"opened": (np.int8, _NOTHING, ())})
        """By connection: who is a and who opened it, in one number."""
        self._directions = Columns(_PER_DIRECTION)
        self._has_sne = False
        """Some direction's SNE is above 0."""
        self._allowances: dict[int, tuple[float, int]] = {}
        """Direction that has changed -> changes that may be told at once, as of a time."""
        self._overdue: dict[int, tuple[VerdictEvent, int]] = {}
        """Direction -> its last change, which was not told, and how many were not."""

    def take(self, rows: Rows) -> list[Event]:
        """The events of one batch's rows, in no particular order."""
        if not len(rows.frame):
            return []
        missing = self._analyzer.tallies.connection_count - len(self._opened)
        if missing > 0:
            self._opened.add(missing)
            self._directions.add(2 * missing)
        met, firsts, inverse = np.unique(rows.connection, return_index=True, return_inverse=True)
        indices = np.array([self._analyzer.tallies.indices[number] for number in met.tolist()], dtype=np.int64)
        a_sides = self._analyzer.connections.a_sides()[indices]
        batch = _Batch(rows, met.astype(np.int64), indices, a_sides, inverse)
        events: list[Event] = list(self._connections(batch, firsts))
        events += self._verdicts(batch)
        if self._has_sne or rows.sne.any() or (self._number("sne")[batch.codes] == _NOTHING).any():
            events += self._roll_overs(batch)
        return events

    def overdue(self, now_ns: int | None) -> list[Event]:
        """Changes that were not told when they came and can be by `now_ns`; None: all of them."""
        events: list[Event] = []
        for code, (event, untold) in list(self._overdue.items()):
            if now_ns is None or self._is_allowed(code, now_ns):
                self._overdue[code] = (event, untold - 1)  # This one is told.
                events.append(self._tell(code, event))
        return events

    @property
    def has_overdue(self) -> bool:
        return bool(self._overdue)

    def _number(self, name: str) -> I64:
        return cast(I64, self._directions[name])

    # Connections.

    def _connections(self, batch: _Batch, firsts: npt.NDArray[np.intp]) -> list[ConnectionEvent]:
        known = cast(I8, self._opened["opened"])
        openers = self._analyzer.connections.openers[batch.indices]
        opened = ((openers - OPENER_UNKNOWN) * 2 + batch.a_sides).astype(np.int8)
        events = []
        for position in np.flatnonzero(known[batch.met] != opened).tolist():
            number, index = int(batch.met[position]), int(batch.indices[position])
            state = State.NEW if known[number] == _NOTHING else State.REVISED
            a, b = (batch.end(self._analyzer, position, which) for which in (0, 1))
            row = int(firsts[position])
            connections = self._analyzer.connections
            events.append(
                ConnectionEvent(
                    capture=int(batch.rows.capture[row]),
                    frame=int(batch.rows.frame[row]),
                    time_ns=int(batch.rows.time_ns[row]),
                    connection=number,
                    a=a,
                    b=b,
                    opened_by=opened_by(self._analyzer, index),
                    is_covered=self._analyzer.pairs.keys[int(connections.pairs[index])] is not None,
                    state=state,
                )
            )
        known[batch.met] = opened
        return events

    # Verdicts.

    def _verdicts(self, batch: _Batch) -> list[VerdictEvent]:
        order = stable_order(batch.codes)
        codes, states = batch.codes[order], batch.states[order]
        is_start = np.ones(len(codes), dtype=np.bool_)
        is_start[1:] = (codes[1:] != codes[:-1]) | (states[1:] != states[:-1])
        starts = np.flatnonzero(is_start)
        lengths = np.diff(np.append(starts, len(codes)))
        order, codes, states = order[starts], codes[starts], states[starts]
        is_first = np.ones(len(codes), dtype=np.bool_)
        is_first[1:] = codes[1:] != codes[:-1]
        before = np.empty_like(states)
        before[1:] = states[:-1]
        before[is_first] = self._number("state")[codes[is_first]]
        is_change = before != states
        is_last = np.append(is_first[1:], True)
        self._number("state")[codes[is_last]] = states[is_last]
        counts = self._number("counts")
        if not is_change.any():
            np.add.at(counts, (codes, states & 7), lengths)
            return []
        is_quiet = ~np.isin(codes, codes[is_change])
        np.add.at(counts, (codes[is_quiet], states[is_quiet] & 7), lengths[is_quiet])
        events = []
        for piece in np.flatnonzero(~is_quiet).tolist():
            code = int(codes[piece])
            if is_change[piece]:
                event = self._event(batch, int(order[piece]), code)
                untold = self._overdue.get(code, (event, 0))[1]
                if event.previous is None or self._is_allowed(code, event.passage.time_ns):
                    events.append(self._tell(code, event))
                else:
                    self._overdue[code] = (event, untold + 1)
            counts[code, states[piece] & 7] += lengths[piece]
        return events

    def _event(self, batch: _Batch, row: int, code: int) -> VerdictEvent:
        told = int(self._number("told")[code])
        rows = batch.rows
        mkt = int(rows.mkt[row])
        return VerdictEvent(
            passage=batch.passage(self._analyzer, row),
            previous=None if told == _NOTHING else Verdict(told & 7),
            verdict=Verdict(int(rows.verdict[row])),
            reason=Reason(int(rows.reason[row])),
            is_refused=bool(rows.is_refused[row]),
            method=Method(int(rows.method[row])),
            key_id=int(rows.key_id[row]),
            rnext_key_id=int(rows.rnext_key_id[row]),
            mkt=None if mkt == NO_MKT else self._analyzer.keyring.mkts[mkt].name,
            counts=(),
            untold=0,
        )

    def _is_allowed(self, code: int, now_ns: int) -> bool:
        """Whether one more change of the direction may be told; if so it is taken off what is allowed."""
        allowed, since_ns = self._allowances.get(code, (float(BURST), now_ns))
        allowed = min(float(BURST), allowed + max(0, now_ns - since_ns) / REFILL_NS)
        is_allowed = allowed >= 1
        self._allowances[code] = (allowed - is_allowed, now_ns)
        return is_allowed

    def _tell(self, code: int, event: VerdictEvent) -> VerdictEvent:
        """`event` with what has come since the direction was told of last."""
        counts = self._number("counts")[code]
        _, untold = self._overdue.pop(code, (event, 0))
        told = replace(event, counts=tuple(counts.tolist()), untold=untold)
        counts[:] = 0
        self._number("told")[code] = event.verdict | (_REFUSED if event.is_refused else 0)
        return told

    # Sequence number extensions.

    def _roll_overs(self, batch: _Batch) -> list[RollOverEvent]:
        """Segments whose SNE is above all before in their direction. A stranger's counts only where there is no key."""
        rows = batch.rows
        counts = rows.has_sne & ((rows.verdict == Verdict.VERIFIED) | (rows.verdict == Verdict.NO_KEY))
        counting = np.flatnonzero(counts)
        if not len(counting):
            return []
        counting = counting[stable_order(batch.codes[counting])]
        codes, snes = batch.codes[counting], rows.sne[counting].astype(np.int64)
        known = self._number("sne")
        before = np.empty_like(snes)
        before[1:] = snes[:-1]
        is_first = np.ones(len(codes), dtype=np.bool_)
        is_first[1:] = codes[1:] != codes[:-1]
        before[is_first] = known[codes[is_first]]
        events = []
        for position in np.flatnonzero(before != snes).tolist():
            code, sne = int(codes[position]), int(snes[position])
            is_start = known[code] == _NOTHING
            # The SNE is a counter that wraps itself (RFC 1982).
            if is_start or 0 < (sne - int(known[code])) & 0xFFFFFFFF < 1 << 31:
                known[code] = sne
                self._has_sne |= sne > 0
                if not is_start:
                    events.append(RollOverEvent(batch.passage(self._analyzer, int(counting[position])), sne))
        return events


class _Batch:
    """One batch's rows, with the direction and state of each."""

    def __init__(self, rows: Rows, met: I64, indices: I64, a_sides: I8, inverse: npt.NDArray[np.intp]) -> None:
        self.rows = rows
        self.met = met
        """Numbers of the connections that have rows, ascending; `indices` are their rows in the engine's columns."""
        self.indices = indices
        self.a_sides = a_sides
        sides = rows.direction ^ a_sides[inverse].astype(np.uint8)
        self.codes: I64 = rows.connection.astype(np.int64) * 2 + sides
        self.states: I8 = (rows.verdict | (rows.is_refused * np.uint8(_REFUSED))).astype(np.int8)

    def end(self, analyzer: Analyzer, position: int, which: int) -> EndResult:
        """End a (0) or b (1) of the connection at `position` of `met`."""
        index = int(self.indices[position])
        side = int(self.a_sides[position]) ^ which
        return end_result(analyzer.pairs.ends[int(analyzer.connections.pairs[index])][side], analyzer, index, side)

    def passage(self, analyzer: Analyzer, row: int) -> Passage:
        rows = self.rows
        position = int(np.searchsorted(self.met, int(rows.connection[row])))
        direction = int(rows.direction[row])
        return Passage(
            capture=int(rows.capture[row]),
            frame=int(rows.frame[row]),
            time_ns=int(rows.time_ns[row]),
            connection=int(rows.connection[row]),
            direction=DIRECTIONS[direction],
            source=self.end(analyzer, position, direction),
            destination=self.end(analyzer, position, 1 - direction),
        )
