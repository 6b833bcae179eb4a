"""Several things at once: work that goes on beside the keys, stopping it, and leaving in the middle of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aoinspect.capture.reader import CaptureReader
from aoinspect.engine import explain as explain_engine
from aoinspect.engine import recovery as recovery_engine
from aoinspect.engine.explain import Account, Budget
from aoinspect.engine.filtering import parse_filter
from aoinspect.engine.recovery import Recovery, Unrecovered
from aoinspect.engine.table import EMPTY, Rows
from aoinspect.engine.verdicts import Verdict
from aoinspect.errors import CaptureError, KeyFileError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.tui.app import EXPLAINING, SEARCHING, InspectApp
from aoinspect.tui.key_edits import draft_of, with_edited_key
from aoinspect.tui.prompts import LinePrompt, TextScreen
from aoinspect.tui.session import CANCELLED
from aoinspect.tui.spool import Spool
from aoinspect.tui.visible_rows import VisibleRows, next_failure
from tests.conversation import Conversation
from tests.tui.running import (
    SAMPLES,
    Run,
    messages,
    press,
    read_all,
    running,
    sample_session,
    screen_text,
    session_on,
    until,
)
from tests.tui.test_walk import wrong_keys

LONG_SECONDS = 60
"""Work that nobody stops goes on for so long, and then fails the test."""


class Endless:
    """Work that ends when it is stopped."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.ended = ""

    def go_on(self, step: Callable[[], object]) -> None:
        """Calls `step` again and again, until it raises or the work may end."""
        deadline = time.monotonic() + LONG_SECONDS
        self.has_begun.set()
        try:
            while not self.may_end.is_set():
                step()
                assert time.monotonic() < deadline
                time.sleep(0.001)
        except BaseException as error:
            self.ended = type(error).__name__
            raise


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Endless:
    """A search for ISNs that finds none and never ends."""
    work = Endless()

    def recover(analyzer: object, budget: int, *, progress: Callable[[int, int], None]) -> Recovery:
        try:
            work.go_on(lambda: progress(1, budget))
        except KeyboardInterrupt:
            return Recovery((), (), 1, budget, is_interrupted=True)
        return Recovery((), (), 1, budget)

    monkeypatch.setattr(recovery_engine, "recover_isns", recover)
    return work


@pytest.fixture
def explanation(monkeypatch: pytest.MonkeyPatch) -> Endless:
    """An explanation that takes until it may end."""
    work = Endless()
    real = explain_engine.explain_connection

    def explain(analyzer: object, connection: object, budget: Budget, **others: object) -> Account:
        work.go_on(lambda: budget.take(1))
        return real(analyzer, connection, Budget(), **others)  # type: ignore[arg-type]

    monkeypatch.setattr(explain_engine, "explain_connection", explain)
    return work


async def begin(app: InspectApp, pilot: Run, key: str, work: Endless) -> None:
    await pilot.press(key)
    await until(pilot, work.has_begun.is_set)


