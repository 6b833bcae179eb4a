"""Filters as hypothesis makes them, and what each selects by the plainest evaluation: one row at a time.

Nothing here looks at how the product evaluates: a field's values are a list, empty where the field is not there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple, cast

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt

from aoinspect.engine.filtering.fields import FIELDS, Field
from aoinspect.engine.filtering.operators import EQUALITIES, ORDERS, Operator
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
from aoinspect.engine.filtering.values import Address, OneWord, Prefix, Value, WholeNumber
from aoinspect.engine.results import ConnectionResult
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import NO_MKT, Coverage, Method, Reason, Verdict

MAC_ALPHABET = (0x00, 0x0A, 0xFF)
KEY_NAMES = ("", "edge", 'Edge "2026"', "x\\y", "naïve.*")
ADDRESSES = {
    4: [int(ip_address(text)) for text in ("10.0.0.1", "10.0.0.2", "10.0.0.11", "192.0.2.1")],
    6: [int(ip_address(text)) for text in ("fd00::1", "fd00::2", "fd00:1::2", "::1")],
}
TIMES_NS = (0, 1_000_000_000, 1_500_000_000, 1_500_000_001, 1_795_457_766_052_314_000)


class World(NamedTuple):
    """What is the same for all rows."""

    connections: list[ConnectionResult]
    key_names: list[str]
    first_times_ns: list[int]
    streams: dict[tuple[int, int], int]


# What a field's values are in one row.


def values_in(field: str, row: dict[str, int], mac: bytes, world: World) -> list[Value]:
    """The field's values in one row of the table."""
    connection = world.connections[row["connection"]]
    ends = (connection.a, connection.b)[:: -1 if row["direction"] else 1]
    which = {"src": ends[:1], "srcport": ends[:1], "dst": ends[1:], "dstport": ends[1:]}
    protocol, _, rest = field.partition(".")
    if field in ("frame", "tcp"):
        return [1]
    if protocol in ("ip", "ipv6"):
        own = [end for end in which.get(rest, ends) if (":" in end.address) == (protocol == "ipv6")]
        numbers = [int(ip_address(end.address)) for end in own]
        return [Prefix(number, 0) for number in numbers] if rest else [1 for _ in own[:1]]
    if rest in ("port", "srcport", "dstport"):
        return [end.port for end in which.get(rest, ends)]
    if field.startswith("tcp.flags."):
        order = ("fin", "syn", "reset", "push", "ack", "urg", "ece", "cwr", "ae")
        return [row["flags"] >> order.index(field.rpartition(".")[2]) & 1]
    special = _SPECIAL.get(field)
    if special is not None:
        return special(row, mac, world)
    return [row[_PLAIN[field]]]


_PLAIN = {
    "frame.number": "frame",
    "frame.time": "time_ns",
    "frame.time_epoch": "time_ns",
    "tcp.seq_raw": "seq",
    "tcp.ack_raw": "ack",
    "tcp.len": "payload_length",
    "tcp.flags": "flags",
    "ao.verdict": "verdict",
    "ao.method": "method",
    "ao.connection": "connection",
    "ao.direction": "direction",
    "ao.capture": "capture",
}

Special = Callable[[dict[str, int], bytes, World], list[Value]]


def _has_ids(row: dict[str, int]) -> bool:
    return row["method"] == Method.AO and row["reason"] != Reason.AO_LENGTH


def _relative(row: dict[str, int], name: str, own: bool, world: World) -> list[Value]:
    connection = world.connections[row["connection"]]
    end = (connection.a, connection.b)[row["direction"] if own else 1 - row["direction"]]
    return [] if end.isn is None else [(row[name] - end.isn) % 2**32]


def _stream(row: dict[str, int], mac: bytes, world: World) -> list[Value]:
    place = (row["capture"], row["frame"])
    return [world.streams[place]] if place in world.streams else []


