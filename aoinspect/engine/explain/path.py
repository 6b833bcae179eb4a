"""Hypotheses on what happens between sender and capture: H19 (MSS), H21 (header bits), H23 (NAT).

The MSS is the one field whose every value is tried: 65,536 MACs that share all but their last octets, so that the state
of the keyed hash before the value is made once and copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from aoinspect.ao.traffic_keys import kdf_context
from aoinspect.engine.explain.case import Case, Search, SigningKey, Subject, Trial, Unkeyed, address_words, trial
from aoinspect.engine.explain.model import Assumption, Knob
from aoinspect.engine.explain.options import KIND_MSS, covered_options, fitting_ao, lay_out

MSS_VALUES = 65_536

_FLAGS_AND_OFFSET = 12
_CWR, _ECE, _PSH, _ACCURATE_ECN = 0x80, 0x40, 0x08, 0x01
_WINDOW, _URGENT_POINTER = 14, 18


def mss_rewritten(case: Case) -> Iterator[Trial | Search | Unkeyed]:
    """H19: another MSS was signed than the SYN or SYN-ACK now has."""
    found: dict[tuple[int, SigningKey, int], list[int]] = {}
    for subject, key in fitting_ao(case):
        if not (subject.is_syn and key.include_options) or _fails_beyond_syns(case, subject):
            continue
        isns = subject.isns
        traffic_key = None if isns is None else key.traffic_key(subject.context(isns))
        if traffic_key is None:
            yield Unkeyed(subject)
            continue
        search = _MssSearch.of(subject, key, traffic_key)
        if search is None:
            continue
        # A SYN that is sent again had the same MSS: one search serves all of them.
        sent = (subject.segment.side, key, search.present)
        if sent not in found:
            found[sent] = []
            yield Search(subject, partial(search.run, found[sent]), search.trial)
            continue
        for value in found[sent]:
            yield search.trial(value)


def _fails_beyond_syns(case: Case, subject: Subject) -> bool:
    """Whether segments that have no MSS fail as well: then it is something else."""
    return any(
        other.segment.side == subject.segment.side
        and not other.is_syn
        and other.reading.key_id == subject.reading.key_id
        for other in case.subjects
    )


@dataclass(frozen=True, slots=True)
class _MssSearch:
    """The MAC of one SYN as a function of the MSS."""

    subject: Subject
    key: SigningKey
    present: int
    head: bytes = field(repr=False)
    """MAC input before the value."""
    tail: bytes = field(repr=False)
    traffic_key: bytes = field(repr=False)

    @classmethod
    def of(cls, subject: Subject, key: SigningKey, traffic_key: bytes) -> _MssSearch | None:
        laid = lay_out(subject)
        at = next((at for at, o in enumerate(laid.options) if o[0] == KIND_MSS and len(o) == 4), None)
        if at is None:
            return None
        message = laid.message()
        start = len(replace(laid, options=laid.options[:at], payload=b"").message()) + 2
        present = int.from_bytes(message[start : start + 2], "big")
        return cls(subject, key, present, message[:start], message[start + 2 :], traffic_key)

    def mac(self, value: int) -> bytes:
        """The MAC if the MSS were `value`."""
        computation = self.key.mkt.algorithm.keyed_mac(self.traffic_key)
        computation.update(self.head + value.to_bytes(2, "big") + self.tail)
        return computation.finalize()

    def trial(self, value: int) -> Trial:
        """The trial of one value."""
        return Trial(self.subject, self.assumption(value), partial(self.mac, value))

    def run(self, found: list[int]) -> Iterable[Assumption]:
        """Tries every value; those that match go to `found` as well."""
        before = self.key.mkt.algorithm.keyed_mac(self.traffic_key)
        before.update(self.head)
        captured, tail = self.subject.captured, self.tail
        length = len(captured)
        for value in range(MSS_VALUES):
            computation = before.copy()
            computation.update(value.to_bytes(2, "big") + tail)
            if computation.finalize()[:length] == captured:
                found.append(value)
                yield self.assumption(value)

    def assumption(self, value: int) -> Assumption:
        return Assumption(
            ("H19",),
            self.key.index,
            f"the MSS was {value} and is {self.present}",
            claim=f"something between {{sender}} and the capture rewrites the MSS of SYNs: {{sender}} signed {value}, "
            f"and {self.present} is there now",
            origin="the MSS option of the segment; all 65,536 values were tried",
            device_remedy="switch MSS clamping off for this session on the middlebox, announce the smaller MSS on "
            "{sender}, or exclude TCP options from the MAC on both ends",
            knob=Knob.TCP_OPTIONS,
            value=value,
        )


def header_bits(case: Case) -> Iterator[Trial | Unkeyed]:
    """H21: ECN bits, reserved bits, PSH, urgent pointer or window were rewritten."""
    for subject, key in fitting_ao(case):
        laid = lay_out(subject)
        laid = replace(laid, options=covered_options(laid, key))
        for words, header in _as_sent(laid.header):
            assumption = Assumption(
                ("H21",),
                key.index,
                words,
                claim=f"something between {{sender}} and the capture rewrites the TCP header: {words}",
                origin="the TCP header of the segment",
                device_remedy="have the middlebox between {sender} and {receiver} leave TCP headers alone; the MAC "
                "covers all of them",
            )
            yield from trial(subject, key, assumption, message=replace(laid, header=header).message())


def _as_sent(header: bytes) -> Iterator[tuple[str, bytes]]:
    """What the 20 octets may have been."""
    seen = {header}
    for words, changed in _header_variants(header):
        if changed not in seen:
            seen.add(changed)
            yield words, changed


def _header_variants(header: bytes) -> Iterator[tuple[str, bytes]]:
    high, low = header[_FLAGS_AND_OFFSET], header[_FLAGS_AND_OFFSET + 1]

    def flags(high: int, low: int) -> bytes:
        return header[:_FLAGS_AND_OFFSET] + bytes((high, low)) + header[_FLAGS_AND_OFFSET + 2 :]

    yield "the reserved bits were 0", flags(high & 0xF0 | high & _ACCURATE_ECN, low)
    for ecn in range(8):
        new_high = high & ~_ACCURATE_ECN & 0xFF | ecn >> 2
        new_low = low & ~(_CWR | _ECE) & 0xFF | (ecn & 3) << 6
        bits = f"AE {ecn >> 2}, CWR {ecn >> 1 & 1}, ECE {ecn & 1}"
        yield f"the ECN bits were {bits}", flags(new_high, new_low)
    yield f"PSH was {int(not low & _PSH)}", flags(high, low ^ _PSH)
    yield "the urgent pointer was 0", header[:_URGENT_POINTER] + b"\0\0"
    for window in (0, 1, 0xFFFF):
        yield f"the window was {window}", header[:_WINDOW] + window.to_bytes(2, "big") + header[_WINDOW + 2 :]


def address_translation(case: Case) -> Iterator[Trial | Unkeyed]:
    """H23: other addresses were signed: one that the key file names, or zeros (RFC 6978)."""
    for subject, key in fitting_ao(case):
        segment = subject.segment
        for source in case.named_addresses:
            if len(source) == len(segment.source) and source not in (segment.source, segment.destination):
                yield from _translated(subject, key, source, segment.destination)
        for destination in case.named_addresses:
            if len(destination) == len(segment.source) and destination not in (segment.source, segment.destination):
                yield from _translated(subject, key, segment.source, destination)
        yield from _zeroed(subject, key)


def _translated(subject: Subject, key: SigningKey, source: bytes, destination: bytes) -> Iterator[Trial | Unkeyed]:
    is_source = source != subject.segment.source
    own, seen = (source, subject.segment.source) if is_source else (destination, subject.segment.destination)
    whose, verb = ("{sender}", "signs with its own address") if is_source else ("{receiver}", "is addressed as")
    addresses = f"{address_words(own)}, and the capture has {address_words(seen)}"
    claim = f"the path translates addresses (NAT): {whose} {verb} {addresses}"
    assumption = Assumption(
        ("H23",),
        key.index,
        f"{'source' if is_source else 'destination'} address {address_words(own)} instead of {address_words(seen)}",
        claim=claim,
        origin="an address that the key file names",
        device_remedy="TCP-AO covers the addresses: take the session off the NAT, or tunnel it; to verify it "
        "nevertheless, capture where addresses are not translated yet",
    )
    yield from _readdressed(subject, key, assumption, (source, destination), subject.ports)


def _zeroed(subject: Subject, key: SigningKey) -> Iterator[Trial | Unkeyed]:
    segment = subject.segment
    none = bytes(len(segment.source))
    source_port, destination_port = subject.ports
    for words, addresses, ports in (
        ("source address and port", (none, segment.destination), (0, destination_port)),
        ("destination address and port", (segment.source, none), (source_port, 0)),
        ("both addresses and ports", (none, none), (0, 0)),
    ):
        assumption = Assumption(
            ("H23",),
            key.index,
            f"{words} zeroed",
            claim=f"{{sender}} leaves the {words} out of the MAC, as TCP-AO-NAT does (RFC 6978)",
            origin="RFC 6978",
            device_remedy="have both ends, or neither, use TCP-AO-NAT for {sender}",
        )
        yield from _readdressed(subject, key, assumption, addresses, ports)


def _readdressed(
    subject: Subject, key: SigningKey, assumption: Assumption, addresses: tuple[bytes, bytes], ports: tuple[int, int]
) -> Iterator[Trial | Unkeyed]:
    isns = subject.isns
    if isns is None:
        return
    laid = lay_out(subject)
    header = b"".join(port.to_bytes(2, "big") for port in ports) + laid.header[4:]
    laid = replace(laid, addresses=addresses, header=header, options=covered_options(laid, key))
    context = kdf_context(*addresses, *ports, *isns)
    yield from trial(subject, key, assumption, context=context, message=laid.message())
