"""The timeline view: the lanes of the chosen connection, what is at the cursor, and every change of keys."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from aoinspect.report.axis import AxisUnit, duration_text
from aoinspect.report.lanes import Picture, PlacedTransition, picture_of
from aoinspect.report.model import iso_time
from aoinspect.tui.connections_view import empty_words
from aoinspect.tui.lanes_pane import LanesPane
from aoinspect.tui.line_list import LineList
from aoinspect.tui.packet_text import seconds_text
from aoinspect.tui.session import Session
from aoinspect.tui.text_pane import TextPane

_ONE_LINE_FROM = 100


class TimelineView(Vertical):
    """The view."""

    DEFAULT_CSS = """
    TimelineView #lanes { height: 2fr; }
    TimelineView #headline, TimelineView #at-cursor { height: 1; text-style: bold; }
    TimelineView.narrow #at-cursor { height: 2; }
    TimelineView #changes { height: 1fr; border-top: solid $primary; }
    """

    class RowChosen(Message):
        """A place was chosen whose packet is to be shown."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    class RowFollowed(RowChosen):
        """The cursor has come to a packet, which is the chosen one from now on."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._transitions: tuple[PlacedTransition, ...] = ()

    def compose(self) -> ComposeResult:
        yield TextPane(id="headline")
        yield LanesPane(id="lanes")
        yield TextPane(id="at-cursor")
        yield LineList(id="changes", header=self._header, widest=120)

    @property
    def lanes(self) -> LanesPane:
        return self.query_one("#lanes", LanesPane)

    @property
    def changes(self) -> LineList:
        return self.query_one("#changes", LineList)

    def refresh_session(self) -> None:
        """Draws the chosen connection as it is known by now."""
        session = self._session
        report = session.analysis.report
        chosen = session.connection_of(session.connection)
        picture = None if chosen is None or report is None else picture_of(chosen, report, session.axis_unit)
        self.lanes.empty_text = empty_words(session)
        self.lanes.show(picture)
        headline = "" if picture is None else _headline(picture)
        self.query_one("#headline", TextPane).show(headline)
        self._transitions = () if picture is None else picture.transitions
        self.changes.empty_text = "no change of keys"
        self.changes.show(len(self._transitions), self._line)

    def toggle_unit(self) -> None:
        """By time, or by frame; the cursor stays on its packet."""
        row = self._row()
        session = self._session
        session.axis_unit = AxisUnit.FRAME if session.axis_unit is AxisUnit.TIME else AxisUnit.TIME
        self.refresh_session()
        if row is not None:
            self.go_to_row(row)

    def follow_session(self) -> None:
        """Puts the cursor on the chosen packet, unless it is there already."""
        row = self._session.row
        picture = self.lanes.picture
        if row is None or picture is None or row == self._row():
            return
        if int(self._session.rows.connection[row]) == picture.connection.id:
            self.go_to_row(row)

    def go_to_row(self, row: int) -> None:
        """Puts the cursor on a packet of the connection."""
        picture = self.lanes.picture
        if picture is not None:
            rows = self._session.rows
            place = picture.axis.place(int(rows.capture[row]), int(rows.frame[row]), int(rows.time_ns[row]))
            self.lanes.go_to(place, is_by_user=False)

    def _row(self) -> int | None:
        picture = self.lanes.picture
        if picture is None:
            return None
        return self._session.row_near(picture.connection.id, picture.axis, self.lanes.position)

    def on_resize(self) -> None:
        self.set_class(self.size.width < _ONE_LINE_FROM, "narrow")

    def on_lanes_pane_cursor_moved(self, event: LanesPane.CursorMoved) -> None:
        event.stop()
        if self._transitions and not self.changes.has_focus:
            at = self.lanes.position
            before = [place for place, change in enumerate(self._transitions) if change.position <= at]
            self.changes.go_to(before[-1] if before else 0)
        row, picture = self._row(), self.lanes.picture
        words = "" if row is None or picture is None else self._cursor_words(row, picture)
        self.query_one("#at-cursor", TextPane).show(words)
        if event.is_by_user and row is not None and row != self._session.row:
            self._session.choose(row)
            self.post_message(self.RowFollowed(row))

    def _cursor_words(self, row: int, picture: Picture) -> str:
        """Where the cursor stands, exactly, and which packet is there or nearest."""
        rows = self._session.rows
        position, time_ns, frame = self.lanes.position, int(rows.time_ns[row]), int(rows.frame[row])
        origin_ns = picture.axis.origin_ns
        packet = f"frame {frame}, {iso_time(time_ns)}"
        if picture.axis.unit is AxisUnit.TIME:
            size = duration_text(self.lanes.window.size)
            if position == time_ns:
                return f"{seconds_text(position - origin_ns, 9)} s: {packet}; window {size}"
            nearest = f"nearest frame {frame} at {seconds_text(time_ns - origin_ns, 9)} s"
            return f"{seconds_text(position - origin_ns, 9)} s: {nearest}; window {size}"
        if position == picture.axis.place(int(rows.capture[row]), frame, time_ns):
            place = packet
        else:
            place = f"frame {position}: nearest {packet}"
        return f"{place} ({seconds_text(time_ns - origin_ns, 9)} s); window {self.lanes.window.size} frames"

    def on_lanes_pane_chosen(self) -> None:
        row = self._row()
        if row is not None:
            self.post_message(self.RowChosen(row))

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        event.stop()
        if event.position < len(self._transitions) and self.changes.has_focus:
            self.lanes.go_to(self._transitions[event.position].position)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        event.stop()
        row = self._session.row_of_frame(self._transitions[event.position].transition.frame)
        if row is not None:
            self.post_message(self.RowChosen(row))

    def _header(self) -> str:
        return f"{'frame':>8} {'time':>14}      what  ids          trigger      latency"

    def _line(self, position: int) -> Text:
        transition = self._transitions[position].transition
        picture = self.lanes.picture
        origin = 0 if picture is None else picture.axis.origin_ns
        ids = str(transition.new) if transition.old is None else f"{transition.old} → {transition.new}"
        latency = "" if transition.latency_ns is None else duration_text(transition.latency_ns)
        what = "key" if transition.field == "key_id" else "next"
        trigger = transition.trigger or ""
        return Text.assemble(
            f"{transition.frame:>8} {seconds_text(transition.time_ns - origin, 6):>14} ",
            f"{transition.direction.upper().replace('>', '→')}  {what:<5} {ids:<12} ",
            (f"{trigger:<12} ", "yellow" if trigger == "unprompted" else ""),
            latency,
        )


def _headline(picture: Picture) -> str:
    connection = picture.connection
    return f"#{connection.id}  A {connection.a}  B {connection.b}"
