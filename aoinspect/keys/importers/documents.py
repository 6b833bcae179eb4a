"""TOML, JSON and YAML as one tree whose every value knows where it stands in the text.

This file decides how a place in such a document is told. tomllib, json and PyYAML each give values; of these only
PyYAML says where they were. So JSON has a small reader of its own here, and TOML's lines come from the scan that our
key file uses. Scalars stay as they are written: an importer says what a number or a name means.

PyYAML composes a graph of nodes and constructs nothing, so a document runs no code; aliases are followed, and what an
alias repeats is counted, so that a small file cannot become a large tree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aoinspect.errors import KeyFileError
from aoinspect.keys.importers.model import Draft, Word
from aoinspect.keys.toml_lines import Place, scan
from aoinspect.keys.toml_syntax import parse_toml

if TYPE_CHECKING:
    import yaml

_MOST_DEPTH = 100
_MOST_REPEATS = 100_000
"""Nodes that aliases may repeat; what is written out is never too much."""
_TOML_LINE = re.compile(r"^[ \t]*(?:\[\[?[ \t]*[A-Za-z0-9_-]|[A-Za-z0-9_.\"'-]+[ \t]*=)", re.MULTILINE)
_STATEMENT = re.compile(r"""[ \t]*(?:[^=\s"']|"[^"]*"|'[^']*')+[ \t]*=[ \t]*""")


@dataclass(frozen=True, slots=True)
class Node:
    """One value. Its members are not shown, since any may be a secret."""

    value: str | dict[str, Node] | list[Node] = field(repr=False)
    """A scalar as it is written (booleans `true` and `false`, nothing ``), a table or a list."""
    start: int
    """Offset in the text, in characters."""
    end: int
    is_quoted: bool = False

    @property
    def members(self) -> dict[str, Node]:
        """The members of a table; none where it is something else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; a table or a scalar in its place is one item."""
        return self.value if isinstance(self.value, list) else [self]

    def get(self, *path: str) -> Node | None:
        """The member at the end of `path`, or None where there is none."""
        node: Node | None = self
        for name in path:
            node = None if node is None else node.members.get(name)
        return node

    def word(self, *path: str) -> Word | None:
        """The scalar at the end of `path`; None where there is none."""
        node = self.get(*path)
        if node is None or not isinstance(node.value, str):
            return None
        return Word(node.value, node.start, node.end, node.is_quoted)

    def named(self, *names: str) -> Iterator[Node]:
        """The items of every member anywhere below whose name is one of `names`, in the order of the text."""
        for item in self.items if isinstance(self.value, list) else ():
            yield from item.named(*names)
        for name, member in self.members.items():
            if name in names:
                yield from member.items
            else:
                yield from member.named(*names)


def read_document(draft: Draft) -> Node:
    """The tree of the draft's text, in whichever of the three forms it is.

    What cannot be parsed is noted in the draft, and an empty table stands for it. Raises KeyFileError where the text
    is YAML and PyYAML is not installed.
    """
    text = draft.source.text
    start = text.lstrip()[:1]
    if start and start in "{[" and not re.match(r"\s*\[\[?[\w.\"' -]+\]", text):
        return _JsonReader(draft).document()
    if _TOML_LINE.search(text):
        return _read_toml(draft)
    return _read_yaml(draft)


def _empty() -> Node:
    return Node({}, 0, 0)


class _JsonReader:
    """RFC 8259, with the place of every value."""

    _STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
    _SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
    _BLANK = re.compile(r"[ \t\r\n]*")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.text = draft.source.text
        self.at = 0

    def document(self) -> Node:
        try:
            node = self.value(0)
            self.skip_blank()
            if self.at < len(self.text):
                raise _SyntaxError(self.at, "the JSON document is complete before this")
        except _SyntaxError as error:
            self.draft.mistake((error.at, error.at + 1), error.told)
            return _empty()
        return node

    def skip_blank(self) -> None:
        match = self._BLANK.match(self.text, self.at)
        self.at = self.at if match is None else match.end()

    def take(self, mark: str) -> bool:
        """Whether `mark` comes next; it is then taken."""
        self.skip_blank()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def value(self, depth: int) -> Node:
        if depth > _MOST_DEPTH:
            raise _SyntaxError(self.at, "values are nested too deeply")
        self.skip_blank()
        start = self.at
        if self.take("{"):
            return Node(self.members(depth), start, self.at)
        if self.take("["):
            return Node(self.elements(depth), start, self.at)
        if self.text.startswith('"', start):
            return Node(self.string(), start, self.at, True)
        scalar = self._SCALAR.match(self.text, start)
        if scalar is None:
            raise _SyntaxError(start, "a JSON value is missing here" + self.cut())
        self.at = scalar.end()
        return Node("" if scalar[0] == "null" else scalar[0], start, self.at)

    def members(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        if self.take("}"):
            return members
        while True:
            self.skip_blank()
            start = self.at
            name = self.string()
            if not self.take(":"):
                raise _SyntaxError(self.at, "a colon is missing here" + self.cut())
            if name in members:
                self.draft.mistake((start, self.at), "this name is there already; the last one counts")
            members[name] = self.value(depth + 1)
            if self.take("}"):
                return members
            if not self.take(","):
                raise _SyntaxError(self.at, "a comma or a closing brace is missing here" + self.cut())

    def elements(self, depth: int) -> list[Node]:
        elements: list[Node] = []
        if self.take("]"):
            return elements
        while True:
            elements.append(self.value(depth + 1))
            if self.take("]"):
                return elements
            if not self.take(","):
                raise _SyntaxError(self.at, "a comma or a closing bracket is missing here" + self.cut())

    def string(self) -> str:
        match = self._STRING.match(self.text, self.at)
        if match is None:
            raise _SyntaxError(self.at, "a string in double quotes is missing, or not closed, here" + self.cut())
        try:
            text = str(json.loads(match[0], strict=False))
            text.encode("utf-8", "surrogateescape")
        except ValueError:
            raise _SyntaxError(self.at, "this string holds an escape that stands for no character") from None
        self.at = match.end()
        return text

    def cut(self) -> str:
        return ": the file may be cut" if self.at >= len(self.text.rstrip()) else ""


class _SyntaxError(Exception):
    """Where JSON ends to be JSON; nothing outside this file sees it."""

    def __init__(self, at: int, told: str) -> None:
        super().__init__(told)
        self.at = at
        self.told = told


def _read_toml(draft: Draft) -> Node:
    parsed = parse_toml(draft.source.text)
    line_starts = [0, *(match.end() for match in re.finditer("\n", draft.source.text))]
    for problem in parsed.problems:
        start = line_starts[min(problem.line, len(line_starts)) - 1]
        draft.mistake((start, start + 1), problem.message)
    if parsed.values is None:
        return _empty()
    return _TomlTree(draft.source.text, line_starts).table(parsed.values, scan(parsed.text))


class _TomlTree:
    """tomllib's values, each at its line; within the line, at what follows the equals sign."""

    def __init__(self, text: str, line_starts: list[int]) -> None:
        self.text = text
        self.line_starts = line_starts

    def table(self, values: dict[str, object], place: Place) -> Node:
        members: dict[str, Node] = {}
        for name, value in values.items():
            members[name] = self.node(value, place.lines.get(name, place.line), place.inner.get(name, []))
        return Node(members, *self.extent(place.line))

    def node(self, value: object, line: int, places: list[Place]) -> Node:
        if isinstance(value, dict):
            return self.table(value, places[0] if places else Place(line))
        if isinstance(value, list):
            padded = places + [Place(line)] * (len(value) - len(places))
            items = [self.node(item, at.line, [at]) for item, at in zip(value, padded, strict=False)]
            return Node(items, *self.extent(line))
        if isinstance(value, bool):
            return Node("true" if value else "false", *self.extent(line))
        # Python writes no integer of thousands of digits, which hexadecimal ones may have.
        text = hex(value) if isinstance(value, int) and value.bit_length() > 64 else str(value)
        return Node(text, *self.extent(line), isinstance(value, str))

    def extent(self, line: int) -> tuple[int, int]:
        start = self.line_starts[min(line, len(self.line_starts)) - 1]
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        statement = _STATEMENT.match(self.text, start, end)
        begin = start if statement is None else statement.end()
        return begin, max(begin + len(self.text[begin:end].rstrip()), begin + 1)


def _read_yaml(draft: Draft) -> Node:
    try:
        # Imported when first used: no other form needs it, and it is an optional dependency.
        import yaml
    except ImportError:
        raise KeyFileError(
            f"{draft.source.path}: this is YAML, which needs PyYAML: pip install aoinspect[yaml]"
        ) from None
    text = draft.source.text
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # Its own text quotes the file.
        at = error.problem_mark.index if error.problem_mark is not None else 0
        draft.mistake((at, at + 1), "this is not valid YAML: look at its indentation, quotes and colons")
        return _empty()
    except (yaml.YAMLError, RecursionError, ValueError):
        draft.mistake((0, 1), "this is not valid YAML, or holds characters that YAML does not allow")
        return _empty()
    if root is None:
        return _empty()
    try:
        return _YamlTree().node(root, 0)
    except _SyntaxError as error:
        draft.mistake((error.at, error.at + 1), error.told)
        return _empty()


class _YamlTree:
    """PyYAML's graph as a tree."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.repeats = 0

    def node(self, node: yaml.Node, depth: int) -> Node:
        import yaml

        start, end = node.start_mark.index, node.end_mark.index
        self.repeats += id(node) in self.seen
        self.seen.add(id(node))
        if depth > _MOST_DEPTH or self.repeats > _MOST_REPEATS:
            raise _SyntaxError(start, "values are nested too deeply, or repeated too often")
        if isinstance(node, yaml.MappingNode):
            return Node(self.members(node, depth), start, end)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(item, depth + 1) for item in node.value], start, end)
        text = "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)
        if node.tag == "tag:yaml.org,2002:bool":
            text = "true" if text.lower() in ("yes", "true", "on") else "false"
        return Node(text, start, end, isinstance(node, yaml.ScalarNode) and node.style is not None)

    def members(self, mapping: yaml.MappingNode, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for name, value in mapping.value:
            if name.tag == "tag:yaml.org,2002:merge":
                for source in self.node(value, depth + 1).items:
                    merged = {**source.members, **merged}
            elif isinstance(name.value, str):
                members[name.value] = self.node(value, depth + 1)
        return {**merged, **members}