class TestLeavingWaitsForNothing:
    """Each would go on for a minute, and fail, if leaving did not stop it."""

    def test_searching_isns(self, search: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("no-syn")) as (app, pilot):
                await begin(app, pilot, "r", search)
                await pilot.press("q")

        asyncio.run(walk())
        assert search.ended == "KeyboardInterrupt"

    def test_explaining(self, explanation: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await begin(app, pilot, "e", explanation)
                await pilot.press("q")
            assert app.crash is None

        asyncio.run(walk())
        assert explanation.ended == "KeyboardInterrupt"

    def test_checking_again_and_following(self, tmp_path: Path) -> None:
        async def walk() -> None:
            reading, writing = os.pipe()
            session = session_on(Path("-"), spool=Spool(reading))
            async with running(session, wait=False) as (app, pilot):
                os.write(writing, Conversation().handshake().to_pcap()[:-5])
                await until(pilot, lambda: app.packets.list.count == 2)
                app._check(load_keys([str(SAMPLES / "inject.toml")]))
                app._check(KeyStore())
                await pilot.press("q")
            assert app.crash is None
            os.close(writing)

        asyncio.run(walk())


class TestWhatGoesOnIsStopped:
    def test_explaining_by_escape(self, explanation: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await begin(app, pilot, "e", explanation)
                app.tick()
                await until(pilot, lambda: "explaining (escape stops)" in screen_text(app))
                await press(pilot, "escape")
                assert "explaining: stopped" in messages(app)
                assert not app.is_asking

        asyncio.run(walk())

    def test_the_status_line_tells_of_it_whatever_else_is_done(self, search: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("no-syn")) as (app, pilot):
                await begin(app, pilot, "r", search)
                await pilot.press("3", "f", "slash", "escape", "X")
                await until(pilot, lambda: len(app.activities) == 1)
                assert app.activities.words.startswith(SEARCHING)
                await pilot.press("r")
                assert "the search goes on; escape stops it" in messages(app)
                await press(pilot, "escape")
                assert search.ended == "KeyboardInterrupt"

        asyncio.run(walk())

    def test_a_check_that_is_stopped_says_that_the_former_keys_stand(self) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                session = app.session
                before, make = session.analysis, session._analysis

                def made(*arguments: object, **named: object) -> object:
                    analysis = make(*arguments, **named)  # type: ignore[arg-type]
                    analysis.stop()
                    return analysis

                session._analysis = made  # type: ignore[method-assign, assignment]
                app._check(KeyStore())
                await until(pilot, lambda: not app.is_busy)
                assert session.analysis is before
                assert CANCELLED in messages(app)

        asyncio.run(walk())


class TestAPipeThatIsStoppedBeforeItBringsAnything:
    def test_leaves_an_empty_capture(self) -> None:
        async def walk() -> None:
            reading, writing = os.pipe()
            session = session_on(Path("-"), spool=Spool(reading))
            async with running(session, wait=False) as (app, pilot):
                await pilot.press("escape")
                await pilot.press("y")
                await until(pilot, lambda: session.analysis.is_finished and not app.is_busy)
                assert "the capture holds no packet" in screen_text(app)
                assert not app._exit
            os.close(writing)

        asyncio.run(walk())

    def test_takes_other_keys_twice(self) -> None:
        async def walk() -> None:
            reading, writing = os.pipe()
            session = session_on(Path("-"), spool=Spool(reading))
            store = load_keys([str(SAMPLES / "inject.toml")])
            async with running(session, wait=False) as (app, pilot):
                await until(pilot, lambda: app.has_frame)
                for keys in (KeyStore(), store):
                    app._check(keys)
                    await until(pilot, lambda wanted=keys: session.store is wanted)  # type: ignore[misc]
                os.write(writing, (SAMPLES / "inject.pcap").read_bytes())
                os.close(writing)
                await until(pilot, lambda: session.analysis.is_finished and not app.is_busy)
                assert session.store is store
                assert not any("empty" in message for message in messages(app))
                assert not app._exit

        asyncio.run(walk())


class TestAPassIsClosedWhenNobodyNeedsIt:
    @pytest.fixture
    def closed(self, monkeypatch: pytest.MonkeyPatch) -> list[CaptureReader]:
        closed: list[CaptureReader] = []
        close = CaptureReader.close

        def noting(reader: CaptureReader) -> None:
            closed.append(reader)
            close(reader)

        monkeypatch.setattr(CaptureReader, "close", noting)
        return closed

    def test_at_once_where_that_is_so_already(self, closed: list[CaptureReader]) -> None:
        analysis = read_all(sample_session("inject")).analysis
        analysis.close()
        assert closed == [analysis._reader]
        with pytest.raises(CaptureError, match="closed"):
            analysis.view(0)

    def test_behind_who_holds_it(self, closed: list[CaptureReader]) -> None:
        analysis = read_all(sample_session("inject")).analysis
        is_held, is_closed = threading.Event(), threading.Event()

        def hold() -> None:
            with analysis.held():
                is_held.set()
                assert is_closed.wait(LONG_SECONDS)
                assert closed == []

        holding = threading.Thread(target=hold)
        holding.start()
        is_held.wait(LONG_SECONDS)
        analysis.close()
        is_closed.set()
        holding.join()
        assert closed == [analysis._reader]

    def test_behind_who_reads_it(self, closed: list[CaptureReader]) -> None:
        """It is replaced by another pass between two of its batches, and reads on for the next one."""
        session = sample_session("inject")
        analysis = session.analysis

        def replaced() -> None:
            if not analysis.is_closed:
                analysis.close()
                assert closed == []

        analysis.run(replaced)
        assert closed == [analysis._reader]


class TestAnExplanation:
    def test_is_not_put_before_what_somebody_types(self, explanation: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await begin(app, pilot, "e", explanation)
                await pilot.press("slash")
                explanation.may_end.set()
                await until(pilot, lambda: not app.activities.goes_on(EXPLAINING))
                assert isinstance(app.screen, LinePrompt)
                assert "connection #0 is explained: e shows it" in messages(app)
                await press(pilot, "escape", "e")
                assert isinstance(app.screen, TextScreen)

        asyncio.run(walk())

    def test_is_begun_once(self, explanation: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await begin(app, pilot, "e", explanation)
                await pilot.press("e")
                explanation.may_end.set()
                await until(pilot, lambda: not app.is_busy)
                await press(pilot, "escape")
                assert not app.is_asking

        asyncio.run(walk())

    def test_corrects_the_keys_of_its_own_connection(self, explanation: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await begin(app, pilot, "e", explanation)
                await pilot.press("greater_than_sign")
                assert app.session.connection == 1
                explanation.may_end.set()
                await until(pilot, lambda: isinstance(app.screen, TextScreen))
                asked: list[int] = []
                app._apply_correction = asked.append  # type: ignore[method-assign, assignment]
                await press(pilot, "A")
                assert asked == [0]

        asyncio.run(walk())

    def test_under_keys_that_were_replaced_is_not_shown(self, explanation: Endless) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await begin(app, pilot, "e", explanation)
                before = app.session.analysis
                app._check(KeyStore())
                await until(pilot, lambda: app.session.analysis is not before)
                explanation.may_end.set()
                await until(pilot, lambda: not app.is_busy)
                assert not app.is_asking
                assert "other keys came meanwhile; e explains again" in messages(app)

        asyncio.run(walk())

    def test_is_made_again_when_more_has_come(self, tmp_path: Path) -> None:
        octets = (SAMPLES / "v4-sha1.pcap").read_bytes()
        keys = load_keys([str(wrong_keys(tmp_path))])
        whole = read_all(session_on(SAMPLES / "v4-sha1.pcap", keys))
        second = int(whole.rows.offset[1])
        wanted = whole.explain(0).failing

        async def walk() -> None:
            reading, writing = os.pipe()
            session = session_on(Path("-"), keys, spool=Spool(reading))
            async with running(session, wait=False) as (_, pilot):
                os.write(writing, octets[:second])
                await until(pilot, lambda: len(session.connections) == 1)
                early = (await asyncio.to_thread(session.explain, 0)).failing
                os.write(writing, octets[second:])
                os.close(writing)
                await until(pilot, lambda: session.analysis.is_finished)
                assert early < wanted
                assert (await asyncio.to_thread(session.explain, 0)).failing == wanted

        asyncio.run(walk())


class TestKeysThatAreBeingChecked:
    def test_are_those_that_others_are_added_to(self) -> None:
        session = read_all(sample_session("inject", keys=""))
        wanted = load_keys([str(SAMPLES / "inject.toml")])
        seen: list[KeyStore] = []
        session.check_again(wanted, lambda _: seen.append(session.latest_store))
        assert seen[0] is wanted

    def test_are_what_found_isns_are_added_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = read_all(sample_session("no-syn", keys=""))
        wanted = load_keys([str(SAMPLES / "inject.toml")])

        def recover(*_: object, progress: Callable[[int, int], None]) -> Recovery:
            progress(1, 1)
            return Recovery((), (Unrecovered(0, 0),), 1, 1)

        def other_keys_meanwhile(tried: int, budget: int) -> None:
            session.pending = session._analysis(wanted)

        monkeypatch.setattr(recovery_engine, "recover_isns", recover)
        store, _, _ = session.recover(other_keys_meanwhile)
        assert store == wanted

    def test_have_no_key_that_only_the_former_ones_have(self) -> None:
        former = load_keys([str(SAMPLES / "v4-sha1.toml")])
        key = former.peers[0].mkts[0]
        with pytest.raises(KeyFileError, match="not among the keys any more"):
            with_edited_key(KeyStore(), key, draft_of(key))


def test_a_failure_is_sought_while_the_list_grows() -> None:
    """The table gets further rows, and the list takes them, right after the search has looked at the table."""
    session = sample_session("inject")
    analysis = session.analysis

    def rows(first: int, verdict: Verdict) -> Rows:
        columns = {name: np.zeros(4, column.dtype) for name, column in EMPTY._asdict().items()}
        columns["frame"] += np.arange(first, first + 4, dtype=columns["frame"].dtype)
        columns["verdict"] += np.array(verdict, columns["verdict"].dtype)
        return Rows(**columns)

    class Growing(VisibleRows):
        is_grown = False

        @property
        def rows(self) -> Rows:
            given = super().rows
            if not self.is_grown and len(self):
                self.is_grown = True
                analysis.table.add(rows(5, Verdict.MISMATCH))
                self.take()
            return given

    analysis.table.add(rows(1, Verdict.VERIFIED))
    visible = Growing(parse_filter("frame"), analysis)
    visible.take()
    assert next_failure(visible, -1) in (None, 4)
    assert next_failure(visible, -1) == 4


def test_nothing_waits_for_who_lets_nobody_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application ends between the look at whether it runs, and the call."""

    async def walk() -> None:
        async with running(sample_session("inject")) as (app, _):

            def cancelled(*_: object) -> None:
                raise concurrent.futures.CancelledError

            monkeypatch.setattr(app, "call_from_thread", cancelled)
            app.hand_over(lambda: None)
            monkeypatch.undo()

    asyncio.run(walk())
