"""Hypotheses on how a signer computes: H14 (KDF), H15 (MAC input), H31 (faults seen in code), H32 (TCP-MD5).

A device that does one of these is at odds with everybody else, so no key file can be corrected; to know which it is
tells the vendor where to look.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from aoinspect.ao.algorithms import (
    LABEL,
    TCP_MD5,
    Algorithm,
    aes_cmac_prf_128,
    counter_mode_block,
    find_algorithm,
)
from aoinspect.ao.mac_input import CHECKSUM_END, CHECKSUM_START, PROTOCOL_TCP, pseudo_header
from aoinspect.ao.md5 import md5_input
from aoinspect.ao.option import FIXED_HEADER_LENGTH
from aoinspect.engine.explain.case import Case, SigningKey, Subject, Trial, Unkeyed, keyed, trial
from aoinspect.engine.explain.model import Assumption
from aoinspect.engine.explain.options import covered_options, fitting_ao, lay_out

_CMAC = find_algorithm("aes-128-cmac-96")
_OWN_KDF = {find_algorithm(name).derive for name in ("hkdf-sha-256-128", "kmac256-128", "cmac(aes)")}


def kdf_faults(case: Case) -> Iterator[Trial | Unkeyed]:
    """H14: RFC 5926's KDF block put together otherwise."""
    for subject, key in fitting_ao(case):
        isns = subject.isns
        if isns is None or key.mkt.algorithm.derive in _OWN_KDF:
            continue
        if key.secret is None:
            yield Unkeyed(subject)
            continue
        for words, secret, block in _kdf_variants(subject, key, key.secret, isns):
            compute = partial(_mac_by_block, subject, key, secret, block)
            yield Trial(subject, _fault("H14", key, words, "derives the traffic key"), compute)


def _mac_by_block(subject: Subject, key: SigningKey, secret: bytes, block: bytes) -> bytes:
    """The MAC under the traffic key that the PRF makes of `block`."""
    algorithm = key.mkt.algorithm
    return keyed(algorithm, _prf(algorithm, secret, block), subject.message(key.include_options))


def _prf(algorithm: Algorithm, secret: bytes, block: bytes) -> bytes:
    """RFC 5926 3.1.1's PRF alone."""
    return aes_cmac_prf_128(secret, block) if algorithm.computes_as(_CMAC) else keyed(algorithm, secret, block)


