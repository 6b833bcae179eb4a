"""Going places: from view to view, to packets, along the timeline, by filter and by search."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from aoinspect.engine.filtering import FilterError, parse_filter
from aoinspect.errors import UsageError
from aoinspect.tui.actions import View
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.connection_facts import first_failure
from aoinspect.tui.field_tree import HexPane
from aoinspect.tui.line_list import LineList
from aoinspect.tui.prompts import LinePrompt
from aoinspect.tui.session import TimeFormat
from aoinspect.tui.shell import Shell
from aoinspect.tui.timeline_view import TimelineView


class Navigation(Shell):
    """The application, as far as it only looks."""

    def choose_key(self) -> None:
        """Enter on a key: to the first packet that used it."""
        use = self.keys.chosen
        row = None if use is None or use.first_frame is None else self.session.row_of_frame(use.first_frame)
        if row is None:
            self.notify("no packet used this key", severity="warning")
        else:
            self.go_to_row(row)

    # Going places.

    def go_to_row(self, row: int) -> None:
        """Shows a packet in the packets view."""
        self.tick()
        if not self.session.visible.shows(row):
            self.notify(f"the filter hides frame {int(self.session.rows.frame[row])}; X clears it", severity="warning")
            return
        self.session.choose(row)
        self.action_view(View.PACKETS.value)
        self.packets.go_to_row(row)

    def _go_to_position(self, position: int | None, missing: str) -> None:
        if position is None:
            self.notify(missing, severity="warning")
        else:
            self.go_to_row(self.session.visible.row_at(position))

    @property
    def _position(self) -> int:
        return self.packets.list.cursor if self.view is View.PACKETS else -1

    def action_next_failure(self) -> None:
        if self.view is not View.PACKETS:
            chosen = self.session.connection_of(self.session.connection)
            place = None if chosen is None else first_failure(chosen)
            row = None if place is None else self.session.row_of_frame(place[1])
            if row is not None:
                self.go_to_row(row)
                return
        position = self._position
        self._seek(lambda: self.session.position_of_next_failure(position), "every shown packet is verified")

    def _seek(self, search: Callable[[], int | None], missing: str) -> None:
        """Goes to the position that `search` gives, which may look at ten million rows."""
        visible = self.session.visible

        def go(position: object) -> None:
            # Where another filter or other keys came meanwhile, the position is none of what is shown now.
            if visible is self.session.visible:
                self._go_to_position(cast(int | None, position), missing)

        self.work("", search, go)

    def action_mark(self) -> None:
        row = self.session.row
        if row is not None:
            self.session.toggle_mark(int(self.session.rows.frame[row]))
            self.packets.list.forget_lines()

    def action_next_mark(self) -> None:
        self._go_to_position(self.session.position_of_next_mark(self._position), "no packet is marked; space marks one")

    def action_next_connection(self) -> None:
        self._step_connection(1)

    def action_previous_connection(self) -> None:
        self._step_connection(-1)

    def _step_connection(self, step: int) -> None:
        numbers = [connection.id for connection in self.session.connections]
        if not numbers:
            return
        now = self.session.connection
        place = numbers.index(now) + step if now in numbers else 0
        self.session.choose_connection(numbers[place % len(numbers)])
        self.make_stale({View.CONNECTIONS, View.TIMELINE, View.PACKETS})
        self.refresh_view()
        self.notify(f"connection #{self.session.connection}", timeout=1)

    def action_only_connection(self) -> None:
        if self.session.connection is not None:
            self._show(f"ao.connection == {self.session.connection}")
            self.action_view(View.PACKETS.value)

    def action_only_key(self) -> None:
        use = self.keys.chosen
        if use is None:
            self.notify("no key is chosen", severity="warning")
            return
        self._show(use.filter_text)
        self.action_view(View.PACKETS.value)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        if event.pane is self.connections.list:
            self.action_view(View.TIMELINE.value)
        elif event.pane is self.keys.list:
            self.choose_key()
        elif event.pane is self.findings.list:
            finding = self.findings.chosen
            row = None if finding is None or finding.frame is None else self.session.row_of_frame(finding.frame)
            if row is None:
                self.notify("this finding is about no single packet", severity="warning")
            else:
                self.go_to_row(row)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        if event.pane is self.connections.list or event.pane is self.findings.list:
            self.make_stale({View.CONNECTIONS, View.TIMELINE, View.PACKETS} - {self.view})

    def on_timeline_view_row_followed(self) -> None:
        self.make_stale({View.PACKETS})

    def on_timeline_view_row_chosen(self, event: TimelineView.RowChosen) -> None:
        self.go_to_row(event.row)

    # The timeline.

    def action_zoom_in(self) -> None:
        self.timeline.lanes.zoom(0.5)

    def action_zoom_out(self) -> None:
        self.timeline.lanes.zoom(2)

    def action_zoom_whole(self) -> None:
        self.timeline.lanes.zoom_whole()

    def action_pan_left(self) -> None:
        self.timeline.lanes.pan(-1)

    def action_pan_right(self) -> None:
        self.timeline.lanes.pan(1)

    def action_transition(self, step: int) -> None:
        if not self.timeline.lanes.go_to_transition(step):
            self.notify("no further change of keys", severity="warning", timeout=2)

    def action_axis_unit(self) -> None:
        self.timeline.toggle_unit()

    # Filter and find.

    def action_filter(self) -> None:
        now = "" if self.session.visible.chosen is None else str(self.session.visible.chosen)
        prompt = LinePrompt(
            "filter (docs/filter.md; up and down: history; empty: everything)",
            now,
            check=_filter_problem,
            history=self.session.filter_history,
        )
        self.ask(prompt, lambda text: None if text is None else self._show(text))

    def action_clear_filter(self) -> None:
        self._show("")

    def _show(self, text: str) -> None:
        self.work("filtering", lambda: self.session.show(text, self._tell), lambda _: None)

    @staticmethod
    def _tell(analysis: Analysis) -> None:
        """Nothing: `tick` looks for itself."""

    def action_find(self) -> None:
        is_packets = self.view in (View.PACKETS, View.TIMELINE)
        question = "find packets by a filter" if is_packets else "find text"
        check: Callable[[str], str] = _filter_problem if is_packets else lambda text: "" if text else "type something"
        self.ask(LinePrompt(question, check=check), lambda text: self._find(text, is_packets=is_packets))

    def _find(self, text: str | None, *, is_packets: bool) -> None:
        if not text:
            return
        if is_packets:
            try:
                self.session.find(text)
            except UsageError as error:
                self.tell_problem(error)
                return
        else:
            self._found_text = text.casefold()
        self._find_on(1)

    _found_text = ""

    def action_find_next(self) -> None:
        self._find_on(1)

    def action_find_previous(self) -> None:
        self._find_on(-1)

    def _find_on(self, step: int) -> None:
        if self.view in (View.PACKETS, View.TIMELINE):
            if self.session.wanted is None:
                self.notify("ctrl+f says what to find", severity="warning")
                return
            position = self._position
            self._seek(lambda: self.session.position_of_match(position, step), "no packet matches")
            return
        found = self._position_of_text(self.list, step)
        if found is None:
            self.notify("ctrl+f says what to find" if not self._found_text else "no line has it", severity="warning")
        else:
            self.list.go_to(found)

    def _position_of_text(self, pane: LineList, step: int) -> int | None:
        if not self._found_text:
            return None
        places = [(pane.cursor + step * number) % pane.count for number in range(1, pane.count + 1)]
        return next((place for place in places if self._found_text in pane.text_of(place).casefold()), None)

    def action_time_format(self) -> None:
        formats = list(TimeFormat)
        session = self.session
        session.time_format = formats[(formats.index(session.time_format) + 1) % len(formats)]
        self.packets.list.forget_lines()
        self.notify(session.time_format.value, title="time", timeout=2)

    def action_reveal(self) -> None:
        self.packets.toggle_reveal()

    def action_copy(self) -> None:
        if self.view is View.PACKETS and (self.focused is self.packets.fields or isinstance(self.focused, HexPane)):
            text = self.packets.copied()
        else:
            text = self.list.text_of(self.list.cursor).strip() if self.list.count else ""
        if not text:
            self.notify("nothing to copy, or it is hidden", severity="warning")
            return
        self.copy_to_clipboard(text)
        self.notify(text if len(text) <= 60 else f"{text[:60]}…", title="copied", markup=False, timeout=2)


def _filter_problem(text: str) -> str:
    """What is wrong with a filter, with a caret under the place; nothing for one that can be read, or none."""
    if not text.strip():
        return ""
    try:
        parse_filter(text)
    except FilterError as error:
        return str(error)
    return ""
