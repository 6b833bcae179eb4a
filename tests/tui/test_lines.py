"""What lines say, and how they stand: the status line, columns with wide letters, lists that change meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from aoinspect.engine.findings.model import Severity
from aoinspect.keys import load_keys
from aoinspect.report.timeline_text import BLOCKS
from aoinspect.tui.cells import padded, shortened
from aoinspect.tui.help_text import help_text
from aoinspect.tui.session import Session
from aoinspect.tui.status_text import status_text
from tests.conversation import Conversation
from tests.tui.running import SAMPLES, press, read_all, running, sample_session, screen_text, session_on
from tests.tui.test_session import quiet

NARROW = 80


def seen(session: Session, width: int = NARROW) -> str:
    """The status line as far as a terminal shows it."""
    text = status_text(session, "")
    text.truncate(width)
    return text.plain


class TestANarrowStatusLineTellsWhatMustNotBeOverlooked:
    def test_damage(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.pcap"
        path.write_bytes((SAMPLES / "inject.pcap").read_bytes()[:-7])
        session = read_all(session_on(path, load_keys([str(SAMPLES / "inject.toml")])))
        assert "damaged at octet" in seen(session)

    def test_a_filter(self) -> None:
        session = read_all(sample_session("inject"))
        session.show("ao.verdict == mismatch and tcp.port == 179 and frame.number > 3", quiet)
        assert "9 shown by ao.verdict == mismatch" in seen(session)

    def test_that_reading_was_stopped(self) -> None:
        session = sample_session("inject")
        session.analysis.stop()
        read_all(session)
        assert "stopped" in seen(session)

    def test_that_a_pipe_is_not_kept_any_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = read_all(sample_session("inject"))
        fault = "the pipe is not kept any more: No space left on device"
        monkeypatch.setattr(Session, "fault", fault)
        assert fault in seen(session)

    def test_that_there_is_more_to_read_in_it(self) -> None:
        async def walk() -> None:
            async with running(sample_session("inject"), (60, 20)) as (app, _):
                assert app._shown_status.plain.endswith("…")
                assert cell_len(app._shown_status.plain) == 60

        asyncio.run(walk())


class TestNamesInWideLettersLeaveColumnsInLine:
    NAME = "日本語の鍵の名前はとても長い"

    def session(self, folder: Path) -> Session:
        talk = Conversation().handshake().data("a", 100)
        (folder / "c.pcap").write_bytes(talk.to_pcap())
        keys = talk.key_file().replace('name = "k1"', f'name = "{self.NAME}"')
        assert self.NAME in keys
        (folder / "k.toml").write_text(keys, encoding="utf-8")
        return session_on(folder / "c.pcap", load_keys([str(folder / "k.toml")]))

    def test_on_the_timeline(self, tmp_path: Path) -> None:
        async def walk() -> None:
            async with running(self.session(tmp_path)) as (app, pilot):
                await press(pilot, "2")
                lanes = app.timeline.lanes
                assert lanes.picture is not None
                for number, lane in enumerate(lanes.picture.lanes):
                    text = lanes._lane(lanes.picture, number)
                    assert text.cell_len == lanes.label_width + lanes.cell_count
                    if lane.spans:
                        before = text.plain[: text.plain.index(BLOCKS.asked if "next" in text.plain else BLOCKS.used)]
                        assert cell_len(before.rstrip(BLOCKS.nothing)) == lanes.label_width

        asyncio.run(walk())

    def test_in_the_lists(self, tmp_path: Path) -> None:
        async def walk() -> None:
            async with running(self.session(tmp_path)) as (app, pilot):
                for key, pane, word, column in (
                    ("1", app.connections.list, "over time", "█"),
                    ("4", app.keys.list, "algorithm", "hmac-sha-1-96"),
                ):
                    await press(pilot, key)
                    header, line = pane._header() if pane._header is not None else "", pane.text_of(0)
                    assert header.index(word) == cell_len(line[: line.index(column)])

        asyncio.run(walk())

    def test_and_are_shortened_by_cells(self) -> None:
        assert shortened(self.NAME, 28) == self.NAME
        assert shortened(self.NAME, 12) == "日本語の鍵~"
        assert cell_len(padded(self.NAME, 40)) == 40


def test_a_finding_stays_the_chosen_one_when_a_worse_one_comes() -> None:
    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            await press(pilot, "5", "G")
            chosen = app.findings.chosen
            assert chosen is not None
            assert chosen.severity is Severity.NOTE
            report = app.session.analysis.report
            assert report is not None
            worse = replace(report.findings[0], severity=Severity.ERROR, frame=7)
            app.session.analysis.report = replace(report, findings=(worse, *report.findings))
            await press(pilot, "1", "5")
            assert app.findings._findings[0] is worse or worse in app.findings._findings
            assert app.findings.chosen == chosen

    asyncio.run(walk())


def test_the_help_has_every_sign_and_scrolls_as_lists_do() -> None:
    text = help_text().plain
    signs = (BLOCKS.used, BLOCKS.asked, BLOCKS.rolled_over, BLOCKS.several, BLOCKS.failed, BLOCKS.unproved, "! warning")
    assert all(sign in text for sign in signs)

    async def walk() -> None:
        async with running(sample_session("inject"), (80, 24)) as (app, pilot):
            await press(pilot, "question_mark")
            pane = app.screen.query_one("#text")
            for keys, moved in (("G", 1), ("g", -1), ("ctrl+d", 1), ("ctrl+u", -1), ("j", 1), ("k", -1)):
                before = pane.scroll_offset.y
                await press(pilot, keys)
                assert (pane.scroll_offset.y - before) * moved > 0

    asyncio.run(walk())


def test_one_is_told_in_the_singular() -> None:
    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            await press(pilot, "4")
            assert "1 segment\n" in "\n".join(line.rstrip() for line in screen_text(app).splitlines()) + "\n"
            assert "1 segments" not in screen_text(app)

    asyncio.run(walk())
