"""One pass over the capture under one set of keys, and what is known of it so far.

A pass runs in a thread of its own (`run`) and may be looked at all the while. Whoever asks the engine's objects for
more than the table's columns does so while holding them (`held`), between two batches, and never from the thread that
answers keys. Nobody waits for a pass to be closed: who holds it or reads closes its files when that is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from aoinspect.capture.reader import CaptureReader, open_capture
from aoinspect.engine.filtering import FilterContext
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.errors import CaptureError
from aoinspect.keys.model import KeyStore
from aoinspect.report.frame_view import FrameView, view_frame
from aoinspect.report.model import Report, build_report
from aoinspect.tui.listed_table import ListedTable
from aoinspect.tui.spool import FollowingStream, Spool
from dissectors.registry import Registry

if TYPE_CHECKING:
    from aoinspect.engine.recovery import Recovery

BATCH_FRAMES = 2048
"""Frames that are judged at once: some 20 ms, so that whoever wants to hold the pass does not wait long."""
_GIVE_WAY_SECONDS = 0.06
"""So long reading stands still when a key was pressed: drawing what it does must not share the interpreter."""
_STEP_ASIDE_SECONDS = 0.001
ACTIVITY_BINS = 12
_REPORT_SHARE = 40
"""A report is made again when reading has gone on for so many times as long as the last one took."""
_REPORT_EVERY_SECONDS = 0.4
_REPORT_WAITS_SECONDS = 3.0
"""So long a report waits for who presses keys to pause."""
_PAUSE_SECONDS = 0.3
"""Without a key for so long, somebody pauses."""
_ACTIVITY_AT_MOST = 200_000
"""Rows up to which activity is counted while reading goes on."""
_COUNTED_AT_ONCE = 1 << 18
"""Rows whose activity is counted at once, lest ten million take memory of their own."""

Tell = Callable[[], None]


class Analysis:
    """A pass, under way or done."""

    def __init__(
        self,
        path: str,
        name: str,
        store: KeyStore,
        registry: Registry,
        *,
        spool: Spool | None = None,
        recovery: Recovery | None = None,
        count_streams: bool = False,
    ) -> None:
        """`path` is what is read, `name` what the user calls it; `spool` if `path` is one that still grows.

        CaptureError where the capture cannot be opened is raised by `run`. UsageError for too many keys.
        """
        self.path = path
        self.name = name
        self.store = store
        self.recovery = recovery
        self.analyzer = Analyzer(store, registry, count_streams=count_streams)
        self.table = ListedTable()
        self.analyzer.table = self.table
        self._lock = threading.RLock()
        self.context = FilterContext(self.analyzer)
        self.report: Report | None = None
        self.activity: dict[int, tuple[int, ...]] = {}
        """Connection -> segments in each of `ACTIVITY_BINS` equal stretches of the capture's time."""
        self.is_finished = False
        self.octets_read = 0
        self.size: int | None = None
        """Octets of the capture as stored; None where its end is not known."""
        self._spool = spool
        self._reader: CaptureReader | None = None
        self._lookup: CaptureReader | None = None
        self._is_stopped = False
        self._is_closed = False
        self._is_reading = False
        self._quiet_until = 0.0
        self._waiting: set[int] = set()
        """Threads that wait to hold the pass."""
        self._reported_frames = -1
        self._report_due = 0.0
        self._opened = ExitStack()

    # Reading.

    def run(self, tell: Tell) -> None:
        """Reads the capture to its end, or until `stop`; `tell` is called after every batch and report.

        CaptureError where it cannot be opened.
        """
        self._is_reading = True
        try:
            self._read(tell)
        finally:
            self._is_reading = False
            self._close_if_unused()

    def _read(self, tell: Tell) -> None:
        try:
            reader = self._open(tell)
        except CaptureError:
            if not self._is_stopped:
                raise
            # Stopped before a pipe had brought as much as a file's header.
            with self._lock:
                self.analyzer.totals.is_interrupted = True
                self.is_finished = True
                self._make_report()
            tell()
            return
        with self._lock:
            self._reader = reader
            self.size = reader.size
            counts = self.analyzer.begin_capture(self.name, reader.interfaces)
        for batch in reader.batches():
            with self._lock:
                self.analyzer.feed(batch)
                self.octets_read = reader.octets_read
                if self._is_report_due():
                    self._make_report()
            tell()
            if self._is_stopped:
                break
            # A batch is read in any case, so that a key which is held down does not end all progress.
            time.sleep(max(0.0, self._quiet_until - time.monotonic()))
        if self._is_closed:
            return
        with self._lock:
            self.analyzer.finish_capture(None if self._spool is not None else reader.frame_at)
            counts.damage = reader.damage
            if self._is_stopped:
                counts.damage = None
                self.analyzer.totals.is_interrupted = True
            self.octets_read = reader.octets_read
            self.is_finished = True
            self._make_report()
        tell()

    def give_way(self) -> None:
        """Has reading stand still for a moment after the batch under way."""
        self._quiet_until = time.monotonic() + _GIVE_WAY_SECONDS

    def step_aside(self) -> None:
        """Lets a packet be looked at, or the list be filtered; for who holds the pass for long.

        Not before everything is read: reading on would change what is worked with.
        """
        if self.is_finished and self._waiting:
            self._lock.release()
            time.sleep(_STEP_ASIDE_SECONDS)
            self._lock.acquire()

    def stop(self) -> None:
        """Ends the reading after the batch under way."""
        self._is_stopped = True

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps all other threads from the engine's objects. A pass that is closed meanwhile stays open that long."""
        thread = threading.get_ident()
        self._waiting.add(thread)
        try:
            with self._lock:
                self._waiting.discard(thread)
                yield
        finally:
            self._close_if_unused()

    def close(self) -> None:
        """Stops, and closes what was opened: at once, or when nobody reads or holds it any more. Waits for nobody."""
        self.stop()
        self._is_closed = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        # Whoever has the lock comes here afterwards, and so does who reads.
        if self._is_closed and self._lock.acquire(blocking=False):
            try:
                if not self._is_reading:
                    self._opened.close()
                    if self._lookup is not None:
                        self._lookup.close()
            finally:
                self._lock.release()

    def _open(self, tell: Tell) -> CaptureReader:
        if self._spool is None:
            return self._opened.enter_context(open_capture(self.path, batch_frames=BATCH_FRAMES))

        def idle() -> None:
            # Nothing comes for now: what has come is to be seen as a whole.
            with self._lock:
                self.refresh_report()
            tell()

        stream = self._opened.enter_context(FollowingStream(self._spool, self.name, idle, lambda: self._is_stopped))
        return self._opened.enter_context(open_capture(cast(BinaryIO, stream), batch_frames=BATCH_FRAMES))

    def _is_report_due(self) -> bool:
        """Whether it is time for a report; while keys are pressed it waits a little, for it cannot be interrupted."""
        now = time.monotonic()
        wanted = self._report_due + (_REPORT_WAITS_SECONDS if now < self._quiet_until + _PAUSE_SECONDS else 0.0)
        return now >= wanted

    def _make_report(self) -> None:
        started = time.monotonic()
        self._reported_frames = self.analyzer.totals.frames
        self.report = build_report(self.analyzer, recovery=self.recovery)
        if self.is_finished or len(self.table) <= _ACTIVITY_AT_MOST:
            self.activity = self._activity()
        now = time.monotonic()
        self._report_due = now + max(_REPORT_EVERY_SECONDS, (now - started) * _REPORT_SHARE)

    def _activity(self) -> dict[int, tuple[int, ...]]:
        rows = self.table.rows
        if not len(rows.frame):
            return {}
        first, last = int(rows.time_ns.min()), int(rows.time_ns.max())
        width = max(1, last - first) // ACTIVITY_BINS + 1
        counts = np.zeros((int(rows.connection.max()) + 1) * ACTIVITY_BINS, np.int64)
        for start in range(0, len(rows.frame), _COUNTED_AT_ONCE):
            end = start + _COUNTED_AT_ONCE
            places = rows.connection[start:end].astype(np.int64) * ACTIVITY_BINS
            places += (rows.time_ns[start:end] - first) // width
            counts += np.bincount(places, minlength=len(counts))
        bins = counts.reshape(-1, ACTIVITY_BINS).tolist()
        return {connection: tuple(own) for connection, own in enumerate(bins)}

    def refresh_report(self) -> None:
        """Has the report tell all that was read; for who holds the pass."""
        if self.analyzer.captures and self.analyzer.totals.frames != self._reported_frames:
            self._make_report()

    # One packet.

    def view(self, row: int) -> FrameView:
        """Everything about the packet of a row of the table; CaptureError where it cannot be read again."""
        with self.held(), CaptureSource(self.path) as source:
            if self._is_closed:
                raise CaptureError(f"{self.name}: closed")
            offset = int(self.table.rows.offset[row])
            view = view_frame(self.analyzer, self._reader_for(offset), source, int(self.table.rows.frame[row]))
            return replace(view, path=self.name)

    def _reader_for(self, offset: int) -> CaptureReader:
        """A reader that can give the frame at `offset` again."""
        if self._spool is None:
            assert self._reader is not None
            return self._reader
        if self._lookup is None or (self._lookup.format == "pcapng" and self._lookup.octets_read <= offset):
            if self._lookup is not None:
                self._lookup.close()
            self._lookup = open_capture(self.path)
            if self._lookup.format == "pcapng":
                # Sections and interfaces are learned on the way.
                for _ in self._lookup.batches():
                    pass
        return self._lookup
