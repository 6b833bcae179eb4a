"""Text about what is chosen, broken into lines as wide as the pane; it scrolls where there is more of it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.geometry import Size
from textual.strip import Strip

from aoinspect.tui.actions import MOVES, bindings_of
from aoinspect.tui.line_pane import LinePane


class TextPane(LinePane, can_focus=True):
    """The pane."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(MOVES)]
    DEFAULT_CSS = "TextPane { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._text = Text()
        self._lines: list[Text] = []

    def show(self, text: Text | str) -> None:
        """Shows another text, from its start."""
        text = Text(text) if isinstance(text, str) else text
        if text == self._text and text.plain == self._text.plain:
            return
        self._text = text
        self._break()
        self.scroll_to(y=0, animate=False, immediate=True)

    @property
    def plain(self) -> str:
        """What is shown."""
        return self._text.plain

    def _break(self) -> None:
        width = self.scrollable_content_region.width
        self._lines = list(self._text.wrap(self.app.console, width)) if width > 0 else []
        self.set_extent(Size(width, len(self._lines)))
        self.refresh_changed()

    def on_resize(self) -> None:
        self._break()

    def draw_line(self, y: int) -> Strip:
        line = y + self.scroll_offset.y
        text = self._lines[line] if line < len(self._lines) else Text()
        text.end = ""
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.crop_extend(0, self.size.width, None).apply_style(self.rich_style)

    def action_move(self, step: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + step, animate=False, immediate=True)

    def action_page(self, step: int) -> None:
        self.action_move(step * max(1, self.size.height - 1))

    def action_edge(self, step: int) -> None:
        self.scroll_to(y=0 if step < 0 else self.virtual_size.height, animate=False, immediate=True)
