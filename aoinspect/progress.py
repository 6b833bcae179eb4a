"""The progress bar on stderr: only on a terminal, and only for work that takes longer than a second."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from aoinspect.capture.reader import CaptureReader

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0


class ProgressBar:
    """A context manager; `update` is called after every batch."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._started = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, reader: CaptureReader) -> None:
        """Shows how much of the capture has been read."""
        if not self._is_wanted or time.monotonic() - self._started < PATIENCE_SECONDS:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._progress.start()
        if reader.path not in self._tasks:
            self._tasks[reader.path] = self._progress.add_task(
                f"{reader.path} (-q hides this)", total=reader.size
            )
        self._progress.update(self._tasks[reader.path], completed=reader.octets_read)
