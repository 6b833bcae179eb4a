"""Broken files, captures with nothing in them, narrow terminals: plain words, never a traceback."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Input

from aoinspect.engine.verdicts import Verdict
from aoinspect.errors import CaptureError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.tui.actions import View
from aoinspect.tui.spool import Spool
from tests.conversation import Conversation
from tests.tui.running import (
    SAMPLES,
    press,
    read_all,
    running,
    sample_session,
    screen_text,
    session_on,
    type_line,
    until,
)

HEADER_LENGTH = 24


def words_on(path: Path, size: tuple[int, int] = (120, 40)) -> str:
    """What the first screen says of a capture, after all views were looked at."""

    async def walk() -> str:
        async with running(session_on(path), size) as (app, pilot):
            for key in "54321":
                await press(pilot, key, "f", "enter", "escape")
            await press(pilot, "1")
            return screen_text(app)

    return asyncio.run(walk())


def test_an_empty_capture_is_told(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes((SAMPLES / "inject.pcap").read_bytes()[:HEADER_LENGTH])
    assert "the capture holds no packet" in words_on(path)


def test_a_capture_without_tcp_is_told(tmp_path: Path) -> None:
    octets = (SAMPLES / "inject.pcap").read_bytes()
    arp = bytes.fromhex("ffffffffffff0200000000010806") + bytes(28)
    record = octets[24:32] + len(arp).to_bytes(4, "little") * 2 + arp
    path = tmp_path / "arp.pcap"
    path.write_bytes(octets[:HEADER_LENGTH] + record)
    assert "no TCP segment in 1 packets" in words_on(path)


def test_damage_is_told_and_what_came_before_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes((SAMPLES / "inject.pcap").read_bytes()[:-7])
    screen = words_on(path, (200, 40))
    assert "damaged at octet" in screen
    assert "10.0.0.1:42669" in screen


def test_a_capture_that_cannot_be_opened_ends_the_program_with_words(tmp_path: Path) -> None:
    path = tmp_path / "text.pcap"
    path.write_text("this is no capture", encoding="utf-8")

    async def walk() -> None:
        async with running(session_on(path), wait=False) as (app, pilot):
            await until(pilot, lambda: app._exit)
            assert "text.pcap" in str(app.return_value)

    asyncio.run(walk())
    with pytest.raises(CaptureError):
        read_all(session_on(path))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (20, 5), (200, 60)])
def test_every_view_draws_at_any_size(size: tuple[int, int]) -> None:
    async def walk() -> None:
        async with running(sample_session("inject"), size) as (app, pilot):
            for key in "12345":
                await press(pilot, key, "j", "l", "G")
                assert app.crash is None
            await pilot.resize_terminal(size[1] * 3, size[0])
            await press(pilot, "2", "plus", "3", "f", "e", "escape", "question_mark", "escape", "a", "escape", "s")
            assert app.crash is None

    asyncio.run(walk())


def test_forty_columns_show_octets_and_where_help_is() -> None:
    async def walk() -> None:
        async with running(sample_session("inject"), (40, 15)) as (app, pilot):
            await press(pilot, "3", "f")
            screen = screen_text(app)
            assert "? Help" in screen
            assert app.packets.octets.octets[:8].hex(" ") in screen

    asyncio.run(walk())


def test_a_pipe_is_followed_live_and_checked_again_from_its_start(tmp_path: Path) -> None:
    talk = Conversation().handshake().data("a", 100)
    keys = tmp_path / "keys.toml"
    keys.write_text(talk.key_file(), encoding="utf-8")
    first = talk.to_pcap()
    talk.data("b", 50).ack("a")
    rest = talk.to_pcap()[len(first) :]

    async def walk() -> None:
        reading, writing = os.pipe()
        session = session_on(Path("-"), KeyStore(), spool=Spool(reading))
        async with running(session, wait=False) as (app, pilot):
            os.write(writing, first[:-5])
            await until(pilot, lambda: len(session.visible) == 3 and len(session.connections) == 1)
            assert not session.analysis.is_finished
            os.write(writing, first[-5:])
            await until(pilot, lambda: len(session.visible) == 4)
            await press(pilot, "3", "G")
            session_before = session.analysis
            await pilot.press("o")
            await pilot.pause()
            line = app.screen.query_one("#line")
            line.value = str(keys)  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, lambda: session.analysis is not session_before)
            assert session.last_change == "+4 verified, −4 no-key"
            os.write(writing, rest)
            os.close(writing)
            await until(pilot, lambda: session.analysis.is_finished)
            await until(pilot, lambda: app.packets.list.count == 6)
            report = session.analysis.report
            assert report is not None
            assert report.totals.verdicts["verified"] == 6
            assert app.packets.list.cursor == 5
            assert app.view is View.PACKETS

    asyncio.run(walk())


def test_who_looks_at_the_last_packet_does_so_after_other_keys_came(tmp_path: Path) -> None:
    """The new pass asks to take the old one's place, and further packets come before the application looks again."""
    talk = Conversation().handshake().data("a", 100)
    first = talk.to_pcap()
    talk.data("b", 50).ack("a")
    rest = talk.to_pcap()[len(first) :]
    keys = tmp_path / "keys.toml"
    keys.write_text(talk.key_file(), encoding="utf-8")

    async def walk(*, is_last: bool) -> tuple[int, int]:
        reading, writing = os.pipe()
        session = session_on(Path("-"), KeyStore(), spool=Spool(reading))
        async with running(session, wait=False) as (app, pilot):
            os.write(writing, first)
            await until(pilot, lambda: app.packets.list.count == 4)
            await press(pilot, "3", "G" if is_last else "g")
            switch, asked, may_go_on = session.switch, threading.Event(), threading.Event()

            def switch_later(change: Callable[[], None]) -> bool:
                if session.pending is not None:
                    asked.set()
                    assert may_go_on.wait(60)
                return switch(change)

            session.switch = switch_later
            former = session.analysis
            store = load_keys([str(keys)])
            checking = threading.Thread(target=session.check_again, args=(store, lambda _: None))
            checking.start()
            await until(pilot, asked.is_set)
            os.write(writing, rest)
            os.close(writing)
            # The application stands still, and sees nothing of this.
            while not former.is_finished:
                time.sleep(0.001)
            may_go_on.set()
            await until(pilot, lambda: session.analysis.is_finished and not app.is_busy)
            await until(pilot, lambda: not checking.is_alive())
            assert app.packets.list.count == 6
            assert session.row == app.packets.list.cursor
            return app.packets.list.cursor, int(session.rows.verdict[0])

    assert asyncio.run(walk(is_last=True)) == (5, Verdict.VERIFIED)
    assert asyncio.run(walk(is_last=False)) == (0, Verdict.VERIFIED)


