"""Every key does what the table says; the palette and the help have every action."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from aoinspect.keys import load_keys
from aoinspect.report.axis import AxisUnit
from aoinspect.tui.actions import ACTIONS, MOVES, View, key_text
from aoinspect.tui.app import InspectApp
from aoinspect.tui.field_tree import FieldTree
from aoinspect.tui.help_text import help_text
from aoinspect.tui.line_list import LineList
from aoinspect.tui.palette import ActionProvider
from aoinspect.tui.prompts import ChoicePrompt, KeyPrompt, LinePrompt, TextScreen
from aoinspect.tui.session import Session, TimeFormat
from aoinspect.tui.shell import THEMES
from dissectors.registry import Registry
from tests.conversation import Conversation
from tests.tui.running import Run, messages, press, running, sample_session, screen_text, type_line, until

Check = Callable[[InspectApp, Run], Awaitable[None]]


def drive(check: Check, sample: str = "inject", size: tuple[int, int] = (120, 40), budget: int = 0) -> None:
    async def walk() -> None:
        async with running(sample_session(sample, recovery_budget=budget), size) as (app, pilot):
            await check(app, pilot)

    asyncio.run(walk())


def frame(app: InspectApp) -> int:
    row = app.session.row
    assert row is not None
    return int(app.session.rows.frame[row])


# The table.


def test_no_key_is_given_twice() -> None:
    keys = [key for action in (*ACTIONS, *MOVES) for key in action.keys]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action)
def test_every_action_has_a_key_and_is_in_the_help(action: object) -> None:
    assert action.keys  # type: ignore[attr-defined]
    text = help_text().plain
    assert f"{action.title}: {action.meaning}" in text  # type: ignore[attr-defined]
    assert key_text(action.keys[0]) in text  # type: ignore[attr-defined]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action)
def test_every_action_exists(action: object) -> None:
    assert hasattr(InspectApp, f"action_{action.name}")  # type: ignore[attr-defined]


def test_the_palette_has_the_table_and_nothing_else() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        provider = ActionProvider(app.screen)
        shown = [hit.text async for hit in provider.discover()]
        assert shown == [f"{action.title} ({key_text(action.keys[0])})" for action in ACTIONS]
        assert list(app.get_system_commands(app.screen)) == []
        await press(pilot, "ctrl+p")
        assert type(app.screen).__name__ == "CommandPalette"

    drive(check)


def test_an_action_of_another_view_is_done_there_from_the_palette() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        app.run_from_palette(next(action for action in ACTIONS if action.name == "zoom_in"))
        lanes = app.timeline.lanes
        await until(pilot, lambda: lanes.picture is not None and lanes.window.size < lanes.picture.axis.whole.size)
        assert app.view is View.TIMELINE

    drive(check)


# Views and panes.


@pytest.mark.parametrize("key, view", [("1", View.CONNECTIONS), ("2", View.TIMELINE), ("3", View.PACKETS),
                                        ("4", View.KEYS), ("5", View.FINDINGS)])  # fmt: skip
def test_a_number_shows_a_view(key: str, view: View) -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "5" if key != "5" else "1", key)
        assert app.view is view

    drive(check)


def test_tab_goes_round_the_panes() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        focused = []
        for key in ("3", "tab", "tab", "shift+tab"):
            await press(pilot, key)
            focused.append(None if app.focused is None else app.focused.id)
        assert focused == ["packet-list", "fields", "octets", "fields"]

    drive(check)


def test_backslash_gives_a_pane_the_screen_and_escape_takes_it_back() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "backslash")
        assert [pane.id for pane in app.screen.query(".-maximized")] == ["packet-list"]
        await press(pilot, "escape")
        assert not app.screen.query(".-maximized")
        await press(pilot, "backslash", "backslash")
        assert not app.screen.query(".-maximized")

    drive(check)


def test_the_themes_go_round_and_one_has_no_colours() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        seen = []
        for _ in THEMES:
            await press(pilot, "T")
            seen.append("without colours" if app.is_monochrome else app.theme)
        assert sorted(seen) == sorted(THEMES)

    drive(check)


def test_help_opens_and_closes() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        for key in ("question_mark", "f1"):
            await press(pilot, key)
            assert isinstance(app.screen, TextScreen)
            await press(pilot, "escape")
            assert not isinstance(app.screen, TextScreen)

    drive(check)


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_quit(key: str) -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await pilot.press(key)
        await pilot.pause()
        assert app._exit
        assert app.return_value is None

    drive(check)


# Lists.


@pytest.mark.parametrize(
    "keys, cursor",
    [
        (("j",), 1),
        (("down", "down"), 2),
        (("j", "j", "k"), 1),
        (("j", "up"), 0),
        (("G",), 35),
        (("end",), 35),
        (("G", "g"), 0),
        (("end", "home"), 0),
    ],
)
def test_moving_in_a_list(keys: tuple[str, ...], cursor: int) -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", *keys)
        assert app.packets.list.cursor == cursor
        assert app.session.row == cursor

    drive(check)


def test_a_page_is_as_high_as_the_pane() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "pagedown")
        page = app.packets.list.cursor
        assert page == app.packets.list.scrollable_content_region.height - 2
        await press(pilot, "pageup")
        assert app.packets.list.cursor == 0
        await press(pilot, "ctrl+d", "ctrl+u")
        assert app.packets.list.cursor == 0

    drive(check)


def test_left_and_right_scroll_a_list() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "l", "right")
        assert app.packets.list.scroll_offset.x > 0
        await press(pilot, "h", "left")
        assert app.packets.list.scroll_offset.x == 0

    drive(check, size=(60, 30))


def test_enter_goes_from_connection_to_timeline_to_packet_to_tree() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        views = []
        for _ in range(2):
            await press(pilot, "enter")
            views.append(app.view)
        assert views == [View.TIMELINE, View.PACKETS]
        assert frame(app) == 3
        await press(pilot, "enter")
        assert app.focused is app.packets.fields

    drive(check)


def test_enter_on_a_finding_and_on_an_unknown_key_goes_to_the_packet() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "5")
        finding = app.findings.chosen
        assert finding is not None
        await press(pilot, "enter")
        assert frame(app) == finding.frame
        await press(pilot, "4", "G", "enter")
        assert frame(app) == 18
        await press(pilot, "4", "g", "enter")
        assert isinstance(app.screen, KeyPrompt)

    drive(check)


# Packets.


def test_f_visits_every_failure_and_comes_round() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3")
        seen = []
        for _ in range(19):
            await press(pilot, "f")
            seen.append(frame(app))
        failing = [int(number) for number in app.session.rows.frame[app.session.rows.verdict != 0]]
        assert seen == [*failing, failing[0]]

    drive(check)


def test_space_marks_and_m_comes_back() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "j", "j", "space", "G", "m")
        assert app.packets.list.cursor == 2
        assert app.packets.list.text_of(2).startswith("●")
        await press(pilot, "space", "m")
        assert app.session.marked == set()
        assert any("no packet is marked" in message for message in messages(app))

    drive(check)


def test_t_goes_through_the_time_formats() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3")
        lines = set()
        for _ in TimeFormat:
            await press(pilot, "t")
            lines.add(app.packets.list.text_of(4))
        assert len(lines) == len(TimeFormat)
        assert app.session.time_format is TimeFormat.RELATIVE

    drive(check)


def test_the_traffic_key_is_hidden_until_it_is_asked_for() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        def key_line() -> str:
            tree = app.packets.fields
            return next(line for line in map(tree.text_of, range(tree.count)) if "traffic key" in line)

        await press(pilot, "3")
        assert "hidden" in key_line()
        await press(pilot, "v")
        assert "hidden" not in key_line()
        await press(pilot, "v")
        assert "hidden" in key_line()

    drive(check)


def test_a_field_lights_its_octets_and_an_octet_chooses_its_field() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "tab")
        tree, octets = app.packets.fields, app.packets.octets
        node = tree.node
        assert node is not None
        assert octets.lit == (node.start, node.end) != (0, 0)
        await press(pilot, "tab", "g")
        assert tree.node is not None
        assert tree.node.name == "eth.dst"
        assert octets.lit == (0, 6)
        for _ in range(6):
            await press(pilot, "l")
        assert tree.node is not None
        assert tree.node.name == "eth.src"
        await press(pilot, "j", "h", "enter", "pagedown", "G")
        assert octets.octet == len(octets.octets) - 1

    drive(check)


def test_nodes_open_and_close() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "tab", "g")
        tree = app.packets.fields
        assert isinstance(tree, FieldTree)
        closed = tree.count
        await press(pilot, "l")
        assert tree.count > closed
        await press(pilot, "h")
        assert tree.count == closed
        await press(pilot, "enter")
        assert tree.count > closed

    drive(check)


def test_y_copies_octets_and_lines() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "y")
        assert "10.0.0.1" in app.clipboard
        await press(pilot, "tab", "tab", "g", "y")
        assert app.clipboard == app.packets.octets.octets[:6].hex()

    drive(check)


# Filter and find.


def test_a_filter_shows_its_packets_and_x_shows_all() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "slash")
        await type_line(pilot, "ao.verdict == mismatch")
        assert app.packets.list.count == 9
        assert all("mismatch" in app.packets.list.text_of(line) for line in range(9))
        assert "9 shown" in screen_text(app)
        await press(pilot, "X")
        assert app.packets.list.count == 36

    drive(check)


def test_a_wrong_filter_is_told_while_it_is_typed_and_never_taken() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "slash")
        app.screen.query_one("#line", Input).value = "ao.verdict == wrong"
        await pilot.pause()
        assert "✗" in screen_text(app)
        assert "^" in screen_text(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, LinePrompt)
        await press(pilot, "escape")
        assert app.session.visible.chosen is None

    drive(check)


def test_filters_are_remembered() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        for text in ("tcp.flags.syn == 1", "ao.verdict == verified"):
            await press(pilot, "slash")
            await type_line(pilot, text)
        await press(pilot, "slash", "up", "up")
        assert app.screen.query_one("#line", Input).value == "tcp.flags.syn == 1"
        await press(pilot, "down")
        assert app.screen.query_one("#line", Input).value == "ao.verdict == verified"

    drive(check)


def test_a_filter_by_stream_reads_the_capture_again() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "slash")
        await type_line(pilot, "tcp.stream == 0")
        assert len(app.session.visible) > 0
        assert messages(app) == []

    drive(check)


def test_find_goes_on_and_back() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3", "ctrl+f")
        await type_line(pilot, "ao.verdict == malformed")
        first = frame(app)
        await press(pilot, "n")
        second = frame(app)
        assert second > first
        await press(pilot, "N")
        assert frame(app) == first

    drive(check)


def test_find_looks_for_text_in_the_other_lists() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "1", "ctrl+f")
        await type_line(pilot, "no answer")
        assert app.connections.list.cursor == 1
        await press(pilot, "n")
        assert app.connections.list.cursor == 1

    drive(check)


def test_connections_by_keys() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "greater_than_sign")
        assert app.session.connection == 1
        await press(pilot, "less_than_sign")
        assert app.session.connection == 0
        await press(pilot, "greater_than_sign", "c")
        assert app.view is View.PACKETS
        assert len(app.session.visible) == 1

    drive(check)


# The timeline.


def test_the_timeline_zooms_pans_and_steps_from_change_to_change() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "2")
        lanes = app.timeline.lanes
        picture = lanes.picture
        assert picture is not None
        whole = picture.axis.whole
        await press(pilot, "right_square_bracket")
        assert lanes.position == picture.transitions[1].position
        await press(pilot, "plus", "equals_sign")
        assert lanes.window.size == pytest.approx(whole.size / 4, abs=2)
        assert lanes.window.first <= lanes.position <= lanes.window.last
        before = lanes.window
        await press(pilot, "L")
        assert lanes.window.first > before.first
        await press(pilot, "H")
        assert lanes.window == before
        await press(pilot, "minus")
        assert lanes.window.size > before.size
        await press(pilot, "0")
        assert lanes.window == whole
        position = lanes.position
        await press(pilot, "left_square_bracket")
        assert lanes.position < position
        await press(pilot, "G", "left_square_bracket")
        assert lanes.position == picture.transitions[-1].position
        await press(pilot, "enter")
        assert frame(app) == picture.transitions[-1].transition.frame

    drive(check, "rotation")


def test_the_timeline_by_frame_keeps_its_packet() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "2", "l", "l", "h", "G", "u")
        assert app.session.axis_unit is AxisUnit.FRAME
        assert app.timeline.lanes.position == 62
        await press(pilot, "enter")
        assert frame(app) == 62

    drive(check, "rotation")


# Keys and explanations.


def test_another_key_file_checks_again_in_place() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        verified = app.session.analysis.report.totals.verdicts["verified"]  # type: ignore[union-attr]
        await press(pilot, "o")
        await type_line(pilot, str(app.session.name).replace("inject.pcap", "rotation.toml"))
        assert app.session.analysis.report.totals.verdicts["verified"] == 0  # type: ignore[union-attr]
        assert f"−{verified} verified" in app.session.last_change
        await press(pilot, "O")
        await type_line(pilot, str(app.session.name).replace("pcap", "toml").replace("tomls", "pcaps"))
        assert app.session.analysis.report.totals.verdicts["verified"] == verified  # type: ignore[union-attr]

    drive(check)


def test_a_key_file_that_cannot_be_read_is_told() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "o")
        await type_line(pilot, "no/such/file.toml")
        assert any("no/such/file.toml" in message for message in messages(app))

    drive(check)


def test_a_new_key_is_asked_for_until_it_is_right() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "a")
        assert isinstance(app.screen, KeyPrompt)
        await press(pilot, "ctrl+s")
        assert "a secret is needed" in screen_text(app)
        app.screen.query_one("#secret", Input).value = "anything"
        app.screen.query_one("#send_id", Input).value = "33"
        app.screen.query_one("#recv_id", Input).value = "34"
        await press(pilot, "ctrl+s")
        assert app.session.last_change == "+1 mismatch, −1 no-key"

    drive(check)


def test_explain_says_why_and_a_applies_nothing_where_nothing_is_corrected() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "e")
        assert isinstance(app.screen, TextScreen)
        assert "failing segment" in screen_text(app)
        await press(pilot, "escape", "greater_than_sign", "A")
        assert any("no explanation changes anything" in message for message in messages(app))

    drive(check)


def test_recovered_isns_verify_in_place(tmp_path: Path) -> None:
    talk = Conversation().established(client_octets=60, server_octets=40)
    talk.data("a", 100).data("b", 50).ack("a").data("a", 30)
    (tmp_path / "late.pcap").write_bytes(talk.to_pcap())
    (tmp_path / "keys.toml").write_text(talk.key_file(), encoding="utf-8")

    async def walk() -> None:
        store = load_keys([str(tmp_path / "keys.toml")])
        session = Session(str(tmp_path / "late.pcap"), store, Registry(), recovery_budget=200_000)
        async with running(session) as (_, pilot):
            await press(pilot, "r")
            assert session.last_change == "+4 verified, −4 unverifiable"

    asyncio.run(walk())


# Saving.


def test_everything_that_can_be_saved_is_saved(tmp_path: Path) -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        for key, name in (
            ("k", "keys.toml"),
            ("p", "shown.pcap"),
            ("s", "signed.pcap"),
            ("a", "annotated.pcapng"),
            ("t", "time.svg"),
            ("r", "report.json"),
            ("h", "report.html"),
        ):
            await press(pilot, "s")
            assert isinstance(app.screen, ChoicePrompt)
            await press(pilot, key)
            await type_line(pilot, str(tmp_path / name))
            assert (tmp_path / name).stat().st_size > 0
        await press(pilot, "s", "r")
        before = (tmp_path / "report.json").read_bytes()
        (tmp_path / "report.json").write_bytes(b"mine")
        await type_line(pilot, str(tmp_path / "report.json"))
        assert isinstance(app.screen, ChoicePrompt)
        await press(pilot, "n")
        assert (tmp_path / "report.json").read_bytes() == b"mine"
        await press(pilot, "s", "r")
        await type_line(pilot, str(tmp_path / "report.json"))
        await press(pilot, "y")
        assert (tmp_path / "report.json").read_bytes() == before

    drive(check)


def test_the_mouse_chooses_a_line() -> None:
    async def check(app: InspectApp, pilot: Run) -> None:
        await press(pilot, "3")
        pane = app.packets.list
        assert isinstance(pane, LineList)
        await pilot.click(pane, offset=(5, 4))
        await pilot.pause()
        assert pane.cursor == 3

    drive(check)
