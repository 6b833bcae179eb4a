"""One key tried on one segment, with every octet that enters its MAC named (RFC 5925 5.1, 5.2; RFC 2385 2.0).

The octets and the MAC come from the plain functions of `aoinspect.ao`, never from the batch code that judged the
segment: what is shown is a second computation, not a copy of the first one's inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from aoinspect.ao.mac_input import (
    CHECKSUM_END,
    CHECKSUM_START,
    header_length_of,
    mac_input,
    pseudo_header,
    segment_mac,
    split_mac_input,
)
from aoinspect.ao.md5 import md5_digest, md5_input
from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.ao.option import FIXED_HEADER_LENGTH
from aoinspect.ao.traffic_keys import find_traffic_key, kdf_context
from aoinspect.engine.single_frame import SegmentPlace


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key as outputs show it: everything but its secret."""

    name: str
    origin: str
    """File and line."""
    algorithm: str
    send_id: int | None
    """As `local` of the key file sees it; None for TCP-MD5."""
    recv_id: int | None
    mac_length: int
    tcp_options: str
    """`include`, `exclude` or `auto`."""
    has_secret: bool
    gap: str | None
    """Why there is no secret."""
    log: str | None
    """The traffic-key log that tells the traffic keys in place of the secret; None for every other key."""

    @property
    def is_gap(self) -> bool:
        """Neither the secret nor traffic keys are known."""
        return not self.has_secret and self.log is None

    @classmethod
    def of(cls, mkt: MasterKeyTuple) -> KeyFacts:
        return cls(
            name=mkt.name,
            origin=str(mkt.origin),
            algorithm=mkt.algorithm.name,
            send_id=mkt.send_id,
            recv_id=mkt.recv_id,
            mac_length=mkt.mac_length,
            tcp_options=mkt.tcp_options.value,
            has_secret=mkt.secret is not None,
            gap=mkt.gap,
            log=None if mkt.logged is None else mkt.logged.path,
        )


@dataclass(frozen=True, slots=True)
class Isn:
    """An initial sequence number, and what tells it."""

    value: int
    source: str


@dataclass(frozen=True, slots=True)
class ContextField:
    """One field of a KDF context."""

    label: str
    value: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class InputPart:
    """One stretch of what a MAC covers."""

    label: str
    start: int
    end: int
    """Octets of the MAC input, `end` exclusive."""
    octets: bytes | None
    """None for a password: only its length is told (`end - start`), unless it is revealed."""
    place: tuple[int, int] | None
    """Octets of the frame (or of the datagram put together) that it stands for; None where it is in neither."""
    is_zeroed: bool = False
    """Zeros stand here in place of what the frame has."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A segment's MAC computed under one key, as far as that is possible."""

    key: KeyFacts
    includes_options: bool | None
    """Whether the MAC covers options other than AO; None for TCP-MD5, which covers none."""
    source_isn: Isn | None
    destination_isn: Isn | None
    sne: int | None
    context: tuple[ContextField, ...]
    """Empty for TCP-MD5, and where an ISN is unknown."""
    traffic_key: bytes | None = field(repr=False)
    """None for TCP-MD5, and where it can be neither derived nor found in the log."""
    parts: tuple[InputPart, ...]
    """Empty where octets that the MAC covers are missing."""
    password: bytes | None = field(repr=False)
    """TCP-MD5: the last part of the input."""
    computed: bytes | None
    """The MAC, as long as the key has it; None where it cannot be computed."""
    captured: bytes

    @property
    def lacks_traffic_key(self) -> bool:
        """The key is told by a log, which does not hold the traffic key of this connection."""
        return self.key.log is not None and bool(self.context) and self.traffic_key is None

    @property
    def matches(self) -> bool:
        """Whether length and octets are the captured MAC's."""
        return self.computed is not None and self.computed == self.captured

    @property
    def first_difference(self) -> int | None:
        """The first octet (from 0) in which captured and computed MAC differ, None where no octet does."""
        if self.computed is None:
            return None
        pairs = enumerate(zip(self.computed, self.captured, strict=False))
        return next((index for index, (computed, captured) in pairs if computed != captured), None)


def try_ao(
    mkt: MasterKeyTuple,
    includes_options: bool,
    place: SegmentPlace,
    captured: bytes,
    isns: tuple[Isn | None, Isn | None],
    sne: int | None,
) -> Attempt:
    """The TCP-AO MAC of the segment at `place` under `mkt`; `isns` are the sender's and the receiver's."""
    source_isn, destination_isn = isns
    context: tuple[ContextField, ...] = ()
    traffic_key = computed = None
    if source_isn is not None and destination_isn is not None:
        context = _context_fields(place, source_isn.value, destination_isn.value)
        whole = kdf_context(
            place.source,
            place.destination,
            place.source_port,
            place.destination_port,
            source_isn.value,
            destination_isn.value,
        )
        traffic_key = find_traffic_key(mkt, whole)
    parts: tuple[InputPart, ...] = ()
    if sne is not None and _is_whole(place):
        message = mac_input(sne, place.source, place.destination, place.segment, includes_options)
        parts = _ao_parts(place, message, includes_options)
        if traffic_key is not None:
            computed = segment_mac(mkt, traffic_key, message)
    return Attempt(
        key=KeyFacts.of(mkt),
        includes_options=includes_options,
        source_isn=source_isn,
        destination_isn=destination_isn,
        sne=sne,
        context=context,
        traffic_key=traffic_key,
        parts=parts,
        password=None,
        computed=computed,
        captured=captured,
    )


