"""What lies around a TCP segment and must follow when it changes: lengths, and checksums that cover it.

A header's length field grows or shrinks by what its content does; one that says 0 (a jumbogram's, or that of a capture
before segmentation offload) goes on saying so. IPv4's header checksum is computed anew; the checksums of UDP and GRE,
which cover the segment, follow. A UDP checksum of 0 is none (RFC 768), and stays 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8, FrameBatch
from aoinspect.engine.locate import FragmentPieces, Locator, Mask, Packets, _Group, _Walk
from aoinspect.engine.resign.checksums import MODULUS, checksum_of, sum_of, sums
from dissectors.octets import u16

FIRST_ETHERTYPE = 1536
_GRE_CHECKSUM, _GRE_KEY, _GRE_VERSION = 0x8000, 0x2000, 0x0007
IPV4_CHECKSUM_AT = 10
_UDP_CHECKSUM_AT, _GRE_CHECKSUM_AT = 6, 4
_LARGEST_LENGTH = 0xFFFF


class Headers(NamedTuple):
    """Headers of one protocol that the hops over one batch came through; arrays have one value a header."""

    name: str
    """The dissector's name."""
    indices: I64
    """Row of the batch."""
    starts: I64
    """Where the header starts."""
    ends: I64
    """Where what it belongs to ends, as the layer around it says."""


class TracingLocator(Locator):
    """A Locator that keeps, of the last batch, every header on the way to the TCP segments."""

    trail: list[Headers]
    """Outer headers before those inside of them."""

    def locate(self, batch: FrameBatch) -> tuple[Packets, FragmentPieces | None]:
        self.trail = []
        return super().locate(batch)

    def _step(self, batch: FrameBatch, group: _Group, walk: _Walk) -> list[_Group]:
        self.trail.append(Headers(group.dissector.name, group.indices, group.starts, group.ends))
        return super()._step(batch, group, walk)


class Envelope(NamedTuple):
    """One header around a segment; positions count octets of the batch or of the frame, as the user says."""

    name: str
    start: int
    end: int


def envelopes_of(trail: list[Headers], indices: I64, starts: I64) -> dict[int, list[Envelope]]:
    """Row of the batch -> the headers of that frame, the outermost first, counted from the frame's first octet.

    `indices` are the rows wanted; `starts` has where each frame of the batch starts.
    """
    found: dict[int, list[Envelope]] = {index: [] for index in indices.tolist()}
    for headers in trail:
        rows = np.flatnonzero(np.isin(headers.indices, indices))
        shift = starts[headers.indices[rows]]
        columns = (headers.indices[rows], headers.starts[rows] - shift, headers.ends[rows] - shift)
        for index, start, end in zip(*(column.tolist() for column in columns), strict=True):
            found[index].append(Envelope(headers.name, start, end))
    return found


def has_covering_checksum(trail: list[Headers], octets: U8, count: int) -> Mask:
    """Which of a batch's `count` frames have a header with a checksum that covers what is in it (UDP, GRE)."""
    covered = np.zeros(count, dtype=np.bool_)
    for headers, is_covering in _covering(trail, octets):
        covered[headers.indices[is_covering]] = True
    return covered


def _covering(trail: list[Headers], octets: U8) -> Iterator[tuple[Headers, Mask]]:
    for headers in trail:
        if headers.name == "udp":
            yield headers, u16(octets, headers.starts + _UDP_CHECKSUM_AT) != 0
        elif headers.name == "gre":
            word = u16(octets, headers.starts)
            yield headers, (word & _GRE_CHECKSUM != 0) & (word & _GRE_VERSION == 0)


