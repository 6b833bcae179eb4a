"""The tree of one packet's nodes as a list of lines that open and close, and the octets beside it: one selection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from aoinspect.tui.actions import MOVES, bindings_of
from aoinspect.tui.line_list import LineList
from aoinspect.tui.line_pane import LinePane
from aoinspect.tui.packet_nodes import Node

Path = tuple[str, ...]


class FieldTree(LineList):
    """The nodes. What was opened or closed stays so from packet to packet."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, widest=240)
        self._roots: tuple[Node, ...] = ()
        self._is_open: dict[Path, bool] = {}
        self._lines: list[tuple[Node, int, Path]] = []
        self._is_touched = False

    def show_nodes(self, nodes: tuple[Node, ...]) -> None:
        """Shows another packet's tree, the cursor on the node like the one that it was on."""
        chosen = self._lines[self.cursor][2] if self._lines else None
        self._roots = nodes
        self._flatten()
        paths = [path for _, _, path in self._lines]
        first = next((place for place, (node, _, _) in enumerate(self._lines) if node.is_first), 0)
        # An untouched tree shows the verdict; a field that was chosen stays chosen from packet to packet.
        is_kept = chosen in paths and self._is_touched
        if is_kept and chosen is not None:
            self.go_to(paths.index(chosen))
        else:
            self.go_to(first)
            # The verdict's proof stands below it.
            self.scroll_to(y=max(0, first - 1), animate=False, immediate=True)

    def _flatten(self) -> None:
        self._lines = list(self._open_lines(self._roots, 0, ()))
        self.show(len(self._lines), self._text)

    def _open_lines(self, nodes: tuple[Node, ...], depth: int, above: Path) -> Iterator[tuple[Node, int, Path]]:
        for node in nodes:
            path = (*above, node.name or node.label.partition(":")[0])
            yield node, depth, path
            if node.children and self._is_open.get(path, node.is_open):
                yield from self._open_lines(node.children, depth + 1, path)

    def _text(self, position: int) -> Text:
        node, depth, path = self._lines[position]
        sign = "  " if not node.children else "▼ " if self._is_open.get(path, node.is_open) else "▶ "
        return Text.assemble("  " * depth + sign, (node.label, node.style))

    @property
    def node(self) -> Node | None:
        """The chosen one."""
        return self._lines[self.cursor][0] if self._lines else None

    def choose_octet(self, octet: int) -> None:
        """Puts the cursor on the innermost field that an octet belongs to, opening what hides it."""
        found = self._innermost(self._roots, octet, ())
        if found is None:
            return
        for length in range(1, len(found)):
            self._is_open[found[:length]] = True
        self._is_touched = True
        self._flatten()
        self.go_to([path for _, _, path in self._lines].index(found))

    def _innermost(self, nodes: tuple[Node, ...], octet: int, above: Path) -> Path | None:
        best: tuple[int, Path] | None = None
        for node in nodes:
            path = (*above, node.name or node.label.partition(":")[0])
            if node.start <= octet < node.end and node.name is not None:
                inner = self._innermost(node.children, octet, path) or path
                size = node.end - node.start
                if best is None or size < best[0]:
                    best = size, inner
        return None if best is None else best[1]

    def action_choose(self) -> None:
        self._toggle(None)

    def on_click(self, event: events.Click) -> None:
        """A click on a node's sign, or a second one on its line, opens or closes it."""
        event.prevent_default()
        position = self.scroll_offset.y + event.y
        if position >= self.count:
            return
        self._is_touched = True
        self.go_to(position)
        sign = 2 * self._lines[position][1] - self.scroll_offset.x
        if sign <= event.x < sign + 2 or event.chain > 1:
            self._toggle(None)

    def action_aside(self, step: int) -> None:
        if self._lines and self._lines[self.cursor][0].children and self._is_open_now() != (step > 0):
            self._toggle(step > 0)
        else:
            super().action_aside(step)

    def _is_open_now(self) -> bool:
        node, _, path = self._lines[self.cursor]
        return self._is_open.get(path, node.is_open)

    def action_move(self, step: int) -> None:
        self._is_touched = True
        super().action_move(step)

    def _toggle(self, wanted: bool | None) -> None:
        if not self._lines or not self._lines[self.cursor][0].children:
            return
        self._is_open[self._lines[self.cursor][2]] = not self._is_open_now() if wanted is None else wanted
        self._flatten()


