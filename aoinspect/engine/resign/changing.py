"""Carries a plan out on one batch: segments signed where they lie, and frames built anew.

A signature that takes the place of an equally long one changes no length, and all of these are signed at once. Every
other change moves octets: such frames are built one by one (`resizing`), and signed as a batch of their own. Either way
the TCP checksum is computed anew, and the checksums around the segment follow.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, FrameBatch
from aoinspect.engine.locate import Mask, Packets
from aoinspect.engine.resign.checksums import (
    MODULUS,
    TCP_CHECKSUM_AT,
    captured_checksums,
    sum_of,
    tcp_checksums,
    write_checksums,
)
from aoinspect.engine.resign.choices import Action
from aoinspect.engine.resign.envelopes import (
    CoveringChecksum,
    TracingLocator,
    envelopes_of,
    follow_checksums,
    has_covering_checksum,
    remember_checksums,
    wrong_ipv4_checksums,
)
from aoinspect.engine.resign.moving import Room
from aoinspect.engine.resign.plan import NO_ROW, Plan
from aoinspect.engine.resign.resizing import (
    NewFrame,
    NoRoomError,
    OldFrame,
    batch_of_frames,
    build,
    signature_option,
)
from aoinspect.engine.resign.signing import Signer
from aoinspect.engine.resign.wishes import Left
from aoinspect.engine.segments import Segments, read_segments
from aoinspect.engine.verdicts import Method, Reason
from dissectors.registry import Registry

LINKTYPE_ETHERNET = 1
_FCS_LENGTH = 4


class Located(NamedTuple):
    """One batch, and what was found in it."""

    batch: FrameBatch
    segments: Segments
    indices: I64
    """Row of the batch of each segment."""
    planned: I64
    """The plan's row of each segment, or NO_ROW."""
    locator: TracingLocator
    """What has located it, and kept the way there."""


class _Covers(NamedTuple):
    """What covers a segment in its frame, from before the segment changes."""

    checksums: list[CoveringChecksum]
    has_fcs: bool
    """The frame ends with a right frame check sequence."""


