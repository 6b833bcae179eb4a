"""A list of any number of lines, of which only those on the screen are ever made.

Lines are asked for by their number and kept while they may be seen again; ten million cost no more than ten. The first
line of the pane may be a header, which does not scroll.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from aoinspect.tui.actions import MOVES, bindings_of
from aoinspect.tui.line_pane import LinePane

_KEPT_LINES = 1_000
_SIDE_STEP = 8


class LineList(LinePane, can_focus=True):
    """The pane. Its owner calls `show` with what to show, and is told where the cursor goes."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(MOVES)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor", "line-list--header"}
    DEFAULT_CSS = """
    LineList {
        height: 1fr;
        scrollbar-size-horizontal: 0;
        scrollbar-size-vertical: 1;
        & > .line-list--cursor { background: $surface-lighten-2; text-style: bold; }
        &:focus > .line-list--cursor { background: $primary-muted; text-style: bold; }
        & > .line-list--header { text-style: bold underline; }
    }
    """
    cursor: reactive[int] = reactive(0, init=False, repaint=False)

    class Moved(Message):
        """The cursor stands on another line."""

        def __init__(self, pane: LineList, position: int) -> None:
            super().__init__()
            self.pane = pane
            self.position = position

        @property
        def control(self) -> LineList:
            return self.pane

    class Chosen(Moved):
        """Enter, or a second click, on a line."""

    def __init__(self, *, id: str | None = None, header: Callable[[], str] | None = None, widest: int = 200) -> None:  # noqa: A002
        super().__init__(id=id)
        self.count = 0
        self.empty_text = ""
        """What is shown where there is no line."""
        self._line: Callable[[int], Text] = lambda _: Text()
        self._header = header
        self._widest = widest
        self._strips: OrderedDict[int, Strip] = OrderedDict()

    # What is shown.

    def show(self, count: int, line: Callable[[int], Text], *, cursor: int | None = None) -> None:
        """Shows `count` lines, each made by `line` when it is needed."""
        self._line = line
        self._strips.clear()
        self.set_count(count)
        if cursor is not None:
            self.go_to(cursor)

    def set_count(self, count: int) -> None:
        """There are `count` lines now; those that were there are the same."""
        self.count = count
        self.set_extent(Size(self._widest, count + self._head))
        if self.cursor >= max(1, count):
            self.cursor = max(0, count - 1)
        self.refresh_changed()

    def forget_lines(self) -> None:
        """Has every line made again."""
        self._strips.clear()
        self.refresh_changed()

    @property
    def shows_end(self) -> bool:
        """Whether there is room on the screen for a line behind the last one."""
        return self.count + self._head <= self.scroll_offset.y + self.size.height

    def go_to(self, position: int) -> None:
        """Puts the cursor on a line and brings it to the screen."""
        position = max(0, min(position, self.count - 1))
        if position == self.cursor:
            self._bring_into_view()
        self.cursor = position

    @property
    def _head(self) -> int:
        return 0 if self._header is None else 1

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, max(0, self.count - 1)))

    def watch_cursor(self, before: int, cursor: int) -> None:
        self._bring_into_view()
        self.refresh_changed()
        self.post_message(self.Moved(self, cursor))

    def _bring_into_view(self) -> None:
        height = self.scrollable_content_region.height - self._head
        if height <= 0:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        self._bring_into_view()

    def on_focus(self) -> None:
        self.refresh_changed()

    def on_blur(self) -> None:
        self.refresh_changed()

    # Drawing.

    def draw_line(self, y: int) -> Strip:
        width = self.size.width
        left = self.scroll_offset.x
        if y < self._head:
            assert self._header is not None
            style = self.get_component_rich_style("line-list--header")
            return (
                self._strip_of(Text(self._header()))
                .crop_extend(left, left + width, None)
                .apply_style(self.rich_style + style)
            )
        position = self.scroll_offset.y + y - self._head
        if position >= self.count:
            words = self.empty_text if not self.count and y == self._head else ""
            return self._strip_of(Text(words)).crop_extend(0, width, None).apply_style(self.rich_style)
        strip = self._strips.get(position)
        if strip is None:
            strip = self._strips[position] = self._strip_of(self._line(position))
            if len(self._strips) > _KEPT_LINES:
                self._strips.popitem(last=False)
        strip = strip.crop_extend(left, left + width, None)
        if position == self.cursor:
            return strip.apply_style(self.rich_style + self.get_component_rich_style("line-list--cursor"))
        return strip.apply_style(self.rich_style)

    def _strip_of(self, text: Text) -> Strip:
        text.end = ""
        return Strip(text.render(self.app.console), text.cell_len)

    def text_of(self, position: int) -> str:
        """A line as plain text."""
        return self._line(position).plain

    # Keys and mouse.

    def action_move(self, step: int) -> None:
        self.go_to(self.cursor + step)

    def action_page(self, step: int) -> None:
        self.go_to(self.cursor + step * max(1, self.scrollable_content_region.height - self._head - 1))

    def action_edge(self, step: int) -> None:
        self.go_to(0 if step < 0 else self.count - 1)

    def action_aside(self, step: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + step * _SIDE_STEP, animate=False, immediate=True)

    def action_choose(self) -> None:
        if self.count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        position = self.scroll_offset.y + event.y - self._head
        if event.y < self._head or position >= self.count:
            return
        if event.chain > 1:
            self.post_message(self.Chosen(self, position))
        self.go_to(position)

    def line_region(self, position: int) -> Region:
        """Where a line stands in the pane."""
        return Region(0, position - self.scroll_offset.y + self._head, self.size.width, 1)
