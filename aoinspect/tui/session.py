"""What a person has in front of them: the capture under some keys, what is shown of it, what is chosen, what is marked.

Everything that the terminal interface can do to a capture is here, without a terminal: a widget asks and draws. New
keys make another `Analysis` of the whole capture, which takes the place of the old one when it has come as far; what
that changed in verdicts is told.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from enum import Enum
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

import numpy as np

from aoinspect.engine.filtering import Filter, parse_filter
from aoinspect.engine.results import ConnectionResult
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Verdict
from aoinspect.errors import CaptureError, UsageError
from aoinspect.keys.model import KeyStore
from aoinspect.report.axis import Axis, AxisUnit
from aoinspect.report.frame_view import FrameView
from aoinspect.tui.analysis import Analysis, Tell
from aoinspect.tui.places import nearest_row, row_of_frame
from aoinspect.tui.spool import Spool
from aoinspect.tui.visible_rows import VisibleRows, next_failure, next_match
from dissectors.registry import Registry

if TYPE_CHECKING:
    from aoinspect.engine.explain import Account
    from aoinspect.engine.recovery import Recovery


CANCELLED = "cancelled: the former keys stand"
"""What a check under other keys comes to that was stopped."""


def _nothing() -> None:
    """Goes on."""


class TimeFormat(Enum):
    """How the packet list tells time."""

    RELATIVE = "seconds since the first frame"
    DELTA = "seconds since the packet listed before"
    ABSOLUTE = "time of day (UTC)"
    EPOCH = "seconds since 1970"


class Session:
    """One capture being looked at."""

    def __init__(
        self,
        path: str,
        store: KeyStore,
        registry: Registry,
        *,
        spool: Spool | None = None,
        recovery_budget: int = 0,
    ) -> None:
        """`path` as the user named it; `spool` holds what comes from a pipe."""
        self.name = path
        self.registry = registry
        self.recovery_budget = recovery_budget
        self._spool = spool
        self._path = path if spool is None else spool.path
        self.analysis = self._analysis(store)
        self.pending: Analysis | None = None
        """The pass that is to take the place of `analysis`."""
        self.visible = VisibleRows(None, self.analysis)
        self.wanted: Filter | None = None
        """What find looks for."""
        self.filter_history: list[str] = []
        self.time_format = TimeFormat.RELATIVE
        self.axis_unit = AxisUnit.TIME
        """Of the timelines."""
        self.row: int | None = None
        """The chosen row of the table."""
        self.connection: int | None = None
        """The chosen connection's number."""
        self.marked: set[int] = set()
        """Frames."""
        self._accounts: dict[int, tuple[int, Account]] = {}
        """Connection -> frames that were read, and its explanation by those, under the present keys."""
        self.last_change = ""
        """What the last check under other keys changed."""
        self.switch: Callable[[Callable[[], None]], bool] = _call
        """Calls what changes `analysis`, `visible` or `pending`, in the thread that draws; False where none does any
        more."""

    @property
    def store(self) -> KeyStore:
        """The present keys."""
        return self.analysis.store

    @property
    def latest_store(self) -> KeyStore:
        """The keys that were asked for last; they are being checked where they are not the present ones."""
        return (self.pending or self.analysis).store

    @property
    def rows(self) -> Rows:
        return self.analysis.table.rows

    @property
    def connections(self) -> tuple[ConnectionResult, ...]:
        report = self.analysis.report
        return () if report is None else report.connections

    def _analysis(self, store: KeyStore, *, count_streams: bool = False, recovery: Recovery | None = None) -> Analysis:
        return Analysis(
            self._path,
            self.name,
            store,
            self.registry,
            spool=self._spool,
            recovery=recovery,
            count_streams=count_streams,
        )

    # Reading, and reading again.

    def read(self, tell: Tell) -> None:
        """The first pass, in the calling thread. CaptureError where the capture cannot be opened."""
        analysis = self.analysis

        def take_and_tell() -> None:
            self._take(analysis)
            tell()

        analysis.run(take_and_tell)

    def _take(self, analysis: Analysis) -> None:
        """Takes what the table of `analysis` has got since into what is shown, if that is what is shown."""
        visible = self.visible
        if visible.analysis is analysis:
            visible.take()

    def check_again(
        self, store: KeyStore, tell: Callable[[Analysis], None], *, recovery: Recovery | None = None
    ) -> str:
        """Checks everything under other keys, in the calling thread; what that changed, in words.

        What is shown stays as it is until the new pass has come as far as the old one. A live capture goes on being
        followed, and the call returns at its end. Keys that are asked for meanwhile end this pass.
        """
        streams = [one.analyzer.streams for one in (self.analysis, self.pending) if one is not None]
        count_streams = any(counted is not None for counted in streams)
        return self._replace(self._analysis(store, count_streams=count_streams, recovery=recovery), tell)

    def _replace(self, analysis: Analysis, tell: Callable[[Analysis], None]) -> str:
        told = ""

        def take_over_or_tell() -> None:
            nonlocal told
            if self.pending is analysis:
                is_as_far = analysis.analyzer.totals.frames >= self.analysis.analyzer.totals.frames
                if analysis.is_finished or (self._spool is not None and is_as_far):
                    told = self._take_over(analysis)
            self._take(analysis)
            tell(analysis)

        def begin() -> None:
            if self.pending is not None:
                self.pending.stop()
            self.pending = analysis

        def give_up() -> None:
            if self.pending is analysis:
                self.pending = None

        if not self.switch(begin):
            return ""
        try:
            analysis.run(take_over_or_tell)
        finally:
            self.switch(give_up)
            if self.analysis is not analysis:
                analysis.close()
        return told

    def _take_over(self, analysis: Analysis) -> str:
        if analysis.is_stopped:
            return CANCELLED
        before = self.analysis
        is_same = analysis.store == before.store
        told = "" if is_same else change_in_words(before.table.rows, analysis.table.rows)
        prepared = _shown(self.visible.chosen, analysis)

        def take_place() -> None:
            if self.pending is not analysis:
                return  # Other keys were asked for meanwhile.
            chosen_frame = None if self.row is None else int(before.table.rows.frame[self.row])
            chosen = self.visible.chosen
            visible = prepared if prepared.chosen is chosen else _shown(chosen, analysis)
            self._accounts = {}
            self.last_change = told
            self.analysis, self.visible, self.pending = analysis, visible, None
            self.row = None if chosen_frame is None else self.row_of_frame(chosen_frame)

        self.switch(take_place)
        if self.analysis is not analysis:
            return ""
        before.close()
        return told

    def recover(self, progress: Callable[[int, int], None]) -> tuple[KeyStore, Recovery | None, str]:
        """Searches missing ISNs; keys with what was found, the search itself, and what came of it in words.

        KeyboardInterrupt raised by `progress` ends the search and keeps what was found.
        """
        from aoinspect.engine.recovery import recover_isns

        _prepare_processes()
        with self._held() as analysis:

            def go_on(tried: int, budget: int) -> None:
                analysis.step_aside()
                progress(tried, budget)

            recovery = recover_isns(analysis.analyzer, self.recovery_budget, progress=go_on)
        if not recovery.found and not recovery.missing:
            return self.store, None, "no ISN is missing"
        told = f"ISNs of {len(recovery.found)} of {len(recovery.found) + len(recovery.missing)} connections found"
        if recovery.is_interrupted:
            told += ", then cancelled"
        # Other keys may have been asked for during the search.
        return recovery.extend(self.latest_store), recovery, told

    @property
    def fault(self) -> str | None:
        """Why no more comes from the pipe, if that is not its end."""
        return None if self._spool is None else self._spool.fault

    def give_way(self) -> None:
        """Somebody presses a key: reading and checking pause for a moment."""
        for analysis in (self.analysis, self.pending):
            if analysis is not None:
                analysis.give_way()

    # What is shown.

    def show(self, text: str, tell: Callable[[Analysis], None]) -> None:
        """Shows what the filter `text` selects; everything for "". FilterError, UsageError.

        A filter that names tcp.stream has the capture read again, for streams are not counted otherwise.
        """
        chosen = parse_filter(text) if text.strip() else None
        if chosen is not None:
            if text in self.filter_history:
                self.filter_history.remove(text)
            self.filter_history.append(text)
        self._count_streams_for(chosen, tell)
        is_shown = False

        def take_place() -> None:
            nonlocal is_shown
            is_shown = visible.analysis is self.analysis
            if is_shown:
                self.visible = visible

        while not is_shown:
            # Again where other keys came in between.
            visible = _shown(chosen, self.analysis)
            if not self.switch(take_place):
                return

    def _count_streams_for(self, chosen: Filter | None, tell: Callable[[Analysis], None]) -> None:
        if chosen is None or not chosen.names_stream or self.analysis.analyzer.streams is not None:
            return
        if self._spool is not None and not self.analysis.is_finished:
            raise UsageError("tcp.stream cannot be asked for while a pipe is followed")
        latest = self.pending or self.analysis
        self._replace(self._analysis(latest.store, count_streams=True, recovery=latest.recovery), tell)

    # Going places.

    def choose(self, row: int | None) -> None:
        """Chooses a row of the table, and its connection with it."""
        self.row = row
        if row is not None:
            self.connection = int(self.rows.connection[row])

    def choose_connection(self, number: int) -> None:
        """Chooses a connection, and its first packet unless the chosen one is of it already."""
        self.connection = number
        if self.row is not None and int(self.rows.connection[self.row]) == number:
            return
        chosen = self.connection_of(number)
        row = None if chosen is None else self.row_of_frame(chosen.first_frame)
        if row is not None and int(self.rows.connection[row]) == number:
            self.row = row

    def connection_of(self, number: int | None) -> ConnectionResult | None:
        """The connection of a number, as the last report has it."""
        return next((one for one in self.connections if one.id == number), None)

    def row_of_frame(self, frame: int) -> int | None:
        """The row of a frame, None where it has none."""
        return row_of_frame(self.rows, frame)

    def position_of_next_failure(self, position: int) -> int | None:
        """Where the next failing segment stands in the list, behind `position` or from the start."""
        return next_failure(self.visible, position)

    def find(self, text: str) -> None:
        """What `position_of_match` looks for; FilterError."""
        wanted = parse_filter(text)
        if wanted.names_stream and self.analysis.analyzer.streams is None:
            raise UsageError("tcp.stream is not counted: filter by it first")
        self.wanted = wanted

    def position_of_match(self, position: int, step: int) -> int | None:
        """The next (1) or last (-1) match from `position`; None where there is none."""
        return None if self.wanted is None else next_match(self.wanted, self.visible, position, step)

    def row_near(self, connection: int, axis: Axis, position: int) -> int | None:
        """The row of a connection that lies nearest to a position of its timeline's axis."""
        table, rows = self.analysis.table, self.rows
        if axis.unit is AxisUnit.TIME:
            return nearest_row(rows, connection, rows.time_ns, position, is_ordered=table.is_in_time_order)
        position -= axis.frames_before[0]
        return nearest_row(rows, connection, rows.frame, max(0, position), is_ordered=table.is_in_frame_order)

    def toggle_mark(self, frame: int) -> None:
        self.marked ^= {frame}

    def position_of_next_mark(self, position: int) -> int | None:
        """Where the next marked frame stands in the list, behind `position` or from the start."""
        rows = [row for row in map(self.row_of_frame, self.marked) if row is not None and self.visible.shows(row)]
        places = sorted(map(self.visible.position_of, rows))
        return next((place for place in places if place > position), places[0] if places else None)

    def view(self, row: int) -> FrameView:
        """The packet of a row; CaptureError where it cannot be read again."""
        return self.analysis.view(row)

    # Explaining.

    def explain(self, connection: int, progress: Callable[[], None] = _nothing) -> Account:
        """What would make a connection verify. UsageError where there is nothing to explain it with.

        `progress` is called before every try; what it raises ends the work.
        """
        # What explains is loaded when something is to be explained: the first screen does not wait for it.
        from aoinspect.engine.explain import explain_connection
        from aoinspect.tui.explain_budget import WatchedBudget

        with self._held() as analysis:
            frames, known = self._accounts.get(connection, (-1, None))
            if known is not None and frames == analysis.analyzer.totals.frames:
                return known
            if not analysis.store.peers:
                raise UsageError("explaining needs the keys as they are thought to be: load a key file first")
            analysis.refresh_report()
            report = analysis.report
            connections = () if report is None else report.connections
            chosen = next((one for one in connections if one.id == connection), None)
            if chosen is None:
                raise UsageError(f"there is no connection {connection}")

            def go_on() -> None:
                analysis.step_aside()
                progress()

            account = explain_connection(analysis.analyzer, chosen, WatchedBudget.whole(go_on), connections=connections)
            frames = analysis.analyzer.totals.frames
        if analysis is self.analysis:
            self._accounts[connection] = frames, account
        return account

    def corrected(self, connection: int, progress: Callable[[], None] = _nothing) -> KeyStore:
        """The keys with what the explanation of a connection corrects. UsageError where it corrects nothing."""
        from aoinspect.engine.explain.key_file import correct_keys

        account = self.explain(connection, progress)
        with self._held() as analysis:
            if self._accounts.get(connection, (0, None))[1] is not account:
                raise UsageError("other keys came meanwhile: explain again")
            corrected = correct_keys(analysis.store, analysis.analyzer.keyring.mkts, account.explanations)
        if not corrected.corrected:
            raise UsageError("no explanation changes anything in the key file")
        return corrected.store

    @contextmanager
    def _held(self) -> Iterator[Analysis]:
        """Holds the pass that is shown. What takes its place meanwhile does not wait."""
        while True:
            analysis = self.analysis
            with analysis.held():
                if analysis is not self.analysis:
                    continue  # Another one took its place while this one was waited for.
                if analysis.is_closed:
                    raise CaptureError(f"{self.name}: closed")
                yield analysis
                return

    def close(self) -> None:
        """Stops everything, and waits for nothing."""
        if self.pending is not None:
            self.pending.close()
        self.analysis.close()
        if self._spool is not None:
            self._spool.close()


def _call(change: Callable[[], None]) -> bool:
    """Where nothing is drawn, whoever changes something does so itself."""
    change()
    return True


def _shown(chosen: Filter | None, analysis: Analysis) -> VisibleRows:
    """What a filter shows of an analysis by now."""
    visible = VisibleRows(chosen, analysis)
    visible.take()
    return visible


def _prepare_processes() -> None:
    """Starts the process that watches over a pool's: it inherits standard error, which Textual replaces by none."""
    with redirect_stderr(sys.__stderr__):
        resource_tracker.ensure_running()


def change_in_words(before: Rows, after: Rows) -> str:
    """How many segments have another verdict, by verdict: "+38 verified, -38 mismatch".

    Segments that only one of the tables has count for that one alone.
    """
    counts: Counter[int] = Counter()
    for rows, sign in ((after, 1), (before, -1)):
        for verdict, count in enumerate(np.bincount(rows.verdict, minlength=len(Verdict)).tolist()):
            counts[verdict] += sign * count
    words = [
        f"{'+' if counts[verdict] > 0 else '−'}{abs(counts[verdict])} {verdict.word}"
        for verdict in Verdict
        if counts[verdict]
    ]
    return ", ".join(words) if words else "no verdict changed"
