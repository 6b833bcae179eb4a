"""A filter as a tree, and its canonical text.

`text_of` of a tree is read back as an equal tree: parentheses stand exactly where the tree needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aoinspect.engine.filtering.fields import Field
from aoinspect.engine.filtering.operators import Operator
from aoinspect.engine.filtering.values import Value


@dataclass(frozen=True, slots=True)
class Slice:
    """Some octets of a field: `length` from `start` on."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A field, some of its bits, or some of its octets."""

    field: Field
    bits: int | None = None
    """A mask that is and-ed to the value."""
    octets: Slice | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there; with bits, one of them is set."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field against a value or another field."""

    left: Operand
    operator: Operator
    right: Value | Operand


@dataclass(frozen=True, slots=True)
class Membership:
    """One of the field's values is in a set of values and ranges, both ends of a range included."""

    operand: Operand
    members: tuple[tuple[Value, Value], ...]
    """First and last of each; the same where it is a single value."""


@dataclass(frozen=True, slots=True)
class Not:
    inner: Node


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Xor:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]


Node = Exists | Comparison | Membership | Not | And | Xor | Or

_WORDS = {And: "and", Xor: "xor", Or: "or"}
_TIGHTNESS = {Or: 0, Xor: 1, And: 2, Not: 3, Exists: 4, Comparison: 4, Membership: 4}


def operands(node: Node) -> Iterator[Operand]:
    """Every mention of a field."""
    if isinstance(node, Not):
        yield from operands(node.inner)
    elif isinstance(node, And | Or | Xor):
        for part in node.parts:
            yield from operands(part)
    elif isinstance(node, Comparison):
        yield node.left
        if isinstance(node.right, Operand):
            yield node.right
    else:
        yield node.operand


def text_of(node: Node) -> str:
    """The filter's canonical text."""
    if isinstance(node, And | Xor | Or):
        parts = [_enclosed(part, _TIGHTNESS[type(part)] <= _TIGHTNESS[type(node)]) for part in node.parts]
        return f" {_WORDS[type(node)]} ".join(parts)
    if isinstance(node, Not):
        return f"not {_enclosed(node.inner, _TIGHTNESS[type(node.inner)] < _TIGHTNESS[Not])}"
    if isinstance(node, Exists):
        return _operand(node.operand)
    if isinstance(node, Membership):
        show = node.operand.field.type.show
        members = [show(first) if first == last else f"{show(first)}..{show(last)}" for first, last in node.members]
        return f"{_operand(node.operand)} in {{{', '.join(members)}}}"
    right = _operand(node.right) if isinstance(node.right, Operand) else node.left.field.type.show(node.right)
    return f"{_operand(node.left)} {node.operator.value} {right}"


def _enclosed(node: Node, is_needed: bool) -> str:
    return f"({text_of(node)})" if is_needed else text_of(node)


def _operand(operand: Operand) -> str:
    octets = "" if operand.octets is None else f"[{operand.octets.start}:{operand.octets.length}]"
    bits = "" if operand.bits is None else f" & {operand.bits:#x}"
    return f"{operand.field.name}{octets}{bits}"
