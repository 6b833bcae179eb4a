"""How a capture is written again: copied octet for octet from its uncompressed stream, with stretches replaced.

Whatever is not replaced comes out as it went in: file headers, unknown blocks, options, comments, padding, and what
lies behind damage. `CaptureCopy` follows the input from front to back; `Records` make a record with another frame in
it, in the byte order and with everything else that it had; `WholeFile` sees to it that the output is there whole or not
at all.
"""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import signal
import stat
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import BinaryIO, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, SectionHeader
from aoinspect.capture.pcap import VARIANTS
from aoinspect.capture.pcapng_section import ENHANCED_PACKET, OBSOLETE_PACKET, SIMPLE_PACKET
from aoinspect.capture.records import windows
from aoinspect.errors import CaptureError, UsageError

Fetch = Callable[[int, int], bytes]
"""(offset in the uncompressed file, octets) -> octets; fewer where the file ends."""

Mask = npt.NDArray[np.bool_]

RECORD_HEAD_LENGTH: Final = 24
"""Octets of a record that tell how long it is, in every format."""

_CHUNK = 1 << 20
_PCAP_SNAP_LENGTH_AT = 16
SECTION_LENGTH_AT: Final = 16
"""From the start of a Section Header Block (draft-ietf-opsawg-pcapng 4.1)."""


class CaptureCopy:
    """A copy under way. Offsets are those of the uncompressed input."""

    def __init__(self, fetch: Fetch, output: BinaryIO) -> None:
        """`output` is empty and can be sought."""
        self._fetch = fetch
        self._output = output
        self._shift = 0
        self._shifted_from: list[int] = [0]
        self._shifts: list[int] = [0]
        self.position = 0
        """How far the input is dealt with."""

    def copy_to(self, offset: int) -> None:
        """Copies the input up to `offset` as it is. CaptureError where the input ends before."""
        while self.position < offset:
            octets = self._fetch(self.position, min(_CHUNK, offset - self.position))
            if not octets:
                raise CaptureError(f"the capture ends at octet {self.position} now: it was changed meanwhile")
            self._output.write(octets)
            self.position += len(octets)

    def replace(self, offset: int, octets: bytes | memoryview, moves: Sequence[tuple[int, int]] = ()) -> None:
        """Writes `octets` in place of the input up to `offset`.

        `moves`: (offset, by how many octets what follows it has moved within the replaced), ascending; what is not told
        there has grown at the end.
        """
        self._output.write(octets)
        growth = len(octets) - (offset - self.position)
        self.position = offset
        if growth or moves:
            self._shifted_from += [moved_from for moved_from, _ in moves] + [offset]
            self._shifts += [self._shift + moved_by for _, moved_by in moves] + [self._shift + growth]
            self._shift += growth

    def overwrite(self, offset: int, octets: bytes) -> None:
        """Writes `octets` over what the input's octets from `offset` on became; that was copied before."""
        assert offset + len(octets) <= self.position
        self._output.seek(self._output_offset(offset))
        self._output.write(octets)
        self._output.seek(0, os.SEEK_END)

    def finish(self) -> None:
        """Copies what is left of the input."""
        while octets := self._fetch(self.position, _CHUNK):
            self._output.write(octets)
            self.position += len(octets)

    def moved_by(self, offset: int) -> int:
        """By how many octets what stood at `offset` of the input has moved."""
        starts: I64 = np.array(self._shifted_from, dtype=np.int64)
        return self._shifts[int(np.searchsorted(starts, offset, side="right")) - 1]

    def _output_offset(self, offset: int) -> int:
        return offset + self.moved_by(offset)


class Records(Protocol):
    """The records (pcap) or blocks (pcapng) of one file."""

    def length(self, head: bytes) -> int:
        """Octets of the record that starts with `head` (RECORD_HEAD_LENGTH octets, fewer at the file's end)."""
        ...

    def with_frame(self, record: bytes, frame: bytes, wire_length: int, snap_length: int) -> bytes:
        """The same record with another frame in it.

        `snap_length` is its interface's. ValueError where the format cannot say what it would have to.
        """
        ...

    def can_grow(self, octets: U8, records: I64, end: int) -> Mask:
        """Which of the records that start at `records` in `octets` lie before `end` with all that `grow` changes."""
        ...

    def grow(self, octets: U8, records: I64, growths: I64) -> None:
        """Tells in records that their frames are so many octets longer (a multiple of 4) than they say.

        The octets are there already.
        """
        ...

    def finish(self, copy: CaptureCopy, sections: Sequence[SectionHeader]) -> None:
        """Puts right in the file's headers what longer frames have made untrue; `sections` are those of a pcapng."""
        ...


def records_of(format_name: str, file_header: bytes) -> Records:
    """How records of a file are written: `format_name` as `CaptureReader.format` has it, and its first 24 octets."""
    return PcapRecords(file_header) if format_name == "pcap" else PcapngRecords()


