"""How nested, length-prefixed octets are written down as labelled fields, without ever failing.

A `Passage` is read from front to back; each read is a field. What is inside of something that announces its own
length is read in an `element`: a passage of its own, whose mistakes stay inside of it, so that one broken path
attribute leaves the next one readable. Two things end a passage early, and they are never confused:

* the structure is wrong (a length that leaves its surroundings, a field that does not fit): one "malformed" field
  over the rest of that element, and reading goes on behind it;
* the octets are not there, because the message goes on in another segment or the capture cut it: every element on
  the way keeps what could be read, and whoever reads the message says where the rest is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address

from dissectors.base import Field

MOST_SHOWN = 64
"""Octets of an opaque value that are shown in hexadecimal; a hex dump shows them all."""


class StructureError(Exception):
    """What the octets say makes no sense; the text says what. Never leaves an `element`."""


class OctetsMissingError(Exception):
    """The octets that a message announces go on behind those at hand."""


class Passage:
    """The octets of one element: from `at` to `end` as its surroundings say, to `limit` as far as they are there.

    `label`, `value` and `name` are those of the field that it becomes.
    """

    def __init__(
        self, octets: bytes, start: int, end: int, limit: int, label: str = "", name: str | None = None
    ) -> None:
        self.octets = octets
        self.start = start
        self.at = start
        self.end = end
        self.limit = max(start, min(end, limit, len(octets)))
        self.label = label
        self.value = ""
        self.name = name
        self.fields: list[Field] = []

    @property
    def left(self) -> int:
        """Octets between here and the element's end, whether they are at hand or not."""
        return self.end - self.at

    @property
    def is_whole(self) -> bool:
        """All of the element's octets are at hand."""
        return self.limit == self.end

    def peek(self, size: int, skip: int = 0) -> int:
        """The big-endian number of `size` octets, `skip` octets from here; no field is written."""
        self._need(skip + size)
        return int.from_bytes(self.octets[self.at + skip : self.at + skip + size], "big")

    def remaining(self) -> bytes:
        """The octets at hand from here on; no field is written."""
        return self.octets[self.at : self.limit]

    def field(self, label: str, value: str, size: int, name: str | None = None, children: Sequence[Field] = ()) -> None:
        """Write one field over the next `size` octets, and go behind it."""
        self._need(size)
        self.fields.append(Field(label, value, self.at, self.at + size, tuple(children), name))
        self.at += size

    def number(self, label: str, size: int, name: str | None = None, show: Callable[[int], str] = str) -> int:
        """Write the big-endian number of the next `size` octets, and give it."""
        number = self.peek(size)
        self.field(label, show(number), size, name)
        return number

    def ipv4(self, label: str, name: str | None = None) -> str:
        """Write an IPv4 address, and give it."""
        address = str(IPv4Address(self.peek(4)))
        self.field(label, address, 4, name)
        return address

    def ipv6(self, label: str, name: str | None = None) -> str:
        """Write an IPv6 address, and give it."""
        address = str(IPv6Address(self.peek(16)))
        self.field(label, address, 16, name)
        return address

    def text(self, label: str, size: int, name: str | None = None) -> str:
        """Write `size` octets of UTF-8, and give what is shown: nothing in it can move a terminal's cursor."""
        self._need(size)
        shown = printable(self.octets[self.at : self.at + size])
        self.field(label, shown, size, name)
        return shown

    def opaque(self, label: str, size: int, name: str | None = None) -> None:
        """Write `size` octets in hexadecimal."""
        self._need(size)
        self.field(label, in_hexadecimal(self.octets[self.at : self.at + size]), size, name)

    def rest(self, label: str, name: str | None = None) -> None:
        """Write all octets up to the element's end in hexadecimal; nothing where there are none."""
        at_hand = self.limit - self.at
        if at_hand > 0:
            self.opaque(label, at_hand, name)
        if not self.is_whole:
            raise OctetsMissingError

    def bits(
        self,
        label: str,
        size: int,
        name: str | None,
        bits: Sequence[tuple[int, str, str | None]],
        show: Callable[[int], str] | None = None,
    ) -> int:
        """Write a word of `size` octets with one child for each (mask, label, Wireshark's name), and give the word.

        A mask of several bits is shown as a number, one of a single bit as "set" or "not set".
        """
        word = self.peek(size)
        children = []
        for mask, bit_label, bit_name in bits:
            shift = (mask & -mask).bit_length() - 1
            is_single = mask == 1 << shift
            value = ("set" if word & mask else "not set") if is_single else str((word & mask) >> shift)
            children.append(Field(bit_label, value, self.at, self.at + size, (), bit_name))
        self.field(label, f"0x{word:0{2 * size}x}" if show is None else show(word), size, name, children)
        return word

    @contextmanager
    def element(self, label: str, size: int, name: str | None = None) -> Iterator[Passage]:
        """Read the next `size` octets as one field with fields inside.

        What is wrong inside stays inside. Octets that are left over become a field of their own.
        """
        if size > self.left:
            raise StructureError(f"{label}: {size} octets announced, {self.left} are left")
        inner = Passage(self.octets, self.at, self.at + size, self.limit, label, name)
        try:
            with inner.guarded():
                yield inner
        finally:
            self.at = inner.end
            self.fields.append(inner.as_field())

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what is wrong with this passage's structure into a "malformed" field over its rest, and the first
        octets of something whose last ones are not at hand into an "incomplete" one.
        """
        try:
            yield
            self.rest("Octets left over")
        except StructureError as error:
            self.malformed(str(error))
            if not self.is_whole:
                raise OctetsMissingError from None
        except OctetsMissingError:
            if self.at < self.limit:
                self.fields.append(Field("incomplete", in_hexadecimal(self.remaining()), self.at, self.limit))
                self.at = self.limit
            raise

    def malformed(self, reason: str) -> None:
        """Write what is wrong over the octets at hand that are left."""
        start = min(self.at, self.limit)
        self.fields.append(Field("malformed", reason, start, self.limit, (), "_ws.malformed"))
        self.at = self.end

    def as_field(self) -> Field:
        """The field that this passage is, with what was read as its children."""
        return Field(self.label, self.value, self.start, self.limit, tuple(self.fields), self.name)

    def _need(self, size: int) -> None:
        if self.at + size > self.end:
            raise StructureError(f"{size} octets are needed here, {self.left} are left")
        if self.at + size > self.limit:
            raise OctetsMissingError


def printable(octets: bytes) -> str:
    """UTF-8 text with everything that is not printable escaped."""
    text = octets.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def in_hexadecimal(octets: bytes) -> str:
    """Hexadecimal digits; of many octets, the first ones and how many there are."""
    if len(octets) <= MOST_SHOWN:
        return octets.hex()
    return f"{octets[:MOST_SHOWN].hex()}… ({len(octets)} octets)"
