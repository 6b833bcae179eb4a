"""One selection for all views, and the mouse."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.events import MouseScrollDown, MouseScrollUp

from aoinspect.tui.actions import View
from aoinspect.tui.app import InspectApp
from aoinspect.tui.lanes_pane import LanesPane
from aoinspect.tui.spool import Spool
from tests.conversation import Conversation
from tests.tui.running import Run, press, running, sample_session, screen_text, session_on, until
from tests.tui.test_actions import drive, frame
from tests.tui.test_every_key import screen


def test_a_connection_brings_its_first_packet() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "1", "j", "3")
        assert app.session.connection == 1
        assert frame(app) == 15
        await press(pilot, "g", "1")
        assert app.connections.list.cursor == 0

    drive(check)


def test_a_packet_brings_the_timelines_cursor_and_that_brings_the_packet() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "G", "k", "k", "2")
        assert app.timeline.lanes.position == int(app.session.rows.time_ns[app.session.row or 0])
        chosen = frame(app)
        await press(pilot, "left_square_bracket", "3")
        assert frame(app) < chosen
        assert app.packets.list.cursor == app.session.row

    drive(check, "rotation")


def test_a_finding_brings_its_packet_and_connection() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "5", "j")
        finding = app.findings.chosen
        assert finding is not None
        await press(pilot, "3")
        assert frame(app) == finding.frame

    drive(check)


def test_explain_in_the_findings_is_about_the_finding_under_the_cursor() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "5")
        findings = [place for place, one in enumerate(app.findings._findings) if one.connection == 1]
        app.findings.list.go_to(findings[0])
        app.session.choose_connection(0)
        await press(pilot, "e")
        assert app.session.connection == 1
        assert "#1" in screen_text(app)

    drive(check)


def test_the_packets_of_a_key() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "4", "p")
        assert len(app.session.visible) == 18
        await press(pilot, "4", "G", "p")
        assert len(app.session.visible) == 1
        assert app.view is View.PACKETS

    drive(check)


def test_tabs_and_the_bottom_line_are_clicked() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await pilot.click(offset=(20, 0))
        await until(pilot, lambda: app.view is View.TIMELINE)
        line = app.query_one("#key-line")
        await pilot.click(line, offset=(2, 0))
        await until(pilot, lambda: screen(app) == "TextScreen")

    drive(check)


def test_the_wheel_zooms_with_ctrl_and_pans_with_shift() -> None:
    def turn(
        kind: type[MouseScrollUp | MouseScrollDown], *, shift: bool = False, ctrl: bool = False
    ) -> MouseScrollUp | MouseScrollDown:
        return kind(None, 60, 3, 0, 0, 0, shift, meta=False, ctrl=ctrl, screen_x=60, screen_y=3)

    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "2")
        lanes: LanesPane = app.timeline.lanes
        whole = lanes.window
        cell = 60 - lanes.label_width
        at = whole.position(cell, lanes.cell_count)
        lanes.post_message(turn(MouseScrollUp, ctrl=True))
        await until(pilot, lambda: lanes.window.size < whole.size)
        assert cell in lanes.window.cells(at, at, lanes.cell_count)
        zoomed = lanes.window
        lanes.post_message(turn(MouseScrollUp, shift=True))
        await until(pilot, lambda: lanes.window.first < zoomed.first)
        lanes.post_message(turn(MouseScrollDown, ctrl=True))
        await until(pilot, lambda: lanes.window.size > zoomed.size)

    drive(check, "rotation")


def test_a_click_on_the_timeline_an_octet_and_a_node() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "2")
        lanes = app.timeline.lanes
        await pilot.click(lanes, offset=(lanes.label_width + 40, 2))
        await until(pilot, lambda: lanes.cursor_cell == 40)
        await press(pilot, "3", "g")
        octets, fields = app.packets.octets, app.packets.fields
        octets.scroll_to(y=0, animate=False, immediate=True)
        await pilot.click(octets, offset=(5 + 3 * 7, 0))
        await until(pilot, lambda: octets.octet == 7)
        assert fields.node is not None
        assert fields.node.name == "eth.src"
        letters = 5 + 3 * octets.octets_a_line + 3
        await pilot.click(octets, offset=(letters + 1, 0))
        await until(pilot, lambda: octets.octet == 1)
        fields.go_to(0)
        await press(pilot, "tab")
        count = fields.count
        await pilot.click(fields, offset=(0, 0))
        await until(pilot, lambda: fields.count != count)

    drive(check)


def is_at_rest(drawn: list[object]) -> bool:
    """Whether nothing was drawn since this was asked last."""
    was_drawn = bool(drawn)
    drawn.clear()
    return not was_drawn


def test_nothing_is_drawn_again_while_nothing_changes() -> None:
    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            drawn: list[object] = []
            display = app._display

            def noting(screen: object, renderable: object) -> None:
                if renderable is not None:
                    drawn.append(renderable)
                display(screen, renderable)  # type: ignore[arg-type]

            app._display = noting  # type: ignore[method-assign]
            for key in "12345":
                await press(pilot, key)
                await until(pilot, lambda: is_at_rest(drawn))
                for _ in range(5):
                    app.tick()
                    await pilot.pause()
                assert drawn == []

    asyncio.run(walk())


def test_the_verdict_of_the_first_packet_is_seen_when_it_comes() -> None:
    async def walk() -> None:
        reading, writing = os.pipe()
        session = session_on(Path("-"), spool=Spool(reading))
        async with running(session, (80, 24), wait=False) as (app, pilot):
            await pilot.press("3")
            os.write(writing, Conversation().handshake().to_pcap())
            await until(pilot, lambda: app.packets.list.count == 3 and not app._is_viewing)
            await until(pilot, lambda: "no-key: no key file was given" in screen_text(app))
            os.close(writing)

    asyncio.run(walk())
