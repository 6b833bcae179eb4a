"""The verdict of one segment, told a second time by plain code over its octets.

The engine judges whole batches with arrays; a face that shows one segment asks here as well, and the two must agree.
Nothing of the engine's reading of headers, selection of keys or MAC inputs is used: options are walked by
`aoinspect.ao.option`, MACs come from `attempt`. The order of the questions is the one that the design fixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aoinspect.ao.option import FIXED_HEADER_LENGTH, KIND_AO, KIND_END, KIND_MD5, TcpOption, walk_options
from aoinspect.engine.attempt import Attempt
from aoinspect.engine.keyring import Binding, Candidate
from aoinspect.engine.single_frame import SegmentPlace
from aoinspect.engine.verdicts import Method, Reason, Verdict

_AO_HEAD, _MD5_HEAD = 4, 2
_MD5_LENGTH = 18


@dataclass(frozen=True, slots=True)
class HeaderReading:
    """What one TCP header says of its signature; option positions count octets from the header's start."""

    fault: Reason
    """NONE where the header and its options are sound as far as they can be seen."""
    is_cut: bool
    """The captured octets end before the header and its options do."""
    method: Method
    option: TcpOption | None
    key_id: int | None
    """None without an AO option."""
    rnext_key_id: int | None
    mac: bytes
    seq: int
    ack: int
    flags: int
    """The 12 bits after the data offset."""
    payload_length: int


def read_header(segment: bytes, declared_length: int, *, is_partial: bool = False) -> HeaderReading:
    """The reading of a segment of which `segment` was captured and which had `declared_length` octets. Total.

    `is_partial`: pieces of its datagram are missing, so nothing says how long it was.
    """
    seq, ack = int.from_bytes(segment[4:8], "big"), int.from_bytes(segment[8:12], "big")
    flags = int.from_bytes(segment[12:14], "big") & 0x0FFF if len(segment) >= 14 else 0
    if len(segment) < FIXED_HEADER_LENGTH:
        payload_length = max(declared_length - FIXED_HEADER_LENGTH, 0)
        return HeaderReading(Reason.NONE, True, Method.NONE, None, None, None, b"", seq, ack, flags, payload_length)
    header_length = (segment[12] >> 4) * 4
    payload_length = max(declared_length - header_length, 0)
    if header_length < FIXED_HEADER_LENGTH or (header_length > declared_length and not is_partial):
        return HeaderReading(
            Reason.TCP_HEADER, False, Method.NONE, None, None, None, b"", seq, ack, flags, payload_length
        )
    fault, method, option = _signature(segment, header_length)
    key_id = rnext_key_id = None
    mac = b""
    if option is not None:
        octets = segment[option.start : option.end]
        mac = octets[_AO_HEAD if method is Method.AO else _MD5_HEAD :]
        if method is Method.AO and len(octets) >= _AO_HEAD:
            key_id, rnext_key_id = octets[2], octets[3]
    return HeaderReading(
        fault=fault,
        is_cut=len(segment) < header_length,
        method=method,
        option=option,
        key_id=key_id,
        rnext_key_id=rnext_key_id,
        mac=mac,
        seq=seq,
        ack=ack,
        flags=flags,
        payload_length=payload_length,
    )


def _signature(segment: bytes, header_length: int) -> tuple[Reason, Method, TcpOption | None]:
    """The first fault of the option list, and its signature option: AO if there is one, or else MD5."""
    fault, method, signature = Reason.NONE, Method.NONE, None
    for option in walk_options(segment):
        if option.kind == KIND_END:
            break
        if option.problem is not None:
            if fault is Reason.NONE and _is_broken(option, segment, header_length):
                fault = Reason.OPTION_LENGTH
            break
        if option.kind not in (KIND_AO, KIND_MD5):
            continue
        kind = Method.AO if option.kind == KIND_AO else Method.MD5
        length = option.end - option.start
        if fault is Reason.NONE:
            fault = _option_fault(kind, method, length)
        if method is Method.NONE or (kind is Method.AO and method is Method.MD5):
            method, signature = kind, option
    return fault, method, signature


def _option_fault(kind: Method, seen: Method, length: int) -> Reason:
    """What is wrong with a signature option of `length` octets behind one of method `seen`."""
    if seen is kind:
        return Reason.TWO_AO if kind is Method.AO else Reason.TWO_MD5
    if seen is not Method.NONE:
        return Reason.AO_AND_MD5
    if kind is Method.AO:
        return Reason.AO_LENGTH if length < _AO_HEAD else Reason.NONE
    return Reason.MD5_LENGTH if length != _MD5_LENGTH else Reason.NONE


def _is_broken(option: TcpOption, segment: bytes, header_length: int) -> bool:
    """Whether an option that does not end where it should is broken, and not merely cut by the snap length."""
    if option.start + 1 >= min(header_length, len(segment)):
        return len(segment) >= header_length
    length = segment[option.start + 1]
    return length < 2 or option.start + length > header_length


def bound_candidates(candidates: Sequence[Candidate], place: SegmentPlace) -> tuple[Candidate, ...]:
    """Those of a KeyID's candidates that no interface or VLAN of the capture contradicts."""
    return tuple(
        candidate for candidate in candidates if candidate.binding is None or _agrees(candidate.binding, place)
    )


def _agrees(binding: Binding, place: SegmentPlace) -> bool:
    if binding.vlan is not None and place.vlan >= 0 and place.vlan != binding.vlan:
        return False
    if binding.interface is None:
        return True
    is_told = place.interface.name is not None
    is_same = place.interface.name == binding.interface
    if binding.interface.isdecimal() and place.cooked_interface >= 0:
        is_told = True
        is_same |= place.cooked_interface == int(binding.interface)
    return is_same or not is_told


def second_opinion(
    reading: HeaderReading,
    place: SegmentPlace,
    attempts: Sequence[Attempt],
    *,
    has_isns: bool,
    is_offloaded: bool,
) -> tuple[Verdict, Reason]:
    """Verdict and reason from one attempt per candidate key; `has_isns`: those that the segment needs are known."""
    keys = [attempt.key for attempt in attempts]
    if reading.fault is not Reason.NONE:
        return Verdict.MALFORMED, reading.fault
    if reading.is_cut:
        return Verdict.UNVERIFIABLE, Reason.FRAGMENT if place.is_partial else Reason.TRUNCATED
    if reading.method is Method.NONE:
        return Verdict.UNSIGNED, Reason.NONE
    if not keys:
        return Verdict.NO_KEY, Reason.NONE
    if any(attempt.matches for attempt in attempts):
        return Verdict.VERIFIED, Reason.NONE
    if any(key.is_gap for key in keys):
        return Verdict.UNVERIFIABLE, Reason.NO_SECRET
    if all(key.mac_length != len(reading.mac) for key in keys):
        return Verdict.MISMATCH, Reason.MAC_LENGTH
    if place.is_partial:
        return Verdict.UNVERIFIABLE, Reason.FRAGMENT
    if place.end > len(place.octets):
        return Verdict.UNVERIFIABLE, Reason.TRUNCATED
    if not has_isns:
        return Verdict.UNVERIFIABLE, Reason.ISN_UNKNOWN
    if is_offloaded:
        return Verdict.UNVERIFIABLE, Reason.OFFLOADED
    if any(attempt.lacks_traffic_key and attempt.key.mac_length == len(reading.mac) for attempt in attempts):
        return Verdict.UNVERIFIABLE, Reason.NO_SECRET
    return Verdict.MISMATCH, Reason.NONE
