"""MACs of a batch computed before the batch is judged, under the traffic keys and SNEs that its segments will want.

What a segment is checked against follows from the segments before it, so batches are judged one after the other. But
which key, ISNs and SNE a segment will be checked with can nearly always be told a batch or two ahead: those that its
connection has now. So workers check under these, and the judge is given their answer where it asks for exactly that,
and computes where it asks for anything else. A foresight that was wrong costs time; it cannot change a verdict.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.check import BatchCheck
from aoinspect.engine.connections import NO_CONNECTION
from aoinspect.engine.hash_index import ABSENT
from aoinspect.engine.locate import Mask
from aoinspect.engine.mac_tasks import MacTask, Shipment, ship
from aoinspect.engine.macs import Layout
from aoinspect.engine.ordering import distinct, stable_order
from aoinspect.engine.placing import BatchProgress
from aoinspect.engine.segments import ACK, SYN
from aoinspect.engine.verdicts import Method
from aoinspect.engine.workers import Job, Workers

WORTHWHILE_ROWS = 2_048
"""Segments below which a batch is not worth handing over."""


class _Wanted(NamedTuple):
    """What segments are checked under; one value a row, rows of one traffic key together."""

    rows: I64
    layouts: U8
    mkts: I64
    source_isns: U32
    destination_isns: U32
    snes: U32

    def select(self, chosen: I64 | Mask) -> _Wanted:
        return _Wanted._make(column[chosen] for column in self)


class Foresight:
    """The answers for one batch, as they come from the workers."""

    def __init__(self, size: int, workers: Workers) -> None:
        """`size` is the number of segments in the batch."""
        self._workers = workers
        self._shipments: list[Shipment] = []
        self._pending: list[tuple[I64, Job]] = []
        self._is_foreseen = np.zeros(size, dtype=np.bool_)
        self._layouts = np.zeros(size, dtype=np.uint8)
        self._mkts = np.zeros(size, dtype=np.int64)
        self._source_isns = np.zeros(size, dtype=np.uint32)
        self._destination_isns = np.zeros(size, dtype=np.uint32)
        self._snes = np.zeros(size, dtype=np.uint32)
        self._matches = np.zeros(size, dtype=np.bool_)

    def ask(self, check: BatchCheck, wanted: _Wanted) -> None:
        """Has workers check `wanted`."""
        rows = wanted.rows
        self._is_foreseen[rows] = True
        self._layouts[rows] = wanted.layouts
        self._mkts[rows] = wanted.mkts
        self._source_isns[rows] = wanted.source_isns
        self._destination_isns[rows] = wanted.destination_isns
        self._snes[rows] = wanted.snes
        digest_lengths = check.checker.digest_lengths[wanted.mkts]
        for layout in np.flatnonzero(np.bincount(wanted.layouts)).tolist():
            for length in distinct(digest_lengths[wanted.layouts == layout]).tolist():
                alike = np.flatnonzero((wanted.layouts == layout) & (digest_lengths == length))
                self._ask_alike(check, Layout(layout), wanted.select(alike))

    def _ask_alike(self, check: BatchCheck, layout: Layout, wanted: _Wanted) -> None:
        """The same for rows of one layout and one digest length."""
        shipment = self._workers.ship(ship(check.inputs.places.select(wanted.rows), wanted.snes))
        self._shipments.append(shipment)
        borders = np.linspace(0, len(wanted.rows), self._workers.pieces + 1).astype(np.int64)
        for start, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            if start == end:
                continue
            piece = wanted.select(np.arange(start, end))
            keys, counts = check.traffic_keys(piece.rows, piece.mkts, piece.source_isns, piece.destination_isns)
            task = MacTask(shipment, start, end, layout, tuple(keys), tuple(counts))
            self._pending.append((piece.rows, self._workers.submit(task)))

    def look_up(
        self, layout: Layout, rows: I64, mkts: I64, source_isns: U32, destination_isns: U32, snes: U32
    ) -> tuple[Mask, Mask]:
        """Which of `rows` were checked under exactly this, and which of these match. Waits for the workers."""
        is_known = self._is_foreseen[rows] & (self._layouts[rows] == layout) & (self._mkts[rows] == mkts)
        is_known &= (self._source_isns[rows] == source_isns) & (self._destination_isns[rows] == destination_isns)
        is_known &= self._snes[rows] == snes
        if self._pending and is_known.any():
            self._collect()
        return is_known, is_known & self._matches[rows]

    def _collect(self) -> None:
        # From the end: what workers take next stands at the front.
        for rows, job in reversed(self._pending):
            self._matches[rows] = self._workers.result(job)
        self._pending = []
        self.close()

    def close(self) -> None:
        """The batch is judged: what was not asked for is not waited for."""
        begun = [job for _, job in self._pending if not self._workers.withdraw(job)]
        # Memory that a worker may still read is not used again.
        for shipment in () if begun else self._shipments:
            self._workers.take_back(shipment)
        self._pending, self._shipments = [], []


def foresee(progress: BatchProgress, workers: Workers) -> Foresight | None:
    """Hands the MACs of a batch to `workers`; None where there is too little to hand over.

    `progress` is the batch's, before it is judged.
    """
    if not workers.batches_ahead:
        return None
    wanted = _wanted(progress)
    if len(wanted.rows) < WORTHWHILE_ROWS:
        return None
    foresight = Foresight(progress.segments.size, workers)
    foresight.ask(progress.check, wanted)
    return foresight


def _wanted(progress: BatchProgress) -> _Wanted:
    """What each segment will most likely be checked under, as things stand."""
    segments, check, conns = progress.segments, progress.check, progress.conns
    rows = np.flatnonzero(check.is_checkable & (check.lists != ABSENT))
    candidates, is_first = check.first_candidates(rows)
    rows, candidates = rows[is_first], candidates[is_first]
    is_md5 = segments.methods[rows] == Method.MD5
    is_syn = (segments.flags[rows] & SYN) != 0
    is_answer = is_syn & ((segments.flags[rows] & ACK) != 0)
    seqs, sides = segments.seqs[rows], progress.sides[rows]
    source_isns = np.where(is_syn, seqs, np.uint32(0))
    destination_isns = np.where(is_answer, segments.acks[rows] - np.uint32(1), np.uint32(0)).astype(np.uint32)
    snes = np.zeros(len(rows), dtype=np.uint32)
    newest = np.full(len(conns.pair_table), NO_CONNECTION, dtype=np.int32)
    newest[: len(conns.newest)] = conns.newest
    connections = newest[progress.pairs[rows]]
    is_placed = ~is_syn & ~is_md5 & (connections != NO_CONNECTION)
    is_placed[is_placed] &= conns.is_complete(connections[is_placed])
    placed = np.flatnonzero(is_placed)
    if len(placed):
        own, of = sides[placed], connections[placed]
        positions = progress.nearest(progress.bases(of, own, seqs[placed]), seqs[placed], of, own)
        source_isns[placed] = conns.isns[of, own]
        destination_isns[placed] = conns.isns[of, 1 - own]
        snes[placed] = (positions >> np.uint64(32)).astype(np.uint32)
    source_isns[is_md5] = destination_isns[is_md5] = 0
    lists = check.checker.lists
    wanted = _Wanted(
        rows, lists.layouts[candidates], lists.mkts[candidates], source_isns, destination_isns, snes
    ).select(is_placed | is_syn | is_md5)
    if not len(wanted.rows):
        return wanted
    codes = progress.pairs[wanted.rows].astype(np.int64) * 2 + progress.sides[wanted.rows]
    wanted = wanted.select(stable_order(codes))
    if check.checker.keyring.has_logged_keys:
        wanted = wanted.select(
            check.has_traffic_keys(wanted.rows, wanted.mkts, wanted.source_isns, wanted.destination_isns)
        )
    return wanted
