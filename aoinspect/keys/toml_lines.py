"""Where the tables and keys of a TOML document stand, in lines.

tomllib gives values without positions. This scan gives positions without values: it follows table headers,
keys, and the brackets and strings of values, and looks at nothing else. It is meant for text that tomllib has
accepted; on other text it ends, too, and places what it can.
"""

from __future__ import annotations

import re
import tomllib

_BARE_KEY = r"[A-Za-z0-9_-]+"
_SINGLE_LINE_STRING = r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'"
# Nearly every line of a real key file: one bare key and one value that this line ends.
_PLAIN_STATEMENT = re.compile(
    rf"[ \t]*({_BARE_KEY})[ \t]*=[ \t]*"
    r"""(?:"[^"\\\n]*"(?!")|'[^'\n]*'(?!')|[^\s"'\[{#][^\n"'\[{#]*)"""
    r"[ \t\r]*(?:\#[^\n]*)?(?:\n|\Z)"
)
_PLAIN_HEADER = re.compile(rf"\[\[({_BARE_KEY})\]\][ \t\r]*\n")
_BLANK_LINE = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_REST_OF_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_HEADER_START = re.compile(r"[ \t]*(\[\[?)")
_KEY_PART = re.compile(rf"[ \t]*({_BARE_KEY}|{_SINGLE_LINE_STRING})[ \t]*(\.?)")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}|'
    r"'''(?:[^']|'{1,2}(?!'))*'{3,5}|" + _SINGLE_LINE_STRING
)
_SCALAR = re.compile(r"[^,\[\]{}#\n]+")
_BETWEEN_ITEMS = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")


class Place:
    """Where a table, or one item of an array, stands, and where the things in it do."""

    __slots__ = ("inner", "line", "lines")

    def __init__(self, line: int) -> None:
        self.line = line
        """From 1."""
        self.lines: dict[str, int] = {}
        """The line of each key in this table."""
        self.inner: dict[str, list[Place]] = {}
        """Per key whose value has parts: one place for a table, one per item for an array."""


def scan(text: str) -> Place:
    """The places of a whole TOML document; its root table is at line 1. Never raises on valid TOML."""
    return _Scan(text).document()


class _Scan:
    """One pass over the text: `at` is the next character, `line` the line it is on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1

    def document(self) -> Place:
        text = self.text
        root = table = Place(1)
        while self.at < len(text):
            plain = _PLAIN_STATEMENT.match(text, self.at)
            if plain is not None:
                table.lines.setdefault(plain[1], self.line)
                self.at = plain.end()
                self.line += 1
                continue
            if (plain := _PLAIN_HEADER.match(text, self.at)) is not None:
                table = _new_item(root, plain[1], self.line)
                self.at = plain.end()
                self.line += 1
            elif (blank := _BLANK_LINE.match(text, self.at)) is not None:
                self.take(blank)
            elif (header := _HEADER_START.match(text, self.at)) is not None:
                self.take(header)
                table = self.table_of_header(root, is_array=header[1] == "[[")
                self.skip_line()
            else:
                self.statement(table)
                self.skip_line()
        return root

    def take(self, match: re.Match[str]) -> None:
        self.line += self.text.count("\n", match.start(), match.end())
        self.at = match.end()

    def skip_line(self) -> None:
        match = _REST_OF_LINE.match(self.text, self.at)
        if match is not None:
            self.take(match)

    def key(self) -> list[str]:
        """The parts of a dotted key; empty where no key stands."""
        parts: list[str] = []
        while (part := _KEY_PART.match(self.text, self.at)) is not None:
            self.take(part)
            parts.append(_unquoted(part[1]))
            if not part[2]:
                break
        return parts

    def table_of_header(self, root: Place, *, is_array: bool) -> Place:
        line = self.line
        parts = self.key()
        if not parts:
            return Place(line)
        parent = root
        for part in parts[:-1]:
            parent = _descend(parent, part, line)
        name = parts[-1]
        if is_array:
            return _new_item(parent, name, line)
        table = _descend(parent, name, line)
        table.line = line
        return table

    def statement(self, table: Place) -> None:
        line = self.line
        parts = self.key()
        if not parts or not self.text.startswith("=", self.at):
            return
        self.at += 1
        for part in parts[:-1]:
            table = _descend(table, part, line)
        table.lines.setdefault(parts[-1], line)
        value = self.value()
        if value is not None:
            table.inner.setdefault(parts[-1], value)

    def value(self) -> list[Place] | None:
        """Steps over one value; the places of its parts where it is an array or a table."""
        text = self.text
        while text.startswith((" ", "\t"), self.at):
            self.at += 1
        if text.startswith("[", self.at):
            return self.array()
        if text.startswith("{", self.at):
            return [self.inline_table()]
        match = _STRING.match(text, self.at) or _SCALAR.match(text, self.at)
        if match is not None:
            self.take(match)
        return None

    def array(self) -> list[Place]:
        items: list[Place] = []
        self.at += 1
        while True:
            self.skip_between_items()
            if self.at >= len(self.text) or self.text[self.at] == "]":
                self.at += 1
                return items
            start, line = self.at, self.line
            parts = self.value()
            is_table = self.text[start] == "{" and parts is not None
            items.append(parts[0] if is_table and parts is not None else Place(line))
            if self.at == start:
                return items

    def inline_table(self) -> Place:
        table = Place(self.line)
        self.at += 1
        while True:
            self.skip_between_items()
            if self.at >= len(self.text) or self.text[self.at] == "}":
                self.at += 1
                return table
            start = self.at
            self.statement(table)
            if self.at == start:
                return table

    def skip_between_items(self) -> None:
        match = _BETWEEN_ITEMS.match(self.text, self.at)
        if match is not None:
            self.take(match)


def _new_item(parent: Place, name: str, line: int) -> Place:
    """One more table in the array `name`."""
    table = Place(line)
    parent.lines.setdefault(name, line)
    parent.inner.setdefault(name, []).append(table)
    return table


def _descend(table: Place, name: str, line: int) -> Place:
    """The table `name` in `table`, made where there is none; of an array of tables the last (TOML 1.0)."""
    table.lines.setdefault(name, line)
    places = table.inner.setdefault(name, [])
    if not places:
        places.append(Place(line))
    return places[-1]


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    if key.startswith('"'):
        if "\\" not in key:
            return key[1:-1]
        try:
            return str(tomllib.loads(f"key = {key}")["key"])
        except tomllib.TOMLDecodeError:
            return key
    return key
