"""What a terminal session leaves in a configuration that was copied from it: pager marks, their erasing, prompts.

A configuration is often what `show running-config` printed into a session's log. This file alone decides which of it is
no configuration. Lines keep their numbers. A line with control characters becomes what the terminal showed of it in
the end; a pager's mark (`--More--`) goes, with the blanks that erased it; Junos's prompts and its `{master}` and
`[edit]` lines are emptied, since in braces they would join the statement after them. Prompts of the systems that
indent stand at the margin and say nothing, so they stay; so do those of SR OS, which say where the session was. It
also tells where the log of one session goes over to another device.
"""

from __future__ import annotations

import re

_CONTROLS = "\x08\x1b\r"
_STEP = re.compile(
    r"\x1b\[(?P<numbers>[0-9;?]*)[ -/]*(?P<final>[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?"
    r"|(?P<back>\x08)|(?P<start>\r)|(?P<shown>.)",
    re.DOTALL,
)
_PAGER = re.compile(
    r"^[ \t]*(?:<?-{2,4}[ ]?\(?more(?:[ ][0-9]{1,3}%)?\)?[ ]?-{2,4}>?|press (?:any key to continue|q to quit)[^\n]*)"
    r"(?P<moves>(?:\[[0-9]+D)?)(?P<blanks>[ ]*)(?P<back>(?:\[[0-9]+D)?)(?P<rest>[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_PROMPT = re.compile(
    r"^(?:[\w.-]+@[\w.:-]+[>#%](?:[ ][^\n]*)?"
    r"|\{(?:master|backup|primary|secondary|linecard|hold)(?::[\w-]+)?\}(?:\[edit[^\]\n]*\])?[ \t\r]*"
    r"|\[edit(?:[ ][^\]\n]*)?\][ \t\r]*)$",
    re.MULTILINE,
)
_LAST_COLUMN = 512
_MOST_GUESSES = 10
"""Lines that are told; more say nothing that the first ones do not."""
_ERASING = 9
"""Blanks that stand between Cisco's mark and the line after it where a log has lost the backspaces."""
_DEVICE_NAME = re.compile(
    r"^(?:(?:hostname|switchname|set system host-name)[ \t]+|[ \t]?sysname[ \t]+|(?:[ ]{4}|\t)host-name[ \t]+)"
    r"(?P<name>[^\s;]+)",
    re.MULTILINE,
)
SECOND_DEVICE = (
    "the configuration of a second device begins here, and its key chains and neighbors join those of the first: give "
    "each device a file of its own"
)
GUESSED = (
    "a pager's mark (--More--) stands in this line, and how far the line was indented is guessed; print the "
    "configuration with `terminal length 0`"
)


def without_session(text: str) -> tuple[str, list[int]]:
    """The text without what a terminal session left in it, and the lines (from 1) whose indentation is a guess."""
    text = "\n".join(map(_shown, text.split("\n")))
    guessed: list[int] = []

    def without_mark(match: re.Match[str]) -> str:
        rest = match["rest"]
        if not rest.strip():
            return "\r" if rest.endswith("\r") else ""
        if match["back"]:
            return rest
        is_known = len(match["blanks"]) >= _ERASING and not match["moves"]
        if not is_known and len(guessed) < _MOST_GUESSES:
            guessed.append(text.count("\n", 0, match.start()) + 1)
        return match["blanks"][_ERASING if is_known else 0 :] + rest

    return _PROMPT.sub("", _PAGER.sub(without_mark, text)), guessed


def second_device(text: str) -> int | None:
    """The line (from 1) that names another device than the first such line does; None where all are of one."""
    first: str | None = None
    for match in _DEVICE_NAME.finditer(text):
        first = first or match["name"]
        if match["name"] != first:
            return text.count("\n", 0, match.start()) + 1
    return None


def _shown(line: str) -> str:
    """What a terminal shows of a line in the end; a carriage return at its very end stays."""
    body = line.rstrip("\r")
    if not any(control in body for control in _CONTROLS):
        return line
    cells: list[str] = []
    column = 0
    for step in _STEP.finditer(body):
        if step["shown"] is not None:
            cells[len(cells) :] = " " * (column - len(cells))
            cells[column : column + 1] = step["shown"]
            column += 1
        elif step["back"] is not None:
            column = max(column - 1, 0)
        elif step["start"] is not None:
            column = 0
        elif step["final"] is not None:
            number = step["numbers"]
            count = int(number[:4]) if number.isdecimal() else 1
            if step["final"] == "D":
                column = max(column - count, 0)
            elif step["final"] == "C":
                column = min(column + count, _LAST_COLUMN)
            elif step["final"] == "G":
                column = min(count - 1, _LAST_COLUMN) if count else 0
            elif step["final"] == "K" and number in ("", "0"):
                del cells[column:]
            elif step["final"] == "K" and number == "2":
                cells.clear()
    return "".join(cells).rstrip() + line[len(body) :]
