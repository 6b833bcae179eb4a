"""Configurations in braces: Junos and BIRD (`;` ends a statement), Nokia's MD-CLI (the line's end does).

This file decides what is one word, one statement and one block. Comments are `#` to the end of the line where a word
could begin, and `/* */`. A quoted text is one word, with `\\"` and `\\\\` undone; one that is not closed ends with its
line. Where braces do not match, which is what a cut file looks like, what was read stands, and the place is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from aoinspect.keys.importers.model import Word

_TOKEN = re.compile(
    r"""(?P<skip>[^\S\n]+|\#[^\n]*|/\*[\s\S]*?(?:\*/|\Z))"""
    r"""|(?P<newline>\n)"""
    r"""|(?P<mark>[{};])"""
    r"""|"(?P<quoted>(?:[^"\\\n]|\\[^\n])*)(?P<close>"?)"""
    r"""|(?P<word>[^\s{};"]+)"""
)
_TOKEN_WITH_APOSTROPHES = re.compile(
    _TOKEN.pattern.replace("""[^\\s{};"]+""", """[^\\s{};"']+""")
    + r"""|'(?P<quoted_once>(?:[^'\\\n]|\\[^\n])*)(?P<close_once>'?)"""
)
_ESCAPE = re.compile(r"\\(.)")
_MOST_DEPTH = 200


@dataclass(slots=True)
class Statement:
    """Words, and the block in braces after them where there is one."""

    words: list[Word]
    block: list[Statement] | None = None

    @property
    def start(self) -> int:
        return self.words[0].start

    def is_named(self, *names: str) -> bool:
        """Whether its first word is one of `names`."""
        return self.words[0].text in names

    def value(self, position: int = 1) -> Word | None:
        """The word at `position`, or None where the statement has fewer."""
        return self.words[position] if position < len(self.words) else None

    def under(self, *names: str) -> Iterator[Statement]:
        """The statements directly in its block whose first word is one of `names`."""
        for statement in self.block or ():
            if statement.words[0].text in names:
                yield statement

    def descendants(self) -> Iterator[Statement]:
        for statement in self.block or ():
            yield statement
            yield from statement.descendants()


@dataclass(slots=True)
class BracedText:
    """A whole text: its statements, and where its braces or quotes do not match."""

    statements: list[Statement]
    mistakes: list[tuple[int, int, str]] = field(default_factory=list)
    """Start, end, message: for `Draft.mistake`."""


def read_braced(text: str, *, line_ends: bool = False, has_apostrophes: bool = False) -> BracedText:
    """The statements of `text`; with `line_ends`, the end of a line ends a statement as `;` does. Never raises.

    `has_apostrophes`: text may be quoted with them as well.

    A block without words before it (`{ ... }`) and words without a block are statements all the same; a statement
    always has at least one word, so the statements of a block without words join those around it.
    """
    top: list[Statement] = []
    found = BracedText(top)
    open_blocks: list[tuple[list[Statement], int]] = []
    block = top
    words: list[Word] = []
    for match in (_TOKEN_WITH_APOSTROPHES if has_apostrophes else _TOKEN).finditer(text):
        kind = match.lastgroup
        if kind == "skip":
            continue
        if kind == "word":
            words.append(Word(match[0], match.start(), match.end()))
        elif kind in ("close", "close_once"):
            inside = match["quoted" if kind == "close" else "quoted_once"]
            words.append(Word(_ESCAPE.sub(r"\1", inside), match.start(), match.end(), True))
            if not match[kind]:
                found.mistakes.append((match.start(), match.start() + 1, "this quote is not closed on its line"))
        elif kind == "newline":
            if line_ends and words:
                block.append(Statement(words))
                words = []
        elif match[0] == "{":
            if len(open_blocks) >= _MOST_DEPTH:
                found.mistakes.append((match.start(), match.end(), "blocks are nested too deeply"))
                return found
            open_blocks.append((block, match.start()))
            if words:
                inner: list[Statement] = []
                block.append(Statement(words, inner))
                block = inner
                words = []
        else:
            if words:
                block.append(Statement(words))
                words = []
            if match[0] == "}":
                if open_blocks:
                    block, _ = open_blocks.pop()
                else:
                    message = "this brace closes nothing: the beginning of the file may be missing"
                    found.mistakes.append((match.start(), match.end(), message))
    if words:
        block.append(Statement(words))
    for _, start in open_blocks:
        found.mistakes.append((start, start + 1, "the block that opens here is not closed: the file may be cut"))
    return found
