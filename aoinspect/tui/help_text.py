"""The help screen, made of the table of actions, so that no key is missing from it."""

from __future__ import annotations

from rich.text import Text

from aoinspect.report.timeline_text import BLOCKS
from aoinspect.tui.actions import ACTIONS, MOVES, Action, View, key_text

_SIGNS = f"""\
  packets          ✓ verified   ✗ mismatch, no-key, unsigned, malformed   ? unverifiable   ● marked
  timeline         {BLOCKS.used} key in use   {BLOCKS.asked} key asked for (RNextKeyID)   S SYN   F FIN   R RST   \
{BLOCKS.rolled_over} SNE went on
                   {BLOCKS.failed} failed   {BLOCKS.unproved} unverifiable   {BLOCKS.several} several in one place
  findings         ✗ error   ! warning   i note
"""

_QUESTIONS = """\
  enter            takes what is typed or chosen; a letter chooses at once where one is shown
  up down          earlier and later filters; tab goes from field to field of a key, and ctrl+s takes it
  escape           leaves
"""

_MOUSE = """\
  click            a tab, a line, an octet, a moment of the timeline, a key of the bottom line
                   ▶ and ▼ open and close
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
    text.append("In questions\n", "bold").append(f"{_QUESTIONS}\n")
    text.append("Mouse\n", "bold").append(f"{_MOUSE}\n")
    text.append("Signs\n", "bold").append(_SIGNS)
    text.append("\nescape or q closes this.\n")
    return text


def _list(text: Text, title: str, actions: tuple[Action, ...] | list[Action]) -> None:
    text.append(f"{title}\n", "bold")
    for action in actions:
        keys = " ".join(map(key_text, action.keys))
        text.append(f"  {keys:<16} ", "bold").append(f"{action.title}: {action.meaning}\n")
    text.append("\n")
