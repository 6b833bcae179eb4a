"""How a capture is opened and read: which format it is, when a batch is full, and when reading ends.

The formats (`pcap`, `pcapng`) say what octets mean and never wait; `stream` brings octets and does not know
what they mean; `buffering` keeps them. Here the format is asked what it finds in the buffer until the batch
is full or the buffer has nothing whole left, and what it found goes out as a `FrameBatch`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np

from aoinspect.capture.buffering import RecordBuffer
from aoinspect.capture.frames import Damage, Frame, FrameBatch, Interface, SectionHeader
from aoinspect.capture.growing import GrowingFile, open_growing
from aoinspect.capture.likeness import looks_like
from aoinspect.capture.pcap import FILE_HEADER_LENGTH, VARIANTS, PcapFormat
from aoinspect.capture.pcapng import SECTION_HEADER_MAGIC, SHORTEST_SECTION_HEADER, PcapngFormat
from aoinspect.capture.records import Parsed, RecordFormat, Rows
from aoinspect.capture.stored import Attendance, BrokenStreamError, StoredFile, open_stored
from aoinspect.capture.stream import OctetStream, read_up_to
from aoinspect.errors import CaptureError

_LIKENESS_LENGTH: Final = 512


def open_capture(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    batch_octets: int = 4 << 20,
    batch_frames: int = 32768,
    is_followed: bool = False,
    attendance: Attendance | None = None,
) -> CaptureReader:
    """A reader of the capture at `source`: a path, "-" for standard input, or a binary stream as it stands.

    Format and compression are recognised by content. A batch holds at most `batch_frames` frames and about
    `batch_octets` octets (more where one frame is larger). On a pipe this waits for the file's header.
    `is_followed`: at the end of a file that is still being written, wait for more (see `growing`). `attendance` holds
    from the first octet on.

    CaptureError where nothing can be read: no such file, a directory, no permission, empty, not a capture, a
    header that is broken or cut, or a compression whose package is not installed.
    """
    stored = open_stored(source, open_growing if is_followed else StoredFile)
    if attendance is not None:
        stored.on_idle, stored.output = attendance
    try:
        try:
            stream = OctetStream(stored)
            record_format, start = _recognise(stream, stored.path)
        except BrokenStreamError as error:
            raise CaptureError(f"{stored.path}: {error}, before anything could be read") from error
    except BaseException:
        stored.close()
        raise
    return CaptureReader(stream, record_format, start, max(batch_octets, 1), max(batch_frames, 1))


def _recognise(stream: OctetStream, path: str) -> tuple[RecordFormat, bytes]:
    """The format, and what was read of the stream that is still to be parsed."""
    magic = read_up_to(stream.readinto, 4)
    if not magic:
        raise CaptureError(f"{path}: {'an empty file' if stream.compression is None else _inside(stream, 'nothing')}")
    if magic in VARIANTS:
        header = magic + read_up_to(stream.readinto, FILE_HEADER_LENGTH - 4)
        _demand(header, FILE_HEADER_LENGTH, path, "pcap")
        return PcapFormat(header, path), b""
    if magic == SECTION_HEADER_MAGIC:
        header = magic + read_up_to(stream.readinto, SHORTEST_SECTION_HEADER - 4)
        _demand(header, SHORTEST_SECTION_HEADER, path, "pcapng")
        return PcapngFormat(header, path), header
    try:
        rest = read_up_to(stream.readinto, _LIKENESS_LENGTH - 4) if not stream.stored.is_live else b""
    except BrokenStreamError:
        rest = b""
    raise CaptureError(f"{path}: {_inside(stream, looks_like(magic + rest))}")


def _inside(stream: OctetStream, content: str) -> str:
    return content if stream.compression is None else f"{stream.compression} of something else: {content}"


def _demand(header: bytes, length: int, path: str, name: str) -> None:
    if len(header) < length:
        raise CaptureError(
            f"{path}: the file ends at octet {len(header)}, inside the {length} octets of its {name} header"
        )


class CaptureReader:
    """One capture, read once from front to back; made by `open_capture`.

    What is learned on the way (`interfaces`, `comments`, counts, `damage`) reaches as far as the batches
    taken, or one batch further.
    """

    def __init__(
        self,
        stream: OctetStream,
        record_format: RecordFormat,
        start: bytes,
        batch_octets: int,
        batch_frames: int,
    ) -> None:
        """`start` is what was read of the stream and is still to be parsed."""
        self._stream = stream
        self._format = record_format
        self._batch_frames = batch_frames
        start_offset = FILE_HEADER_LENGTH if isinstance(record_format, PcapFormat) else 0
        self._buffer = RecordBuffer(stream, start, start_offset, batch_octets)
        self._needs_octets = True
        self._is_finished = False
        self._ready: deque[FrameBatch] = deque()
        self._last_number = 0
        self.path = stream.stored.path
        """As given; "-" for standard input."""
        self.damage: Damage | None = None
        """What ended the reading before the file's end."""
        self.frames_read = 0
        """Frames in the batches so far. Below the last frame's number where Wireshark numbers other blocks
        too.
        """

    @property
    def format(self) -> str:
        """ "pcap" or "pcapng"."""
        return self._format.name

    @property
    def compression(self) -> str | None:
        """ "gzip", "zstd" or "lz4"; None where the file is not compressed."""
        return self._stream.compression

    @property
    def interfaces(self) -> list[Interface]:
        """The capture interfaces of all sections so far; grows while a pcapng file is read."""
        return self._format.interfaces

    @property
    def section_headers(self) -> list[SectionHeader]:
        """The Section Header Blocks so far, in the order of the file (pcapng)."""
        return self._format.section_headers

    @property
    def comments(self) -> dict[int, tuple[str, ...]]:
        """Frame number -> comments of that packet (pcapng); of the last 65,536 packets that have any."""
        return self._format.comments

    @property
    def file_comments(self) -> list[str]:
        """Comments of sections and interfaces, in the order of the file (pcapng)."""
        return self._format.file_comments

    @property
    def skipped_blocks(self) -> dict[int, int]:
        """pcapng block type -> how many blocks of it were passed over; `block_name` names a type."""
        return self._format.skipped_blocks

    @property
    def clamped_times(self) -> int:
        """Frames whose time int64 nanoseconds cannot hold; they have the nearest that it can."""
        return self._format.clamped_times

    @property
    def malformed_options(self) -> int:
        """pcapng option lists that run out of their block; what comes before the fault was read."""
        return self._format.malformed_options

    @property
    def octets_read(self) -> int:
        """Octets of the file as stored (compressed, where it is) that were read so far."""
        return self._stream.stored.octets_read

    @property
    def size(self) -> int | None:
        """Octets of the file as stored, from where reading started; None for a pipe."""
        return self._stream.stored.size

    @property
    def succession(self) -> str | None:
        """Why a followed file was ended although its name goes on with another content; None where it was not."""
        stored = self._stream.stored
        return stored.succession if isinstance(stored, GrowingFile) else None

    def batches(self) -> Iterator[FrameBatch]:
        """The frames in capture order, each once; a second call goes on where the first was left.

        No batch is empty. Damage does not raise: the batches end before it, and `damage` says what and where
        it is.
        """
        while True:
            while self._ready:
                batch = self._ready.popleft()
                self.frames_read += len(batch)
                yield batch
            if self._is_finished:
                return
            self._advance()

    def frame_at(self, offset: int) -> Frame:
        """The frame whose record starts at `offset` (an entry of `FrameBatch.offsets`), read again.

        For pcapng the offset must lie in what was read already, since sections and interfaces are learned on
        the way. What `batches` gives next is not changed. A compressed file is inflated again from its start,
        or from the frame read again last if that lies before: right, and slow for large files.

        CaptureError where no record starts there, or the source is a pipe.
        """
        try:
            return self._format.frame_at(self._stream.fetch, offset)
        except CaptureError as error:
            if str(error).startswith(self.path):
                raise
            raise CaptureError(f"{self.path}: {error}") from None

    def close(self) -> None:
        """Close the file, if `open_capture` opened it."""
        self._stream.stored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _advance(self) -> None:
        """Parse up to a batch more of frames; wait for octets only where none are left that can be parsed."""
        buffer = self._buffer
        if self._needs_octets:
            buffer.refill()
        pieces: list[Rows] = []
        wanted = self._batch_frames
        while True:
            parsed = self._format.parse(buffer.octets, buffer.position, buffer.filled, buffer.file_offset, wanted)
            buffer.position = parsed.position
            if parsed.rows is not None:
                pieces.append(parsed.rows)
                wanted -= len(parsed.rows.records)
            if parsed.is_starved or parsed.damage is not None or not wanted:
                break
        if pieces:
            self._last_number = int(pieces[-1].numbers[-1])
        self._needs_octets = parsed.is_starved
        self._note_end(parsed)
        if pieces:
            self._hand_over(_joined(pieces), is_last=parsed.is_starved or self._is_finished)

    def _note_end(self, parsed: Parsed) -> None:
        """Set `damage`, and that reading is finished, where this was the last that can be parsed."""
        buffer = self._buffer
        if parsed.damage is not None:
            self._end_with(buffer.position, parsed.damage)
        elif parsed.is_starved and buffer.is_at_end:
            rest = buffer.rest()
            if buffer.fault is not None:
                self._end_with(buffer.position + len(rest), buffer.fault)
            elif len(rest):
                self._end_with(buffer.position, self._format.cut_short(rest.tobytes(), self._last_number + 1))
            self._is_finished = True

    def _end_with(self, position: int, message: str) -> None:
        self.damage = Damage(self._buffer.file_offset + position, message)
        self._is_finished = True

    def _hand_over(self, rows: Rows, is_last: bool) -> None:
        """Make batches of `rows`: one, unless the numbers leap."""
        leaps = np.flatnonzero(np.diff(rows.numbers) != 1) + 1
        borders = [0, *leaps.tolist(), len(rows.numbers)]
        for start, end in pairwise(borders):
            piece = rows.part(start, end) if len(leaps) else rows
            self._ready.append(self._buffer.batch(piece, is_last and end == len(rows.numbers)))


def _joined(pieces: list[Rows]) -> Rows:
    if len(pieces) == 1:
        return pieces[0]
    return Rows._make(np.concatenate(columns) for columns in zip(*pieces, strict=True))