def wrong_ipv4_checksums(trail: list[Headers], octets: U8, count: int, *, repairs: Mask | None = None) -> Mask:
    """Which of a batch's `count` frames have an IPv4 header with a wrong checksum.

    Those of the frames in `repairs` are made right.
    """
    wrong = np.zeros(count, dtype=np.bool_)
    for headers in trail:
        if headers.name != "ip":
            continue
        starts = headers.starts
        ends = starts + (octets[starts].astype(np.int64) & 15) * 4
        found = u16(octets, starts + IPV4_CHECKSUM_AT)
        right = (MODULUS - (sums(octets, starts, ends) - found) % MODULUS) % MODULUS
        # 0 and 0xffff are the same sum.
        is_wrong = right != found % MODULUS
        wrong[headers.indices[is_wrong]] = True
        if repairs is not None:
            rows = np.flatnonzero(is_wrong & repairs[headers.indices])
            octets[starts[rows] + IPV4_CHECKSUM_AT] = right[rows] >> 8
            octets[starts[rows] + IPV4_CHECKSUM_AT + 1] = right[rows] & 0xFF
    return wrong


# Lengths: scalar, for frames that are built anew one by one.


class LengthError(Exception):
    """A header's length field cannot say what it would have to; the text says which."""


def _resize_16(field_at: int, name: str) -> Callable[[bytearray, Envelope, int], None]:
    def resize(frame: bytearray, header: Envelope, growth: int) -> None:
        at = header.start + field_at
        length = int.from_bytes(frame[at : at + 2], "big")
        if length:
            frame[at : at + 2] = _grown(length, growth, name).to_bytes(2, "big")

    return resize


def _grown(length: int, growth: int, name: str) -> int:
    if length + growth > _LARGEST_LENGTH:
        raise LengthError(f"the {name} would be {length + growth}, and is at most {_LARGEST_LENGTH}")
    return length + growth


_resize_ipv4_total = _resize_16(2, "IPv4 total length")


def _resize_ipv4(frame: bytearray, header: Envelope, growth: int) -> None:
    _resize_ipv4_total(frame, header, growth)
    at = header.start
    end = at + (frame[at] & 15) * 4
    frame[at + 10 : at + 12] = bytes(2)
    frame[at + 10 : at + 12] = checksum_of(frame[at:end]).to_bytes(2, "big")


def _resize_type_or_length(field_at: int) -> Callable[[bytearray, Envelope, int], None]:
    def resize(frame: bytearray, header: Envelope, growth: int) -> None:
        at = header.start + field_at
        number = int.from_bytes(frame[at : at + 2], "big")
        if number >= FIRST_ETHERTYPE:
            return
        if number + growth >= FIRST_ETHERTYPE:
            raise LengthError(f"the IEEE 802.3 length would be {number + growth}, which is an ethertype")
        frame[at : at + 2] = (number + growth).to_bytes(2, "big")

    return resize


def _resize_gre(frame: bytearray, header: Envelope, growth: int) -> None:
    """PPTP's version of GRE has its payload's length in the key (RFC 2637 4.1)."""
    word = int.from_bytes(frame[header.start : header.start + 2], "big")
    if word & _GRE_VERSION == 1 and word & _GRE_KEY:
        _resize_16(4, "PPTP payload length")(frame, header, growth)


def _resize_nflog(frame: bytearray, header: Envelope, growth: int) -> None:
    """The attribute that holds the packet has a length in the order of little-endian machines."""
    at = header.start + 4
    while at + 4 <= len(frame):
        length = int.from_bytes(frame[at : at + 2], "little")
        kind = int.from_bytes(frame[at + 2 : at + 4], "little") & 0x7FFF
        if kind == _NFLOG_PAYLOAD:
            frame[at : at + 2] = _grown(length, growth, "netlink attribute length").to_bytes(2, "little")
            return
        if length < 4:
            return
        at += (length + 3) & ~3


_NFLOG_PAYLOAD = 9


def _keep_length(frame: bytearray, header: Envelope, growth: int) -> None:
    """These headers say nothing of how long their content is."""


