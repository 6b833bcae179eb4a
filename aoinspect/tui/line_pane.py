"""A pane of lines that sends the terminal only what changed: over a slow line every octet is waited for.

Textual repaints a widget as a whole when it is refreshed, and the whole screen when anything changes its extent. Here
each line is remembered as it was drawn, and only lines that differ are drawn again; the extent changes without a new
layout unless a scrollbar comes or goes.
"""

from __future__ import annotations

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget


class LinePane(ScrollView):
    """The pane. What derives from it makes lines in `draw_line`, and calls `refresh_changed` in place of `refresh`."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._drawn: dict[int, Strip] = {}

    def draw_line(self, y: int) -> Strip:
        """The line at `y` of the pane, as wide as the pane."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        strip = self._drawn[y] = self.draw_line(y)
        # Neighbours of one style are sent as one.
        return strip.simplify()

    def refresh_changed(self) -> None:
        """Has the lines drawn again that are not as they were drawn last."""
        width, height = self.size
        changed = []
        for y in range(height):
            line, drawn = self.draw_line(y), self._drawn.get(y)
            if line != drawn:
                start, end = (0, width) if drawn is None else _difference(drawn, line, width)
                changed.append(Region(start, y, end - start, 1))
        if changed:
            self.refresh(*changed)

    @property
    def allow_vertical_scroll(self) -> bool:
        """Whether there is more than fits: also where the scrollbar that shows it comes with the next layout."""
        return bool(self.max_scroll_y)

    def set_extent(self, size: Size) -> None:
        """The pane scrolls over so many columns and lines from now on."""
        if size == self.virtual_size:
            return
        shown = self.container_size
        is_same_frame = bool(shown) and all(
            (before > room) == (after > room)
            for before, after, room in zip(self.virtual_size, size, shown, strict=True)
        )
        if is_same_frame:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
        else:
            self.virtual_size = size

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        if round(old_value) != round(new_value):
            if self.show_horizontal_scrollbar:
                self.horizontal_scrollbar.position = new_value
            self.refresh_changed()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        if round(old_value) != round(new_value):
            if self.show_vertical_scrollbar:
                self.vertical_scrollbar.position = new_value
            self.refresh_changed()


def _difference(before: Strip, after: Strip, width: int) -> tuple[int, int]:
    """The first and last (exclusive) of the cells in which two lines of `width` cells differ."""
    cells = [
        [(letter, segment.style) for segment in strip for letter in segment.text if segment.control is None]
        for strip in (before, after)
    ]
    if len(cells[0]) != width or len(cells[1]) != width:
        return 0, width  # There are letters that take two cells, or none.
    differing = [at for at, (one, other) in enumerate(zip(*cells, strict=True)) if one != other]
    return (differing[0], differing[-1] + 1) if differing else (0, width)