class PcapRecords:
    """pcap (draft-ietf-opsawg-pcap): a header of 16 or 24 octets, and the frame."""

    def __init__(self, file_header: bytes) -> None:
        variant = VARIANTS[file_header[:4]]
        order = variant.byte_order
        minor, snap_length = struct.unpack_from(order + "6xHxxxxxxxxI", file_header)
        self._header_length = variant.record_header_length
        # Files before 2.3 have the wire length first.
        self._captured_at, self._wire_at = (12, 8) if minor < 3 else (8, 12)
        self._number = struct.Struct(order + "I")
        self._snap_length = snap_length
        self._longest = 0

    def length(self, head: bytes) -> int:
        captured: int = self._number.unpack_from(head, self._captured_at)[0]
        return self._header_length + captured

    def with_frame(self, record: bytes, frame: bytes, wire_length: int, snap_length: int) -> bytes:
        header = bytearray(record[: self._header_length])
        self._number.pack_into(header, self._captured_at, len(frame))
        self._number.pack_into(header, self._wire_at, wire_length)
        self._longest = max(self._longest, len(frame))
        return bytes(header) + frame

    def can_grow(self, octets: U8, records: I64, end: int) -> Mask:
        return np.ones(len(records), dtype=np.bool_)

    def grow(self, octets: U8, records: I64, growths: I64) -> None:
        order = self._number.format[0]
        lengths = _add(octets, records + self._captured_at, growths, order)
        _add(octets, records + self._wire_at, growths, order)
        self._longest = max(self._longest, int(lengths.max(initial=0)))

    def finish(self, copy: CaptureCopy, sections: Sequence[SectionHeader]) -> None:
        # libpcap cuts frames that are longer than the file's snap length.
        if self._snap_length and self._longest > self._snap_length:
            copy.overwrite(_PCAP_SNAP_LENGTH_AT, self._number.pack(self._longest))


class PcapngRecords:
    """pcapng (draft-ietf-opsawg-pcapng): blocks that hold a frame, padded to four octets, and maybe options."""

    def length(self, head: bytes) -> int:
        length: int = struct.unpack_from(_block_order(head) + "I", head, 4)[0]
        return length

    def with_frame(self, record: bytes, frame: bytes, wire_length: int, snap_length: int) -> bytes:
        order = _block_order(record)
        (block_type,) = struct.unpack_from(order + "I", record)
        if block_type == SIMPLE_PACKET:
            if len(frame) != (min(wire_length, snap_length) if snap_length else wire_length):
                raise ValueError(
                    f"a Simple Packet Block of an interface with snap length {snap_length} "
                    f"cannot hold {len(frame)} of {wire_length} octets"
                )
            fields, behind = struct.pack(order + "I", wire_length), b""
        else:
            (captured,) = struct.unpack_from(order + "I", record, 20)
            fields = record[8:20] + struct.pack(order + "II", len(frame), wire_length)
            behind = record[28 + captured + (-captured & 3) : -4]
        body = fields + frame + bytes(-len(frame) & 3) + behind
        length = struct.pack(order + "I", len(body) + 12)
        return record[:4] + length + body + length

    def can_grow(self, octets: U8, records: I64, end: int) -> Mask:
        is_little, lengths = _is_little(octets, records), np.zeros(len(records), dtype=np.int64)
        for order, chosen in (("<", is_little), (">", ~is_little)):
            lengths[chosen] = _numbers(octets, records[chosen] + 4, order)
        # Simple Packet Blocks depend on the snap length, and are few.
        is_simple = (octets[records] == SIMPLE_PACKET) | (octets[records + 3] == SIMPLE_PACKET)
        return ~is_simple & (records + lengths <= end)  # type: ignore[no-any-return]

    def grow(self, octets: U8, records: I64, growths: I64) -> None:
        is_little = _is_little(octets, records)
        for order, chosen in (("<", is_little), (">", ~is_little)):
            blocks, growth = records[chosen], growths[chosen]
            lengths = _add(octets, blocks + 4, growth, order)
            for at in (blocks + 20, blocks + 24, blocks + lengths - 4):
                _add(octets, at, growth, order)

    def finish(self, copy: CaptureCopy, sections: Sequence[SectionHeader]) -> None:
        # No reader holds a frame to its interface's snap length, but of Simple Packet Blocks.
        for header in sections:
            if header.section_length < 0:
                continue
            growth = copy.moved_by(min(header.end + header.section_length, copy.position)) - copy.moved_by(header.end)
            if growth:
                length = struct.pack(header.byte_order + "q", header.section_length + growth)
                copy.overwrite(header.offset + SECTION_LENGTH_AT, length)


def _is_little(octets: U8, blocks: I64) -> Mask:
    """Which of these packet blocks are little-endian: their types are below 256."""
    return octets[blocks] != 0  # type: ignore[no-any-return]


def _numbers(octets: U8, at: I64, order: str) -> I64:
    return windows(octets, 4)[at].view(order + "u4").astype(np.int64)


def _add(octets: U8, at: I64, growths: I64, order: str) -> I64:
    """Adds to the 32-bit numbers at `at`; what they are now."""
    numbers = _numbers(octets, at, order) + growths
    windows(octets, 4)[at] = numbers.astype(order + "u4").view("V4")
    return numbers


