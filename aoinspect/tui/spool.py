"""A capture from a pipe, kept in a temporary file while it comes, and read as often as anybody likes.

`Spool` copies the pipe in a thread of its own and waits for nobody. `FollowingStream` reads the file from its start
and, at its end, waits for more as the pipe would; the engine sees a live capture, and new keys are checked from the
first octet on.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Callable

_CHUNK = 1 << 18
_WAIT_SECONDS = 0.2


class Spool:
    """What has come from a pipe so far."""

    def __init__(self, descriptor: int) -> None:
        """Starts to copy `descriptor`, which it owns from here on. OSError where no temporary file can be made."""
        self._file = tempfile.NamedTemporaryFile(prefix="aoinspect-", suffix=".capture")  # noqa: SIM115 - `close` does
        self._descriptor = descriptor
        self.path = self._file.name
        self.size = 0
        """Octets that have come."""
        self.is_finished = False
        """The pipe has ended, or cannot be kept any more."""
        self.fault: str | None = None
        """Why no more is kept, if that is not the pipe's end."""
        self._changed = threading.Condition()
        threading.Thread(target=self._copy, name="spool", daemon=True).start()

    def _copy(self) -> None:
        try:
            while octets := os.read(self._descriptor, _CHUNK):
                self._file.write(octets)
                self._file.flush()
                with self._changed:
                    self.size += len(octets)
                    self._changed.notify_all()
        except (OSError, ValueError) as error:
            self.fault = f"the pipe is not kept any more: {getattr(error, 'strerror', None) or error}"
        with self._changed:
            self.is_finished = True
            self._changed.notify_all()

    def wait(self, position: int) -> bool:
        """Waits a little for octets behind `position`; whether there are any, or never will be."""
        with self._changed:
            if self.size <= position and not self.is_finished:
                self._changed.wait(_WAIT_SECONDS)
            return self.size > position or self.is_finished

    def close(self) -> None:
        """Removes the file."""
        self._file.close()


class FollowingStream(io.RawIOBase):
    """The spool from its start, as a stream that is not at its end before the pipe is."""

    def __init__(self, spool: Spool, name: str, on_wait: Callable[[], None], is_stopped: Callable[[], bool]) -> None:
        """`on_wait` is called when there is nothing to read for now; `is_stopped` ends the stream."""
        super().__init__()
        self.name = name
        self._spool = spool
        self._on_wait = on_wait
        self._is_stopped = is_stopped
        self._position = 0
        self._descriptor = os.open(spool.path, os.O_RDONLY)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        """Never: a reader that could seek would take the file's present end for the capture's."""
        return False

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        if self._position >= self._spool.size and not self._spool.is_finished:
            self._on_wait()
        while not self._spool.wait(self._position):
            if self._is_stopped():
                return 0
        octets = os.pread(self._descriptor, len(room), self._position)
        room[: len(octets)] = octets
        self._position += len(octets)
        return len(octets)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
