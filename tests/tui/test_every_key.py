"""Every action of the table, by each of its keys and from the palette: what it changes is stated here, one by one.

An action without an entry fails; so does a key, or the palette, that does not change what the entry looks at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.widgets import OptionList

from aoinspect.keys import load_keys
from aoinspect.tui.actions import ACTIONS, MOVES, Action
from aoinspect.tui.app import InspectApp
from aoinspect.tui.session import Session
from tests.tui.running import SAMPLES, Run, messages, press, running, sample_session, session_on, until
from tests.tui.test_walk import wrong_keys

PALETTE = "from the palette"


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action changes."""

    look: Callable[[InspectApp], object]
    """What is another thing afterwards."""
    before: tuple[str, ...] = ()
    """Keys that go to where it can be done."""
    after: tuple[str, ...] = ()
    """Keys that undo it."""
    prepare: Callable[[InspectApp], object] = lambda _: None
    sample: str = "inject"
    is_once: bool = False
    """It cannot be done twice in one run."""


def screen(app: InspectApp) -> str:
    return type(app.screen).__name__


def cursor(app: InspectApp) -> int:
    return app.packets.list.cursor


def window(app: InspectApp) -> object:
    return app.timeline.lanes.window


def lanes_position(app: InspectApp) -> int:
    return app.timeline.lanes.position


def shown(app: InspectApp) -> str:
    return str(app.session.visible.chosen)


def focused(app: InspectApp) -> str | None:
    return None if app.focused is None else app.focused.id


def find_malformed(app: InspectApp) -> None:
    app.session.find("ao.verdict == malformed")


def mark_two(app: InspectApp) -> None:
    for row in (4, 9):
        app.session.toggle_mark(int(app.session.rows.frame[row]))


def forget_clipboard(app: InspectApp) -> None:
    app._clipboard = ""


EFFECTS: dict[str, Effect] = {
    **{
        f"view('{view}')": Effect(lambda app: app.view, ("1" if view != "connections" else "5",))
        for view in ("connections", "timeline", "packets", "keys", "findings")
    },
    "filter": Effect(screen, after=("escape",)),
    "clear_filter": Effect(shown, ("1", "c")),
    "find": Effect(screen, after=("escape",)),
    "find_next": Effect(cursor, ("3",), prepare=find_malformed),
    "find_previous": Effect(cursor, ("3",), prepare=find_malformed),
    "next_failure": Effect(cursor, ("3", "g")),
    "mark": Effect(lambda app: frozenset(app.session.marked), ("3",)),
    "next_mark": Effect(cursor, ("3", "g"), prepare=mark_two, is_once=True),
    "time_format": Effect(lambda app: app.session.time_format, ("3",)),
    "next_connection": Effect(lambda app: app.session.connection),
    "previous_connection": Effect(lambda app: app.session.connection),
    "only_connection": Effect(shown, ("1",), ("X",)),
    "only_key": Effect(shown, ("4",), ("X",)),
    "explain": Effect(screen, after=("escape",)),
    "apply_correction": Effect(lambda app: app.session.last_change, sample="wrong", is_once=True),
    "load_keys": Effect(screen, after=("escape",)),
    "add_keys": Effect(screen, after=("escape",)),
    "edit_key": Effect(screen, ("4",), ("escape",)),
    "new_key": Effect(screen, after=("escape",)),
    "recover": Effect(lambda app: len(messages(app))),
    "reveal": Effect(lambda app: app.packets.reveals, ("3",)),
    "zoom_in": Effect(window, ("2", "0"), sample="rotation"),
    "zoom_out": Effect(window, ("2", "0", "plus", "plus"), sample="rotation"),
    "zoom_whole": Effect(window, ("2", "plus"), sample="rotation"),
    "pan_left": Effect(window, ("2", "0", "G", "plus"), sample="rotation"),
    "pan_right": Effect(window, ("2", "0", "g", "plus"), sample="rotation"),
    "transition(-1)": Effect(lanes_position, ("2", "G"), sample="rotation"),
    "transition(1)": Effect(lanes_position, ("2", "g"), sample="rotation"),
    "axis_unit": Effect(lambda app: app.session.axis_unit, ("2",)),
    "copy": Effect(lambda app: app.clipboard, ("1",), prepare=forget_clipboard, is_once=True),
    "save": Effect(screen, after=("escape",)),
    "focus_next": Effect(focused, ("3",)),
    "focus_previous": Effect(focused, ("3",)),
    "maximise": Effect(lambda app: app.screen.maximized is None, ("3",), ("escape",)),
    "next_theme": Effect(lambda app: (app.theme, app.is_monochrome)),
    "cancel": Effect(lambda app: app.screen.maximized is None, ("3", "backslash")),
    "command_palette": Effect(screen, after=("escape",)),
    "help": Effect(screen, after=("escape",)),
    "quit": Effect(lambda app: app._exit, is_once=True),
    "move(-1)": Effect(cursor, ("3", "G")),
    "move(1)": Effect(cursor, ("3", "g")),
    "page(-1)": Effect(cursor, ("3", "G")),
    "page(1)": Effect(cursor, ("3", "g")),
    "edge(-1)": Effect(cursor, ("3", "j")),
    "edge(1)": Effect(cursor, ("3", "g")),
    "aside(-1)": Effect(lambda app: app.packets.octets.octet, ("3", "tab", "tab", "G")),
    "aside(1)": Effect(lambda app: app.packets.octets.octet, ("3", "tab", "tab", "g")),
    "choose": Effect(lambda app: app.view, ("1",)),
}
TABLE = (*ACTIONS, *MOVES)