_RESIZE: dict[str, Callable[[bytearray, Envelope, int], None]] = {
    "ip": _resize_ipv4,
    "ipv6": _resize_16(4, "IPv6 payload length"),
    "udp": _resize_16(4, "UDP length"),
    "pppoes": _resize_16(4, "PPPoE length"),
    "eth": _resize_type_or_length(12),
    "vlan": _resize_type_or_length(2),
    "gre": _resize_gre,
    "nflog": _resize_nflog,
    **dict.fromkeys(
        ("chdlc", "erspan", "geneve", "juniper", "llc", "mpls", "null", "ppp", "raw", "sll", "sll2", "vxlan"),
        _keep_length,
    ),
    "vxlan-gpe": _keep_length,
}
"""By dissector: what changes in a header when its content grows by so many octets."""


WITHOUT_LENGTH = frozenset(name for name, changes in _RESIZE.items() if changes is _keep_length)
"""Dissectors of headers that have no length field."""


def has_known_lengths(envelopes: list[Envelope]) -> bool:
    """Whether the length fields of all these headers are known."""
    return all(envelope.name in _RESIZE for envelope in envelopes)


def resize(frame: bytearray, envelopes: list[Envelope], growth: int) -> None:
    """Sets the lengths of all headers in `frame`, whose content is `growth` octets longer (shorter: negative) now.

    LengthError where one cannot hold its new length.
    """
    for envelope in envelopes:
        _RESIZE[envelope.name](frame, envelope, growth)


# Checksums that follow.


class CoveringChecksum(NamedTuple):
    """One UDP or GRE checksum, and what it says beyond the octets that it covers here."""

    header: Envelope
    surplus: int
    """The sum of what is not at hand: the pseudo-header's addresses, octets that the snap length cut."""


def remember_checksums(frame: bytes | bytearray, envelopes: list[Envelope]) -> list[CoveringChecksum]:
    """The covering checksums of a frame that is going to change, the innermost first."""
    remembered = []
    for header in reversed(envelopes):
        at = _checksum_at(frame, header)
        if at is not None:
            checksum = int.from_bytes(frame[at : at + 2], "big")
            surplus = MODULUS - checksum - _covered_sum(frame, header, at)
            remembered.append(CoveringChecksum(header, surplus % MODULUS))
    return remembered


def follow_checksums(frame: bytearray, remembered: list[CoveringChecksum], growth: int = 0) -> None:
    """Writes the checksums again, now that `frame` has changed and grown."""
    for header, surplus in remembered:
        moved = header._replace(end=header.end + growth)
        at = _checksum_at(frame, moved)
        assert at is not None
        checksum = (MODULUS - (surplus + _covered_sum(frame, moved, at)) % MODULUS) % MODULUS
        if header.name == "udp" and not checksum:
            checksum = MODULUS  # 0 would say that there is none (RFC 768).
        frame[at : at + 2] = checksum.to_bytes(2, "big")


def _checksum_at(frame: bytes | bytearray, header: Envelope) -> int | None:
    """Where the header's checksum lies, if it has one that covers its content."""
    if header.name == "udp":
        at = header.start + _UDP_CHECKSUM_AT
        return at if any(frame[at : at + 2]) else None
    if header.name == "gre":
        word = int.from_bytes(frame[header.start : header.start + 2], "big")
        return header.start + _GRE_CHECKSUM_AT if word & _GRE_CHECKSUM and not word & _GRE_VERSION else None
    return None


def _covered_sum(frame: bytes | bytearray, header: Envelope, checksum_at: int) -> int:
    """The sum of what is covered and at hand, without the checksum itself; with UDP's length once more."""
    end, length = header.end, 0
    if header.name == "udp":
        length = int.from_bytes(frame[header.start + 4 : header.start + 6], "big")
        end = min(end, header.start + length) if length else end
    covered = sum_of(frame[header.start : min(end, len(frame))])
    return covered - int.from_bytes(frame[checksum_at : checksum_at + 2], "big") + length
