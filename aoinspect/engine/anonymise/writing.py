"""The second pass: reads a capture again and writes its anonymised twin, batch after batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aoinspect.capture.frames import HEADROOM, I64, FrameBatch
from aoinspect.capture.fresh import FreshCapture
from aoinspect.capture.reader import CaptureReader
from aoinspect.engine.anonymise.dropping import without_payloads
from aoinspect.engine.anonymise.frames import FrameRewriter, Rewritten, WayLocator
from aoinspect.engine.anonymise.headers import write_outer_checksums
from aoinspect.engine.anonymise.signing import SegmentSigner
from aoinspect.engine.anonymise.traces import Traces
from aoinspect.engine.anonymise.wishes import AnonymiseWishes, Others, Payload
from aoinspect.engine.locate import FragmentPieces, Mask
from aoinspect.engine.pipeline import Progress
from aoinspect.engine.reassembly import batch_of
from aoinspect.engine.resign.changing import LINKTYPE_ETHERNET, frame_check_sequence
from aoinspect.engine.resign.envelopes import envelopes_of, has_covering_checksum
from aoinspect.engine.resign.fragments import FragmentWalk, WholeDatagram
from aoinspect.engine.resign.plan import NO_ROW, Plan
from aoinspect.engine.segments import Segments, read_segments
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Reason, Verdict
from dissectors.registry import Registry

_FCS_LENGTH = 4


class TwinWriter:
    """One capture's second pass."""

    def __init__(
        self,
        rewriter: FrameRewriter,
        signer: SegmentSigner,
        plan: Plan,
        rows: Rows,
        registry: Registry,
        output: FreshCapture,
        wishes: AnonymiseWishes,
        traces: Traces,
    ) -> None:
        """`traces` learns what payloads there were."""
        self.lost: list[int] = []
        """Frames with a segment of a protected connection that could not be kept: a header around it is unknown."""
        self.blanked = 0
        """Frames of which nothing is told, or that are left out."""
        self.out_frames: I64 = np.zeros(len(plan.frames), dtype=np.int64)
        """Number in the output of each row of the plan; 0 where its segment is not there."""
        self._rewriter = rewriter
        self._signer = signer
        self._plan = plan
        self._rows = rows
        self._locator = WayLocator(registry)
        self._inner_locator = WayLocator(registry)
        self._output = output
        self._wishes = wishes
        self._traces = traces
        self._fragments = FragmentWalk()
        self._places: dict[int, int] = {}
        """Where pieces of datagrams lie in the original -> where in the output."""
        self._written = 0

    def run(self, reader: CaptureReader, progress: Progress | None = None) -> None:
        """Writes everything that `reader` reads from its start."""
        for batch in reader.batches():
            rewritten = self._rewriter.rewrite(batch)
            new_batch = self._signed(batch, rewritten)
            self._write_fcs(batch, new_batch, rewritten.is_kept, reader)
            is_written = (
                rewritten.is_kept if self._wishes.others is Others.DROP else np.ones(len(batch), dtype=np.bool_)
            )
            positions = self._output.add(new_batch, is_written, reader.interfaces)
            self._note(batch, rewritten, is_written)
            if rewritten.fragments is not None:
                self._note_pieces(batch, rewritten.fragments, positions)
                whole = self._fragments.add(batch, rewritten.fragments, np.zeros(len(batch), dtype=np.bool_))
                self._write_datagrams(whole)
            if progress is not None:
                progress(reader)
        self._output.finish(reader.interfaces)

    def _signed(self, batch: FrameBatch, rewritten: Rewritten) -> FrameBatch:
        """The new octets, with MACs and checksums."""
        new_batch = replace(batch, octets=rewritten.twin.octets)
        old_rows = np.flatnonzero(rewritten.planned != NO_ROW)
        planned = rewritten.planned[old_rows]
        if self._wishes.payload is not Payload.KEEP:
            self._traces.note_payloads(rewritten.segments, old_rows)
        if self._wishes.payload is Payload.DROP:
            rows = old_rows[self._may_shrink(rewritten.segments, old_rows, planned)]
            trail = rewritten.locator.trail
            new_batch = without_payloads(new_batch, trail, rewritten.segments, rewritten.indices, rows)
        packets, _ = self._locator.locate(new_batch)
        segments = read_segments(packets)
        new_rows = np.flatnonzero(rewritten.is_kept[packets.frames - batch.first_frame])
        assert np.array_equal(packets.frames[new_rows], rewritten.segments.packets.frames[old_rows]), (
            "an anonymised frame has lost its segment"
        )
        self._signer.finish(rewritten.segments, old_rows, segments, new_rows, planned)
        is_covered = has_covering_checksum(rewritten.locator.trail, batch.octets, len(batch)) & rewritten.is_kept
        if rewritten.fragments is not None:
            # Their content comes later. Without a checksum, UDP says that there is none.
            is_covered[rewritten.fragments.indices] = False
        covered = np.flatnonzero(is_covered)
        if len(covered):
            envelopes = envelopes_of(self._locator.trail, covered, new_batch.starts)
            for index in covered.tolist():
                old = batch.octets[batch.starts[index] : batch.ends[index]].tobytes()
                start, end = int(new_batch.starts[index]), int(new_batch.ends[index])
                frame = bytearray(new_batch.octets[start:end].tobytes())
                write_outer_checksums(frame, old, envelopes[index])
                new_batch.octets[start:end] = np.frombuffer(bytes(frame), dtype=np.uint8)
        return new_batch

    def _may_shrink(self, segments: Segments, rows: I64, planned: I64) -> Mask:
        """Which segments can lose their payload without being judged otherwise for it."""
        packets = segments.packets
        is_whole = (packets.ends <= packets.limits)[rows] & (segments.malformed[rows] != Reason.TCP_HEADER)
        verdicts, reasons = self._rows.verdict[planned], self._rows.reason[planned]
        return is_whole & ((verdicts != Verdict.UNVERIFIABLE) | (reasons == Reason.ISN_UNKNOWN))  # type: ignore[no-any-return]

    def _write_fcs(self, batch: FrameBatch, new_batch: FrameBatch, is_kept: Mask, reader: CaptureReader) -> None:
        """Frame check sequences, where the capture has them and they were right; zeros are there otherwise."""
        lengths = np.array([interface.fcs_length or 0 for interface in reader.interfaces] or [0], dtype=np.int64)
        may_have = lengths[np.minimum(batch.interfaces, len(lengths) - 1)] == _FCS_LENGTH
        may_have &= (
            (batch.link_types == LINKTYPE_ETHERNET) & (batch.ends - batch.starts == batch.wire_lengths) & is_kept
        )
        for index in np.flatnonzero(may_have).tolist():
            old = batch.octets[batch.starts[index] : batch.ends[index]].tobytes()
            if frame_check_sequence(old[:-_FCS_LENGTH]) == old[-_FCS_LENGTH:]:
                start, end = int(new_batch.starts[index]), int(new_batch.ends[index]) - _FCS_LENGTH
                made = frame_check_sequence(new_batch.octets[start:end].tobytes())
                new_batch.octets[end : end + _FCS_LENGTH] = np.frombuffer(made, dtype=np.uint8)

    def _note(self, batch: FrameBatch, rewritten: Rewritten, is_written: Mask) -> None:
        self.blanked += int(np.count_nonzero(~rewritten.is_kept))
        numbers = self._written + np.cumsum(is_written)
        self._written += int(np.count_nonzero(is_written))
        planned = self._plan.find(np.arange(len(batch)) + batch.first_frame)
        has_row = planned != NO_ROW
        self.out_frames[planned[has_row]] = np.where(rewritten.is_kept, numbers, 0)[has_row]
        self.lost += (np.flatnonzero(has_row & ~rewritten.is_kept) + batch.first_frame).tolist()

    # Fragments.

    def _note_pieces(self, batch: FrameBatch, fragments: FragmentPieces, positions: I64) -> None:
        first = int(batch.offsets[0]) - HEADROOM
        for index, start in zip(fragments.indices.tolist(), fragments.starts.tolist(), strict=True):
            if positions[index] >= 0:
                self._places[first + start] = int(positions[index]) + start - int(batch.starts[index])

    def _write_datagrams(self, whole: list[WholeDatagram]) -> None:
        """Writes the segments of datagrams that are whole now over their pieces."""
        if not whole:
            return
        batch = batch_of([one.datagram for one in whole])
        frames: I64 = np.array([one.datagram.frame for one in whole], dtype=np.int64)
        rewritten = self._rewriter.rewrite(batch, frames)
        new_batch = replace(batch, octets=rewritten.twin.octets)
        packets, _ = self._inner_locator.locate(new_batch)
        old_rows = np.flatnonzero(rewritten.planned != NO_ROW)
        new_rows = np.flatnonzero(rewritten.is_kept[packets.frames - 1])
        segments = read_segments(packets)
        self._signer.finish(rewritten.segments, old_rows, segments, new_rows, rewritten.planned[old_rows])
        for index in np.flatnonzero(rewritten.is_kept).tolist():
            packet = new_batch.octets[new_batch.starts[index] : new_batch.ends[index]].tobytes()
            payload = packet[(packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40 :]
            for piece in whole[index].pieces:
                place = self._places.get(piece.file_offset)
                if place is not None:
                    self._output.overwrite(place, payload[piece.start : piece.start + len(piece.octets)])
