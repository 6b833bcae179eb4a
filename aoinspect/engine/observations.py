"""What happened on connections beside key use: how often, first and last where. The findings are made of these.

Each kind of observation is a mask over the batch; only where a mask has a row is anything done. An observation is kept
per connection, side and kind, never per segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np

from aoinspect.capture.frames import I64, U8, U16
from aoinspect.engine.judge import Judgement
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import distinct
from aoinspect.engine.segments import ACK, FIN, RST, SYN, Segments
from aoinspect.engine.verdicts import Method, Reason, Verdict


class Kind(IntEnum):
    """What can be observed."""

    UNSIGNED = auto()
    """An unsigned segment other than a RST and a bare ACK behind the FINs."""
    UNSIGNED_RST = auto()
    UNSIGNED_AFTER_CLOSE = auto()
    """A bare unsigned ACK when both ends have sent their FIN."""
    AO_AND_MD5 = auto()
    TWO_AO = auto()
    MAC_LENGTH = auto()
    ISN_UNKNOWN = auto()
    TRUNCATED = auto()
    FRAGMENT = auto()
    OFFLOADED = auto()
    FAILED_RST = auto()
    """A signed RST whose MAC does not match."""
    SYN = auto()
    """A SYN without ACK."""
    SYN_ACK = auto()
    FIN = auto()
    """A verified FIN."""


@dataclass(slots=True)
class Occurrences:
    """How often a kind was seen from one side of a connection, and where. Grows while a capture is read."""

    count: int
    first_order: int
    """Where the first stands among all segments of the run."""
    first_capture: int
    first_frame: int
    first_time_ns: int
    last_capture: int
    last_frame: int
    last_time_ns: int


class Observations:
    """All observations of a run."""

    def __init__(self) -> None:
        self.found: dict[int, dict[tuple[Kind, int], Occurrences]] = {}
        """Connection -> (kind, side that sent) -> occurrences."""
        self.unsigned_at_end: dict[int, int] = {}
        """connection * 2 + side -> unsigned segments (RSTs aside) behind that side's last signed one."""

    def note_batch(self, segments: Segments, sides: U8, judgement: Judgement) -> None:
        """Takes one batch of judged segments (arrays of one length, in capture order)."""
        verdicts, reasons = judgement.verdicts, judgement.reasons
        is_odd = verdicts != Verdict.VERIFIED
        flags = segments.flags
        # Handshakes and ends of connections are rare among segments, failures should be.
        is_syn_or_fin = (flags & np.uint16(SYN | FIN)) != 0
        rows = np.flatnonzero(is_odd | is_syn_or_fin)
        self._follow_unsigned_ends(segments, sides, judgement)
        if not len(rows):
            return
        view = _View(segments, sides, judgement, rows)
        flags, verdicts, reasons = flags[rows], verdicts[rows], reasons[rows]
        is_ack = (flags & ACK) != 0
        is_rst = (flags & RST) != 0
        is_syn = (flags & SYN) != 0
        self._note(view, Kind.SYN, is_syn & ~is_ack)
        self._note(view, Kind.SYN_ACK, is_syn & is_ack)
        self._note(view, Kind.FIN, ((flags & FIN) != 0) & (verdicts == Verdict.VERIFIED))
        is_unsigned = verdicts == Verdict.UNSIGNED
        if is_unsigned.any():
            self._note_unsigned(view, is_unsigned, is_rst, flags)
        if not is_odd.any():
            return
        for kind, reason in (
            (Kind.AO_AND_MD5, Reason.AO_AND_MD5),
            (Kind.TWO_AO, Reason.TWO_AO),
            (Kind.MAC_LENGTH, Reason.MAC_LENGTH),
            (Kind.ISN_UNKNOWN, Reason.ISN_UNKNOWN),
            (Kind.TRUNCATED, Reason.TRUNCATED),
            (Kind.FRAGMENT, Reason.FRAGMENT),
            (Kind.OFFLOADED, Reason.OFFLOADED),
        ):
            self._note(view, kind, reasons == reason)
        self._note(view, Kind.FAILED_RST, is_rst & (verdicts == Verdict.MISMATCH))

    def _follow_unsigned_ends(self, segments: Segments, sides: U8, judgement: Judgement) -> None:
        """Counts what came unsigned behind a side's last signed segment. Only sides that sent such are looked at."""
        is_unsigned = (judgement.verdicts == Verdict.UNSIGNED) & ((segments.flags & RST) == 0)
        if not self.unsigned_at_end and not is_unsigned.any():
            return
        codes = judgement.connections.astype(np.int64) * 2 + sides
        met = set(codes[is_unsigned].tolist()) | (self.unsigned_at_end.keys() & set(distinct(codes).tolist()))
        is_signed = (segments.methods != Method.NONE) & (judgement.verdicts == Verdict.VERIFIED)
        for code in met:
            of_side = codes == code
            signed = np.flatnonzero(of_side & is_signed)
            behind = of_side & is_unsigned
            if len(signed):
                behind[: signed[-1]] = False
                self.unsigned_at_end[code] = 0
            self.unsigned_at_end[code] = self.unsigned_at_end.get(code, 0) + int(np.count_nonzero(behind))

    def _note_unsigned(self, view: _View, is_unsigned: Mask, is_rst: Mask, flags: U16) -> None:
        is_bare_ack = (flags & (SYN | FIN | RST | ACK)) == ACK
        is_bare_ack &= view.segments.payload_lengths[view.rows] == 0
        candidates = np.flatnonzero(is_unsigned & is_bare_ack)
        after_close = np.zeros(len(flags), dtype=np.bool_)
        for position in candidates.tolist():
            order = int(view.segments.packets.orders[view.rows[position]])
            fins = self.of(int(view.connections[position]), Kind.FIN)
            after_close[position] = len(fins) == 2 and all(fin.first_order < order for _, fin in fins)
        self._note(view, Kind.UNSIGNED_RST, is_unsigned & is_rst)
        self._note(view, Kind.UNSIGNED_AFTER_CLOSE, after_close)
        self._note(view, Kind.UNSIGNED, is_unsigned & ~is_rst & ~after_close)

    def _note(self, view: _View, kind: Kind, mask: Mask) -> None:
        """Adds the rows of `view` that `mask` names."""
        chosen = np.flatnonzero(mask)
        if not len(chosen):
            return
        codes = view.connections[chosen] * 2 + view.sides[chosen]
        kinds, firsts, inverse = np.unique(codes, return_index=True, return_inverse=True)
        counts = np.bincount(inverse)
        lasts = np.zeros(len(kinds), dtype=np.int64)
        lasts[inverse] = np.arange(len(chosen))
        for code, first, last, count in zip(
            kinds.tolist(), firsts.tolist(), lasts.tolist(), counts.tolist(), strict=True
        ):
            first_row, last_row = view.rows[chosen[first]], view.rows[chosen[last]]
            of_connection = self.found.setdefault(code >> 1, {})
            known = of_connection.get((kind, code & 1))
            packets = view.segments.packets
            if known is None:
                known = of_connection[kind, code & 1] = Occurrences(
                    0,
                    int(packets.orders[first_row]),
                    int(packets.captures[first_row]),
                    int(packets.frames[first_row]),
                    int(packets.times_ns[first_row]),
                    0,
                    0,
                    0,
                )
            known.count += count
            known.last_capture = int(packets.captures[last_row])
            known.last_frame = int(packets.frames[last_row])
            known.last_time_ns = int(packets.times_ns[last_row])

    def of(self, connection: int, kind: Kind) -> list[tuple[int, Occurrences]]:
        """The sides of `connection` that sent segments of `kind`, with their occurrences; earliest first."""
        of_connection = self.found.get(connection)
        if of_connection is None:
            return []
        first, second = of_connection.get((kind, 0)), of_connection.get((kind, 1))
        if first is None:
            return [] if second is None else [(1, second)]
        if second is None:
            return [(0, first)]
        both = [(0, first), (1, second)]
        return both if first.first_order <= second.first_order else both[::-1]


class _View:
    """The rows of a batch that anything can be observed on."""

    def __init__(self, segments: Segments, sides: U8, judgement: Judgement, rows: I64) -> None:
        self.segments = segments
        self.rows = rows
        self.sides = sides[rows]
        self.connections = judgement.connections[rows].astype(np.int64)
