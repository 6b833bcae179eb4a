"""Keys that come faster than they are answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.keys import _character_to_key
from textual.widgets import Input

from aoinspect.tui.actions import View
from aoinspect.tui.app import InspectApp
from aoinspect.tui.prompts import LinePrompt, TextScreen
from tests.tui.running import messages, press, running, sample_session, until


def together(app: InspectApp, *keys: str) -> None:
    """Brings keys as a slow line does: all of them before the first has done anything."""
    for key in keys:
        letter = key if len(key) == 1 else None
        app.post_message(Key(key if letter is None else _character_to_key(letter), letter))


class TestKeysThatComeTogetherAreForWhatTheOneBeforeOpened:
    @pytest.mark.parametrize("keys", [[*"/tcp.port == 179", "enter"], [*"/tcp.port == 179", "enter", *"3jj"]])
    def test_a_filter(self, keys: list[str]) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                together(app, *keys)
                await until(pilot, lambda: str(app.session.visible.chosen) == "tcp.port == 179" and not app.is_busy)
                assert messages(app) == []
                assert app.packets.list.cursor == keys.count("j")

        asyncio.run(walk())

    def test_a_move_that_is_not_told_yet_when_a_filter_comes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                await press(pilot, "3")
                # Everything in this thread, so that no message comes between.
                monkeypatch.setattr(app, "hand_over", lambda call, *arguments: call(*arguments))
                app.packets.list.go_to(2)
                app.session.show("tcp.port == 179", lambda _: None)
                assert app.packets.list.cursor == app.session.row == 2

        asyncio.run(walk())

    def test_a_pasted_filter(self) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                together(app, "/")
                app.post_message(Paste("tcp.port == 179"))
                await until(pilot, lambda: isinstance(app.screen, LinePrompt))
                line = app.screen.query_one("#line", Input)
                await until(pilot, lambda: line.value == "tcp.port == 179")

        asyncio.run(walk())

    def test_a_file(self, tmp_path: Path) -> None:
        async def walk() -> None:
            async with running(sample_session("inject")) as (app, pilot):
                together(app, "s", "k", "ctrl+u", *str(tmp_path / "two words.toml"), "enter")
                await until(pilot, lambda: any("written" in message for message in messages(app)))
                assert app.session.connection == 0

        asyncio.run(walk())
        assert [path.name for path in tmp_path.iterdir()] == ["two words.toml"]

    def test_views_lists_and_texts(self) -> None:
        async def walk() -> None:
            async with running(sample_session("rotation")) as (app, pilot):
                together(app, *"3jjj")
                await until(pilot, lambda: app.packets.list.cursor == 3)
                together(app, *"?jq2]]")
                changes = app.timeline.changes
                await until(pilot, lambda: app.view is View.TIMELINE and changes.cursor == 3)

        asyncio.run(walk())


def test_a_letter_that_answers_does_nothing_more() -> None:
    """`s a` saves with comments, and asks for no new key; `A` below an explanation corrects once."""

    async def walk() -> None:
        async with running(sample_session("inject")) as (app, pilot):
            await press(pilot, "s", "a")
            line = app.screen.query_one("#line", Input)
            assert line.value == "inject-annotated.pcapng"
            await press(pilot, "escape")
            assert not app.is_asking
            asked: list[int] = []
            app._apply_correction = asked.append  # type: ignore[method-assign, assignment]
            await press(pilot, "e")
            assert isinstance(app.screen, TextScreen)
            await press(pilot, "A")
            assert asked == [0]

    asyncio.run(walk())