def try_md5(mkt: MasterKeyTuple, place: SegmentPlace, captured: bytes) -> Attempt:
    """The TCP-MD5 digest of the segment at `place` under the password of `mkt`."""
    parts: tuple[InputPart, ...] = ()
    computed = None
    if _is_whole(place):
        message = md5_input(place.source, place.destination, place.segment)
        parts = _md5_parts(place, message, mkt.secret)
        if mkt.secret is not None:
            computed = md5_digest(mkt.secret, message)
    return Attempt(
        key=KeyFacts.of(mkt),
        includes_options=None,
        source_isn=None,
        destination_isn=None,
        sne=None,
        context=(),
        traffic_key=None,
        parts=parts,
        password=mkt.secret,
        computed=computed,
        captured=captured,
    )


def _is_whole(place: SegmentPlace) -> bool:
    """Whether all octets that a MAC covers are there, and no more of them than the pseudo-header can count."""
    fits = place.address_length == 16 or place.declared_length <= 0xFFFF
    return not place.is_partial and place.end <= len(place.octets) and fits


def _context_fields(place: SegmentPlace, source_isn: int, destination_isn: int) -> tuple[ContextField, ...]:
    """The KDF context's fields in order (RFC 5925 5.2)."""
    ports = place.source_port, place.destination_port
    return (
        ContextField("source address", str(ip_address(place.source)), place.source),
        ContextField("destination address", str(ip_address(place.destination)), place.destination),
        ContextField("source port", str(ports[0]), ports[0].to_bytes(2, "big")),
        ContextField("destination port", str(ports[1]), ports[1].to_bytes(2, "big")),
        ContextField("source ISN", str(source_isn), source_isn.to_bytes(4, "big")),
        ContextField("destination ISN", str(destination_isn), destination_isn.to_bytes(4, "big")),
    )


def _ao_parts(place: SegmentPlace, message: bytes, includes_options: bool) -> tuple[InputPart, ...]:
    parts: list[InputPart] = []
    for part in split_mac_input(place.address_length, place.segment, includes_options):
        if part.label == "pseudo-header":
            parts += _pseudo_header_parts(place, part.start)
            continue
        origin = None
        if part.segment_start is not None:
            start = place.start + part.segment_start
            origin = (start, start + part.end - part.start)
        octets = message[part.start : part.end]
        parts.append(InputPart(part.label, part.start, part.end, octets, origin, part.is_zeroed))
    return tuple(parts)


def _pseudo_header_parts(place: SegmentPlace, at: int) -> list[InputPart]:
    """The pseudo-header from octet `at` of the input on, field by field (RFC 9293 3.1, RFC 8200 8.1)."""
    octets = pseudo_header(place.source, place.destination, place.declared_length)
    width = place.address_length
    is_ipv4 = width == 4
    fields = (
        ("source address", width, place.source_start),
        ("destination address", width, place.destination_start),
        *(
            (("zero", 1, None), ("protocol", 1, None), ("TCP length", 2, None))
            if is_ipv4
            else (("TCP length", 4, None), ("zero", 3, None), ("protocol", 1, None))
        ),
    )
    parts = []
    taken = 0
    for label, length, origin in fields:
        parts.append(
            InputPart(
                label=f"pseudo-header: {label}",
                start=at + taken,
                end=at + taken + length,
                octets=octets[taken : taken + length],
                place=None if origin is None else (origin, origin + length),
            )
        )
        taken += length
    return parts


def _md5_parts(place: SegmentPlace, message: bytes, password: bytes | None) -> tuple[InputPart, ...]:
    """What a TCP-MD5 digest covers, in order; a payload of no octets is left out."""
    header_length = header_length_of(place.segment)
    parts = _pseudo_header_parts(place, 0)
    at = parts[-1].end
    for label, start, end in (
        ("TCP header", 0, CHECKSUM_START),
        ("checksum, zeroed", CHECKSUM_START, CHECKSUM_END),
        ("urgent pointer", CHECKSUM_END, FIXED_HEADER_LENGTH),
        ("payload", header_length, len(place.segment)),
    ):
        if start < end:
            octets = message[at : at + end - start]
            origin = (place.start + start, place.start + end)
            parts.append(InputPart(label, at, at + end - start, octets, origin, "zeroed" in label))
            at += end - start
    if password is not None:
        parts.append(InputPart("password", at, at + len(password), None, None))
    return tuple(parts)
