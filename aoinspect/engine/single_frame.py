"""One frame of a capture, found again by its number, and where the TCP segment in it lies.

A face that shows a single packet wants its octets, which no column of the table holds. A frame that has a row is read
again at `Rows.offset` (`CaptureReader.frame_at`); any other frame is found by walking the file once more (`frame_of`),
and so are the pieces of fragmented datagrams (`datagram_of`, `pieces_of`): second passes that only read, a fraction of
the first. A pipe is copied to a temporary file before the first pass, since it cannot be read twice.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import IO, BinaryIO, Self, cast

import numpy as np

from aoinspect.capture.frames import HEADROOM, TAILROOM, Frame, FrameBatch, Interface
from aoinspect.capture.reader import CaptureReader, open_capture
from aoinspect.capture.stored import standard_input
from aoinspect.engine.locate import FragmentPieces, Locator
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reassembly import TIMEOUT_NS, Datagram, Reassembler
from aoinspect.errors import CaptureError, UsageError
from dissectors.registry import Registry

_NO_VLAN = -1


class CaptureSource:
    """A capture that can be opened more than once; what is no regular file is copied to a temporary one first.

    A context manager: leaving it closes every reader that it opened, and removes the copy.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        """As given; "-" for standard input."""
        self._spool: IO[bytes] | None = None
        self._status: os.stat_result | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def open(self) -> CaptureReader:
        """A reader from the capture's start.

        CaptureError as `open_capture` has it, and where another file lies there since the first time, or less of it.
        """
        if self._spool is None and self._is_pipe():
            self._spool = self._copy()
        if self._spool is None:
            reader = self._opened.enter_context(open_capture(self.path))
            self._demand_same_file()
            return reader
        self._spool.seek(0)
        try:
            return self._opened.enter_context(open_capture(cast(BinaryIO, self._spool)))
        except CaptureError as error:
            # A temporary file has no name that would mean anything to the user.
            _, _, what = str(error).partition(": ")
            raise CaptureError(f"{self.path}: {what}") from None

    def _demand_same_file(self) -> None:
        """What one pass says of frames must not be applied to those of another file. A capture may grow meanwhile."""
        try:
            status = os.stat(self.path)
        except OSError:
            return  # It was opened: what was open is read on.
        first = self._status = self._status or status
        is_same = os.path.samestat(first, status) and status.st_size >= first.st_size
        if not is_same or (status.st_size == first.st_size and status.st_mtime_ns != first.st_mtime_ns):
            raise CaptureError(f"{self.path}: the file was changed while it was being read; run this again")

    def _is_pipe(self) -> bool:
        if self.path == "-":
            return True
        try:
            return stat.S_ISFIFO(os.stat(self.path).st_mode)
        except (OSError, ValueError):
            return False  # `open_capture` says what is wrong with the path.

    def _copy(self) -> IO[bytes]:
        try:
            spool = self._opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            if self.path == "-":
                shutil.copyfileobj(standard_input(), spool)
            else:
                with open(self.path, "rb") as pipe:
                    shutil.copyfileobj(pipe, spool)
            spool.flush()
        except OSError as error:
            raise CaptureError(
                f"{self.path}: it cannot be copied to a temporary file: {error.strerror or error}"
            ) from None
        return spool


def frame_of(source: CaptureSource, number: int) -> Frame:
    """The frame with Wireshark's number `number`, by a second pass over the capture up to it.

    UsageError where no packet has that number; CaptureError where the capture cannot be opened.
    """
    reader = source.open()
    for batch in reader.batches():
        index = number - batch.first_frame
        if not 0 <= index < len(batch):
            continue
        return Frame(
            octets=batch.octets[batch.starts[index] : batch.ends[index]].tobytes(),
            wire_length=int(batch.wire_lengths[index]),
            time_ns=int(batch.times_ns[index]),
            interface=reader.interfaces[int(batch.interfaces[index])],
            comments=reader.comments.get(number, ()),
        )
    damage, count = reader.damage, reader.frames_read
    behind = "" if damage is None else f"; it is damaged at octet {damage.offset}: {damage.message}"
    what = "holds no packet" if not count else f"has {count} packets, and none of them has the number {number}"
    raise UsageError(f"{source.path}: the capture {what}{behind}")


def row_of(analyzer: Analyzer, number: int, capture: int = 0) -> int | None:
    """The row of the analyser's table for a frame of one capture; None where it has none.

    The analyser must have been made with `keep_table`.
    """
    assert analyzer.table is not None
    rows = analyzer.table.rows
    found = np.flatnonzero((rows.frame == number) & (rows.capture == capture))
    return int(found[0]) if len(found) else None


