"""How one header is written down as labelled fields, without ever failing.

A describing function asks its `Scribe` for numbers and addresses by their offset in the header; each becomes
a `Field` with its absolute octet range. A read that leaves the header's layer or the captured octets ends the
description with one "malformed" field, so the functions themselves need no bounds checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from ipaddress import IPv4Address, IPv6Address

from dissectors.base import NOTHING, Field, Key, Layer


class HeaderTooShortError(Exception):
    """A read left the header's layer or the captured octets. Never leaves this module."""


class Scribe:
    """Collects the fields of one header at `start` in a frame's `octets`, whose layer ends at `end`."""

    def __init__(self, octets: bytes, start: int, end: int, title: str, name: str) -> None:
        self.octets = octets
        self.start = start
        self.end = end
        self.limit = min(end, len(octets))
        """Where readable octets end."""
        self.header_end = start
        """Where the fields written so far end."""
        self.title = title
        self.name = name
        self.summary = ""
        self._fields: list[Field] = []
        self._next_key: Key | None = None
        self._fallback_key: Key | None = None
        self._next_start = 0
        self._next_end = 0

    def peek(self, offset: int, size: int) -> int:
        """The big-endian number of `size` octets at `offset` in the header; no field is written."""
        return int.from_bytes(self.take(offset, size), "big")

    def take(self, offset: int, size: int) -> bytes:
        """The `size` octets at `offset` in the header; no field is written."""
        at = self.start + offset
        if at + size > self.limit:
            raise HeaderTooShortError
        return self.octets[at : at + size]

    def field(
        self,
        label: str,
        value: str,
        offset: int,
        size: int,
        name: str | None = None,
        children: Sequence[Field] = (),
    ) -> None:
        """Write one field; `size` octets at `offset` in the header must be readable."""
        self.take(offset, size)
        self._fields.append(self.make(label, value, offset, size, name, children))
        self.header_end = max(self.header_end, self.start + offset + size)

    def make(
        self,
        label: str,
        value: str,
        offset: int,
        size: int,
        name: str | None = None,
        children: Sequence[Field] = (),
    ) -> Field:
        """A field that is not written yet (a child of another one)."""
        return Field(label, value, self.start + offset, self.start + offset + size, tuple(children), name)

    def number(
        self,
        label: str,
        offset: int,
        size: int,
        name: str | None = None,
        show: Callable[[int], str] = str,
        children: Sequence[Field] = (),
    ) -> int:
        """Write the big-endian number of `size` octets at `offset`, and give it."""
        number = self.peek(offset, size)
        self.field(label, show(number), offset, size, name, children)
        return number

    def mac(self, label: str, offset: int, name: str | None = None) -> str:
        """Write the 48-bit link address at `offset`."""
        value = self.take(offset, 6).hex(":")
        self.field(label, value, offset, 6, name)
        return value

    def ipv4(self, label: str, offset: int, name: str | None = None) -> str:
        value = str(IPv4Address(self.take(offset, 4)))
        self.field(label, value, offset, 4, name)
        return value

    def ipv6(self, label: str, offset: int, name: str | None = None) -> str:
        value = str(IPv6Address(self.take(offset, 16)))
        self.field(label, value, offset, 16, name)
        return value

    def malformed(self, reason: str, offset: int = 0, size: int = 0) -> None:
        """Write what is wrong with the header; nothing follows it."""
        start = min(self.start + offset, len(self.octets))
        self._fields.append(Field("malformed", reason, start, min(start + size, len(self.octets)), (), "_ws.malformed"))
        self._next_key = self._fallback_key = None

    def leads_to(
        self, namespace: str, number: int, offset: int, end: int | None = None, fallback: int = NOTHING
    ) -> None:
        """Say that `(namespace, number)` follows at `offset` in the header and ends at `end` (None: as this
        layer does).
        """
        if self.start + offset > len(self.octets):
            raise HeaderTooShortError
        self._next_start = self.start + offset
        self._next_end = self.end if end is None else min(end, self.end)
        self.header_end = max(self.header_end, min(self._next_start, self.limit))
        if self._next_start > self._next_end:
            self.malformed(f"the header ends {self._next_start - self._next_end} octets behind its layer's end")
            return
        self._next_key = None if number == NOTHING else (namespace, number)
        self._fallback_key = None if fallback == NOTHING else (namespace, fallback)

    def layer(self) -> Layer:
        node = Field(self.title, self.summary, self.start, self.header_end, tuple(self._fields), self.name)
        return Layer(node, self._next_key, self._fallback_key, self._next_start, self._next_end)

    def too_short(self) -> None:
        """Write that octets are missing."""
        is_cut = self.end > len(self.octets)
        missing = "the captured octets end" if is_cut else "the layer around it ends"
        self.header_end = max(self.header_end, min(self.limit, self.end))
        self.malformed(f"{missing} inside this header", max(0, self.header_end - self.start))


def describing(title: str, name: str) -> Callable[[Callable[[Scribe], None]], Callable[[bytes, int, int], Layer]]:
    """Make a function that writes to a `Scribe` into a dissector's total `describe`."""

    def decorate(write: Callable[[Scribe], None]) -> Callable[[bytes, int, int], Layer]:
        @wraps(write)
        def describe(octets: bytes, start: int, end: int) -> Layer:
            scribe = Scribe(octets, start, end, title, name)
            try:
                write(scribe)
            except HeaderTooShortError:
                scribe.too_short()
            return scribe.layer()

        return describe

    return decorate


def named(names: Mapping[int, str]) -> Callable[[int], str]:
    """A `show` that puts the number's name before it: "IPv4 (0x0800)" where the name is known."""
    return lambda number: f"{names[number]} ({number})" if number in names else str(number)


def hexadecimal(digits: int) -> Callable[[int], str]:
    """A `show` in hexadecimal: "0x0800"."""
    return lambda number: f"0x{number:0{digits}x}"


def flags(scribe: Scribe, word: int, offset: int, size: int, bits: Sequence[tuple[int, str, str]]) -> tuple[Field, ...]:
    """One child a flag, "set" or "not set", of (mask, label, Wireshark's name)."""
    return tuple(
        scribe.make(label, "set" if word & mask else "not set", offset, size, name) for mask, label, name in bits
    )
