"""The timeline view: the lanes of the chosen connection, what is at the cursor, and every change of keys."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from aoinspect.report.axis import AxisUnit, duration_text
from aoinspect.report.lanes import Picture, PlacedTransition, picture_of
from aoinspect.report.model import iso_time
from aoinspect.tui.connections_view import empty_words
from aoinspect.tui.lanes_pane import LanesPane
from aoinspect.tui.line_list import LineList
from aoinspect.tui.packet_text import seconds_text
from aoinspect.tui.session import Session


class TimelineView(Vertical):
    """The view."""

    DEFAULT_CSS = """
    TimelineView #lanes { height: 2fr; }
    TimelineView #headline, TimelineView #at-cursor { height: auto; text-style: bold; }
    TimelineView #changes { height: 1fr; border-top: solid $primary; }
    """

    class RowChosen(Message):
        """A place was chosen whose packet is to be shown."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.unit = AxisUnit.TIME
        self._transitions: tuple[PlacedTransition, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static(id="headline", markup=False)
        yield LanesPane(id="lanes")
        yield Static(id="at-cursor", markup=False)
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
        chosen = next((one for one in session.connections if one.id == session.connection), None)
        picture = None if chosen is None or report is None else picture_of(chosen, report, self.unit)
        self.lanes.empty_text = empty_words(session)
        self.lanes.show(picture)
        headline = "" if picture is None else _headline(picture)
        self.query_one("#headline", Static).update(Text(headline))
        self._transitions = () if picture is None else picture.transitions
        self.changes.empty_text = "no change of keys"
        self.changes.show(len(self._transitions), self._line)

    def toggle_unit(self) -> None:
        """By time, or by frame; the cursor stays on its packet."""
        row = self._row()
        self.unit = AxisUnit.FRAME if self.unit is AxisUnit.TIME else AxisUnit.TIME
        self.refresh_session()
        if row is not None:
            self.go_to_row(row)

    def go_to_row(self, row: int) -> None:
        """Puts the cursor on a packet of the connection."""
        picture = self.lanes.picture
        if picture is not None:
            rows = self._session.rows
            self.lanes.go_to(picture.axis.place(int(rows.capture[row]), int(rows.frame[row]), int(rows.time_ns[row])))

    def _row(self) -> int | None:
        picture = self.lanes.picture
        if picture is None:
            return None
        return self._session.row_near(picture.connection.id, picture.axis, self.lanes.position)

    def on_lanes_pane_cursor_moved(self) -> None:
        if self._transitions and not self.changes.has_focus:
            at = self.lanes.position
            before = [place for place, change in enumerate(self._transitions) if change.position <= at]
            self.changes.go_to(before[-1] if before else 0)
        row, picture = self._row(), self.lanes.picture
        if row is None or picture is None:
            self.query_one("#at-cursor", Static).update("")
            return
        rows = self._session.rows
        time_ns = int(rows.time_ns[row])
        window = self.lanes.window
        shown = duration_text(window.size) if picture.axis.unit is AxisUnit.TIME else f"{window.size} frames"
        since = seconds_text(time_ns - picture.axis.origin_ns, 9)
        exact = (
            seconds_text(self.lanes.position - picture.axis.origin_ns, 9) + " s"
            if picture.axis.unit is AxisUnit.TIME
            else f"frame {self.lanes.position}"
        )
        self.query_one("#at-cursor", Static).update(
            Text(
                f"cursor {exact}; nearest frame {int(rows.frame[row])} at {since} s, "
                f"{iso_time(time_ns)}; window {shown}"
            )
        )

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
