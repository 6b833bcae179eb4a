"""Reads captures through the engine: one, or several as one logical capture in the order of their frames' times.

A ring of files follows one on the other; captures of two interfaces, or of the two directions of a tap, run side by
side. Both are read alike: of each capture that has begun, a batch is located, and what lies before the end of all these
batches is judged together. A capture is opened when its time comes and closed behind its end, so that of a ring one
file is open at a time. Frames of one capture stay in their order whatever their times say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

import numpy as np

from aoinspect.capture.frames import I64, FrameBatch
from aoinspect.capture.reader import CaptureReader, open_capture
from aoinspect.engine.pipeline import Analyzer, CaptureCounts, Prepared, Progress
from aoinspect.engine.segments import Segments, join_segments
from aoinspect.engine.table import Rows
from aoinspect.errors import CaptureError

_ENDLESS = np.iinfo(np.int64).max
_NO_FRAME = np.iinfo(np.int64).min
_NO_TIME = 0
"""What readers give to frames without a time, as in a pcapng's simple packets."""
_PEEK_FRAMES = 16

Capture = str | CaptureReader
"""A path, which is opened and closed here, or a reader, which stays its owner's to close."""


def analyse(
    captures: Sequence[Capture],
    analyzer: Analyzer,
    *,
    on_rows: Callable[[Rows], None] | None = None,
    progress: Progress | None = None,
) -> Analyzer:
    """Reads `captures` through `analyzer`. KeyboardInterrupt ends the reading and is noted in `totals`.

    Several are read in the order of time, or one after the other as given where a pipe or a capture without times is
    among them. Where the analyser has workers, some batches are prepared ahead of the one that is judged; what comes
    through a pipe is judged at once. CaptureError where a path cannot be opened.
    """
    with ExitStack() as opened:
        _Reading(captures, analyzer, on_rows, progress, opened).run()
    return analyzer


def openable(paths: Sequence[str], opened: ExitStack) -> list[Capture]:
    """The captures at `paths` for `analyse`, each tried: a missing file is told at once, not after an hour.

    Files are closed again, for there may be more of them than a process may hold open; pipes stay open as long as
    `opened`. CaptureError names all that fail.
    """
    captures: list[Capture] = []
    mistakes = []
    for path in paths:
        try:
            reader = open_capture(path)
        except CaptureError as error:
            mistakes.append(str(error))
            continue
        if reader.size is None or path == "-":
            captures.append(opened.enter_context(reader))
        else:
            reader.close()
            captures.append(path)
    if mistakes:
        raise CaptureError("\n".join(mistakes))
    return captures


class _Source:
    """A capture that has begun: what was located of it and is not judged yet."""

    def __init__(
        self, number: int, counts: CaptureCounts, reader: CaptureReader, batches: Iterator[FrameBatch], is_ours: bool
    ) -> None:
        self.number = number
        self.counts = counts
        self.reader = reader
        self.is_ours = is_ours
        self.reached_ns: int = _NO_FRAME
        """The latest time among the frames located so far."""
        self._batches = batches
        self._segments: Segments | None = None
        self._times: I64 = np.zeros(0, dtype=np.int64)

    @property
    def is_exhausted(self) -> bool:
        """Whether all that was located has been taken."""
        return self._segments is None

    def advance(self, analyzer: Analyzer) -> bool:
        """Locates the next batch; False where there is none."""
        batch = next(self._batches, None)
        if batch is None:
            return False
        before = self.reached_ns
        self.reached_ns = max(before, int(batch.times_ns.max()))
        segments = analyzer.locate(batch, self.number)
        if segments.size:
            self._segments = segments
            # A frame whose time steps back stays behind the frame before it.
            self._times = np.maximum(np.maximum.accumulate(segments.packets.times_ns), before)
        return True

    def take(self, until_ns: int) -> tuple[Segments, I64] | None:
        """The segments up to a time, with the times they are ordered by."""
        segments, times = self._segments, self._times
        if segments is None:
            return None
        count = int(np.searchsorted(times, until_ns, side="right"))
        if count == segments.size:
            self._segments = None
            return segments, times
        if not count:
            return None
        self._segments, self._times = segments.select(slice(count, None)), times[count:]
        return segments.select(slice(0, count)), times[:count]


