"""How the TCP options of one segment differ between two captures: changed, removed, replaced by NOPs, moved.

Options are compared by kind, and by place only where one is missing: NOPs that stand exactly where the other capture
has an option are what middleboxes leave of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from aoinspect.ao.option import (
    AO_OVERHEAD,
    FIXED_HEADER_LENGTH,
    KIND_AO,
    KIND_END,
    KIND_MD5,
    KIND_NOP,
    TcpOption,
    walk_options,
)
from aoinspect.engine.comparison.model import FieldName, How, Value
from dissectors.tcp_options import NAMES

_KIND_MSS, _KIND_WINDOW_SCALE, _KIND_SACK_PERMITTED, _KIND_SACK, _KIND_TIMESTAMPS = 2, 3, 4, 5, 8
_FIELD_OF_KIND = {
    _KIND_MSS: FieldName.MSS,
    _KIND_WINDOW_SCALE: FieldName.WINDOW_SCALE,
    _KIND_SACK_PERMITTED: FieldName.SACK_PERMITTED,
    _KIND_SACK: FieldName.SACK,
    _KIND_TIMESTAMPS: FieldName.TIMESTAMP_VALUE,
    KIND_MD5: FieldName.MD5,
    KIND_AO: FieldName.AO,
}
_NUMBER_LENGTHS = {_KIND_MSS: 4, _KIND_WINDOW_SCALE: 3}
_TIMESTAMPS_LENGTH = 10


class OptionChange(NamedTuple):
    """One difference between the options of one segment."""

    field: FieldName
    how: How
    option: str | None
    """Name of an option that has no field of its own."""
    value_a: Value
    value_b: Value


class _Options:
    """The option space of one segment, read."""

    def __init__(self, space: bytes) -> None:
        self.space = space
        data_offset = (FIXED_HEADER_LENGTH + len(space)) // 4
        header = bytes(12) + bytes((data_offset << 4,)) + bytes(7) + space
        self.listed = walk_options(header)
        self.by_kind: dict[tuple[int, int], TcpOption] = {}
        """(kind, how many of that kind stand before it) -> option; without padding."""
        counts: dict[int, int] = defaultdict(int)
        for option in self.listed:
            if option.kind not in (KIND_NOP, KIND_END):
                self.by_kind[option.kind, counts[option.kind]] = option
                counts[option.kind] += 1

    def octets(self, option: TcpOption) -> bytes:
        """The option from its kind on."""
        return self.space[option.start - FIXED_HEADER_LENGTH : option.end - FIXED_HEADER_LENGTH]

    @property
    def words(self) -> str:
        """The options in their order, NOPs and all."""
        return ", ".join("NOP" if option.kind == KIND_NOP else option_name(option.kind) for option in self.listed)

    def has_nops_at(self, option: TcpOption) -> bool:
        """Whether NOPs stand where another option space has `option`."""
        # An octet of 1 inside of another option is no NOP: the walk must stop at each of them.
        nops = {listed.start for listed in self.listed if listed.kind == KIND_NOP}
        return set(range(option.start, option.end)) <= nops


def option_name(kind: int) -> str:
    return NAMES.get(kind, f"option {kind}")


def option_changes(space_a: bytes, space_b: bytes) -> Iterator[OptionChange]:
    """What differs between the option spaces (0 to 40 octets each) of one segment in the two captures."""
    a, b = _Options(space_a), _Options(space_b)
    is_complete = True
    for key, option in a.by_kind.items():
        if key in b.by_kind:
            yield from _altered(key[0], a.octets(option), b.octets(b.by_kind[key]))
            continue
        is_complete = False
        how = How.REPLACED_BY_NOPS if b.has_nops_at(option) else How.REMOVED
        yield OptionChange(_field(key[0]), how, _named(key[0]), _value(a.octets(option)), None)
    for key, option in b.by_kind.items():
        if key not in a.by_kind:
            is_complete = False
            how = How.NOPS_REPLACED if a.has_nops_at(option) else How.ADDED
            yield OptionChange(_field(key[0]), how, _named(key[0]), None, _value(b.octets(option)))
    order_a = [key for key in a.by_kind if key in b.by_kind]
    order_b = [key for key in b.by_kind if key in a.by_kind]
    if order_a != order_b:
        yield OptionChange(FieldName.OPTION_ORDER, How.CHANGED, None, a.words, b.words)
    elif is_complete and _layout(a) != _layout(b):
        yield OptionChange(FieldName.PADDING, How.CHANGED, None, a.words, b.words)


def _layout(options: _Options) -> list[tuple[int, int, bytes]]:
    """Where each option stands, and what padding holds."""
    return [
        (option.kind, option.start, options.octets(option) if option.kind == KIND_END else b"")
        for option in options.listed
    ]


def _field(kind: int) -> FieldName:
    return _FIELD_OF_KIND.get(kind, FieldName.OTHER_OPTION)


def _named(kind: int) -> str | None:
    return None if kind in _FIELD_OF_KIND else option_name(kind)


def _value(octets: bytes) -> Value:
    """An option's value as far as its kind tells how to read it."""
    kind = octets[0]
    if _NUMBER_LENGTHS.get(kind) == len(octets):
        return int.from_bytes(octets[2:], "big")
    if kind == _KIND_TIMESTAMPS and len(octets) == _TIMESTAMPS_LENGTH:
        return int.from_bytes(octets[2:6], "big")
    if kind == KIND_AO and len(octets) >= AO_OVERHEAD:
        return f"KeyID {octets[2]}, RNextKeyID {octets[3]}"
    if kind == _KIND_SACK:
        edges = [int.from_bytes(octets[at : at + 4], "big") for at in range(2, len(octets) - 3, 4)]
        return " ".join(f"{left}-{right}" for left, right in zip(edges[::2], edges[1::2], strict=False))
    return octets[2:].hex() or "present"


def _altered(kind: int, a: bytes, b: bytes) -> Iterator[OptionChange]:
    if a == b:
        return
    if kind == KIND_AO and min(len(a), len(b)) >= AO_OVERHEAD:
        for field, value_a, value_b in (
            (FieldName.KEY_ID, a[2], b[2]),
            (FieldName.RNEXT_KEY_ID, a[3], b[3]),
            (FieldName.MAC, a[AO_OVERHEAD:].hex(), b[AO_OVERHEAD:].hex()),
        ):
            if value_a != value_b:
                yield OptionChange(field, How.CHANGED, None, value_a, value_b)
    elif kind == KIND_MD5:
        yield OptionChange(FieldName.MAC, How.CHANGED, None, a[2:].hex(), b[2:].hex())
    elif kind == _KIND_TIMESTAMPS and len(a) == len(b) == _TIMESTAMPS_LENGTH:
        for field, at in ((FieldName.TIMESTAMP_VALUE, 2), (FieldName.TIMESTAMP_ECHO, 6)):
            value_a, value_b = int.from_bytes(a[at : at + 4], "big"), int.from_bytes(b[at : at + 4], "big")
            if value_a != value_b:
                yield OptionChange(field, How.CHANGED, None, value_a, value_b)
    else:
        yield OptionChange(_field(kind), How.CHANGED, _named(kind), _value(a), _value(b))