_SPECIAL: dict[str, Special] = {
    "frame.time_relative": lambda row, _, world: [row["time_ns"] - world.first_times_ns[row["capture"]]],
    "tcp.stream": _stream,
    "tcp.seq": lambda row, _, world: _relative(row, "seq", True, world),
    "tcp.ack": lambda row, _, world: _relative(row, "ack", False, world) if row["flags"] & 0x10 else [row["ack"]],
    "tcp.options.ao": lambda row, _, world: [1] if row["method"] == Method.AO else [],
    "tcp.options.ao.keyid": lambda row, _, world: [row["key_id"]] if _has_ids(row) else [],
    "tcp.options.ao.rnextkeyid": lambda row, _, world: [row["rnext_key_id"]] if _has_ids(row) else [],
    "tcp.options.ao.mac": lambda row, mac, world: [mac] if mac and row["method"] == Method.AO else [],
    "tcp.options.md5": lambda row, _, world: (
        [1] if row["method"] == Method.MD5 or row["reason"] == Reason.AO_AND_MD5 else []
    ),
    "tcp.options.md5.digest": lambda row, mac, world: [mac] if mac and row["method"] == Method.MD5 else [],
    "ao.reason": lambda row, _, world: [row["reason"]] if row["reason"] else [],
    "ao.key": lambda row, _, world: [] if row["mkt"] == NO_MKT else [world.key_names[row["mkt"]]],
    "ao.options": lambda row, _, world: [row["coverage"]] if row["coverage"] else [],
    "ao.sne": lambda row, _, world: [row["sne"]] if row["has_sne"] else [],
    "ao.mac_length": lambda row, _, world: [row["mac_length"]] if row["method"] else [],
    "ao.ends_disagree": lambda row, _, world: [1] if row["is_refused"] else [],
}


# What a filter says of one row.


def selects(node: Node, row: dict[str, int], mac: bytes, world: World) -> bool:
    """Whether `node` selects the row."""
    if isinstance(node, Not):
        return not selects(node.inner, row, mac, world)
    if isinstance(node, And | Or | Xor):
        held = [selects(part, row, mac, world) for part in node.parts]
        return all(held) if isinstance(node, And) else any(held) if isinstance(node, Or) else sum(held) % 2 == 1
    if isinstance(node, Exists):
        values = _of(node.operand, row, mac, world)
        return any(bool(value) for value in values) if node.operand.bits is not None else bool(values)
    if isinstance(node, Membership):
        bits = _bits(node.operand.field)
        return any(
            _holds(value, Operator.EQUAL, first, bits)
            if first == last
            else _holds(value, Operator.AT_LEAST, first, bits) and _holds(value, Operator.AT_MOST, last, bits)
            for value in _of(node.operand, row, mac, world)
            for first, last in node.members
        )
    bits = _bits(node.left.field)
    others: list[Value]
    if isinstance(node.right, Operand):
        others = _of(node.right, row, mac, world)
        others = [Prefix(other.address, bits) if isinstance(other, Prefix) else other for other in others]
    else:
        others = [node.right]
    held = [_holds(value, node.operator, other, bits) for value in _of(node.left, row, mac, world) for other in others]
    return bool(held) and all(held) if node.operator.asks_all else any(held)


def _bits(field: Field) -> int:
    return field.type.bits if isinstance(field.type, Address) else 0


def _of(operand: Operand, row: dict[str, int], mac: bytes, world: World) -> list[Value]:
    values = values_in(operand.field.name, row, mac, world)
    if operand.bits is not None:
        return [cast(int, value) & operand.bits for value in values]
    if operand.octets is not None:
        start, end = operand.octets.start, operand.octets.start + operand.octets.length
        return [cast(bytes, value)[start:end] for value in values if len(cast(bytes, value)) >= end]
    return values


