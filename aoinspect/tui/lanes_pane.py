"""The timeline of one connection on a terminal: lanes as wide as the pane, a cursor, a window that zooms and pans.

What is drawn is `report.lanes`' picture; shapes and their meaning are those of `aoinspect timeline`.
"""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from aoinspect.engine.marks import Mark, MarkKind
from aoinspect.report.axis import Window
from aoinspect.report.lanes import Lane, LaneWhat, Picture
from aoinspect.report.layout import printable
from aoinspect.report.timeline_text import BLOCKS
from aoinspect.tui.actions import MOVES, bindings_of
from aoinspect.tui.cells import padded, shortened
from aoinspect.tui.line_pane import LinePane

_LABEL_WIDTH = 13
_LONGEST_NAME = 12
_NAMES_FROM_WIDTH = 80
_CELLS_PER_TICK = 11
_LETTERS = {MarkKind.SYN: "S", MarkKind.FIN: "F", MarkKind.RST: "R"}
_WORDS = {
    MarkKind.MISMATCH: "bad MAC",
    MarkKind.NO_KEY: "no key",
    MarkKind.UNSIGNED: "unsigned",
    MarkKind.MALFORMED: "malformed",
    MarkKind.UNVERIFIABLE: "unproved",
}
_STYLES = {"a>b": "cyan", "b>a": "green"}
ZOOM = 0.5