def test_keys_answer_while_reading_goes_on(tmp_path: Path) -> None:
    talk = Conversation().handshake()
    for _ in range(3_000):
        talk.data("a", 10)
    octets = talk.to_pcap()
    half = len(octets) // 2

    async def walk() -> None:
        reading, writing = os.pipe()
        session = session_on(Path("-"), spool=Spool(reading))
        async with running(session, wait=False) as (app, pilot):
            feeding = threading.Thread(target=lambda: os.write(writing, octets[:half]))
            feeding.start()
            await until(pilot, lambda: app.packets.list.count > 10)
            await pilot.press("3", "j", "j")
            assert app.packets.list.cursor == 2
            assert not session.analysis.is_finished
            feeding.join()
            feeding = threading.Thread(target=lambda: os.write(writing, octets[half:]))
            feeding.start()
            await pilot.press("j")
            assert app.packets.list.cursor == 3
            await until(pilot, lambda: app.packets.list.count == 3_003)
            feeding.join()
            os.close(writing)
            await until(pilot, lambda: session.analysis.is_finished and not app.is_busy)
            assert app.packets.list.count == 3_003

    asyncio.run(walk())


def test_reading_can_be_stopped_and_what_was_read_stays(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    talk = Conversation().handshake()
    os.write(writing, talk.to_pcap())

    async def walk() -> None:
        session = session_on(Path("-"), spool=Spool(reading))
        async with running(session, wait=False) as (app, pilot):
            await until(pilot, lambda: len(session.visible) == 3)
            await pilot.press("escape")
            await pilot.pause()
            await pilot.press("y")
            await until(pilot, lambda: session.analysis.is_finished)
            assert app.packets.list.count == 3

    asyncio.run(walk())
    os.close(writing)


def test_saved_packets_are_the_shown_ones_octet_for_octet(tmp_path: Path) -> None:
    saved = tmp_path / "shown.pcap"

    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            await press(pilot, "slash")
            await type_line(pilot, "ao.verdict == mismatch")
            await press(pilot, "s", "p")
            await type_line(pilot, str(saved))
            shown = [app.session.view(int(row)).frame.octets for row in app.session.visible.all_rows()]
            again = read_all(session_on(saved))
            assert again.analysis.analyzer.totals.frames == 9
            assert [again.view(row).frame.octets for row in range(9)] == shown

    asyncio.run(walk())


def test_keys_that_come_together_take_effect_in_their_order(tmp_path: Path) -> None:
    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            await press(pilot, "o")
            line = app.screen.query_one("#line", Input)
            for key, letter in (("ctrl+u", None), ("a", "a"), ("x", "x"), ("backspace", None), ("b", "b")):
                app.post_message(Key(key, letter))
            await until(pilot, lambda: line.value == "ab")

    asyncio.run(walk())