_COMPARED: dict[Operator, Callable[[object, object], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.ALL_EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.ANY_NOT_EQUAL: operator.ne,
    Operator.LESS: operator.lt,  # type: ignore[dict-item]
    Operator.AT_MOST: operator.le,  # type: ignore[dict-item]
    Operator.GREATER: operator.gt,  # type: ignore[dict-item]
    Operator.AT_LEAST: operator.ge,  # type: ignore[dict-item]
    Operator.CONTAINS: lambda value, part: part in value,  # type: ignore[operator]
    Operator.MATCHES: lambda value, pattern: re.search(pattern, value, re.IGNORECASE) is not None,  # type: ignore[call-overload]
}


def _holds(value: Value, relation: Operator, other: Value, bits: int) -> bool:
    if isinstance(other, Prefix):
        assert isinstance(value, Prefix)
        away = bits - other.length
        return _COMPARED[relation](value.address >> away, other.address >> away)
    return _COMPARED[relation](value, other)


# Filters of every kind.


def values(field: Field) -> st.SearchStrategy[Value]:
    """Values of the field's type, mostly such as the made rows have."""
    kind = field.type
    if isinstance(kind, Address):
        numbers = st.sampled_from(ADDRESSES[kind.version]) | st.integers(0, (1 << kind.bits) - 1)
        lengths = st.just(kind.bits) | st.integers(0, kind.bits)
        return st.builds(lambda number, length: _prefix(number, length, kind.bits), numbers, lengths)
    if isinstance(kind, WholeNumber):
        near = st.sampled_from((0, 1, 2, 3, 0x12, 100, 179, 0xFFF, 0xFFFF, 0xFFFFFFFF))
        return near.map(lambda number: min(number, kind.highest)) | st.integers(0, kind.highest)
    if isinstance(kind, OneWord):
        return st.sampled_from(sorted(kind.words.values()))
    if kind.name == "boolean":
        return st.sampled_from((0, 1))
    if kind.name == "octets":
        return st.lists(st.sampled_from(MAC_ALPHABET), min_size=1, max_size=20).map(bytes)
    if kind.name == "string":
        return st.sampled_from(KEY_NAMES) | st.text(max_size=8)
    assert kind.name in ("seconds", "date and time")
    return st.sampled_from(TIMES_NS) | st.integers(-(10**18), 2 * 10**18)


def _prefix(number: int, length: int, bits: int) -> Prefix:
    return Prefix(number >> (bits - length) << (bits - length), length)


@st.composite
def operands_of(draw: st.DrawFn, field: Field) -> Operand:
    if isinstance(field.type, WholeNumber) and draw(st.booleans()):
        return Operand(field, bits=cast(int, draw(values(field))))
    if field.type.name == "octets" and draw(st.booleans()):
        return Operand(field, octets=Slice(draw(st.integers(0, 20)), draw(st.integers(1, 4))))
    return Operand(field)


def _fitting(operand: Operand, value: Value) -> Value:
    """A value as long as the operand's slice."""
    if operand.octets is None or not isinstance(value, bytes):
        return value
    return (value * 4)[: operand.octets.length]


def _comparable(field: Field) -> list[Field]:
    if isinstance(field.type, WholeNumber):
        return [other for other in FIELDS.values() if isinstance(other.type, WholeNumber)]
    if isinstance(field.type, Address) or field.type.name == "seconds":
        return [other for other in FIELDS.values() if other.type.name == field.type.name]
    return []


@st.composite
def single_tests(draw: st.DrawFn, fields: Sequence[Field]) -> Node:
    """One test of one of the fields."""
    field = draw(st.sampled_from(fields))
    operand = draw(operands_of(field))
    kind = draw(st.sampled_from(("exists", "comparison", "membership", "fields")))
    if field.type.name == "presence" or kind == "exists":
        return Exists(operand)
    if kind == "membership":
        members = draw(st.lists(st.tuples(values(field), values(field)), min_size=1, max_size=3))
        has_ranges = Operator.AT_MOST in field.type.operators and draw(st.booleans())
        ordered = [(min(pair), max(pair)) if has_ranges else (pair[0], pair[0]) for pair in members]
        return Membership(operand, tuple((_fitting(operand, a), _fitting(operand, b)) for a, b in ordered))
    others = _comparable(field)
    if kind == "fields" and others:
        relation = draw(st.sampled_from(sorted(EQUALITIES | ORDERS, key=lambda known: known.value)))
        return Comparison(operand, relation, draw(operands_of(draw(st.sampled_from(others)))))
    relation = draw(st.sampled_from(sorted(field.type.operators, key=lambda known: known.value)))
    value = draw(values(field))
    if relation is Operator.MATCHES:
        return Comparison(operand, relation, draw(st.sampled_from(("", "^e", "EDGE", r"\\", '"', ".*", "[0-9]{4}"))))
    return Comparison(operand, relation, value if relation is Operator.CONTAINS else _fitting(operand, value))


def filters() -> st.SearchStrategy[Node]:
    """Whole filters."""

    def joined(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(parts, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(Not, parts), *(st.builds(join, several) for join in (And, Or, Xor)))

    return st.recursive(single_tests(list(FIELDS.values())), joined, max_leaves=6)


# Rows of every kind.

Columns = dict[str, npt.NDArray[np.generic]]


def made_rows(seed: int, count: int, world: World) -> tuple[Rows, list[bytes]]:
    """Rows with few distinct values in each column, and the whole MAC of each."""
    rng = np.random.default_rng(seed)

    def column(choices: Sequence[int], dtype: type[np.generic]) -> npt.NDArray[np.generic]:
        return np.array([choices[index] for index in rng.integers(len(choices), size=count)], dtype=dtype)

    numbers = (0, 1, 2, 3, 100, 0xFFFFFFFE, 0xFFFFFFFF)
    octets = (0, 1, 2, 100, 255)
    methods = column(list(Method), np.uint8)
    macs = [_made_mac(rng, Method(method)) for method in methods.tolist()]
    columns: Columns = {
        "frame": np.arange(1, count + 1, dtype=np.uint64),
        "capture": column(range(len(world.first_times_ns)), np.uint16),
        "offset": np.zeros(count, dtype=np.uint64),
        "time_ns": column(TIMES_NS, np.int64),
        "connection": column(range(len(world.connections)), np.uint32),
        "direction": column((0, 1), np.uint8),
        "seq": column(numbers, np.uint32),
        "ack": column(numbers, np.uint32),
        "flags": column((0, 2, 0x10, 0x12, 0x18, 0xFFF), np.uint16),
        "payload_length": column(numbers, np.uint32),
        "method": methods,
        "key_id": column(octets, np.uint8),
        "rnext_key_id": column(octets, np.uint8),
        "mac_length": np.array([len(mac) for mac in macs], dtype=np.uint8),
        "sne": column(numbers, np.uint32),
        "mkt": column((*range(len(world.key_names)), NO_MKT), np.uint16),
        "verdict": column(list(Verdict), np.uint8),
        "reason": column(list(Reason), np.uint8),
        "coverage": column(list(Coverage), np.uint8),
        "has_sne": column((0, 1), np.bool_),
        "is_refused": column((0, 1), np.bool_),
        "mac": np.array([mac[:16].ljust(16, b"\0") for mac in macs], dtype="V16"),
    }
    return Rows._make(columns[name] for name in Rows._fields), macs


def _made_mac(rng: np.random.Generator, method: Method) -> bytes:
    """None, or a short or long one of few different octets; a digest fits the table's column."""
    length = int(rng.integers(0, {Method.NONE: 1, Method.AO: 21, Method.MD5: 17}[method]))
    return bytes(MAC_ALPHABET[index] for index in rng.integers(len(MAC_ALPHABET), size=length))


def as_dicts(rows: Rows) -> list[dict[str, int]]:
    """Each row by the names of its columns, without the MAC."""
    columns = {name: getattr(rows, name).tolist() for name in Rows._fields if name != "mac"}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
