"""The types of the fields: how a word of the filter becomes a value, how the value is printed, and how it is compared.

A type accepts exactly the words that its own `show` prints and their other spellings; everything else is a
`ValueReadError` whose message says what the type wants. Comparing takes whole columns.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

import numpy as np

from aoinspect.engine.filtering.columns import Column
from aoinspect.engine.filtering.octet_search import contains_octets, equals_octets
from aoinspect.engine.filtering.operators import EQUALITIES, ORDERS, Operator, relate, relate_pairs
from aoinspect.engine.filtering.tokens import quoted
from aoinspect.engine.locate import Mask
from aoinspect.engine.verdicts import Word

_LOW = (1 << 64) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS = 10**9


class ValueReadError(ValueError):
    """A word is no value of the type; the message is a sentence for a person."""


class Prefix(NamedTuple):
    """An IP address as a number, and how many of its leading bits count."""

    address: int
    length: int


Value = int | str | bytes | Prefix


class ValueType(Protocol):
    """What values a field has."""

    @property
    def name(self) -> str:
        """For a person: "address", "whole number"."""
        ...

    @property
    def operators(self) -> frozenset[Operator]:
        """The comparisons that the type has."""
        ...

    def read(self, word: str, is_quoted: bool) -> Value:
        """The value that `word` writes, ValueReadError if none."""
        ...

    def show(self, value: Value) -> str:
        """The canonical word for `value`: what `read` takes back, quotes included."""
        ...

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        """Whether each entry of `column` stands in `relation` to `value`; whether it is present is not looked at."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """A field that has no value: it is there or it is not."""

    name: str = "presence"
    operators: frozenset[Operator] = frozenset()

    def read(self, word: str, is_quoted: bool) -> Value:
        raise ValueReadError("it has no value")

    def show(self, value: Value) -> str:
        return str(value)

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        return np.ones(len(column.values), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """0 to `highest`; the column holds unsigned integers."""

    highest: int
    name: str = "whole number"
    operators: frozenset[Operator] = EQUALITIES | ORDERS

    def read(self, word: str, is_quoted: bool) -> int:
        if is_quoted:
            raise ValueReadError("a number is wanted here, and numbers have no quotes")
        number = whole_number(word)
        if number > self.highest:
            raise ValueReadError(f"{word} is too big: the highest value is {self.highest}")
        return number

    def show(self, value: Value) -> str:
        return str(value)

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, int)
        return relate(column.values, relation, value)


def whole_number(word: str) -> int:
    """Decimal or 0x hexadecimal; ValueReadError for anything else."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,32}", word):
        return int(word, 16)
    if not re.fullmatch(r"[0-9]{1,40}", word):
        raise ValueReadError(f"{_named(word)} is not a whole number: write decimal digits, or 0x and hexadecimal ones")
    if word[0] == "0" and len(word) > 1:
        raise ValueReadError(f"{word}: leave the leading 0 away, which means octal to Wireshark")
    return int(word)


def _named(word: str) -> str:
    return quoted(word if len(word) <= 40 else word[:40] + "…")


@dataclass(frozen=True, slots=True)
class Truth:
    """One bit; the column holds booleans."""

    name: str = "boolean"
    operators: frozenset[Operator] = EQUALITIES | ORDERS

    def read(self, word: str, is_quoted: bool) -> int:
        known = {"1": 1, "true": 1, "0": 0, "false": 0}
        if is_quoted or word.lower() not in known:
            raise ValueReadError(f"{_named(word)} is not a boolean: write 1, 0, True or False")
        return known[word.lower()]

    def show(self, value: Value) -> str:
        return str(value)

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, int)
        return relate(column.values, relation, value)


@dataclass(frozen=True, slots=True)
class OneWord:
    """One of a closed set of words; the column holds their numbers."""

    words: dict[str, int]
    name: str
    operators: frozenset[Operator] = EQUALITIES

    def read(self, word: str, is_quoted: bool) -> int:
        number = self.words.get(word.lower().replace("_", "-"))
        if number is None:
            raise ValueReadError(f"{_named(word)} is none of its words: {', '.join(map(_word, self.words))}")
        return number

    def show(self, value: Value) -> str:
        return next(_word(word) for word, number in self.words.items() if number == value)

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, int)
        return relate(column.values, relation, value)


def words_of(members: type[Word], *, without: Word | None = None) -> dict[str, int]:
    """The printed words of an enum."""
    return {member.word: int(member) for member in members if member is not without}


def _word(word: str) -> str:
    return word if re.fullmatch(r"[a-z0-9-]+", word) else quoted(word)


@dataclass(frozen=True, slots=True)
class Text:
    """A string; the column holds Python strings, one a key and never one a row."""

    name: str = "string"
    operators: frozenset[Operator] = EQUALITIES | {Operator.CONTAINS, Operator.MATCHES}

    def read(self, word: str, is_quoted: bool) -> str:
        return word

    def show(self, value: Value) -> str:
        assert isinstance(value, str)
        return quoted(value)

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, str)
        texts: list[str] = column.values.tolist()
        if relation is Operator.MATCHES:
            pattern = compiled(value)
            held = [pattern.search(text) is not None for text in texts]
        elif relation is Operator.CONTAINS:
            held = [value in text for text in texts]
        else:
            is_wanted = relation in (Operator.EQUAL, Operator.ALL_EQUAL)
            held = [(text == value) is is_wanted for text in texts]
        return np.array(held, dtype=np.bool_)


def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression that ignores case, as Wireshark's `matches` does; ValueReadError if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueReadError(f"this is no regular expression: {error}") from None


