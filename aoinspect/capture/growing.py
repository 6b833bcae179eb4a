"""A capture file that is still being written: where its end is for now, and what ends it for good.

As `tail -F` does: at the end of the file wait for more; a file that was renamed and whose name another one has taken is
read to its end, and a file that was truncated ends where it was read to. Either way the name then has a new capture,
for whoever reads to open. A name that nothing has is waited for, with the file that had it. Nobody is told when a file
grows: its length is asked for ten times a second.
"""

from __future__ import annotations

import os
import time
from typing import BinaryIO, Final

from aoinspect.capture.stored import StoredFile

POLL_SECONDS: Final = 0.1
REPLACED_AFTER_SECONDS: Final = 1.0
"""How long a file whose name another one has must not have grown: who writes it may not know yet."""


class GrowingFile(StoredFile):
    """A regular file whose end is not its end."""

    def __init__(self, file: BinaryIO, path: str, is_owned: bool) -> None:
        super().__init__(file, path, is_owned)
        self.size = None
        self.is_live = True
        self.succession: str | None = None
        """Why there will be no more, although the name goes on."""
        self._has_name = path != "-"
        self._replaced_since: float | None = None

    def _await_octets(self) -> None:
        if self.on_idle is None:
            self.wait(None)
        else:
            super()._await_octets()

    def wait(self, seconds: float | None) -> bool:
        """Wait until the file has grown, or has ended, at most `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not (self._pushed_back or self._has_more_or_ended()):
            pause = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
            if pause <= 0:
                return False
            if self.output is None:
                time.sleep(pause)
            else:
                self._poll([], pause)
        return True

    def _has_more_or_ended(self) -> bool:
        if self.succession is not None:
            return True
        assert self._descriptor is not None
        status = os.fstat(self._descriptor)
        position = self._base + self.octets_read
        if status.st_size > position:
            self._replaced_since = None
            return True
        if status.st_size < position:
            self.succession = "it was truncated"
        elif self._is_replaced(status):
            now = time.monotonic()
            self._replaced_since = self._replaced_since or now
            if now - self._replaced_since >= REPLACED_AFTER_SECONDS:
                self.succession = "another file has its name"
        return self.succession is not None

    def _is_replaced(self, status: os.stat_result) -> bool:
        if not self._has_name:
            return False
        try:
            named = os.stat(self.path)
        except OSError:  # Renamed, and nothing new yet.
            return False
        return (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino)


def open_growing(file: BinaryIO, path: str, is_owned: bool) -> StoredFile:
    """A regular file that is waited for at its end; a pipe, which does that anyway, as it is."""
    stored = StoredFile(file, path, is_owned)
    return GrowingFile(file, path, is_owned) if stored.is_regular_file else stored