# Fragments.


@dataclass(frozen=True, slots=True)
class WholeDatagram:
    """What a fragment is a piece of."""

    packet: bytes
    """The IP packet put together, or the first piece of one that never becomes whole."""
    link_type: int
    pieces: tuple[int, ...]
    """Numbers of the frames that it was made of."""
    row_frame: int
    """The frame under which the table has its segment."""
    is_complete: bool
    vlan: int
    interface: int
    """Number of the capture interface, and in the low 32 bits the cooked header's index + 1, as in `Packets`."""


def is_fragment(registry: Registry, frame: Frame) -> bool:
    """Whether the frame holds a piece of an IP datagram."""
    _, fragments = Locator(registry).locate(_batch_of_one(frame.octets, frame.wire_length, frame.interface))
    return fragments is not None


def datagram_of(source: CaptureSource, number: int, registry: Registry) -> WholeDatagram | None:
    """The datagram of which frame `number` holds a piece, by a second pass over the capture.

    None where the datagram's first piece is not in the capture.
    """
    for datagram, frames in _datagrams(source, registry):
        if number in frames:
            return _whole(datagram, frames)
    return None


def pieces_of(source: CaptureSource, rows_frames: Collection[int], registry: Registry) -> set[int]:
    """Numbers of all frames with a piece of the datagrams whose segments have rows of the frames `rows_frames`.

    By a second pass over the capture; without fragments there are none.
    """
    found: set[int] = set()
    for datagram, frames in _datagrams(source, registry):
        if datagram.frame in rows_frames:
            found.update(frames)
    return found


def _datagrams(source: CaptureSource, registry: Registry) -> Iterator[tuple[Datagram, tuple[int, ...]]]:
    """Every datagram that came in pieces, with the numbers of their frames, once it is settled."""
    following = _PieceFrames()
    locator = Locator(registry)
    for batch in source.open().batches():
        _, fragments = locator.locate(batch)
        if fragments is not None:
            yield from following.take(batch, fragments)
    yield from following.finish()


class _PieceFrames:
    """Puts datagrams together, and remembers which frames their pieces came in."""

    def __init__(self) -> None:
        self._reassembler = Reassembler()
        self._frames: dict[bytes, list[int]] = defaultdict(list)
        """Identity of a datagram -> frames of its pieces since it was last completed or given up."""
        self._opened_ns: dict[bytes, int] = {}

    def take(self, batch: FrameBatch, fragments: FragmentPieces) -> Iterator[tuple[Datagram, tuple[int, ...]]]:
        """The datagrams that a batch's fragments settle."""
        for position in range(len(fragments.indices)):
            piece = FragmentPieces(*(column[position : position + 1] for column in fragments))
            frame = batch.first_frame + int(piece.indices[0])
            identity = _identity(batch, piece)
            now_ns = int(batch.times_ns[piece.indices[0]])
            if now_ns - self._opened_ns.get(identity, now_ns) >= TIMEOUT_NS:
                # Given up without its first piece, of which nobody is told: the identification is used again.
                self._frames.pop(identity, None)
            if identity not in self._frames:
                self._opened_ns[identity] = now_ns
            self._frames[identity].append(frame)
            completed, abandoned = self._reassembler.add(batch, piece)
            yield from self._incomplete(abandoned)
            if completed:
                yield completed[0], tuple(self._frames.pop(identity))

    def finish(self) -> Iterator[tuple[Datagram, tuple[int, ...]]]:
        """What is still incomplete when the capture ends."""
        yield from self._incomplete(self._reassembler.finish())

    def _incomplete(self, datagrams: list[Datagram]) -> Iterator[tuple[Datagram, tuple[int, ...]]]:
        for datagram in datagrams:
            identity = next((identity for identity, frames in self._frames.items() if datagram.frame in frames), None)
            if identity is not None:
                yield datagram, tuple(self._frames.pop(identity))


def _whole(datagram: Datagram, pieces: tuple[int, ...]) -> WholeDatagram:
    return WholeDatagram(
        packet=datagram.packet,
        link_type=datagram.link_type,
        pieces=pieces,
        row_frame=datagram.frame,
        is_complete=datagram.is_complete,
        vlan=datagram.vlan,
        interface=datagram.interface,
    )


