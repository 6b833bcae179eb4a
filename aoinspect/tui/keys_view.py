"""The keys view: every MKT with who used it, and the KeyIDs that no MKT has."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from aoinspect.tui.cells import padded, shortened
from aoinspect.tui.key_use import KeyUse, key_uses
from aoinspect.tui.line_list import LineList
from aoinspect.tui.session import Session
from aoinspect.tui.text_pane import TextPane

_NARROWEST_NAME, _WIDEST_NAME = 16, 32
_NARROWEST_IDS = 8


class KeysView(Vertical):
    """The view."""

    DEFAULT_CSS = "KeysView #key-facts { height: 1fr; border-top: solid $primary; }"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._uses: tuple[KeyUse, ...] = ()
        self._widths = (_NARROWEST_NAME, _NARROWEST_IDS)

    def compose(self) -> ComposeResult:
        yield LineList(id="key-list", header=self._header)
        yield TextPane(id="key-facts")

    @property
    def list(self) -> LineList:
        return self.query_one("#key-list", LineList)

    @property
    def chosen(self) -> KeyUse | None:
        """The key under the cursor."""
        return self._uses[self.list.cursor] if self.list.cursor < len(self._uses) else None

    def refresh_session(self) -> None:
        """Shows the keys and their use as known by now; the cursor stays on its key."""
        chosen = self.chosen
        self._uses = key_uses(self._session.analysis)
        names = [min(cell_len(use.name), _WIDEST_NAME) for use in self._uses]
        self._widths = (
            max([_NARROWEST_NAME, *names]),
            max([_NARROWEST_IDS, *(len(use.ids) for use in self._uses)]),
        )
        self.list.empty_text = "no keys: o loads a key file, a adds a key"
        self.list.show(len(self._uses), self._line, cursor=self._place_of(chosen))
        self._tell_details()

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        event.stop()
        self._tell_details()

    def _place_of(self, chosen: KeyUse | None) -> int | None:
        """Where a key stands now that was listed before."""
        same = [place for place, use in enumerate(self._uses) if chosen is not None and use.is_same(chosen)]
        if not same:
            return None
        return self.list.cursor if self.list.cursor in same else same[0]

    def _header(self) -> str:
        name, ids = self._widths
        return f"  {'key':<{name}} {'ids':<{ids}} {'algorithm':<20} use"

    def _line(self, position: int) -> Text:
        use = self._uses[position]
        mark, style = ("✗", "red") if use.mkt is None else ("✓", "green") if use.segments else ("?", "yellow")
        name, ids = self._widths
        return Text.assemble(
            (f"{mark} ", style), f"{padded(shortened(use.name, name), name)} {use.ids:<{ids}} {use.words}"
        )

    def _tell_details(self) -> None:
        use = self.chosen
        self.query_one("#key-facts", TextPane).show("" if use is None else "\n".join(use.details))
