"""The TCP option list of one segment, read octet by octet (RFC 9293 3.1, RFC 5925 2.2, RFC 2385 3.0)."""

from __future__ import annotations

from dataclasses import dataclass

END_OF_LIST = 0
NO_OPERATION = 1
MAXIMUM_SEGMENT_SIZE = 2
MD5 = 19
AO = 29


@dataclass(slots=True)
class Options:
    """What a TCP header and its options say of the signature."""

    fault: str | None = None
    """Why the header or the signature is broken; the first fault in the order of the octets."""
    is_cut: bool = False
    """The captured octets end before the header and its options do."""
    method: str = "none"
    """ "ao", "md5" or "none": the option whose fields these are."""
    key_id: int | None = None
    rnext_key_id: int | None = None
    mac: bytes = b""
    start: int = 0
    """Where the option starts, counted from the TCP header's start."""
    mss: int | None = None
    has_broken_signature: bool = False
    """An AO or MD5 option is shorter than 2 octets or reaches past the header."""


def read_options(segment: bytes, declared_length: int, *, is_partial: bool = False) -> Options:
    """What the captured octets of a segment say; `declared_length` is its length as IP has it.

    Where pieces of its datagram are missing (`is_partial`), nothing says how long the segment is.
    """
    found = Options()
    if len(segment) < 20:
        found.is_cut = True
        return found
    header_length = (segment[12] >> 4) * 4
    if header_length < 20 or (header_length > declared_length and not is_partial):
        found.fault = "tcp-header"
        return found
    found.is_cut = len(segment) < header_length
    position = 20
    while position < min(header_length, len(segment)):
        kind = segment[position]
        if kind == END_OF_LIST:
            break
        if kind == NO_OPERATION:
            position += 1
            continue
        if position + 1 == header_length:
            found.has_broken_signature |= kind in (AO, MD5)
            _note(found, "option-length")
            break
        if position + 1 == len(segment):
            break
        length = segment[position + 1]
        if length < 2 or position + length > header_length:
            found.has_broken_signature |= kind in (AO, MD5)
            _note(found, "option-length")
            break
        if position + length > len(segment):
            break
        _read_option(found, kind, segment[position : position + length], position)
        position += length
    return found


def _read_option(found: Options, kind: int, option: bytes, position: int) -> None:
    """A TCP segment has at most one of AO and MD5, and at most once (RFC 5925 2.2)."""
    if kind == MAXIMUM_SEGMENT_SIZE and len(option) == 4 and found.mss is None:
        found.mss = int.from_bytes(option[2:], "big")
    if kind == AO:
        if found.method == "ao":
            _note(found, "two-ao")
            return
        if found.method == "md5":
            _note(found, "ao-and-md5")
        if len(option) < 4:
            _note(found, "ao-length")
        found.method, found.start, found.mac = "ao", position, option[4:]
        found.key_id = option[2] if len(option) > 2 else 0
        found.rnext_key_id = option[3] if len(option) > 3 else 0
    elif kind == MD5:
        if found.method != "none":
            _note(found, "two-md5" if found.method == "md5" else "ao-and-md5")
            return
        if len(option) != 18:
            _note(found, "md5-length")
        found.method, found.start, found.mac = "md5", position, option[2:]


def _note(found: Options, fault: str) -> None:
    found.fault = found.fault or fault
