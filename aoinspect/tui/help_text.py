"""The help screen, made of the table of actions, so that no key is missing from it."""

from __future__ import annotations

from rich.text import Text

from aoinspect.tui.actions import ACTIONS, MOVES, Action, View, key_text

_VERDICTS = "✓ verified   ✗ mismatch, no key, unsigned, malformed   ? unverifiable   ● marked"

_MOUSE = """\
  click            a tab, a line, an octet, a moment of the timeline, a key of the bottom line; ▶ and ▼ open and close
  double click     as enter
  wheel            scrolls; on the timeline with ctrl it zooms, with shift it pans
"""


def help_text() -> Text:
    """All keys, and what the signs mean."""
    text = Text()
    _list(text, "In every list and pane", MOVES)
    _list(text, "Everywhere", [action for action in ACTIONS if not action.views])
    for view in View:
        own = [action for action in ACTIONS if view in action.views]
        if own:
            _list(text, f"In the {view.value} view", own)
    text.append("Mouse\n", "bold").append(f"{_MOUSE}\n")
    text.append("Signs\n", "bold").append(f"  {_VERDICTS}\n")
    text.append("\nescape or q closes this.\n")
    return text


def _list(text: Text, title: str, actions: tuple[Action, ...] | list[Action]) -> None:
    text.append(f"{title}\n", "bold")
    for action in actions:
        keys = " ".join(map(key_text, action.keys))
        text.append(f"  {keys:<16} ", "bold").append(f"{action.title}: {action.meaning}\n")
    text.append("\n")
