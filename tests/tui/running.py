"""The application under Pilot: started on a sample or a capture that was told, and waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.tui.app import InspectApp
from aoinspect.tui.session import Session
from aoinspect.tui.spool import Spool
from dissectors.registry import Registry

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SAMPLES = PROJECT_ROOT / "samples" / "pcaps"

Run = Pilot[str | None]


def sample_session(name: str, *, keys: str | None = None, recovery_budget: int = 0) -> Session:
    """A session on a shipped sample, under its own keys unless others are named; `keys` "" for none."""
    paths = [] if keys == "" else [str(SAMPLES / f"{keys or name}.toml")]
    store = load_keys(paths) if paths else KeyStore()
    return Session(str(SAMPLES / f"{name}.pcap"), store, Registry(), recovery_budget=recovery_budget)


def session_on(path: Path, store: KeyStore | None = None, *, spool: Spool | None = None) -> Session:
    return Session(str(path), store or KeyStore(), Registry(), spool=spool)


def read_all(session: Session) -> Session:
    """The session, read to its end in this thread."""
    session.read(lambda: None)
    return session


@asynccontextmanager
async def running(
    session: Session, size: tuple[int, int] = (120, 40), *, wait: bool = True
) -> AsyncIterator[tuple[InspectApp, Run]]:
    """The application on `session`, by default once everything is read and shown."""
    app = InspectApp(session)
    async with app.run_test(size=size, notifications=True) as pilot:
        if wait:
            await until(pilot, lambda: session.analysis.is_finished and not app.is_busy)
        yield app, pilot


_AT_REST = 3
"""So many looks in a row find what is waited for: a key's work may begin only after its messages have gone round."""


async def until(pilot: Run, condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something holds and goes on holding; AssertionError where it does not come."""
    held = 0
    for _ in range(int(seconds / 0.02)):
        held = held + 1 if condition() else 0
        if held == _AT_REST:
            return
        await pilot.pause(0.0 if held else 0.02)
    raise AssertionError("what was waited for did not come")


async def press(pilot: Run, *keys: str) -> None:
    """Presses keys, and waits until what they start has come to rest."""
    app = pilot.app
    assert isinstance(app, InspectApp)
    for key in keys:
        await pilot.press(key)
        # A key goes round by several queues before anything begins.
        await pilot.pause()
        await until(pilot, lambda: not app.is_busy)


async def type_line(pilot: Run, text: str) -> None:
    """Puts text into the prompt's line, in place of what is there, and presses enter."""
    line = pilot.app.screen.query_one("#line", Input)
    line.value = text
    await pilot.pause()
    await press(pilot, "enter")


def screen_text(app: InspectApp) -> str:
    """What stands on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def messages(app: InspectApp) -> list[str]:
    """What was notified."""
    return [notification.message for notification in app._notifications]
