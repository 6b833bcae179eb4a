"""The command palette: every action of the table, by its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from aoinspect.tui.actions import ACTIONS, Action, key_text

if TYPE_CHECKING:
    from aoinspect.tui.shell import Shell


class ActionProvider(Provider):
    """What the palette finds."""

    async def discover(self) -> Hits:
        for action in ACTIONS:
            yield DiscoveryHit(_palette_name(action), self._run(action), help=action.meaning)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in ACTIONS:
            name = _palette_name(action)
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), self._run(action), help=action.meaning)

    def _run(self, action: Action) -> Callable[[], None]:
        return partial(cast("Shell", self.app).run_from_palette, action)


def _palette_name(action: Action) -> str:
    return f"{action.title} ({key_text(action.keys[0])})"