class HexPane(LinePane, can_focus=True):
    """The octets, those of the chosen node in brackets and lit; a cursor chooses a node by an octet of it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(MOVES)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"hex--lit", "hex--cursor"}
    DEFAULT_CSS = """
    HexPane {
        height: 1fr;
        scrollbar-size-horizontal: 0;
        scrollbar-size-vertical: 1;
        & > .hex--lit { background: $primary; color: $text; text-style: bold; }
        & > .hex--cursor { text-style: reverse bold; }
    }
    """

    class OctetChosen(Message):
        """The cursor was put on an octet."""

        def __init__(self, octet: int) -> None:
            super().__init__()
            self.octet = octet

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.octets = b""
        self.lit = (0, 0)
        """First and last (exclusive) of the octets that are lit."""
        self.octet = 0
        """The cursor."""

    @property
    def octets_a_line(self) -> int:
        return 16 if self.size.width >= 72 or not self.size.width else 8

    def show(self, octets: bytes, start: int, end: int) -> None:
        """Shows octets, those from `start` to `end` (exclusive) lit."""
        self.octets = octets
        self.light(start, end)
        if start >= end:
            self.scroll_to(y=0, animate=False, immediate=True)

    def light(self, start: int, end: int) -> None:
        """Lights others of the same octets, and brings them to the screen."""
        self.lit = (start, end)
        if start < end and not start <= self.octet < end:
            self.octet = start
        self.octet = max(0, min(self.octet, len(self.octets) - 1))
        self._fit()
        if start < end:
            self._bring_into_view(start)

    def _fit(self) -> None:
        lines = -(-len(self.octets) // self.octets_a_line)
        self.set_extent(Size(8 + self.octets_a_line * 4, lines))
        self.refresh_changed()

    def on_resize(self) -> None:
        self._fit()

    def on_focus(self) -> None:
        self.refresh_changed()

    def on_blur(self) -> None:
        self.refresh_changed()

    def _bring_into_view(self, octet: int) -> None:
        line = octet // self.octets_a_line
        height = max(1, self.scrollable_content_region.height)
        if not self.scroll_offset.y <= line < self.scroll_offset.y + height:
            self.scroll_to(y=max(0, line - height // 2), animate=False, immediate=True)

    def draw_line(self, y: int) -> Strip:
        first = (self.scroll_offset.y + y) * self.octets_a_line
        text = self._line(first) if first < len(self.octets) else Text()
        text.end = ""
        left = self.scroll_offset.x
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.crop_extend(left, left + self.size.width, None).apply_style(self.rich_style)

    def _line(self, first: int) -> Text:
        lit_style = self.get_component_rich_style("hex--lit")
        cursor_style = self.get_component_rich_style("hex--cursor")
        start, end = self.lit
        text = Text(f"{first:04x} ")
        letters = Text("  ")
        last = min(first + self.octets_a_line, len(self.octets))
        for at in range(first, first + self.octets_a_line):
            if at >= last:
                text.append("]" if at == end > start and at == last else " ").append("  ")
                continue
            # A range that ends where a line does is closed there, and not at the next one's start.
            before = "[" if at == start < end else "]" if at == end > start and at > first else " "
            style = lit_style if start <= at < end else Style()
            if at == self.octet and self.has_focus:
                style += cursor_style
            text.append(before).append(f"{self.octets[at]:02x}", style)
            letters.append(chr(self.octets[at]) if 32 <= self.octets[at] < 127 else ".", style)
        is_closed_here = end > start and end == first + self.octets_a_line
        return text.append("]" if is_closed_here else " ").append_text(letters)

    def _go_to(self, octet: int) -> None:
        if not self.octets:
            return
        self.octet = max(0, min(octet, len(self.octets) - 1))
        self._bring_into_view(self.octet)
        self.refresh_changed()
        self.post_message(self.OctetChosen(self.octet))

    def action_move(self, step: int) -> None:
        self._go_to(self.octet + step * self.octets_a_line)

    def action_page(self, step: int) -> None:
        self._go_to(self.octet + step * self.octets_a_line * max(1, self.scrollable_content_region.height - 1))

    def action_edge(self, step: int) -> None:
        self._go_to(0 if step < 0 else len(self.octets) - 1)

    def action_aside(self, step: int) -> None:
        self._go_to(self.octet + step)

    def action_choose(self) -> None:
        self._go_to(self.octet)

    def on_click(self, event: events.Click) -> None:
        column = event.x + self.scroll_offset.x - 5
        first = (self.scroll_offset.y + event.y) * self.octets_a_line
        letter = column - 3 * self.octets_a_line - 3
        if 0 <= column < self.octets_a_line * 3:
            self._go_to(first + column // 3)
        elif 0 <= letter < self.octets_a_line:
            self._go_to(first + letter)
