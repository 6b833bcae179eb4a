"""A filter's text read into a tree: the grammar and what fits together.

    or    : xor   { ("or" | "||") xor }
    xor   : and   { ("xor" | "^^") and }
    and   : not   { ("and" | "&&") not }
    not   : ("not" | "!") not | "(" or ")" | test
    test  : field [ operator (value | field) ] | field ["not"] "in" "{" item { "," item } "}"
    field : name [ "[" slice "]" ] [ "&" number ]
    item  : value [ ".." value ]

Everything is checked here, types and words included: a tree that comes out can be evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from aoinspect.engine.filtering.errors import FilterError
from aoinspect.engine.filtering.fields import FIELDS, Field, is_kept_from_the_table, similar_field
from aoinspect.engine.filtering.operators import SPELLINGS, Operator
from aoinspect.engine.filtering.syntax import (
    And,
    Comparison,
    Exists,
    Membership,
    Node,
    Not,
    Operand,
    Or,
    Slice,
    Xor,
)
from aoinspect.engine.filtering.tokens import Token, TokenKind, tokens
from aoinspect.engine.filtering.values import (
    Address,
    Octets,
    Presence,
    Seconds,
    Value,
    ValueReadError,
    WholeNumber,
    compiled,
)

DEEPEST = 64
"""How deep parentheses and `not` may nest; nobody reads a filter that goes deeper."""

_CONNECTIVES = {"or", "||", "xor", "^^", "and", "&&"}
_KEYWORDS = _CONNECTIVES | {"not", "!", "in", "bitand", "&"} | SPELLINGS.keys()
_COMPARED_TYPES = (WholeNumber, Address, Seconds)
"""Types of which two fields can be compared with each other."""


def parse(text: str) -> Node:
    """The tree of `text`; FilterError with the place where it is wrong."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0

    # Tokens.

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind is not TokenKind.END:
            self._at += 1
        return token

    def _is_finished(self) -> bool:
        return self._next.kind is TokenKind.END

    def _is_next(self, *spellings: str) -> bool:
        return self._next.kind in (TokenKind.WORD, TokenKind.SYMBOL) and self._next.value in spellings

    def _accept(self, *spellings: str) -> bool:
        if self._is_next(*spellings):
            self._take()
            return True
        return False

    def _fail(self, problem: str, token: Token | None = None) -> NoReturn:
        token = self._next if token is None else token
        raise FilterError(problem, self._text, token.start, token.end)

    def _demand(self, symbol: str, problem: str) -> None:
        if not self._accept(symbol):
            self._fail(problem)

    # The grammar.

    def whole(self) -> Node:
        if self._is_finished():
            self._fail("the filter is empty: write a field, as in tcp.port == 179")
        node = self._or()
        token = self._next
        if self._is_finished():
            return node
        if token.value == ")":
            self._fail("this parenthesis closes nothing")
        if token.value in SPELLINGS:
            self._fail("one comparison at a time: join two with and")
        if token.value.lower() in _CONNECTIVES:
            self._fail(f"write {token.value.lower()} in lower case")
        return self._fail("the filter should end here, or go on with and, or, xor")

    def _or(self) -> Node:
        return self._chain(self._xor, Or, "or", "||")

    def _xor(self) -> Node:
        return self._chain(self._and, Xor, "xor", "^^")

    def _and(self) -> Node:
        return self._chain(self._not, And, "and", "&&")

    def _chain(self, part: Callable[[], Node], join: type[And | Xor | Or], *spellings: str) -> Node:
        parts = [part()]
        while self._accept(*spellings):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _not(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"parentheses and not nest deeper than {DEEPEST} here")
        try:
            if self._accept("not", "!"):
                return Not(self._not())
            if self._is_next("("):
                opening = self._take()
                node = self._or()
                if self._is_finished():
                    self._fail("this parenthesis is never closed", opening)
                self._demand(")", "a ) should stand here, or and, or, xor")
                return node
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Node:
        start = self._next
        operand = self._operand()
        if self._is_next(*SPELLINGS):
            return self._comparison(operand)
        is_negated = self._is_next("not") and self._tokens[self._at + 1].value == "in"
        if is_negated:
            self._take()
        if self._accept("in"):
            member = self._membership(operand, start)
            return Not(member) if is_negated else member
        return Exists(operand)

    def _operand(self) -> Operand:
        name = self._next
        field = self._field()
        octets: Slice | None = None
        bits: int | None = None
        if self._next.kind is TokenKind.SLICE:
            if not isinstance(field.type, Octets):
                self._fail(f"{field.name} has no octets to take a slice of: it is of type {field.type.name}")
            octets = self._slice(self._take())
        if self._accept("&", "bitand"):
            if not isinstance(field.type, WholeNumber):
                self._fail(f"{field.name} has no bits to choose from: it is of type {field.type.name}", name)
            token = self._value_token(field)
            value = self._read(field, token)
            assert isinstance(value, int)
            bits = value
        return Operand(field, bits, octets)

    def _field(self) -> Field:
        token = self._next
        if token.kind is TokenKind.END:
            self._fail("something is missing here: a field, as in tcp.port == 179")
        field = FIELDS.get(token.value) if token.kind is TokenKind.WORD else None
        if field is None:
            self._fail(_no_field(token), token)
        self._take()
        return field

    def _slice(self, token: Token) -> Slice:
        match = re.fullmatch(r"\s*([0-9]{1,3})\s*(?:([:-])\s*([0-9]{1,3})\s*)?", token.value)
        if match is None:
            self._fail("a slice is [start:length], [first-last] or [one], counted in octets from 0", token)
        start = int(match[1])
        length = 1
        if match[2] == ":":
            length = int(match[3])
        elif match[2] == "-":
            length = int(match[3]) - start + 1
        if length < 1 or start + length > 255:
            self._fail("this slice is empty, or reaches past the longest option", token)
        return Slice(start, length)

    def _comparison(self, left: Operand) -> Comparison:
        sign = self._take()
        operator = SPELLINGS[sign.value]
        field_type = left.field.type
        if isinstance(field_type, Presence):
            self._fail(f"{left.field.name} is there or it is not: write it without a comparison", sign)
        if operator not in field_type.operators:
            known = ", ".join(known.value for known in Operator if known in field_type.operators)
            self._fail(f"{left.field.name} is of type {field_type.name}, which has only {known} and in", sign)
        token = self._next
        if token.kind is TokenKind.WORD and token.value in FIELDS:
            right = self._operand()
            if type(right.field.type) is not type(field_type) or not isinstance(field_type, _COMPARED_TYPES):
                self._fail(_no_pair(left.field, right.field), token)
            if isinstance(field_type, Address) and right.field.type.name != field_type.name:
                self._fail(_no_pair(left.field, right.field), token)
            return Comparison(left, operator, right)
        token = self._value_token(left.field)
        value = self._read(left.field, token)
        if operator is Operator.MATCHES:
            self._check_pattern(value, token)
        self._check_width(left, operator, value, token)
        return Comparison(left, operator, value)

    def _membership(self, operand: Operand, start: Token) -> Membership:
        field_type = operand.field.type
        if isinstance(field_type, Presence):
            self._fail(f"{operand.field.name} is there or it is not: it has no values for a set", start)
        self._demand("{", "a set should stand here, as in {1, 2..5}")
        members: list[tuple[Value, Value]] = []
        while True:
            token = self._value_token(operand.field)
            first = last = self._read(operand.field, token)
            self._check_width(operand, Operator.EQUAL, first, token)
            if self._is_next(".."):
                dots = self._take()
                if Operator.AT_MOST not in field_type.operators:
                    self._fail(f"{operand.field.name} is of type {field_type.name}, which has no ranges", dots)
                token = self._value_token(operand.field)
                last = self._read(operand.field, token)
                if last < first:  # type: ignore[operator]
                    self._fail("this range ends before it begins", token)
            members.append((first, last))
            if not self._accept(","):
                break
        self._demand("}", "a , or a } should stand here")
        return Membership(operand, tuple(members))

    # Values.

    def _value_token(self, field: Field) -> Token:
        token = self._next
        if token.kind not in (TokenKind.WORD, TokenKind.STRING) or (
            token.kind is TokenKind.WORD and token.value in _KEYWORDS
        ):
            self._fail(f"a value is missing here: {field.name} is of type {field.type.name}")
        return self._take()

    def _read(self, field: Field, token: Token) -> Value:
        try:
            return field.type.read(token.value, token.kind is TokenKind.STRING)
        except ValueReadError as problem:
            self._fail(f"{field.name}: {problem}", token)

    def _check_pattern(self, value: Value, token: Token) -> None:
        assert isinstance(value, str)
        try:
            compiled(value)
        except ValueReadError as problem:
            self._fail(str(problem), token)

    def _check_width(self, operand: Operand, operator: Operator, value: Value, token: Token) -> None:
        """A slice of other length than the value is a slip, not a filter that selects nothing."""
        if operand.octets is None or not isinstance(value, bytes) or operator is Operator.CONTAINS:
            return
        if len(value) != operand.octets.length:
            self._fail(f"the slice has {operand.octets.length} octets, and this has {len(value)}", token)


def _no_field(token: Token) -> str:
    if token.kind is TokenKind.WORD and token.value not in _KEYWORDS:
        name = token.value
        if is_kept_from_the_table(name):
            return f"{name} is a field of Wireshark's that is not kept for every segment: show CAPTURE FRAME prints it"
        if name[0].isdigit():
            return "a comparison begins with a field, and not with a value"
        near = similar_field(name)
        hint = f": did you mean {near}?" if near is not None else "; docs/filter.md lists the fields"
        shown = name if len(name) <= 40 else name[:40] + "…"
        return f"there is no field {shown}{hint}"
    if token.kind is TokenKind.STRING:
        return "a comparison begins with a field, and not with a value"
    return "a field should stand here, as in tcp.port == 179"


def _no_pair(left: Field, right: Field) -> str:
    return (
        f"{left.name} (type {left.type.name}) cannot be compared with {right.name} (type {right.type.name}); "
        "a value that looks like a field needs quotes"
    )