def _block_order(head: bytes) -> str:
    """The byte order of a packet block, which its type tells."""
    (little,) = struct.unpack_from("<I", head)
    return "<" if little in (ENHANCED_PACKET, SIMPLE_PACKET, OBSOLETE_PACKET) else ">"


# The output file.

_OTHER_COMPRESSIONS = (".zst", ".zstd", ".lz4")
_ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
"""Those that end a process without a word; SIGINT is an exception by itself."""


class _EndedError(BaseException):
    """A signal that ends the process; its argument is the number."""


def _end(number: int, frame: FrameType | None) -> None:
    raise _EndedError(number)


class WholeFile:
    """A file that appears under its name when it is whole, and not before; a context manager.

    What is written goes to a file beside it, which `commit` renames. Left without `commit`, by whatever exception or
    signal that can be caught, that file is removed. A name that ends in .gz makes it compressed. CaptureError where
    writing fails.
    """

    def __init__(self, path: str, captures: Sequence[str], *, replaces: bool, key_files: Sequence[str] = ()) -> None:
        """`captures` and `key_files` are what it is made from; `replaces`: it may take the place of a file that is
        there.

        UsageError where `path` is one of them, is there and must not be replaced, or can be no file.
        """
        self.path = path
        self._target = os.path.realpath(path)
        self._replaces = replaces
        self._taken_signals: list[int] = []
        self._mode = _check_target(path, self._target, captures, key_files, replaces)
        directory, name = os.path.split(self._target)
        self._beside = os.path.join(directory, f".{name[:200]}.{secrets.token_hex(6)}.part")
        self._packed = f"{self._beside}.gz"
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self._take_signals()
            self._file = _create(self._beside)
        except OSError as error:
            self._give_signals_back()
            raise UsageError(f"{self.path}: it cannot be written here: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # Closing may fail for what is still to be written; there is nothing to lose.
            with suppress(OSError):
                self._file.close()
        for path in (self._beside, self._packed):
            with suppress(FileNotFoundError):
                os.unlink(path)
        if self._taken_signals:
            self._give_signals_back()
            if isinstance(error, _EndedError):
                # As it would have ended, for whoever asks how.
                signal.raise_signal(error.args[0])
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise self._failure(error) from None

    def _take_signals(self) -> None:
        """Makes exceptions of signals that would end the process and leave the file beside; the main thread's only."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name in _ENDING_SIGNALS:
            number = getattr(signal, name, None)
            # What is ignored (nohup), or taken by a file around this one, stays so.
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _end)
                self._taken_signals.append(number)

    def _give_signals_back(self) -> None:
        while self._taken_signals:
            signal.signal(self._taken_signals.pop(), signal.SIG_DFL)

    @property
    def file(self) -> BinaryIO:
        """Where to write; it can be sought."""
        assert self._file is not None
        return self._file

    def path_until_commit(self) -> str:
        """Where what was written can be read, before `commit` puts it in its place."""
        self.file.flush()
        return self._beside

    def commit(self) -> None:
        """Everything is written: puts the file in its place."""
        self.file.close()
        whole = self._beside
        if self._target.endswith(".gz"):
            whole = self._packed
            # Without name and time in its header, the same capture packs to the same octets.
            with (
                open(self._beside, "rb") as plain,
                _create(whole) as packed,
                gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as pack,
            ):
                shutil.copyfileobj(plain, pack, _CHUNK)
        if self._mode is not None:
            os.chmod(whole, self._mode)
        elif not self._replaces and os.path.lexists(self._target):
            raise UsageError(f"{self.path}: somebody has made such a file meanwhile; --force replaces it")
        os.replace(whole, self._target)

    def _failure(self, error: OSError) -> CaptureError:
        return CaptureError(f"{self.path}: writing fails: {error.strerror or error}; what was written is removed again")


def _create(path: str) -> BinaryIO:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    return os.fdopen(descriptor, "w+b")


def _check_target(
    path: str, target: str, captures: Sequence[str], key_files: Sequence[str], replaces: bool
) -> int | None:
    """The permissions of the file that is going to be replaced; None where there is none."""
    if path == "-":
        raise UsageError("-: the output is a file, which appears when it is whole; name one")
    if target.endswith(_OTHER_COMPRESSIONS):
        others = ", ".join(_OTHER_COMPRESSIONS)
        raise UsageError(f"{path}: only gzip is written; end the name in .gz, or in none of {others}")
    try:
        status = os.stat(target)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(target)):
            raise UsageError(f"{path}: there is no such directory to write it to") from None
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: it cannot be written: {getattr(error, 'strerror', None) or error}") from None
    what_is_read = {"the capture itself": captures, "a key file that is read": key_files}
    for what, sources in what_is_read.items():
        for source in sources:
            with suppress(OSError, ValueError):
                if os.path.samestat(status, os.stat(source)):
                    raise UsageError(f"{path}: this is {what}; write to another file")
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path}: this is a directory; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path}: this is no regular file, and is not replaced by one")
    if not replaces:
        raise UsageError(f"{path}: there is such a file already; --force replaces it")
    return stat.S_IMODE(status.st_mode)
