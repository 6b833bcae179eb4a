"""The keys view: every MKT with who used it, and the KeyIDs that no MKT has."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from aoinspect.tui.key_use import KeyUse, key_uses
from aoinspect.tui.line_list import LineList
from aoinspect.tui.session import Session
from aoinspect.tui.text_pane import TextPane


class KeysView(Vertical):
    """The view."""

    DEFAULT_CSS = "KeysView #key-facts { height: 1fr; border-top: solid $primary; }"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._uses: tuple[KeyUse, ...] = ()

    def compose(self) -> ComposeResult:
        yield LineList(id="key-list", header=lambda: f"  {'key':<16} {'ids':<8} {'algorithm':<20} use")
        yield TextPane(id="key-facts")

    @property
    def list(self) -> LineList:
        return self.query_one("#key-list", LineList)

    @property
    def chosen(self) -> KeyUse | None:
        """The key under the cursor."""
        return self._uses[self.list.cursor] if self.list.cursor < len(self._uses) else None

    def refresh_session(self) -> None:
        """Shows the keys and their use as known by now."""
        self._uses = key_uses(self._session.analysis)
        self.list.empty_text = "no keys: o loads a key file, a adds a key"
        self.list.show(len(self._uses), self._line)
        self._tell_details()

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        event.stop()
        self._tell_details()

    def _line(self, position: int) -> Text:
        use = self._uses[position]
        mark, style = ("✗", "red") if use.mkt is None else ("✓", "green") if use.segments else ("?", "yellow")
        return Text.assemble((f"{mark} ", style), use.label)

    def _tell_details(self) -> None:
        use = self.chosen
        self.query_one("#key-facts", TextPane).show("" if use is None else "\n".join(use.details))