def _kdf_variants(
    subject: Subject, key: SigningKey, secret: bytes, isns: tuple[int, int]
) -> Iterator[tuple[str, bytes, bytes]]:
    """What is done, the secret, and the PRF's input."""
    bits = 128 if key.mkt.algorithm.computes_as(_CMAC) else key.mkt.algorithm.digest_length * 8
    context = subject.context(isns)
    width = len(subject.segment.source)
    addresses, numbers = context[: 2 * width], context[2 * width :]
    ports, isn_octets = numbers[:4], numbers[4:]
    length = struct.pack("!H", bits)
    right = counter_mode_block(context, bits)
    for words, block in (
        ("with counter 0", b"\x00" + right[1:]),
        ("without the counter", right[1:]),
        ("with a counter of 32 bits", b"\x00\x00\x00" + right),
        ("without the output length", right[:-2]),
        ("with the output length in octets", right[:-2] + struct.pack("!H", bits // 8)),
        ("with the output length in little-endian order", right[:-2] + struct.pack("<H", bits)),
        ("with an output length of 32 bits", right[:-2] + struct.pack("!I", bits)),
        ("with the label's NUL", b"\x01" + LABEL + b"\0" + context + length),
        ("without the label", b"\x01" + context + length),
        ("with the ports swapped", b"\x01" + LABEL + addresses + ports[2:] + ports[:2] + isn_octets + length),
        (
            "with the ports in little-endian order",
            b"\x01" + LABEL + addresses + ports[1::-1] + ports[:1:-1] + isn_octets + length,
        ),
        (
            "with the ISNs in little-endian order",
            b"\x01" + LABEL + addresses + ports + isn_octets[3::-1] + isn_octets[:3:-1] + length,
        ),
        ("without the ports", b"\x01" + LABEL + addresses + isn_octets + length),
    ):
        yield words, secret, block
    yield "with a NUL behind the master key", secret + b"\0", right


def mac_input_faults(case: Case) -> Iterator[Trial | Unkeyed]:
    """H15: the checksum is not zeroed, the pseudo-header has another length or layout, or something is missing."""
    for subject, key in fitting_ao(case):
        if subject.isns is None:
            continue
        for words, message in _message_variants(subject, key):
            yield from trial(subject, key, _fault("H15", key, words, "computes the MAC"), message=message)


def _message_variants(subject: Subject, key: SigningKey) -> Iterator[tuple[str, bytes]]:
    segment = subject.segment
    laid = lay_out(subject)
    laid = replace(laid, options=covered_options(laid, key))
    header_length = len(segment.octets) - len(laid.payload)
    checksum = segment.octets[CHECKSUM_START:CHECKSUM_END]
    unzeroed = laid.header[:CHECKSUM_START] + checksum + laid.header[CHECKSUM_END:]
    yield "with the checksum as sent", replace(laid, header=unzeroed).message()
    fixed_ip_length = 20 if len(segment.source) == 4 else 0
    for words, length in (
        ("the payload's length", len(laid.payload)),
        ("the TCP header's length", header_length),
        ("the fixed header's and the payload's length", FIXED_HEADER_LENGTH + len(laid.payload)),
        ("the length without the options that are left out", len(laid.message()) - len(_head(subject))),
        ("the IP packet's length", len(segment.octets) + fixed_ip_length + segment.extension_length),
        ("a length of 0", 0),
    ):
        if length != laid.length:
            yield f"with {words} in the pseudo-header", replace(laid, length=length).message()
    right = laid.message()
    sne, rest = right[:4], right[len(_head(subject)) :]
    pseudo = right[4 : len(_head(subject))]
    yield "without the pseudo-header", sne + rest
    yield "without the SNE", pseudo + rest
    yield "with the SNE behind the pseudo-header", pseudo + sne + rest
    yield "with the SNE at its end", pseudo + rest + sne
    for words, layout in _pseudo_layouts(subject):
        yield f"with {words}", sne + layout + rest


def _head(subject: Subject) -> bytes:
    """SNE and pseudo-header, as far as their length matters."""
    return bytes(4 + (12 if len(subject.segment.source) == 4 else 40))


def _pseudo_layouts(subject: Subject) -> Iterator[tuple[str, bytes]]:
    segment = subject.segment
    length = len(segment.octets)
    ends = segment.source + segment.destination
    swapped = segment.destination + segment.source
    if len(segment.source) == 4:
        yield "the pseudo-header's addresses swapped", swapped + struct.pack("!xBH", PROTOCOL_TCP, length)
        return
    yield "IPv4's layout of the pseudo-header over IPv6", ends + struct.pack("!xBH", PROTOCOL_TCP, length & 0xFFFF)
    yield "protocol before length in the pseudo-header", ends + struct.pack("!3xBI", PROTOCOL_TCP, length)
    yield "a length of 16 bits in the pseudo-header", ends + struct.pack("!H3xB", length & 0xFFFF, PROTOCOL_TCP)
    yield "the pseudo-header's addresses swapped", swapped + struct.pack("!I3xB", length, PROTOCOL_TCP)
    if segment.ip_destination != segment.destination:
        header = pseudo_header(segment.source, segment.ip_destination, length)
        yield "the IP header's destination in place of the routing header's", header


def signer_faults(case: Case) -> Iterator[Trial | Unkeyed]:
    """H31: the MAC of the MAC; an all-zero MAC."""
    for subject in case.subjects:
        if not any(subject.captured):
            assumption = Assumption(
                ("H31",),
                None,
                "the MAC is all zeros",
                claim="{sender} sends MACs of zeros: it has not signed at all",
                origin="the captured MAC",
                device_remedy="a fault of {sender}, seen where hashing fails; update it, or look who else "
                "sent this in its name",
            )
            yield Trial(subject, assumption, lambda: bytes(64))
    for subject, key in fitting_ao(case):
        isns = subject.isns
        if isns is None:
            continue
        traffic_key = key.traffic_key(subject.context(isns))
        if traffic_key is None:
            yield Unkeyed(subject)
            continue
        for words, cut in (("the MAC of the whole MAC", None), ("the MAC of the MAC as cut", len(subject.captured))):
            compute = partial(_mac_of_mac, subject, key, traffic_key, cut)
            yield Trial(subject, _fault("H31", key, words, "sends, in place of the MAC,"), compute)


def _mac_of_mac(subject: Subject, key: SigningKey, traffic_key: bytes, cut: int | None) -> bytes:
    algorithm = key.mkt.algorithm
    once = keyed(algorithm, traffic_key, subject.message(key.include_options))
    return keyed(algorithm, traffic_key, once[:cut])


def md5_faults(case: Case) -> Iterator[Trial]:
    """H32: TCP-MD5 with the checksum not zeroed, with options covered, or another pseudo-header."""
    for subject in case.subjects:
        if subject.is_ao:
            continue
        for key in subject.fitting:
            if key.secret is None:
                continue  # No log holds a key of TCP-MD5.
            for words, message in _md5_variants(subject):
                compute = partial(keyed, TCP_MD5, key.secret, message)
                yield Trial(subject, _fault("H32", key, words, "computes the digest"), compute)
            # The row of RFC 2385 puts its key behind the message; without one it is plain MD5.
            compute = partial(keyed, TCP_MD5, b"", key.secret + subject.message(False))
            words = "with the password in front of the segment"
            yield Trial(subject, _fault("H32", key, words, "computes the digest"), compute)


def _md5_variants(subject: Subject) -> Iterator[tuple[str, bytes]]:
    segment = subject.segment
    octets = segment.octets
    right = md5_input(segment.source, segment.destination, octets)
    header_length = (octets[12] >> 4) * 4
    pseudo = pseudo_header(segment.source, segment.destination, len(octets))
    payload = octets[header_length:]
    fixed = right[len(pseudo) : len(pseudo) + FIXED_HEADER_LENGTH]
    yield "with the checksum as sent", pseudo + octets[:FIXED_HEADER_LENGTH] + payload
    option = subject.reading.option
    if option is not None:
        blank = bytearray(octets[FIXED_HEADER_LENGTH:header_length])
        blank[option.start + 2 - FIXED_HEADER_LENGTH : option.end - FIXED_HEADER_LENGTH] = bytes(16)
        yield "with options covered, the digest zeroed", pseudo + fixed + bytes(blank) + payload
        rest = octets[FIXED_HEADER_LENGTH : option.start] + octets[option.end : header_length]
        yield "with the other options covered", pseudo + fixed + rest + payload
    without_options = pseudo_header(
        segment.source, segment.destination, len(octets) - header_length + FIXED_HEADER_LENGTH
    )
    yield "with a length that counts no options", without_options + right[len(pseudo) :]
    if segment.ip_destination != segment.destination:
        other = pseudo_header(segment.source, segment.ip_destination, len(octets))
        yield "with the IP header's destination in place of the routing header's", other + right[len(pseudo) :]
    if segment.extension_length:
        longer = pseudo_header(segment.source, segment.destination, len(octets) + segment.extension_length)
        yield "with the extension headers' length counted", longer + right[len(pseudo) :]
    yield "without the payload", pseudo + fixed


def _fault(ident: str, key: SigningKey, words: str, does: str) -> Assumption:
    clause = {"H14": "RFC 5926 3.1.1", "H32": "RFC 2385 2.0"}.get(ident, "RFC 5925 5.1")
    return Assumption(
        (ident,),
        key.index,
        words,
        claim=f"{{sender}} {does} {words}, other than {clause}",
        origin="the segment's own octets",
        device_remedy="update {sender}: nothing in the keys is wrong",
    )
