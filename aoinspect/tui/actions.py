"""Everything that a key does: one table, of which bindings, command palette and help screen are made.

`ACTIONS` are the program's; `MOVES` are those of the pane that has the focus. Keys are those of Wireshark, termshark
and vi where these have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from textual.binding import Binding


class View(Enum):
    """The tabs, in the order of their number keys."""

    CONNECTIONS = "connections"
    TIMELINE = "timeline"
    PACKETS = "packets"
    KEYS = "keys"
    FINDINGS = "findings"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done."""

    action: str
    """As Textual calls it: `view('packets')` is `action_view("packets")`."""
    keys: tuple[str, ...]
    """As Textual names keys; the first is the one that is shown."""
    title: str
    meaning: str
    views: tuple[View, ...] = ()
    """Where it can be done; empty: everywhere."""
    is_in_footer: bool = False

    @property
    def name(self) -> str:
        """The action without its arguments."""
        return self.action.partition("(")[0]


_LISTS = (View.PACKETS,)

ACTIONS = (
    *(
        Action(f"view('{view.value}')", (str(number),), f"View {view.value}", f"the {view.value} view")
        for number, view in enumerate(View, 1)
    ),
    Action("filter", ("slash",), "Filter", "show only packets that a filter selects (docs/filter.md)", (), True),
    Action("clear_filter", ("X",), "Clear filter", "show all packets again"),
    Action("find", ("ctrl+f",), "Find", "find packets by a filter, or text in the other lists"),
    Action("find_next", ("n",), "Find next", "the next match"),
    Action("find_previous", ("N",), "Find previous", "the match before"),
    Action("next_failure", ("f",), "Next failure", "the next packet that is not verified", (), True),
    Action("mark", ("space",), "Mark packet", "mark the chosen packet, or take its mark away", _LISTS),
    Action("next_mark", ("m",), "Next mark", "the next marked packet"),
    Action("time_format", ("t",), "Time format", "time since the start, since the packet before, of day, since 1970"),
    Action("next_connection", ("greater_than_sign",), "Next connection", "choose the next connection"),
    Action("previous_connection", ("less_than_sign",), "Previous connection", "choose the connection before"),
    Action("only_connection", ("c",), "Packets of this connection", "show only packets of the chosen connection"),
    Action(
        "explain", ("e",), "Explain", "say why the chosen connection fails, and what would make it verify", (), True
    ),
    Action(
        "apply_correction", ("A",), "Apply correction", "check again with what the explanation corrects in the keys"
    ),
    Action("load_keys", ("o",), "Load keys", "check again with another key file or router configuration", (), True),
    Action("add_keys", ("O",), "Add keys", "check again with one more key file"),
    Action("edit_key", ("i",), "Edit key", "change the chosen key, and check again", (View.KEYS,)),
    Action("only_key", ("p",), "Packets of this key", "show only packets under the chosen key", (View.KEYS,)),
    Action("new_key", ("a",), "New key", "add a key, and check again"),
    Action("recover", ("r",), "Recover ISNs", "search the ISNs of connections whose handshake is missing"),
    Action("reveal", ("v",), "Show or hide traffic key", "show or hide the traffic key in the packet", (View.PACKETS,)),
    Action("zoom_in", ("plus", "equals_sign"), "Zoom in", "see less time, closer", (View.TIMELINE,)),
    Action("zoom_out", ("minus",), "Zoom out", "see more time", (View.TIMELINE,)),
    Action("zoom_whole", ("0",), "Whole timeline", "see all of the connection's time", (View.TIMELINE,)),
    Action("pan_left", ("H", "shift+left"), "Pan left", "move the window back", (View.TIMELINE,)),
    Action("pan_right", ("L", "shift+right"), "Pan right", "move the window on", (View.TIMELINE,)),
    Action("transition(-1)", ("left_square_bracket",), "Last change", "the change of keys before", (View.TIMELINE,)),
    Action("transition(1)", ("right_square_bracket",), "Next change", "the next change of keys", (View.TIMELINE,)),
    Action("axis_unit", ("u",), "Time or frames", "draw the timeline by time, or by frame", (View.TIMELINE,)),
    Action("copy", ("y",), "Copy", "copy the chosen octets, or the chosen line"),
    Action("save", ("s",), "Save", "save keys, a capture, the timeline or the Report", (), True),
    Action("focus_next", ("tab",), "Next pane", "go to the next pane"),
    Action("focus_previous", ("shift+tab",), "Previous pane", "go to the pane before"),
    Action("maximise", ("backslash",), "Maximise pane", "give the whole screen to a pane, and back"),
    Action("next_theme", ("T",), "Theme", "dark, light, without colours"),
    Action(
        "cancel",
        ("escape",),
        "Cancel",
        "stop what goes on: saving, searching, explaining, checking, reading; leave a maximised pane",
    ),
    Action("command_palette", ("ctrl+p",), "Command palette", "every action by its name"),
    Action("help", ("question_mark", "f1"), "Help", "all keys", (), True),
    Action("quit", ("q", "ctrl+q"), "Quit", "end the program", (), True),
)

MOVES = (
    Action("move(-1)", ("up", "k"), "Up", "one line up"),
    Action("move(1)", ("down", "j"), "Down", "one line down"),
    Action("page(-1)", ("pageup", "ctrl+u"), "Page up", "one page up"),
    Action("page(1)", ("pagedown", "ctrl+d"), "Page down", "one page down"),
    Action("edge(-1)", ("home", "g"), "First", "the first line"),
    Action("edge(1)", ("end", "G"), "Last", "the last line"),
    Action("aside(-1)", ("left", "h"), "Left", "scroll left; close a node; back on the timeline, or by an octet"),
    Action("aside(1)", ("right", "l"), "Right", "scroll right; open a node; on along the timeline, or by an octet"),
    Action("choose", ("enter",), "Choose", "go to the packet; open or close a node; edit a key"),
)

_SHOWN = {
    "slash": "/",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "backslash": "\\",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "greater_than_sign": ">",
    "less_than_sign": "<",
}


def key_text(key: str) -> str:
    """A key as it is shown to people."""
    return _SHOWN.get(key, key)


def bindings_of(actions: tuple[Action, ...]) -> list[Binding]:
    """Textual's bindings for `actions`."""
    return [
        Binding(
            ",".join(action.keys),
            action.action,
            action.title,
            show=action.is_in_footer,
            key_display=key_text(action.keys[0]),
        )
        for action in actions
    ]


def can_be_done(name: str, view: View) -> bool:
    """Whether an action (without arguments) belongs to a view."""
    own = [action for action in ACTIONS if action.name == name]
    return not own or any(not action.views or view in action.views for action in own)