class _Reading:
    """One run of `analyse`."""

    def __init__(
        self,
        captures: Sequence[Capture],
        analyzer: Analyzer,
        on_rows: Callable[[Rows], None] | None,
        progress: Progress | None,
        opened: ExitStack,
    ) -> None:
        self._analyzer = analyzer
        self._on_rows = on_rows
        self._progress = progress
        self._opened = opened
        self._looked_at: dict[int, Iterator[FrameBatch]] = {}
        """The batches of readers whose first one was looked at."""
        # Captures keep the numbers that their order gives them, whatever the order in which they are read.
        for capture in captures:
            analyzer.begin_capture(capture if isinstance(capture, str) else capture.path, [])
        first = len(analyzer.captures) - len(captures)
        self._upcoming = deque(self._in_order([(first + at, capture) for at, capture in enumerate(captures)]))
        self._active: list[_Source] = []
        self._latest: CaptureReader | None = None
        """Of which octets were read last."""
        self._waiting: deque[Prepared | None] = deque()

    def run(self) -> None:
        try:
            while self._upcoming or self._active:
                self._fill()
                self._judge(min((source.reached_ns for source in self._active), default=_ENDLESS))
                self._tell_progress()
        except KeyboardInterrupt:
            self._analyzer.totals.is_interrupted = True
            self._judge(_ENDLESS)
        self._conclude(0)
        for source in self._active:
            self._finish(source)

    # Which capture comes when.

    def _in_order(self, captures: list[tuple[int, Capture]]) -> list[tuple[int, Capture, int]]:
        """The captures and their numbers with the time of their first frame, the earliest first.

        One without frames comes before all others. Where frames of any have no times, all follow on each other as
        given: each begins behind the end of the one before.
        """
        as_given = [(number, capture, _ENDLESS) for number, capture in captures]
        if len(captures) < 2 or any(not isinstance(one, str) and one.size is None for _, one in captures):
            return as_given
        timed = [(number, capture, self._first_time(capture)) for number, capture in captures]
        if any(time_ns == _NO_TIME for _, _, time_ns in timed):
            return as_given
        return sorted(timed, key=lambda item: item[2])

    def _first_time(self, capture: Capture) -> int:
        """Nanoseconds since 1970; _NO_TIME where the first frame has none, _NO_FRAME where there is no frame."""
        if isinstance(capture, str):
            with open_capture(capture, batch_frames=_PEEK_FRAMES) as reader:
                batch = next(reader.batches(), None)
        else:
            batches = capture.batches()
            batch = next(batches, None)
            self._looked_at[id(capture)] = chain([] if batch is None else [batch], batches)
        return _NO_FRAME if batch is None else int(batch.times_ns[0])

    # Reading.

    def _fill(self) -> None:
        """Begins what is due, and locates a batch of everything that has begun and holds nothing."""
        while True:
            empty = next((source for source in self._active if source.is_exhausted), None)
            if empty is not None:
                if not empty.advance(self._analyzer):
                    self._conclude(0)
                    self._active.remove(empty)
                    self._finish(empty)
                self._latest = empty.reader
                if empty.is_exhausted:
                    # Nothing is to be judged, so nothing else tells how far it has come.
                    self._tell_progress()
            elif self._is_due():
                self._begin()
            else:
                return

    def _tell_progress(self) -> None:
        if self._progress is not None and self._latest is not None:
            self._progress(self._latest)

    def _is_due(self) -> bool:
        """Whether the next capture begins before the end of what is located."""
        if not self._upcoming:
            return False
        _, _, begins_ns = self._upcoming[0]
        return not self._active or any(begins_ns <= source.reached_ns for source in self._active)

    def _begin(self) -> None:
        number, capture, _ = self._upcoming.popleft()
        is_ours = isinstance(capture, str)
        reader = self._opened.enter_context(open_capture(capture)) if isinstance(capture, str) else capture
        self._analyzer.checker.interfaces[number] = reader.interfaces
        batches = self._looked_at.pop(id(capture), None) or reader.batches()
        self._active.append(_Source(number, self._analyzer.captures[number], reader, batches, is_ours))

    def _judge(self, until_ns: int) -> None:
        """Takes what lies before a time, of all captures together."""
        parts = [part for source in self._active if (part := source.take(until_ns)) is not None]
        if parts:
            self._waiting.append(self._analyzer.prepare_segments(_merged(parts)))
        self._conclude(self._batches_ahead())

    def _batches_ahead(self) -> int:
        workers = self._analyzer.workers
        if workers is None or any(source.reader.size is None for source in self._active):
            return 0
        return workers.batches_ahead

    def _conclude(self, most: int) -> None:
        """Judges what waits, until at most so many batches do."""
        while len(self._waiting) > most:
            self._hand_out(self._analyzer.conclude(self._waiting.popleft()))

    def _finish(self, source: _Source) -> None:
        self._hand_out(self._analyzer.finish_capture(source.reader.frame_at, source.number))
        source.counts.damage = source.reader.damage
        if source.is_ours:
            source.reader.close()

    def _hand_out(self, rows: Rows) -> None:
        if self._on_rows is not None:
            self._on_rows(rows)


def _merged(parts: Sequence[tuple[Segments, I64]]) -> Segments:
    """The segments of several captures in the order of time; at equal times, of the capture that began first."""
    if len(parts) == 1:
        return parts[0][0]
    segments = join_segments([segments for segments, _ in parts])
    return segments.select(np.argsort(np.concatenate([times for _, times in parts]), kind="stable"))