class Changer:
    """Changes what a plan says, batch after batch."""

    def __init__(self, plan: Plan, signer: Signer, registry: Registry, *, fixes_checksums: bool) -> None:
        """`fixes_checksums` repairs the checksums of every whole segment and of the IPv4 headers around it."""
        self.plan = plan
        self.mistakes: list[str] = []
        """Frames that cannot be written, one line each."""
        self.fixed_checksums = 0
        """Segments that stayed as they were but for a repaired checksum, of TCP or of IPv4."""
        self.fcs_of_interfaces: list[int | None] = []
        """Octets of frame check sequence by interface of the capture."""
        self._signer = signer
        self._fixes_checksums = fixes_checksums
        self._locator_of_new = TracingLocator(registry)

    def locate(self, batch: FrameBatch, packets: Packets, frames: I64, locator: TracingLocator) -> Located:
        """The segments of `batch`, which have these frame numbers in the plan.

        What cannot be done to them after all is noted in the plan.
        """
        segments, planned = read_segments(packets), self.plan.find(frames)
        located = Located(batch, segments, packets.frames - batch.first_frame, planned, locator)
        acting = np.flatnonzero(self.is_acting(located))
        rows = planned[acting]
        signs = self.plan.actions[rows] == Action.SIGN
        is_cut = segments.is_header_cut[acting] | (signs & (packets.ends > packets.limits)[acting])
        self.plan.leave(rows[segments.malformed[acting] == Reason.TCP_HEADER], Left.MALFORMED)
        self.plan.leave(rows[is_cut], Left.TRUNCATED)
        return located

    def is_acting(self, located: Located) -> Mask:
        """Which segments the plan changes."""
        has_row = located.planned != NO_ROW
        acts: Mask = has_row.copy()
        acts[has_row] = self.plan.actions[located.planned[has_row]] != Action.KEEP
        return acts

    def is_resized(self, located: Located) -> Mask:
        """Which segments get options of another layout."""
        acts = self.is_acting(located)
        rows = located.planned[acts]
        segments, plan = located.segments, self.plan
        is_stripped = plan.actions[rows] == Action.STRIP
        has_option = (segments.methods[acts] != Method.NONE) | (segments.malformed[acts] != Reason.NONE)
        differs = (plan.methods[rows] != segments.methods[acts]) | (
            plan.mac_lengths[rows] != segments.mac_lengths[acts]
        )
        resized: Mask = acts.copy()
        resized[acts] = np.where(is_stripped, has_option, differs)
        return resized

    def room(self, located: Located, rows: I64) -> Room:
        """The room that `rows` of the segments need; none for those that are cut, or may have a check sequence."""
        segments, packets, plan = located.segments, located.segments.packets, self.plan
        is_whole = (packets.ends <= packets.limits)[rows] & (segments.malformed[rows] == Reason.NONE)
        rows = rows[is_whole & ~self._may_have_fcs(located.batch, located.indices[rows])]
        planned = located.planned[rows]
        signs = plan.actions[planned] == Action.SIGN
        return Room(
            rows=rows,
            indices=located.indices[rows],
            methods=np.where(signs, plan.methods[planned], np.uint8(Method.NONE)),
            key_ids=plan.key_ids[planned],
            rnext_key_ids=plan.rnext_key_ids[planned],
            mac_lengths=np.where(signs, plan.mac_lengths[planned], np.uint8(0)),
        )

    # In place.

    def change_in_place(self, located: Located, rows: I64) -> None:
        """Signs `rows` of the segments in the batch's octets, and repairs checksums where that is wished."""
        segments, packets, plan = located.segments, located.segments.packets, self.plan
        repaired = self._to_repair(located)
        changed = np.concatenate([rows, repaired])
        if not len(changed):
            return
        covers = self._remember(located, changed)
        rows = rows[plan.actions[located.planned[rows]] == Action.SIGN]
        if len(rows):
            planned = located.planned[rows]
            is_ao = segments.methods[rows] == Method.AO
            ids_at = segments.option_starts[rows[is_ao]] + 2
            packets.octets[ids_at] = plan.key_ids[planned[is_ao]]
            packets.octets[ids_at + 1] = plan.rnext_key_ids[planned[is_ao]]
            self._signer.sign(segments, rows, plan, planned)
        batch = located.batch
        is_changed = np.zeros(len(batch), dtype=np.bool_)
        is_changed[located.indices[changed]] = True
        wrong_ipv4_checksums(located.locator.trail, batch.octets, len(batch), repairs=is_changed)
        write_checksums(packets, changed, tcp_checksums(packets, changed))
        self.fixed_checksums += len(repaired)
        for index, cover in covers.items():
            start, end = int(batch.starts[index]), int(batch.ends[index])
            frame = bytearray(batch.octets[start:end])
            _follow(frame, cover)
            batch.octets[start:end] = np.frombuffer(frame, dtype=np.uint8)

    def _to_repair(self, located: Located) -> I64:
        """Segments that are not signed anew, are whole, and have a wrong checksum, or an IPv4 header around them."""
        if not self._fixes_checksums:
            return np.zeros(0, dtype=np.int64)
        segments, packets = located.segments, located.segments.packets
        is_whole = ~segments.is_header_cut & (packets.ends <= packets.limits) & ~packets.is_partial
        rows = np.flatnonzero(is_whole & (packets.ends - packets.starts >= 20) & ~self.is_acting(located))
        found = captured_checksums(packets, rows)
        # 0 and 0xffff are the same sum.
        is_wrong = tcp_checksums(packets, rows) % np.uint16(MODULUS) != found % MODULUS
        count = len(located.batch)
        is_wrong |= wrong_ipv4_checksums(located.locator.trail, packets.octets, count)[located.indices[rows]]
        wrong: I64 = rows[is_wrong]
        return wrong

    def _remember(self, located: Located, rows: I64) -> dict[int, _Covers]:
        """Row of the batch -> what covers the segment there; few frames have anything that does."""
        batch = located.batch
        indices = located.indices[rows]
        is_covered = has_covering_checksum(located.locator.trail, batch.octets, len(batch))[indices]
        has_fcs = self._may_have_fcs(batch, indices)
        indices = indices[is_covered | has_fcs]
        if not len(indices):
            return {}
        envelopes = envelopes_of(located.locator.trail, indices, batch.starts)
        covers = {}
        for index in indices.tolist():
            frame = batch.octets[batch.starts[index] : batch.ends[index]].tobytes()
            covers[index] = _Covers(remember_checksums(frame, envelopes[index]), self._has_fcs(batch, index, frame))
        return covers

    def _may_have_fcs(self, batch: FrameBatch, indices: I64) -> Mask:
        lengths = np.array([length or 0 for length in self.fcs_of_interfaces] or [0], dtype=np.int64)
        return np.equal(lengths[np.minimum(batch.interfaces[indices], len(lengths) - 1)], _FCS_LENGTH)

    def _has_fcs(self, batch: FrameBatch, index: int, frame: bytes) -> bool:
        """Whether a frame is a whole one of Ethernet and ends with its right frame check sequence."""
        is_whole = len(frame) == int(batch.wire_lengths[index]) and int(batch.link_types[index]) == LINKTYPE_ETHERNET
        if not is_whole or not self._may_have_fcs(batch, np.array([index]))[0]:
            return False
        return frame_check_sequence(frame[:-_FCS_LENGTH]) == frame[-_FCS_LENGTH:]

    # Frames of another layout.

    def rebuild(self, located: Located, rows: I64) -> dict[int, NewFrame]:
        """The frames of `rows` of the segments, built anew and signed, by row of the batch."""
        if not len(rows):
            return {}
        built: list[tuple[int, OldFrame, NewFrame, _Covers]] = []
        batch = located.batch
        envelopes = envelopes_of(located.locator.trail, located.indices[rows], batch.starts)
        for row in rows.tolist():
            index = int(located.indices[row])
            old = _old_frame(located, row)._replace(envelopes=envelopes[index])
            new = self._build(located, row, old)
            if new is not None:
                has_fcs = self._has_fcs(batch, index, old.octets)
                built.append((row, old, new, _Covers(new.checksums, has_fcs)))
        if not built or self.mistakes:
            return {}
        self._sign_new(located, built)
        return {int(located.indices[row]): new for row, _, new, _ in built}

    def _build(self, located: Located, row: int, old: OldFrame) -> NewFrame | None:
        plan, planned = self.plan, int(located.planned[row])
        signature = None
        if plan.actions[planned] == Action.SIGN:
            ids = int(plan.key_ids[planned]), int(plan.rnext_key_ids[planned])
            signature = signature_option(int(plan.methods[planned]), *ids, int(plan.mac_lengths[planned]))
        try:
            new = build(old, signature)
        except NoRoomError as error:
            self.mistakes.append(f"frame {plan.frames[planned]}: {error}")
            return None
        if isinstance(new, Left):
            plan.leave(np.array([planned]), new)
            return None
        return new

    def _sign_new(self, located: Located, built: list[tuple[int, OldFrame, NewFrame, _Covers]]) -> None:
        """Signs frames that were built anew, all at once, and finishes them."""
        link_types = [old.link_type for _, old, _, _ in built]
        batch = batch_of_frames([new for _, _, new, _ in built], link_types)
        packets, _ = self._locator_of_new.locate(batch)
        segments = read_segments(packets)
        assert packets.size == len(built), "a frame that was built anew has lost its segment"
        planned = located.planned[[row for row, _, _, _ in built]]
        signed = np.flatnonzero(self.plan.actions[planned] == Action.SIGN)
        if len(signed):
            self._signer.sign(segments, signed, self.plan, planned[signed])
        whole = np.flatnonzero(packets.ends <= packets.limits)
        write_checksums(packets, whole, tcp_checksums(packets, whole))
        for number, (_, old, new, cover) in enumerate(built):
            start, end = int(batch.starts[number]), int(batch.ends[number])
            new.octets[:] = batch.octets[start:end].tobytes()
            if packets.ends[number] > packets.limits[number]:
                _follow_tcp(old, new)
            _follow(new.octets, cover, new.growth)


