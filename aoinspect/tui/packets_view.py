"""The packets view: the list, and below it the chosen packet's tree and octets."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message

from aoinspect.report.frame_view import FrameView
from aoinspect.tui.field_tree import FieldTree, HexPane
from aoinspect.tui.line_list import LineList
from aoinspect.tui.packet_nodes import Node, nodes_of, octets_of
from aoinspect.tui.packet_text import WIDEST, PacketText
from aoinspect.tui.session import Session
from aoinspect.tui.visible_rows import VisibleRows

_SIDE_BY_SIDE_FROM = 140


class PacketsView(Vertical):
    """The view."""

    DEFAULT_CSS = """
    PacketsView #packet-list { height: 1fr; }
    PacketsView #packet { height: 1fr; border-top: solid $primary; layout: vertical; }
    PacketsView #packet.wide { layout: horizontal; }
    PacketsView #fields { height: 3fr; width: 1fr; }
    PacketsView #octets { height: 2fr; width: 100%; border-top: solid $primary; }
    PacketsView .wide #fields { height: 100%; }
    PacketsView .wide #octets { width: 76; height: 100%; border-top: none; border-left: solid $primary; }
    """

    class PacketWanted(Message):
        """The packet of a row is to be read again."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._text = PacketText(session)
        self._visible: VisibleRows = session.visible
        self._width = self._text.width
        self._view: FrameView | None = None
        self._chosen_frame: int | None = None
        """The frame that was chosen here last."""
        self._chosen_position = 0
        """Where it stood in the list."""
        self.reveals = False
        self.list = LineList(id="packet-list", header=lambda: self._text.header(), widest=WIDEST)
        self.fields = FieldTree(id="fields")
        self.octets = HexPane(id="octets")

    def compose(self) -> ComposeResult:
        yield self.list
        with Container(id="packet"):
            yield self.fields
            yield self.octets

    def on_resize(self) -> None:
        self.query_one("#packet").set_class(self.size.width >= _SIDE_BY_SIDE_FROM, "wide")

    def more_came(self, *, follow: bool) -> None:
        """Shows rows that came since; `follow` keeps the cursor on the last one if it was there."""
        is_first = not self.list.count
        self.list.empty_text = "no packet is selected by the filter" if self._session.visible.chosen else "no packet"
        if is_first:
            self.show_all()
            return
        was_last = self._is_on_last
        self.list.set_count(len(self._visible))
        self._align()
        if follow and was_last:
            self.list.go_to(self.list.count - 1)

    @property
    def _is_on_last(self) -> bool:
        """Whether the last of the listed packets is the chosen one."""
        if not self.list.count or self.list.cursor != self.list.count - 1:
            return False
        session = self._session
        # Another view may have chosen another packet since.
        return session.row is not None and int(session.rows.frame[session.row]) == self._chosen_frame

    def show_all(self, *, follow: bool = False) -> None:
        """Shows the list again from the session: another filter, other keys, another form of time.

        `follow` keeps the cursor on the last packet if it was there: more may have come with the other keys.
        """
        session = self._session
        was_last = follow and self._is_on_last
        self._text = PacketText(session)
        # The session's may be another at any moment; the lines shown are made from one.
        visible = self._visible = session.visible
        cursor = None if session.row is None else visible.position_of(session.row)
        if was_last:
            cursor = len(visible) - 1
        self.list.show(len(visible), self._line, cursor=cursor)
        self._align()
        if self.list.count:
            self._choose(self.list.cursor)

    def _align(self) -> None:
        """Has the lines made again whose columns are narrower than those that came later."""
        if self._text.width != self._width:
            self._width = self._text.width
            self.list.forget_lines()

    def _line(self, position: int) -> Text:
        visible = self._visible
        before = visible.row_at(position - 1) if position else None
        return self._text.line(visible.row_at(position), before)

    def go_to_row(self, row: int) -> None:
        """Chooses a row of the table, if the filter shows it."""
        self.list.go_to(self._visible.position_of(row))
        self._choose(self.list.cursor)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        if event.pane is self.list:
            event.stop()
            self._align()
            # Not where the event says: since it was sent, other lines may have come in the place of those.
            self._choose(self.list.cursor)
        elif event.pane is self.fields:
            event.stop()
            self._light()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        if event.pane is self.list:
            event.stop()
            self.fields.focus()

    def on_hex_pane_octet_chosen(self, event: HexPane.OctetChosen) -> None:
        event.stop()
        self.fields.choose_octet(event.octet)

    def settle(self) -> None:
        """Chooses the packet under the cursor, if that has moved and the message that tells it is still under way."""
        if self.list.count and self.list.cursor != self._chosen_position:
            self._choose(self.list.cursor)

    def _choose(self, position: int) -> None:
        if position >= len(self._visible):
            return
        row = self._visible.row_at(position)
        self._session.choose(row)
        self._chosen_frame = int(self._session.rows.frame[row])
        self._chosen_position = position
        self.post_message(self.PacketWanted(row))

    # The packet.

    def show_packet(self, view: FrameView) -> None:
        """Shows a packet that was read again."""
        self._view = view
        self.fields.show_nodes(nodes_of(view, reveal=self.reveals))
        self._light()

    def show_problem(self, problem: str) -> None:
        """Says why a packet cannot be shown."""
        self._view = None
        self.fields.show_nodes((Node(problem, style="red"),))
        self.octets.show(b"", 0, 0)

    def toggle_reveal(self) -> None:
        self.reveals = not self.reveals
        if self._view is not None:
            self.fields.show_nodes(nodes_of(self._view, reveal=self.reveals))

    def _light(self) -> None:
        node = self.fields.node
        octets = b"" if self._view is None else octets_of(self._view)
        start, end = (0, 0) if node is None else (node.start, node.end)
        if octets is not self.octets.octets:
            self.octets.show(octets, start, end)
        else:
            self.octets.light(start, end)

    def copied(self) -> str:
        """What copying gives: the chosen node's octets in hexadecimal; its own text where it has none."""
        node = self.fields.node
        if self._view is None or node is None:
            return ""
        if node.copied is not None:
            return node.copied
        return octets_of(self._view)[node.start : node.end].hex() if node.end > node.start else node.label