@dataclass(frozen=True, slots=True)
class Octets:
    """A string of octets; the column holds them as lines of equal width."""

    name: str = "octets"
    operators: frozenset[Operator] = EQUALITIES | {Operator.CONTAINS}

    def read(self, word: str, is_quoted: bool) -> bytes:
        digits = word[2:] if word[:2] in ("0x", "0X") else word
        if not re.fullmatch(r"[0-9a-fA-F]{2}(?:[:.-]?[0-9a-fA-F]{2})*", digits):
            raise ValueReadError(
                f"{_named(word)} is no string of octets: write two hexadecimal digits each, as in a1:b2:c3"
            )
        return bytes.fromhex(re.sub(r"[:.-]", "", digits))

    def show(self, value: Value) -> str:
        assert isinstance(value, bytes)
        return value.hex(":")

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, bytes)
        assert column.lengths is not None
        octets = column.values.view(np.uint8)
        if relation is Operator.CONTAINS:
            return contains_octets(octets, column.lengths, value)
        is_equal = equals_octets(octets, column.lengths, value)
        return is_equal if relation in (Operator.EQUAL, Operator.ALL_EQUAL) else ~is_equal


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 or IPv6 address, or a prefix of one; columns hold the lower 64 bits, and the upper ones beside them.

    A prefix compares the bits that it has: `ip.addr == 10.0.0.0/8` is whether the first 8 are equal.
    """

    version: int
    operators: frozenset[Operator] = EQUALITIES | ORDERS

    @property
    def name(self) -> str:
        return f"IPv{self.version} address"

    @property
    def bits(self) -> int:
        """Of an address."""
        return 32 if self.version == 4 else 128

    def read(self, word: str, is_quoted: bool) -> Prefix:
        address, slash, length = word.partition("/")
        try:
            if "%" in address:
                raise AddressValueError
            number = int(IPv4Address(address) if self.version == 4 else IPv6Address(address))
        except AddressValueError:
            raise ValueReadError(self._problem(word, address)) from None
        if slash and not (re.fullmatch("[0-9]{1,3}", length) and int(length) <= self.bits):
            raise ValueReadError(f"{_named(word)}: a prefix length is a number from 0 to {self.bits}")
        prefix = int(length) if slash else self.bits
        return Prefix(number >> (self.bits - prefix) << (self.bits - prefix), prefix)

    def _problem(self, word: str, address: str) -> str:
        other = IPv6Address if self.version == 4 else IPv4Address
        try:
            other(address)
        except AddressValueError:
            return f"{_named(word)} is not an {self.name} or a prefix of one"
        ours, theirs = (4, 6) if self.version == 4 else (6, 4)
        names = {4: "ip.addr, ip.src and ip.dst", 6: "ipv6.addr, ipv6.src and ipv6.dst"}
        return f"{_named(word)} is an IPv{theirs} address: use {names[theirs]} for it, and IPv{ours} ones here"

    def show(self, value: Value) -> str:
        assert isinstance(value, Prefix)
        address = str(IPv4Address(value.address) if self.version == 4 else IPv6Address(value.address))
        return address if value.length == self.bits else f"{address}/{value.length}"

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, Prefix)
        mask = ((1 << value.length) - 1) << (self.bits - value.length)
        lows = column.values.view(np.uint64) & np.uint64(mask & _LOW)
        if column.highs is None:
            return relate(lows, relation, value.address)
        highs = column.highs & np.uint64(mask >> 64)
        return relate_pairs((highs, lows), relation, (value.address >> 64, value.address & _LOW))


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds with up to nine decimals; the column holds nanoseconds."""

    name: str = "seconds"
    operators: frozenset[Operator] = EQUALITIES | ORDERS

    def read(self, word: str, is_quoted: bool) -> int:
        match = re.fullmatch(r"(-?)([0-9]{1,18})(?:\.([0-9]{0,9}))?", word)
        if match is None or is_quoted:
            raise ValueReadError(f"{_named(word)} is no time in seconds: write digits, with up to nine decimals")
        sign, whole, decimals = match.groups()
        nanoseconds = int(whole) * _NANOSECONDS + int((decimals or "").ljust(9, "0"))
        return _bounded(-nanoseconds if sign else nanoseconds, word)

    def show(self, value: Value) -> str:
        assert isinstance(value, int)
        whole, rest = divmod(abs(value), _NANOSECONDS)
        return f"{'-' if value < 0 else ''}{whole}.{rest:09}"

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, int)
        return relate(column.values, relation, value)


def _bounded(nanoseconds: int, word: str) -> int:
    if not -(1 << 63) <= nanoseconds < 1 << 63:
        raise ValueReadError(f"{_named(word)} is farther from 1970 than a capture's times reach")
    return nanoseconds


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and time as ISO 8601 writes it, UTC without an offset; the column holds nanoseconds since 1970."""

    name: str = "date and time"
    operators: frozenset[Operator] = EQUALITIES | ORDERS

    def read(self, word: str, is_quoted: bool) -> int:
        match = re.fullmatch(r"([^.]*)(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?", word.strip())
        moment = None
        if match is not None:
            with suppress(ValueError):
                moment = datetime.fromisoformat(match[1] + (match[3] or ""))
        if match is None or moment is None:
            raise ValueReadError(
                f'{_named(word)} is no date and time: write "2026-11-23 16:24:00.5", in UTC or with an offset'
            )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
        return _bounded(seconds * _NANOSECONDS + int((match[2] or "").ljust(9, "0")), word)

    def show(self, value: Value) -> str:
        assert isinstance(value, int)
        seconds, rest = divmod(value, _NANOSECONDS)
        moment = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
        return f'"{moment}.{rest:09}Z"'

    def test(self, column: Column, relation: Operator, value: Value) -> Mask:
        assert isinstance(value, int)
        return relate(column.values, relation, value)