def _identity(batch: FrameBatch, piece: FragmentPieces) -> bytes:
    """What all pieces of one datagram share: addresses, protocol, identification (RFC 791 3.2, RFC 8200 4.5)."""
    octets = batch.octets
    network, start = int(piece.network_starts[0]), int(piece.starts[0])
    protocol = int(piece.protocols[0]).to_bytes(2, "big")
    if int(octets[network]) >> 4 == 4:
        return protocol + octets[network + 12 : network + 20].tobytes() + octets[network + 4 : network + 6].tobytes()
    destination = int(piece.destinations[0])
    return (
        protocol
        + octets[network + 8 : network + 24].tobytes()
        + octets[destination : destination + 16].tobytes()
        + octets[start - 4 : start].tobytes()
    )


# Where the segment lies.


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """Where one TCP segment lies in `octets`: a frame's, or those of a datagram put together."""

    octets: bytes
    start: int
    """Where the TCP header starts."""
    end: int
    """Where the segment ends as IP says; beyond `octets` where the snap length cut it."""
    source_start: int
    destination_start: int
    """Where the addresses lie that the pseudo-header takes."""
    address_length: int
    """4 or 16."""
    vlan: int
    """-1 without a tag."""
    interface: Interface
    cooked_interface: int
    """Interface number of a cooked header; -1 without one."""
    is_partial: bool = False
    """Only the first piece of a datagram whose others are missing."""

    @property
    def segment(self) -> bytes:
        """TCP header and payload, as far as they were captured."""
        return self.octets[self.start : self.end]

    @property
    def source(self) -> bytes:
        """The source address, 4 or 16 octets."""
        return self.octets[self.source_start : self.source_start + self.address_length]

    @property
    def destination(self) -> bytes:
        return self.octets[self.destination_start : self.destination_start + self.address_length]

    @property
    def source_port(self) -> int:
        return int.from_bytes(self.octets[self.start : self.start + 2], "big")

    @property
    def destination_port(self) -> int:
        return int.from_bytes(self.octets[self.start + 2 : self.start + 4], "big")

    @property
    def declared_length(self) -> int:
        """Octets of the segment on the wire."""
        return self.end - self.start


def place_in_frame(registry: Registry, frame: Frame) -> SegmentPlace | None:
    """Where the TCP segment of a frame lies; None where it has none, or none whose ports can be read."""
    batch = _batch_of_one(frame.octets, frame.wire_length, frame.interface)
    return _place(registry, batch, frame.octets, frame.interface)


def place_in_datagram(registry: Registry, datagram: WholeDatagram, interface: Interface) -> SegmentPlace | None:
    """Where the TCP segment lies in a datagram that was put together; positions count octets of its `packet`."""
    packet = datagram.packet
    inner = Interface(interface.index, datagram.link_type, 0)
    place = _place(registry, _batch_of_one(packet, len(packet), inner), packet, interface)
    if place is None:
        return None
    return SegmentPlace(
        octets=packet,
        start=place.start,
        end=place.end,
        source_start=place.source_start,
        destination_start=place.destination_start,
        address_length=place.address_length,
        vlan=datagram.vlan,
        interface=interface,
        cooked_interface=(datagram.interface & 0xFFFFFFFF) - 1,
        is_partial=not datagram.is_complete,
    )


def _place(registry: Registry, batch: FrameBatch, octets: bytes, interface: Interface) -> SegmentPlace | None:
    packets, _ = Locator(registry).locate(batch)
    if not packets.size:
        return None
    shift = int(batch.starts[0])
    return SegmentPlace(
        octets=octets,
        start=int(packets.starts[0]) - shift,
        end=int(packets.ends[0]) - shift,
        source_start=int(packets.sources[0]) - shift,
        destination_start=int(packets.destinations[0]) - shift,
        address_length=16 if packets.is_ipv6[0] else 4,
        vlan=int(packets.vlans[0]) if len(packets.vlans) else _NO_VLAN,
        interface=interface,
        cooked_interface=(int(packets.interfaces[0]) & 0xFFFFFFFF) - 1,
    )


def _batch_of_one(octets: bytes, wire_length: int, interface: Interface) -> FrameBatch:
    start = np.full(1, HEADROOM, dtype=np.int64)
    return FrameBatch(
        octets=np.frombuffer(bytes(HEADROOM) + octets + bytes(TAILROOM), dtype=np.uint8).copy(),
        starts=start,
        ends=start + len(octets),
        wire_lengths=np.full(1, wire_length, dtype=np.int64),
        times_ns=np.zeros(1, dtype=np.int64),
        interfaces=np.zeros(1, dtype=np.uint16),
        link_types=np.full(1, interface.link_type, dtype=np.uint16),
        offsets=np.zeros(1, dtype=np.int64),
        first_frame=1,
    )
