"""The application's frame: tabs, status line, themes, palette, questions, and work that goes on beside the keys.

What is shown follows the session: ten times a second it is asked what is new, so that whatever thread has changed it
need not know of any widget.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.command import Provider
from textual.filter import LineFilter, Monochrome
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static, TabbedContent, TabPane, Tabs

from aoinspect.errors import AoinspectError, CaptureError
from aoinspect.report.layout import printable
from aoinspect.tui.actions import ACTIONS, Action, View, bindings_of, can_be_done
from aoinspect.tui.activities import Activities, Activity
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.connections_view import ConnectionsView
from aoinspect.tui.findings_view import FindingsView
from aoinspect.tui.key_line import KeyLine
from aoinspect.tui.keys_view import KeysView
from aoinspect.tui.line_list import LineList
from aoinspect.tui.packets_view import PacketsView
from aoinspect.tui.palette import ActionProvider
from aoinspect.tui.session import Session
from aoinspect.tui.status_text import status_text
from aoinspect.tui.timeline_view import TimelineView
from aoinspect.tui.visible_rows import VisibleRows

TICK_SECONDS = 0.1
THEMES = ("textual-dark", "textual-light", "without colours")
Answer = TypeVar("Answer")
_COUNT_SECONDS = _STATUS_SECONDS = 0.4
"""So often at most numbers that grow are drawn again while nothing else changes: over a slow line that counts."""
_ENDING_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP.
]
_PATIENCE_SECONDS = 1.0
"""So long at most a key waits for what the one before it has opened."""
_SWITCH_SECONDS = 0.0002
"""How long a reading thread may keep the interpreter from the one that answers keys."""


class ViewPane(TabPane):
    """What a tab shows. Unlike Textual's own it is not shown because something in it gets the focus.

    When a view is hidden, the panes beside the focused one are offered the focus first, and would bring it back.
    """

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        event.prevent_default()


class Shell(App[str | None]):
    """The frame. It ends with why nothing could be shown, or None."""

    CSS = """
    TabPane { padding: 0; }
    #views { height: 1fr; }
    #status { height: 1; background: $panel; }
    Tabs { height: 1; & Underline { display: none; } }
    Tab.-active { text-style: bold reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionProvider}
    TITLE = "aoinspect"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        session.switch = self._switch
        self.connections = ConnectionsView(session)
        self.timeline = TimelineView(session)
        self.packets = PacketsView(session)
        self.keys = KeysView(session)
        self.findings = FindingsView(session)
        self._views: dict[View, Widget] = {
            View.CONNECTIONS: self.connections,
            View.TIMELINE: self.timeline,
            View.PACKETS: self.packets,
            View.KEYS: self.keys,
            View.FINDINGS: self.findings,
        }
        self._tabs = TabbedContent(id="views")
        self._status_line = Static(id="status", markup=False)
        self.has_frame = False
        """Whether there are views yet, and still."""
        self.is_monochrome = False
        self._shown_analysis: Analysis = session.analysis
        self._shown_visible: VisibleRows = session.visible
        self._shown_count = -1
        self._count_shown_at = 0.0
        self._shown_status = Text()
        self._status_due = 0.0
        self._status_state: object = None
        self._shown_report: object = None
        self._shown_change = ""
        self._stale: set[View] = set(View)
        self.activities = Activities()
        self._wanted: tuple[Analysis, int] | None = None
        """The packet that is to be read again: an analysis, and a row of its table."""
        self._is_viewing = False
        self._entered: View | None = None
        """The view that was brought up to date when it was shown."""
        self.ended_by: int | None = None
        """The signal that ended the program."""

    def compose(self) -> ComposeResult:
        with self._tabs:
            for number, (view, widget) in enumerate(self._views.items(), 1):
                with ViewPane(f"{number} {view.value.capitalize()}", id=view.value):
                    yield widget
        yield self._status_line
        yield KeyLine(id="key-line")

    def on_mount(self) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        # Every frame of an animation is sent over the line.
        self.animation_level = "none"
        self.query_one(Tabs).can_focus = False
        self.has_frame = True
        self.theme = THEMES[0]
        self.action_view(View.CONNECTIONS.value)
        self.set_interval(TICK_SECONDS, self.tick)
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            # Not everywhere, and not in a thread of somebody else's program.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._end_by, number)
        if not self.is_headless:
            # In place of Textual's, which starts to read keys once more, even while it is leaving: a terminal that goes
            # away sends this signal, too.
            with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(signal.SIGCONT, self._continue)
        self.run_worker(self._read, thread=True, group="read")

    async def on_event(self, event: events.Event) -> None:
        """Whoever presses a key goes before whatever is read."""
        if isinstance(event, events.InputEvent):
            self.session.give_way()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded and self.has_frame:
            await self._take_typed(event)
        else:
            await super().on_event(event)

    async def _take_typed(self, event: events.Key | events.Paste) -> None:
        """Has a key do all that it does before the next one is looked at.

        Whoever types `/` and a filter at once, or sits at a slow line that brings both together, means the letters for
        the line that `/` opens. Textual hands each key to what has the focus when it comes.
        """
        await _within_patience(self._is_screen_ready)
        if isinstance(event, events.Key) and not self.is_asking:
            # Panes know no keys but by the table.
            if not await self._check_bindings(event.key, priority=True):
                await self._check_bindings(event.key)
            return
        focused, screen = self.focused, self.screen
        await super().on_event(event)
        if focused is None or screen is not self.screen:
            return
        # What a key does may be told to the widgets around in messages of its own; those are behind it in the queues.
        around = [focused, *(node for node in focused.ancestors if isinstance(node, Widget))]
        for pump in around * 2:
            is_done = asyncio.Event()
            if not pump.is_running or not pump.call_later(is_done.set):
                return
            await _within_patience(is_done.is_set)

    def _is_screen_ready(self) -> bool:
        """Whether keys would reach what the screen that is on top is there for."""
        return not self.is_asking or self.screen.focused is not None

    def on_unmount(self) -> None:
        self.has_frame = False
        # The program ends when all that goes on beside the keys has ended.
        self.activities.stop_all()
        self.session.close()

    def _end_by(self, number: int) -> None:
        """Leaves as by `q`, so that the terminal is as it was and nothing of a pipe stays in a temporary file."""
        self.ended_by = number
        self.exit()

    def _continue(self) -> None:
        """Takes the terminal again when the process was stopped: the shell had it meanwhile."""
        if self._driver is None or self._exit or not self.is_running or not os.isatty(0):
            return
        self._driver.suspend_application_mode()
        self._driver.resume_application_mode()
        self.refresh(layout=True)

    def _fatal_error(self) -> None:
        """Leaves without Textual's traceback, which shows local variables: they may hold secrets."""
        self._close_messages_no_wait()

    @property
    def crash(self) -> Exception | None:
        """The mistake of ours that ended the program."""
        return self._exception

    # What is shown.

    @property
    def view(self) -> View:
        """The view that is shown."""
        return View(self._tabs.active or View.CONNECTIONS.value)

    @property
    def list(self) -> LineList:
        """The list of the view that is shown."""
        match self.view:
            case View.CONNECTIONS:
                return self.connections.list
            case View.TIMELINE:
                return self.timeline.changes
            case View.PACKETS:
                return self.packets.list
            case View.KEYS:
                return self.keys.list
            case View.FINDINGS:
                return self.findings.list

    def tick(self) -> None:
        """Shows what is new."""
        if not self.has_frame or not self.is_running:
            return
        session = self.session
        analysis, visible = session.analysis, session.visible
        if analysis is not self._shown_analysis or visible is not self._shown_visible:
            self._shown_analysis, self._shown_visible = analysis, visible
            self._stale |= set(View)
            self.packets.show_all(follow=analysis.size is None)
            self._shown_count = len(visible)
        elif len(visible) != self._shown_count and self._is_count_due():
            self.packets.more_came(follow=analysis.size is None)
            self._shown_count = len(visible)
            self._count_shown_at = time.monotonic()
        state = (analysis.report, analysis.is_finished)
        if state != self._shown_report:
            self._shown_report = state
            self._stale |= set(View) - {View.PACKETS}
        if session.last_change != self._shown_change:
            self._shown_change = session.last_change
            if session.last_change:
                self.notify(session.last_change, title="checked again")
        self.refresh_view()
        self._tell_status()

    def _is_count_due(self) -> bool:
        """Whether packets that came are shown at once: where they are seen, or only move the scrollbar."""
        pane = self.packets.list
        is_seen = self.view is View.PACKETS and pane.shows_end
        is_last = pane.cursor >= pane.count - 1 or self.session.analysis.is_finished
        return is_seen or is_last or time.monotonic() - self._count_shown_at >= _COUNT_SECONDS

    def _tell_status(self) -> None:
        """The status line, where it says something new; numbers that run are not told ten times a second."""
        now = time.monotonic()
        is_running = not self.session.analysis.is_finished or self.session.pending is not None
        words = self.activities.words
        state = self.session.last_change, self.session.visible, words.partition(":")[0], is_running
        if state == self._status_state and now < self._status_due:
            return
        status = status_text(self.session, words)
        status.truncate(max(1, self.size.width), overflow="ellipsis")
        self._status_state, self._status_due = state, now + _STATUS_SECONDS
        if status != self._shown_status or status.plain != self._shown_status.plain:
            self._shown_status = status
            self._status_line.update(status, layout=False)

    def refresh_view(self) -> None:
        """Brings the shown view up to date, if it is not."""
        view = self.view
        if view not in self._stale:
            return
        self._stale.discard(view)
        match view:
            case View.CONNECTIONS:
                self.connections.refresh_session()
            case View.TIMELINE:
                self.timeline.refresh_session()
            case View.PACKETS:
                self.packets.show_all()
            case View.KEYS:
                self.keys.refresh_session()
            case View.FINDINGS:
                self.findings.refresh_session()

    def make_stale(self, views: set[View]) -> None:
        """These views no longer show what is so."""
        self._stale |= views

    # Work beside the keys.

    def _read(self) -> None:
        try:
            self.session.read(lambda: None)
        except AoinspectError as error:
            self.hand_over(self.exit, str(error))
        except OSError as error:
            self.hand_over(self.exit, f"{self.session.name}: reading fails: {error.strerror or error}")

    def hand_over(self, call: Callable[..., object], *arguments: object) -> None:
        """Has the thread of the application call something, unless it is leaving."""
        if self.has_frame and self.is_running:
            with suppress(RuntimeError, concurrent.futures.CancelledError):  # It left meanwhile.
                self.call_from_thread(call, *arguments)

    def _switch(self, change: Callable[[], None]) -> bool:
        """Lets a change of what the session shows happen between two keys, and shows it at once."""
        is_done = False

        def apply() -> None:
            nonlocal is_done
            self.packets.settle()
            change()
            is_done = True
            self.tick()

        self.hand_over(apply)
        return is_done

    def work(self, activity: Activity | str, task: Callable[[], object], then: Callable[[object], None]) -> None:
        """Does `task` in a thread; `then` is called with what it gave, or the problem is told."""
        going_on = Activity(activity) if isinstance(activity, str) else activity

        def run() -> None:
            try:
                outcome = task()
            except AoinspectError as error:
                self.hand_over(self._end_work, going_on, partial(self.tell_problem, error))
            except OSError as error:
                self.hand_over(self._end_work, going_on, partial(self.tell_problem, CaptureError(str(error))))
            except KeyboardInterrupt:
                self.hand_over(self._end_work, going_on, partial(self.notify, f"{going_on.words}: stopped"))
            else:
                self.hand_over(self._end_work, going_on, partial(then, outcome))

        self.activities.add(going_on)
        self.run_worker(run, thread=True, group="work")

    @property
    def is_busy(self) -> bool:
        """Whether anything was asked for that is not done or shown yet."""
        shown = self._shown_analysis, self._shown_visible, self._shown_count, self._shown_report
        session = self.session
        analysis, visible = session.analysis, session.visible
        known = analysis, visible, len(visible), (analysis.report, analysis.is_finished)
        return bool(self.activities) or self._is_viewing or self._wanted is not None or shown != known

    def _end_work(self, activity: Activity, then: Callable[[], None]) -> None:
        self.activities.remove(activity)
        then()
        self.tick()

    @property
    def is_asking(self) -> bool:
        """Whether a question, or a text to read, is before the views."""
        return len(self.screen_stack) > 1

    def ask(self, screen: Screen[Answer], then: Callable[[Answer | None], None] | None = None) -> None:
        """Shows a screen with a question; `then` gets the answer."""
        _ = self.push_screen(screen, then)

    def tell_problem(self, error: AoinspectError) -> None:
        """Says what cannot be done."""
        self.notify(printable_lines(str(error)), severity="error", markup=False, timeout=8)

    def on_packets_view_packet_wanted(self, event: PacketsView.PacketWanted) -> None:
        self.make_stale({View.CONNECTIONS, View.TIMELINE})
        self._wanted = self.session.analysis, event.row
        self._view_wanted()

    def _view_wanted(self) -> None:
        if not self._is_viewing:
            self._is_viewing = True
            self.run_worker(self._view_packet, thread=True, group="packet")

    def _view_packet(self) -> None:
        """Reads the chosen packet again, until the one that was read is still the chosen one."""
        while (wanted := self._wanted) is not None:
            self._wanted = None
            analysis, row = wanted
            try:
                view = analysis.view(row)
            except (AoinspectError, OSError) as error:
                self._show_unless_outdated(analysis, self.packets.show_problem, printable_lines(str(error)))
            else:
                self._show_unless_outdated(analysis, self.packets.show_packet, view)
        self.hand_over(self._end_viewing)

    def _show_unless_outdated(self, analysis: Analysis, show: Callable[..., None], what: object) -> None:
        def show_it() -> None:
            if self._wanted is None and analysis is self.session.analysis:
                show(what)

        if self._wanted is None:
            self.hand_over(show_it)

    def _end_viewing(self) -> None:
        self._is_viewing = False
        if self._wanted is not None:
            self._view_wanted()

    # The frame's own actions.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of one view do nothing in the others."""
        return can_be_done(action, self.view) if self.has_frame else True

    def get_system_commands(self, screen: Screen[object]) -> Sequence[SystemCommand]:
        """None: the palette has the table's actions alone, which all have keys."""
        return ()

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, Monochrome()] if self.is_monochrome else filters

    def run_from_palette(self, action: Action) -> None:
        """Does an action, in the first view that it belongs to if that is not shown."""
        if action.views and self.view not in action.views:
            self.action_view(action.views[0].value)
        self.call_later(self.run_action, action.action)

    def on_key_line_clicked(self, event: KeyLine.Clicked) -> None:
        self.run_from_palette(event.action)

    def action_view(self, name: str) -> None:
        self._tabs.active = name
        self.screen.minimize()
        self._enter_view()
        self.screen.set_focus(self._main_pane)

    def _enter_view(self) -> None:
        """What is chosen elsewhere is chosen here."""
        self._entered = self.view
        self.refresh_view()
        if self.view is View.TIMELINE:
            self.timeline.follow_session()

    @property
    def _main_pane(self) -> Widget:
        return self.timeline.lanes if self.view is View.TIMELINE else self.list

    def on_tabbed_content_tab_activated(self) -> None:
        """A tab was clicked, or chosen by its number."""
        if self.view is not self._entered:
            # Whoever came by a number has done something there meanwhile, perhaps.
            self._enter_view()
        if self.focused is None or self._views[self.view] not in self.focused.ancestors:
            self.screen.set_focus(self._main_pane)

    def action_maximise(self) -> None:
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.focused is not None:
            self.screen.maximize(self.focused, container=False)

    def action_next_theme(self) -> None:
        now = THEMES[-1] if self.is_monochrome else self.theme
        following = THEMES[(THEMES.index(now) + 1) % len(THEMES)] if now in THEMES else THEMES[0]
        self.is_monochrome = following == THEMES[-1]
        if not self.is_monochrome:
            self.theme = following
        self.refresh(layout=True, repaint=True)
        self.screen.refresh(layout=True)
        self.notify(following, title="theme", timeout=2)


async def _within_patience(condition: Callable[[], bool]) -> None:
    """Waits until something holds, but not for long where it does not."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0)


def printable_lines(text: str) -> str:
    """`text` with its line ends, but without other control characters."""
    return "\n".join(printable(line) for line in text.splitlines())