class LanesPane(LinePane, can_focus=True):
    """The pane. Positions are those of the picture's axis."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(MOVES)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lanes--cursor"}
    DEFAULT_CSS = """
    LanesPane {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .lanes--cursor { text-style: reverse; }
    }
    """

    class CursorMoved(Message):
        """The cursor, or the window, is elsewhere."""

        def __init__(self, *, is_by_user: bool) -> None:
            super().__init__()
            self.is_by_user = is_by_user
            """By a key or the mouse, and not because another picture is shown."""

    class Chosen(Message):
        """Enter: what is at the cursor."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.picture: Picture | None = None
        self.window = Window(0, 0)
        self.position = 0
        self._texts: dict[int, Text] = {}
        """Lines without the cursor, of what `_texts_of` says."""
        self._texts_of: object = None
        self.empty_text = ""
        """What is shown where there is no picture."""

    def show(self, picture: Picture | None) -> None:
        """Shows a picture: the window of the one before where it is the same connection on the same axis."""
        before = self.picture
        is_same = (
            before is not None
            and picture is not None
            and before.connection.id == picture.connection.id
            and before.axis.unit is picture.axis.unit
        )
        was_whole = before is None or self.window == before.axis.whole
        self.picture = picture
        if picture is not None:
            if not is_same:
                self.position = picture.axis.whole.first
            if not is_same or was_whole:
                self.window = picture.axis.whole
            self.set_extent(Size(self.size.width, len(picture.lanes) + 1))
        self._tell()

    def _tell(self, *, is_by_user: bool = False) -> None:
        self.refresh_changed()
        self.post_message(self.CursorMoved(is_by_user=is_by_user))

    # Geometry.

    def _names(self) -> dict[tuple[str, int | None], str]:
        if self.picture is None or self.size.width < _NAMES_FROM_WIDTH:
            return {}
        names = {
            (lane.direction, lane.key_id): printable(" ".join(lane.mkts))
            for lane in self.picture.lanes
            if lane.what is LaneWhat.KEY and lane.mkts
        }
        return {key: shortened(name, _LONGEST_NAME) for key, name in names.items()}

    @property
    def label_width(self) -> int:
        """Columns before the first cell."""
        return _LABEL_WIDTH + max((cell_len(name) + 1 for name in self._names().values()), default=0)

    @property
    def cell_count(self) -> int:
        return max(1, self.scrollable_content_region.width - self.label_width)

    @property
    def cursor_cell(self) -> int | None:
        """The cell that the cursor is in, None outside the window."""
        cells = self.window.cells(self.position, self.position, self.cell_count)
        return cells[0] if cells else None

    # Moving.

    def go_to(self, position: int, *, is_by_user: bool = True) -> None:
        """Puts the cursor on a position, and the window around it if it is outside."""
        assert self.picture is not None
        whole = self.picture.axis.whole
        self.position = max(whole.first, min(position, whole.last))
        if not self.window.first <= self.position <= self.window.last:
            half = self.window.size // 2
            self.window = Window(self.position - half, self.position - half + self.window.size - 1).within(whole)
        self._tell(is_by_user=is_by_user)

    def zoom(self, factor: float, around: int | None = None) -> None:
        """Shows `factor` times as much, `around` (the cursor's position where it is None) staying where it is."""
        if self.picture is not None:
            around = self.position if around is None else around
            self.window = self.window.zoomed(factor, around, self.picture.axis.whole)
            self._tell()

    def zoom_whole(self) -> None:
        if self.picture is not None:
            self.window = self.picture.axis.whole
            self._tell()

    def pan(self, step: int) -> None:
        """A quarter of the window on or back, the cursor with it where it would be outside."""
        if self.picture is not None:
            self.window = self.window.panned(step * max(1, self.window.size // 4), self.picture.axis.whole)
            self.position = max(self.window.first, min(self.position, self.window.last))
            self._tell(is_by_user=True)

    def go_to_transition(self, step: int) -> bool:
        """The next (1) or last (-1) change of ids; whether there is one."""
        placed = None if self.picture is None else self.picture.neighbour(self.position, step)
        if placed is not None:
            self.go_to(placed.position)
        return placed is not None

    def action_aside(self, step: int) -> None:
        if self.picture is None:
            return
        cell = (self.cursor_cell or 0) + step
        if 0 <= cell < self.cell_count:
            beyond = self.window.position(cell, self.cell_count)
            # Where a cell is less than a position, the next position is the next place.
            self.go_to(beyond if beyond != self.position else self.position + step)
        else:
            self.go_to(self.position + step * max(1, self.window.size // self.cell_count))

    def action_edge(self, step: int) -> None:
        if self.picture is not None:
            whole = self.picture.axis.whole
            self.go_to(whole.first if step < 0 else whole.last)

    def action_move(self, step: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + step, animate=False, immediate=True)

    def action_page(self, step: int) -> None:
        self.action_move(step * max(1, self.size.height - 1))

    def action_choose(self) -> None:
        if self.picture is not None:
            self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        cell = event.x - self.label_width
        if self.picture is not None and 0 <= cell < self.cell_count:
            self.go_to(self.window.position(cell, self.cell_count))
            if event.chain > 1:
                self.post_message(self.Chosen())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._turn(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._turn(event, 1)

    def _turn(self, event: events.MouseEvent, step: int) -> None:
        """The wheel with ctrl zooms where the pointer is, with shift it pans; alone it scrolls the lanes."""
        if self.picture is None or not (event.ctrl or event.shift):
            return
        event.stop()
        event.prevent_default()
        if event.shift:
            self.pan(step)
            return
        cell = max(0, min(event.x - self.label_width, self.cell_count - 1))
        self.zoom(ZOOM if step < 0 else 1 / ZOOM, self.window.position(cell, self.cell_count))

    def on_resize(self) -> None:
        if self.picture is not None:
            self.set_extent(Size(self.size.width, len(self.picture.lanes) + 1))
        self._tell()

    # Drawing.

    def draw_line(self, y: int) -> Strip:
        line = y + self.scroll_offset.y
        drawn = (self.picture, self.window, self.size.width, self.cell_count, self.empty_text)
        if drawn != self._texts_of:
            self._texts, self._texts_of = {}, drawn
        known = self._texts.get(line)
        if known is None:
            known = self._texts[line] = self._text(line)
        text = known.copy()
        cell = self.cursor_cell
        if self.picture is not None and cell is not None and line <= len(self.picture.lanes):
            at = self.label_width + cell
            text.pad_right(max(0, at + 1 - text.cell_len))
            letter = at - (text.cell_len - len(text))
            text.stylize(self.get_component_rich_style("lanes--cursor"), letter, letter + 1)
        text.end = ""
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.crop_extend(0, self.size.width, None).apply_style(self.rich_style)

    def _text(self, line: int) -> Text:
        if self.picture is None:
            return Text(self.empty_text if line == 0 else "")
        if line == 0:
            return Text(f"{self.picture.axis.unit.value:<{self.label_width}}{self._ruler(self.picture)}", style="dim")
        return self._lane(self.picture, line - 1) if line <= len(self.picture.lanes) else Text()

    def _ruler(self, picture: Picture) -> str:
        line, count = "", self.cell_count
        for tick in picture.axis.ticks(self.window, max(1, count // _CELLS_PER_TICK)):
            cell = self.window.cells(tick.position, tick.position, count)[0]
            if (not line or cell > len(line)) and cell + len(tick.label) <= count:
                line = line.ljust(cell) + tick.label
        return line

    def _lane(self, picture: Picture, number: int) -> Text:
        lane = picture.lanes[number]
        before = picture.lanes[number - 1] if number else None
        is_first = before is None or before.direction != lane.direction
        label = ""
        if is_first or before is None or before.what is not lane.what or lane.what is LaneWhat.FAILURES:
            first, second = lane.direction.upper().split(">")
            arrow = f"{first}→{second}" if is_first or lane.what is LaneWhat.NEXT else "   "
            label = f"   {_WORDS[lane.kind]}" if lane.kind is not None else f"{arrow} {lane.what.value}"
        if lane.spans:
            key_id = "MD5" if lane.key_id is None else str(lane.key_id)
            label = f"{label:<9}{key_id:>3} "
        name = self._names().get((lane.direction, lane.key_id), "") if lane.what is LaneWhat.KEY else ""
        text = Text(padded(f"{label:<{_LABEL_WIDTH}}{name}", self.label_width))
        return text.append_text(self._cells(lane))

    def _cells(self, lane: Lane) -> Text:
        count = self.cell_count
        if lane.spans:
            shape = BLOCKS.used if lane.what is LaneWhat.KEY else BLOCKS.asked
            used = shape, _STYLES[lane.direction]
            cells = [(BLOCKS.nothing, "dim") if span is None else used for span in lane.span_cells(self.window, count)]
        else:
            cells = [_mark_cell(marks) for marks in lane.mark_cells(self.window, count)]
        text = Text()
        for (letter, style), alike in groupby(cells):
            text.append(letter * len(list(alike)), style)
        return text


def _mark_cell(marks: tuple[Mark, ...]) -> tuple[str, str]:
    kinds = {mark.kind for mark in marks}
    if not kinds:
        return BLOCKS.nothing, "dim"
    if len(kinds) > 1:
        return BLOCKS.several, "bold"
    kind = kinds.pop()
    if kind is MarkKind.SNE:
        return BLOCKS.rolled_over, "bold"
    if kind.is_failure:
        return (BLOCKS.unproved, "yellow") if kind is MarkKind.UNVERIFIABLE else (BLOCKS.failed, "bold red")
    return _LETTERS[kind], "bold red" if kind is MarkKind.RST else "bold"