def _old_frame(located: Located, row: int) -> OldFrame:
    batch, packets = located.batch, located.segments.packets
    index = int(located.indices[row])
    start = int(batch.starts[index])
    return OldFrame(
        octets=batch.octets[start : int(batch.ends[index])].tobytes(),
        wire_length=int(batch.wire_lengths[index]),
        link_type=int(batch.link_types[index]),
        tcp_start=int(packets.starts[row]) - start,
        header_length=int(located.segments.header_lengths[row]),
        envelopes=[],
    )


def _follow_tcp(old: OldFrame, new: NewFrame) -> None:
    """The TCP checksum of a segment that the snap length cut: it follows what has changed in the header."""
    at = old.tcp_start + TCP_CHECKSUM_AT
    checksum = int.from_bytes(old.octets[at : at + 2], "big")
    # Octets beyond those at hand are the same; the pseudo-header's length has grown.
    difference = sum_of(new.octets[old.tcp_start :]) - sum_of(old.octets[old.tcp_start :]) + new.growth
    new.octets[at : at + 2] = ((checksum - difference) % MODULUS).to_bytes(2, "big")


def _follow(frame: bytearray, cover: _Covers, growth: int = 0) -> None:
    """Writes the checksums around a segment that has changed and grown."""
    follow_checksums(frame, cover.checksums, growth)
    if cover.has_fcs:
        frame[-_FCS_LENGTH:] = frame_check_sequence(frame[:-_FCS_LENGTH])


def frame_check_sequence(octets: bytes | bytearray) -> bytes:
    """Ethernet's CRC-32 as a capture has it (IEEE 802.3 3.2.9)."""
    return zlib.crc32(octets).to_bytes(_FCS_LENGTH, "little")


def octets_of(batch: FrameBatch, index: int) -> bytes:
    """The octets of one frame as they are now."""
    return batch.octets[batch.starts[index] : batch.ends[index]].tobytes()
