"""A filter's text cut into tokens.

A word is as long as letters, digits and `_ . : / + -` go, so that a field's name, a number, an address with its prefix,
a MAC's octets and a verdict with its hyphen are each one word; what a word means is for the parser and for the type of
the field beside it. Two dots end a word: they stand between the ends of a range.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from aoinspect.engine.filtering.errors import FilterError


class TokenKind(Enum):
    WORD = auto()
    STRING = auto()
    """`value` holds what stands between the quotes, escapes resolved."""
    SYMBOL = auto()
    SLICE = auto()
    """`value` holds what stands between the brackets."""
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the text; `start` and `end` count characters."""

    kind: TokenKind
    value: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<string>[rR]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
    | (?P<word>(?:(?!\.\.)[A-Za-z0-9_.:/+-])+)
    | (?P<symbol>\.\.|!==|===|==|!=|<=|>=|&&|\|\||\^\^|[<>!&~(){},])
    | \[(?P<slice>[^][]*)\]
    """,
    re.VERBOSE | re.DOTALL,
)

_HINTS = {
    "=": "= is not an operator: write == for equal",
    "|": "| is not an operator: write || or or",
    "^": "^ is not an operator: write ^^ or xor",
    '"': "this string has no end: a quote is missing",
    "'": "this string has no end: a quote is missing",
    "[": "this slice has no end: a ] is missing",
}

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_NAMED_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text`, the last of kind END; FilterError at the first character that begins none."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            character = text[position]
            problem = _HINTS.get(character, f"{character!r} has no meaning here")
            end = len(text) if character in "\"'[" else position + 1
            raise FilterError(problem, text, position, end)
        start, position = match.span()
        if match.lastgroup == "word":
            yield Token(TokenKind.WORD, match["word"], start, position)
        elif match.lastgroup == "string":
            yield Token(TokenKind.STRING, _unquoted(match["string"]), start, position)
        elif match.lastgroup == "symbol":
            yield Token(TokenKind.SYMBOL, match["symbol"], start, position)
        elif match.lastgroup == "slice":
            yield Token(TokenKind.SLICE, match["slice"], start, position)
    yield Token(TokenKind.END, "", len(text), len(text))


def _unquoted(quoted: str) -> str:
    """What a string stands for; `r"..."` keeps its backslashes, as patterns want them."""
    if quoted[0] in "rR":
        return quoted[2:-1]
    return _ESCAPE.sub(_escaped_character, quoted[1:-1])


def _escaped_character(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 3:
        return chr(int(escape[1:], 16))
    return _NAMED_ESCAPES.get(escape, escape)


def quoted(text: str) -> str:
    """`text` as a string that `tokens` reads back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\x{ord(c):02x}" if ord(c) < 0x20 or ord(c) == 0x7F else c for c in escaped) + '"'
