"""What a long run owes the person who waits for it: a bar on stderr, and an orderly end on SIGINT.

The bar appears only on a terminal and only for work that takes longer than a second. SIGINT ends the reading at once,
but never in the middle of a batch: what was judged by then is whole and can be reported.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from aoinspect.capture.frames import Frame, FrameBatch
from aoinspect.capture.reader import CaptureReader
from aoinspect.engine.limits import Limits
from aoinspect.engine.pipeline import Analyzer, Prepared
from aoinspect.engine.segments import Segments
from aoinspect.engine.table import Rows
from aoinspect.engine.workers import Workers
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0
_LONGEST_NAME = 30


class ProgressBar:
    """A context manager; `update` is called after every batch."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._started = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None
        self._reader: CaptureReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Leaves the terminal to something else; the next `update` shows the bar again."""
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None

    def update(self, reader: CaptureReader) -> None:
        """Shows how much of the capture has been read; of a pipe, that something is."""
        if not self._is_wanted or time.monotonic() - self._started < PATIENCE_SECONDS:
            return
        if self._bar is None:
            self._bar, self._reader = _new_bar(), None
        progress, task = self._bar
        if reader is not self._reader:
            self._reader = reader
            name = "standard input" if reader.path == "-" else PurePath(reader.path).name
            if len(name) > _LONGEST_NAME:
                name = f"{name[: _LONGEST_NAME - 3]}..."
            shown = "".join(character if character.isprintable() else "?" for character in name)
            progress.reset(task, total=reader.size, description=f"{shown} (-q hides this)")
        progress.update(task, completed=reader.octets_read)


class SearchBar:
    """The same for a search that counts candidates against a budget."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._started = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar[0].stop()

    def update(self, tried: int, budget: int) -> None:
        """Shows how many candidates were paid for."""
        if not self._is_wanted or time.monotonic() - self._started < PATIENCE_SECONDS:
            return
        if self._bar is None:
            self._bar = _new_bar()
            self._bar[0].reset(self._bar[1], total=budget, description="searching ISNs (--recover-isn off skips this)")
        self._bar[0].update(self._bar[1], completed=tried)


def _new_bar() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    progress.start()
    return progress, progress.add_task("", total=None)


ONE_SIGNAL_SECONDS = 0.3
"""timeout(1) and some supervisors send a signal to a process and, at once, to the group that it is in."""


class Interruption:
    """SIGINT while a run lasts. A context manager that puts back what was there.

    Outside `held`, which is while octets are waited for, SIGINT raises KeyboardInterrupt. Within, it waits for
    `raise_if_pending`; a second one raises at once. What comes within ONE_SIGNAL_SECONDS is the same signal once more.
    """

    def __init__(self, *, takes_sigterm: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """`takes_sigterm`: SIGTERM does the same. `clock` gives seconds."""
        self.is_pending = False
        self._is_held = False
        self._first_came: float | None = None
        self._clock = clock
        self._takes_sigterm = takes_sigterm
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        # Only the main thread may set handlers; and a shell that starts a job in the background ignores SIGINT for it.
        if threading.current_thread() is threading.main_thread():
            self._replace(signal.SIGINT, signal.default_int_handler)
            if self._takes_sigterm:
                self._replace(signal.SIGTERM, signal.SIG_DFL)
        return self

    def _replace(self, number: signal.Signals, default: object) -> None:
        previous = signal.getsignal(number)
        if previous is default:
            signal.signal(number, self._take)
            self._restore.append(lambda: signal.signal(number, previous))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._restore:
            self._restore.pop()()

    def _take(self, number: int, frame: FrameType | None) -> None:
        now = self._clock()
        if self._first_came is None:
            self._first_came = now
            if self._is_held:
                self.is_pending = True
                return
        elif now - self._first_came < ONE_SIGNAL_SECONDS:
            return
        raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done within is done whole."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def raise_if_pending(self) -> None:
        """KeyboardInterrupt if SIGINT came while it was held."""
        if self.is_pending:
            raise KeyboardInterrupt


class InterruptibleAnalyzer(Analyzer):
    """An Analyzer that SIGINT never leaves with half a batch judged."""

    def __init__(
        self,
        store: KeyStore,
        registry: Registry,
        interruption: Interruption,
        *,
        make_rows: bool,
        count_streams: bool = False,
        workers: Workers | None = None,
        dedupe_ns: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """All but `interruption` as Analyzer has it; no table is kept."""
        super().__init__(
            store,
            registry,
            keep_table=False,
            make_rows=make_rows,
            count_streams=count_streams,
            workers=workers,
            dedupe_ns=dedupe_ns,
            limits=limits,
        )
        self._interruption = interruption

    def locate(self, batch: FrameBatch, number: int) -> Segments:
        with self._interruption.held():
            return super().locate(batch, number)

    def prepare_segments(self, segments: Segments) -> Prepared | None:
        with self._interruption.held():
            return super().prepare_segments(segments)

    def conclude(self, prepared: Prepared | None) -> Rows:
        with self._interruption.held():
            return super().conclude(prepared)

    def finish_capture(self, frame_at: Callable[[int], Frame] | None = None, number: int | None = None) -> Rows:
        with self._interruption.held():
            return super().finish_capture(frame_at, number)
