"""The bottom line: the keys that somebody who has never read the help needs, to be clicked as well.

Textual's own footer makes its widgets anew whenever the focus moves, which takes longer than all else that a key does.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from aoinspect.tui.actions import ACTIONS, Action, key_text


class KeyLine(Widget):
    """The line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key"}
    DEFAULT_CSS = """
    KeyLine {
        dock: bottom;
        height: 1;
        background: $footer-background;
        color: $footer-foreground;
        & > .key-line--key { color: $footer-key-foreground; background: $footer-background; text-style: bold; }
    }
    """

    class Clicked(Message):
        """An action's words were clicked."""

        def __init__(self, action: Action) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        shown = [action for action in ACTIONS if action.is_in_footer]
        # Whoever has a narrow terminal is to see at least where the rest is told.
        self.shown = tuple(sorted(shown, key=lambda action: action.name != "help"))

    def render_line(self, y: int) -> Strip:
        text = Text(" ", end="")
        for action in self.shown:
            text.append(key_text(action.keys[0]), self.get_component_rich_style("key-line--key"))
            text.append(f" {action.title}  ")
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.crop_extend(0, self.size.width, None).apply_style(self.rich_style).simplify()

    def on_click(self, event: events.Click) -> None:
        start = 1
        for action in self.shown:
            end = start + len(key_text(action.keys[0])) + 1 + len(action.title)
            if start <= event.x < end:
                self.post_message(self.Clicked(action))
            start = end + 2
