"""The MACs and checksums of anonymised segments, batch after batch.

What was verified is signed under the published key in place of its own. What failed is signed wrong in the same way
(`faults`). Of everything else that carries a MAC nothing can be proved, and its MAC is one that nobody can explain: the
captured one would tell a secret that can be guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.capture.frames import I64
from aoinspect.engine.anonymise.addresses import AddressMap
from aoinspect.engine.anonymise.faults import Faults
from aoinspect.engine.anonymise.tcp import right_checksums
from aoinspect.engine.failures import FailingSegment, Occasion, segment_at
from aoinspect.engine.keyring import Endpoint, Keyring
from aoinspect.engine.pairs import PairTable
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.resign.checksums import TCP_CHECKSUM_AT, write_checksums
from aoinspect.engine.resign.choices import Action
from aoinspect.engine.resign.plan import NO_ROW, Plan
from aoinspect.engine.resign.signing import Signer
from aoinspect.engine.segments import Segments
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Method, Reason, Verdict
from aoinspect.keys.model import KeyStore

_FAILED = (Verdict.MISMATCH, Verdict.NO_KEY)


class SegmentSigner:
    """Signs the segments of one anonymised capture."""

    def __init__(
        self,
        analyzer: Analyzer,
        plan: Plan,
        rows: Rows,
        mkts: Sequence[MasterKeyTuple],
        faults: Faults,
        addresses: AddressMap,
        ports: I64,
    ) -> None:
        """`rows` are those of `plan`; `mkts` take the places of the analysis's."""
        self._plan = plan
        self._rows = rows
        self._faults = faults
        self.explained: Counter[str] = Counter()
        """What explains failing segments that fail in the same way now -> how many."""
        self.unexplained = 0
        """Failing segments that nothing explains."""
        self.made_up = 0
        """Others whose MAC is made up."""
        keyring = Keyring(KeyStore())
        keyring.mkts = list(mkts)
        pairs = PairTable(keyring)
        pairs.ends = [
            (_mapped(first, addresses, ports), _mapped(second, addresses, ports))
            for first, second in analyzer.pairs.ends
        ]
        self._signer = Signer(keyring, pairs)

    def finish(self, old: Segments, old_rows: I64, new: Segments, new_rows: I64, planned: I64) -> None:
        """Writes MACs and TCP checksums into the octets of `new`; its rows `new_rows` were the rows `old_rows` of
        `old`, and are `planned` in the plan."""
        plan = self._plan
        is_signed = plan.actions[planned] == Action.SIGN
        chosen = np.flatnonzero(is_signed)
        if len(chosen):
            self._signer.sign(new, new_rows[chosen], plan, planned[chosen])
        packets = new.packets
        write_all = _with_checksum(new, new_rows)
        write_checksums(packets, write_all, right_checksums(packets, write_all).astype(np.uint16))
        has_mac = (new.methods != Method.NONE) & (new.malformed == Reason.NONE) & (new.mac_lengths > 0)
        option_ends = new.option_starts + np.where(new.methods == Method.AO, 4, 2) + new.mac_lengths
        has_mac &= option_ends <= np.minimum(packets.ends, packets.limits)
        made = [
            self._make_mac(old, int(old_rows[at]), new, int(new_rows[at]), int(planned[at]))
            for at in np.flatnonzero(~is_signed & has_mac[new_rows]).tolist()
        ]
        again = np.array([row for row, covers_checksum in made if not covers_checksum], dtype=np.int64)
        again = _with_checksum(new, again)
        if len(again):
            write_checksums(packets, again, right_checksums(packets, again).astype(np.uint16))

    def _make_mac(self, old: Segments, old_row: int, new: Segments, new_row: int, planned: int) -> tuple[int, bool]:
        """Writes one MAC; the row of `new`, and whether the MAC covers the checksum as it stands."""
        verdict = Verdict(int(self._rows.verdict[planned]))
        was, is_now = self._segment(old, old_row, planned), self._segment(new, new_row, planned)
        mac, ident, covers_checksum = self._faults.unexplained(was), "", False
        if verdict in _FAILED:
            if was.is_whole and is_now.is_whole:
                connection = int(self._plan.contexts.connections[planned])
                mac, ident, covers_checksum = self._faults.mac(connection, was, is_now)
            if ident:
                self.explained[ident] += 1
            else:
                self.unexplained += 1
        else:
            self.made_up += 1
        length = int(new.mac_lengths[new_row])
        start = int(new.option_starts[new_row]) + (4 if new.methods[new_row] == Method.AO else 2)
        new.packets.octets[start : start + length] = np.frombuffer(mac[:length].ljust(length, b"\0"), dtype=np.uint8)
        return new_row, covers_checksum

    def _segment(self, segments: Segments, row: int, planned: int) -> FailingSegment:
        rows = self._rows
        segment = segment_at(
            row,
            segments,
            capture=0,
            side=int(self._plan.contexts.sides[planned]),
            sne=int(rows.sne[planned]) if rows.has_sne[planned] else None,
            verdict=Verdict(int(rows.verdict[planned])),
            reason=Reason(int(rows.reason[planned])),
            occasion=Occasion.FAILED,
        )
        return replace(segment, frame=int(self._plan.frames[planned]))


def _mapped(end: Endpoint, addresses: AddressMap, ports: I64) -> Endpoint:
    return Endpoint(addresses.of(end.address), int(ports[end.port]))


def _with_checksum(segments: Segments, rows: I64) -> I64:
    """Those whose checksum field was captured, and whose length is known."""
    packets = segments.packets
    captured = np.minimum(packets.ends, packets.limits)[rows] - packets.starts[rows]
    chosen: I64 = rows[(captured >= TCP_CHECKSUM_AT + 2) & ~packets.is_partial[rows]]
    return chosen


def kept_rows(planned: I64) -> I64:
    """The segments that are in the plan."""
    return np.flatnonzero(planned != NO_ROW)
