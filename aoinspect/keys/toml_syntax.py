"""From the text of a TOML file to its values, with every syntax error told without quoting the file.

tomllib stops at the first error, and its messages quote keys and characters, which may be a secret in the
wrong place. Here each of its messages becomes one of ours, and where a single line is at fault that line is
set aside and reading goes on, so that a user sees all mistakes of a file at once.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

# How tomllib's messages begin (Python 3.11 to 3.14), and what to tell instead.
_EXPLANATIONS = (
    (
        "Expected newline or end of document",
        "unexpected text after the value; text must stand in one pair of quotes",
    ),
    ("Invalid value", 'this is no TOML value; text must stand in quotes: "..."'),
    ("Unterminated string", "a string is not closed: its last quote is missing"),
    ("Expected \"'", "a string is not closed: its last quote is missing"),
    ("Illegal character", "a string breaks off, or holds a control character; it must end on its line"),
    ("Unescaped '\\'", "a backslash in a string: write \\\\, or put the text in 'single quotes'"),
    ("Invalid hex value", "a backslash in a string: write \\\\, or put the text in 'single quotes'"),
    ("Escaped character is not", "an escape that stands for no character"),
    ("Expected '=' after a key", "a key needs = and a value after it"),
    ("Invalid initial character for a key", "a key is missing here"),
    ("Invalid statement", "neither a key nor a [table] begins here"),
    ("Found invalid character", "a control character; TOML allows none but tab and newline"),
    ("Cannot overwrite a value", "this key has a value already; keep one of the two"),
    ("Duplicate inline table key", "this key has a value already; keep one of the two"),
    ("Cannot declare", "this table is there already; repeated tables take double brackets, like [[peer]]"),
    (
        "Cannot redefine namespace",
        "this table is there already; repeated tables take double brackets, like [[peer]]",
    ),
    ("Cannot mutate immutable namespace", "this adds to a table or array that is complete already"),
    ("Expected ']]'", "the table header needs ]] at its end"),
    ("Expected ']'", "the table header needs ] at its end"),
    ("Unclosed array", "an array is not closed, or a comma is missing"),
    ("Unclosed inline table", "an inline table { } is not closed, or a comma is missing"),
    ("Invalid date or datetime", "this date or time does not exist"),
)
_OTHERWISE = "this is not valid TOML"
_POSITION = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_ASSIGNMENT = re.compile(r"[ \t]*([A-Za-z0-9_-]+)")
_LONG_NUMBER = re.compile(r"[0-9_]{640}")
_DEEP_NESTING = re.compile(r"(?:[\[{][^\[{\]}\n]*){30}|(?:\.[^.\n]*){30}|(?:\[\s*){30}")
_MOST_PARTS = 100
"""Parts of one dotted key. Every part costs tomllib a look at all before it, so that 60 KB of them take ten seconds."""
_DOTTED = re.compile(rf"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{_MOST_PARTS}}}""")
_MOST_ERRORS = 20
"""Every error costs one more parse of the whole text."""


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """One syntax error; the message quotes nothing of the file."""

    line: int
    """From 1."""
    message: str


@dataclass(frozen=True, slots=True)
class TomlText:
    """What could be read of a TOML text."""

    values: dict[str, object] | None
    """None where so much is wrong that nothing should be said about the contents."""
    text: str
    """What `values` was read from: the text given, with other values on the lines at fault."""
    problems: tuple[SyntaxProblem, ...]


def parse_toml(text: str) -> TomlText:
    """Values and syntax errors of `text`; never raises.

    On a line with an error the key keeps a value without meaning; `problems` has these lines.
    """
    problems: list[SyntaxProblem] = []
    for number, written in enumerate(text.split("\n"), 1):
        if written.count(".") >= _MOST_PARTS and _DOTTED.search(written):
            return TomlText(None, text, (SyntaxProblem(number, f"a key of more than {_MOST_PARTS} parts"),))
    while True:
        try:
            return TomlText(dict(tomllib.loads(text)), text, tuple(problems))
        except tomllib.TOMLDecodeError as error:
            problem, is_repeated_key = _explained(str(error), text)
        except RecursionError:
            line = _line_of(_DEEP_NESTING, text)
            problem, is_repeated_key = SyntaxProblem(line, "arrays or tables are nested too deeply"), False
        except ValueError:
            # Python refuses to convert integers of thousands of digits.
            line = _line_of(_LONG_NUMBER, text)
            problem, is_repeated_key = SyntaxProblem(line, "a number has thousands of digits"), False
        is_new = all(problem.line != earlier.line for earlier in problems)
        if is_new:
            problems.append(problem)
        mended = _without_line(text, problem.line, is_repeated_key=is_repeated_key) if is_new else None
        if mended is None or len(problems) >= _MOST_ERRORS:
            return TomlText(None, text, tuple(problems))
        text = mended


def _explained(message: str, text: str) -> tuple[SyntaxProblem, bool]:
    position = _POSITION.search(message)
    if position is not None and position[1] is not None:
        line, column = int(position[1]), int(position[2])
    else:
        line = text.count("\n") + 1
        column = len(text) - text.rfind("\n")
    explanation = next((ours for theirs, ours in _EXPLANATIONS if message.startswith(theirs)), _OTHERWISE)
    is_repeated_key = message.startswith("Cannot overwrite a value")
    return SyntaxProblem(line, f"column {column}: {explanation}"), is_repeated_key


def _line_of(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.search(text)
    return 1 if match is None else text.count("\n", 0, match.start()) + 1


def _without_line(text: str, line_number: int, *, is_repeated_key: bool) -> str | None:
    """The text with a harmless line for the one at fault; None where the fault is not that line's alone."""
    lines = text.split("\n")
    line = lines[line_number - 1]
    if line.lstrip().startswith("[") or not line.strip():
        return None
    is_wrong_alone = _is_wrong(line)
    if is_repeated_key and not is_wrong_alone:
        lines[line_number - 1] = ""
    elif is_wrong_alone:
        key = _ASSIGNMENT.match(line)
        lines[line_number - 1] = "" if key is None else f"{key[1]} = 0"
    else:
        return None
    return "\n".join(lines)


def _is_wrong(line: str) -> bool:
    try:
        tomllib.loads(line)
    except (ValueError, RecursionError):
        return True
    return False
