"""The uncompressed octets of a capture: read on, or read again at any place.

Formats and reader see octets and offsets of the uncompressed file only; that it may be stored compressed ends
here.
"""

from __future__ import annotations

from collections.abc import Callable

from aoinspect.capture.compression import Compression, Inflater, compression_of
from aoinspect.capture.stored import BrokenStreamError, StoredFile
from aoinspect.errors import CaptureError

_SKIP_LENGTH = 256 << 10


class OctetStream:
    """What `stored` holds, inflated where it is compressed."""

    def __init__(self, stored: StoredFile) -> None:
        """Looks at the first octets, and so waits for them on a pipe. BrokenStreamError where they cannot be
        read.
        """
        self.stored = stored
        start = read_up_to(stored.readinto, 4)
        stored.push_back(start)
        self._compression = compression_of(start)
        self._inflater: Inflater | None = None
        if self._compression is not None:
            self._inflater = Inflater(self._compression, stored.readinto, stored.path)
        self._replay: _Replay | None = None

    @property
    def compression(self) -> str | None:
        return self._compression.name if self._compression is not None else None

    def readinto(self, room: memoryview) -> int:
        """Wait for octets, put what is there into `room`, and say how many; 0 at the end. BrokenStreamError
        as it says.
        """
        return (self._inflater or self.stored).readinto(room)

    def gives_at_once(self, seconds: float) -> bool:
        """Whether the next read has something (or the end) within `seconds`; a file always has."""
        if not self.stored.is_live or (self._inflater is not None and self._inflater.has_pending):
            return True
        return self.stored.wait(seconds)

    def fetch(self, offset: int, length: int) -> bytes:
        """The `length` octets at `offset`, fewer where the file ends; what `readinto` reads next is not
        moved.

        In a compressed file everything from its start, or from the last place fetched if that lies before, is
        inflated again: right, and slow. CaptureError where the source is a pipe or cannot be read.
        """
        if not self.stored.is_seekable:
            raise CaptureError(f"{self.stored.path}: a pipe cannot be read again; save it to a file first")
        try:
            if self._compression is not None:
                if self._replay is None or self._replay.position > offset:
                    self._replay = _Replay(self._compression, self.stored)
                return self._replay.fetch(offset, length)
            return self.stored.pread(offset, length)
        except (BrokenStreamError, OSError) as error:
            raise CaptureError(f"{self.stored.path}: octet {offset} cannot be read again: {error}") from error


class _Replay:
    """A second pass over a compressed file, which only goes forward."""

    def __init__(self, compression: Compression, stored: StoredFile) -> None:
        self.position = 0
        """Octet of the uncompressed file that comes next."""
        self._stored = stored
        self._stored_position = 0
        self._inflater = Inflater(compression, self._feed, stored.path)

    def _feed(self, room: memoryview) -> int:
        octets = self._stored.pread(self._stored_position, len(room))
        room[: len(octets)] = octets
        self._stored_position += len(octets)
        return len(octets)

    def fetch(self, offset: int, length: int) -> bytes:
        while self.position < offset:
            skipped = len(read_up_to(self._inflater.readinto, min(offset - self.position, _SKIP_LENGTH)))
            if not skipped:
                return b""
            self.position += skipped
        octets = read_up_to(self._inflater.readinto, length)
        self.position += len(octets)
        return octets


def read_up_to(readinto: Callable[[memoryview], int], length: int) -> bytes:
    """`length` octets, fewer only where the stream ends."""
    octets = bytearray(length)
    filled = 0
    with memoryview(octets) as room:
        while filled < length:
            count = readinto(room[filled:])
            if not count:
                break
            filled += count
    return bytes(octets[:filled])