def session_for(effect: Effect, folder: Path) -> Session:
    if effect.sample != "wrong":
        return sample_session(effect.sample)
    return session_on(SAMPLES / "v4-sha1.pcap", load_keys([str(wrong_keys(folder))]))


async def from_palette(app: InspectApp, pilot: Run, action: Action) -> None:
    await press(pilot, "ctrl+p")
    await pilot.press(*action.title)
    wanted = f"{action.title} ("

    def hits() -> list[str]:
        return [str(option.prompt) for option in app.screen.query_one(OptionList).options]

    await until(pilot, lambda: any(hit.startswith(wanted) for hit in hits()))
    place = next(place for place, hit in enumerate(hits()) if hit.startswith(wanted))
    await pilot.press(*["down"] * place, "enter")
    await until(pilot, lambda: app._exit or (screen(app) != "CommandPalette" and not app.is_busy))


async def do(app: InspectApp, pilot: Run, action: Action, effect: Effect, way: str) -> None:
    """Does the action one way, and sees that it changes what it should."""
    effect.prepare(app)
    await press(pilot, *effect.before)
    seen = effect.look(app)
    if way == PALETTE:
        await from_palette(app, pilot, action)
    elif action.action == "quit":
        await pilot.press(way)
    else:
        await press(pilot, way)
    await until(pilot, lambda: effect.look(app) != seen, 30)
    assert app.crash is None
    await press(pilot, *effect.after)


@pytest.mark.parametrize("action", TABLE, ids=lambda action: action.action)
def test_an_action_does_what_it_says_by_each_key_and_from_the_palette(action: Action, tmp_path: Path) -> None:
    effect = EFFECTS[action.action]
    # The palette is not found in itself, and moves are the focused pane's.
    has_palette = action in ACTIONS and action.action != "command_palette"
    ways = [*action.keys, *([PALETTE] if has_palette else [])]

    async def walk(ways: list[str]) -> None:
        async with running(session_for(effect, tmp_path)) as (app, pilot):
            for way in ways:
                await do(app, pilot, action, effect, way)

    for together in [[way] for way in ways] if effect.is_once else [ways]:
        asyncio.run(walk(together))


def test_the_effects_are_those_of_the_table() -> None:
    assert sorted(EFFECTS) == sorted(action.action for action in TABLE)
