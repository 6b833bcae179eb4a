"""Where a capture's octets come from, as they are stored: a file, a pipe, or a stream that the caller opened.

Nobody else opens, reads or waits. A read gives what is there at once, however little, so that a live pipe's
frames are seen as they come.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, NamedTuple

from aoinspect.errors import CaptureError

_CHUNK = 64 << 10


class BrokenStreamError(Exception):
    """The compressed octets, or the device that they lie on, do not go on as they should."""


class Attendance(NamedTuple):
    """What happens while a live source has nothing for now."""

    on_idle: Callable[[], float | None]
    """After how many seconds to call it again; None: only once octets have come."""
    output: int | None
    """Descriptor of what the reader's results go to: where nobody reads them any more, waiting ends with
    BrokenPipeError.
    """


class StoredFile:
    """A file or stream as it is stored, read from where it stands when it is given."""

    def __init__(self, file: BinaryIO, path: str, is_owned: bool) -> None:
        """`is_owned`: `close` closes `file` too."""
        self.path = path
        self.octets_read = 0
        self._file = file
        self._is_owned = is_owned
        self._pushed_back = b""
        # A wrapper such as GzipFile has the descriptor of what it wraps, so only plain files count.
        plain = file if isinstance(file, io.FileIO) else getattr(file, "raw", None)
        self._descriptor = plain.fileno() if isinstance(plain, io.FileIO) else None
        self.is_seekable = bool(file.seekable())
        self._base = file.tell() if self.is_seekable else 0
        self.size = self._measure()
        """Octets from the starting point to the end, as stored; None where the end is not known."""
        self.is_live = self.size is None
        self.on_idle: Callable[[], float | None] | None = None
        self.output: int | None = None
        """Both as Attendance has them; None where nobody attends."""
        self._read_once: Callable[[memoryview], int | None] = (
            getattr(file, "readinto1", None) or getattr(file, "readinto", None) or self._read_by_copy
        )
        if self.is_live and isinstance(file, io.BufferedReader):
            self._read_once = partial(self._read_past_buffer, file)

    def _measure(self) -> int | None:
        if self._descriptor is not None:
            status = os.fstat(self._descriptor)
            return max(status.st_size - self._base, 0) if stat.S_ISREG(status.st_mode) else None
        if not self.is_seekable:
            return None
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(self._base)
        return max(end - self._base, 0)

    def _read_past_buffer(self, file: io.BufferedReader, room: memoryview) -> int | None:
        """The first read of a buffered pipe: what its buffer holds, and from then on the pipe itself.

        Asked for more than it has, a BufferedReader reads once more and so waits, and polling the descriptor does not
        tell what lies in its buffer.
        """
        buffered = file.read(len(file.peek(1)))
        self._read_once = file.raw.readinto
        self._pushed_back = buffered[len(room) :]
        room[: len(buffered)] = buffered[: len(room)]
        return min(len(buffered), len(room))

    def _read_by_copy(self, room: memoryview) -> int | None:
        octets: bytes | None = self._file.read(min(len(room), _CHUNK))
        if octets is None:
            return None
        room[: len(octets)] = octets
        return len(octets)

    @property
    def is_regular_file(self) -> bool:
        """Whether it is a plain file with a descriptor, and not a pipe or something that the caller wraps."""
        return self._descriptor is not None and stat.S_ISREG(os.fstat(self._descriptor).st_mode)

    def push_back(self, octets: bytes) -> None:
        """Give `octets` to the next read again."""
        self._pushed_back = octets + self._pushed_back
        self.octets_read -= len(octets)

    def readinto(self, room: memoryview) -> int:
        """Wait for octets, put what is there into `room`, and say how many; 0 at the end. BrokenStreamError
        on I/O errors.
        """
        if self._pushed_back:
            count = min(len(room), len(self._pushed_back))
            room[:count] = self._pushed_back[:count]
            self._pushed_back = self._pushed_back[count:]
        else:
            self._await_octets()
            try:
                got = self._read_once(room)
                while got is None:  # A descriptor that does not block has nothing yet.
                    self.wait(None)
                    got = self._read_once(room)
            except BrokenPipeError:  # It is of `output`: reading a pipe never gives it.
                raise
            except (OSError, EOFError, zlib.error) as error:
                raise BrokenStreamError(f"reading fails: {getattr(error, 'strerror', None) or error}") from error
            count = got
        self.octets_read += count
        return count

    def _await_octets(self) -> None:
        """Call `on_idle`, where there is one to call, until a read gives something at once."""
        if not self.is_live or self.on_idle is None or self._descriptor is None:
            return
        seconds: float | None = 0.0
        while not self.wait(seconds):
            seconds = self.on_idle()

    def wait(self, seconds: float | None) -> bool:
        """Wait until a read gives something at once, at most `seconds`; False where that cannot be known.

        BrokenPipeError where nobody reads `output` any more.
        """
        if self._pushed_back:
            return True
        if self._descriptor is None:
            return False
        if self.output is None:
            ready, _, _ = select.select([self._descriptor], [], [], seconds)
            return bool(ready)
        return self._descriptor in self._poll([self._descriptor], seconds)

    def _poll(self, descriptors: list[int], seconds: float | None) -> list[int]:
        """Those of `descriptors` that can be read, after `seconds` at most."""
        polled = select.poll()
        for descriptor in descriptors:
            polled.register(descriptor, select.POLLIN)
        if self.output is not None:
            polled.register(self.output, 0)
        ready = []
        for descriptor, event in polled.poll(None if seconds is None else seconds * 1_000):
            if descriptor != self.output:
                ready.append(descriptor)
            elif event & (select.POLLERR | select.POLLHUP):
                raise BrokenPipeError
        return ready

    def pread(self, offset: int, length: int) -> bytes:
        """Up to `length` stored octets from `offset` on, without moving what `readinto` reads next."""
        if self._descriptor is not None:
            return os.pread(self._descriptor, length, self._base + offset)
        position = self._file.tell()
        try:
            self._file.seek(self._base + offset)
            return self._file.read(length)
        finally:
            self._file.seek(position)

    def close(self) -> None:
        if self._is_owned:
            self._file.close()


Kind = Callable[[BinaryIO, str, bool], StoredFile]
"""What makes a StoredFile of a stream, its name, and whether it is owned."""


def standard_input() -> BinaryIO:
    """The octets of standard input; CaptureError where the process was started without one."""
    if sys.stdin is None:
        raise CaptureError("-: standard input is closed; name a file, or lead a capture into it")
    return sys.stdin.buffer


def open_stored(source: str | os.PathLike[str] | BinaryIO, kind: Kind = StoredFile) -> StoredFile:
    """Open a path, or take a binary stream as it stands; "-" is standard input. CaptureError where that
    fails.
    """
    if not isinstance(source, str | os.PathLike):
        name = getattr(source, "name", None)
        return kind(source, name if isinstance(name, str) else "<stream>", False)
    path = os.fspath(source)
    if path == "-":
        return kind(standard_input(), "-", False)
    try:
        return kind(open(path, "rb", buffering=0), path, True)
    except IsADirectoryError:
        raise CaptureError(f"{path}: this is a directory; name the capture files in it") from None
    except FileNotFoundError:
        raise CaptureError(f"{path}: there is no such file") from None
    except PermissionError:
        raise CaptureError(f"{path}: no permission to read it; change its mode or run as its owner") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero octet
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise CaptureError(
                f"{path}: too many files are open; allow more (ulimit -n), or name fewer captures of one time"
            ) from None
        raise CaptureError(f"{path}: it cannot be opened: {getattr(error, 'strerror', None) or error}") from None
