"""One TCP segment as a test plans it: what it says, who signs it, what is wrong with it on purpose.

`build_packet` turns a plan into an IP packet, signed by `reference_signer`. A fault is a changed plan that is
built again, so that checksums and lengths stay right wherever the fault is not about them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from tests import packets
from tests import reference_signer as signer
from tests.reference_signer import Key


class Flag(enum.IntFlag):
    """TCP flags (RFC 9293 3.1)."""

    NONE = 0
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10


@dataclass(frozen=True, slots=True)
class Socket:
    """Address and port of one end."""

    address: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Socket:
        """`10.0.0.1:179` or `[fd00::1]:179`."""
        address, _, port = text.rpartition(":")
        return cls(address.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a segment on purpose; the default is nothing."""

    secret: bytes | None = None
    """Signed with this in place of the key's secret."""
    isn_shift: int = 0
    """Added to the sender's ISN where the traffic key is derived."""
    sne_shift: int = 0
    """Added to the SNE that is signed."""
    swaps_options_flag: bool = False
    """Signed as if the key's options flag were the other one."""
    mac_length: int | None = None
    """Octets of the MAC in place of the key's."""
    key_id: int | None = None
    """KeyID in place of the key's; signed so."""
    option_length: int | None = None
    """Written over the option's length octet, after signing."""
    more_options: bytes = b""
    """Behind the AO option."""
    algorithm: str | None = None
    """Signed with this algorithm in place of the key's."""
    signed_addresses: tuple[str, str] | None = None
    """Source and destination as the sender has them, before a NAT."""
    as_sent: Callable[[bytes], bytes] | None = None
    """Makes of the segment on the wire the one that was signed, before somebody on the path changed it."""
    context: Callable[[bytes], bytes] | None = None
    """Changes the KDF's context."""
    kdf_block: Callable[[bytes], bytes] | None = None
    """Changes what goes into the KDF's PRF."""
    message: Callable[[bytes, bytes], bytes] | None = None
    """Changes what the MAC covers; the second argument is the segment."""
    mac: Callable[[Key, bytes, bytes], bytes] | None = None
    """Makes of key, traffic key and MAC (whole) what is sent instead."""
    checksum: bytes | None = None
    """TCP checksum on the wire in place of the right one."""
    flipped: tuple[tuple[int, int], ...] = ()
    """(octet from the TCP header on, mask) inverted after signing; the TCP checksum is right again."""


@dataclass(frozen=True, slots=True)
class PlannedSegment:
    """Everything that decides a segment's octets."""

    source: Socket
    destination: Socket
    position: int
    """Of the first octet (or SYN, FIN) in the sender's endless sequence space: SNE * 2^32 + SEQ."""
    ack: int
    flags: Flag
    source_isn: int
    destination_isn: int
    payload: bytes = b""
    window: int = 512
    key: Key | None = None
    """None: not signed."""
    key_id: int = 0
    rnext_key_id: int = 0
    other_options: bytes = b""
    """TCP options besides AO or MD5."""
    option_first: bool = False
    """Whether AO or MD5 stands before the other options."""
    identification: int = 0
    traffic_class: int = 0
    hop_limit: int = 64
    fault: Fault = Fault()

    @property
    def seq(self) -> int:
        """The sequence number on the wire."""
        return self.position % 2**32

    @property
    def sne(self) -> int:
        """The sequence number extension (RFC 5925 6.2)."""
        return self.position // 2**32 % 2**32

    @property
    def wire_key_id(self) -> int:
        """The KeyID on the wire."""
        return self.key_id if self.fault.key_id is None else self.fault.key_id

    @property
    def kdf_isns(self) -> tuple[int, int]:
        """The sender's and receiver's ISN of the KDF's context; a SYN's key has 0 for the latter (RFC 5925
        5.2).
        """
        is_first_syn = self.flags & (Flag.SYN | Flag.ACK) == Flag.SYN
        source_isn = (self.source_isn + self.fault.isn_shift) % 2**32
        return source_isn, 0 if is_first_syn else self.destination_isn


def usual_options(flags: Flag, room: int, timestamp: tuple[int, int] | None) -> bytes:
    """As in RFC 9235: MSS, window scale, SACK permitted and timestamps, as far as there is room."""
    clock = b"" if timestamp is None else b"\x08\x0a" + b"".join(value.to_bytes(4, "big") for value in timestamp)
    if not flags & Flag.SYN:
        return b"\x01\x01" + clock if clock and len(clock) + 2 <= room else b""
    options = b""
    for option in (b"\x02\x04\x05\xb4", b"\x01\x03\x03\x08", b"\x04\x02" + (clock or b"\x01\x01")):
        if len(options) + len(option) <= room:
            options += option
    return options


def option_template(plan: PlannedSegment) -> bytes:
    """The AO or MD5 option with a MAC of zeros; nothing where there is no key."""
    if plan.key is None:
        return b""
    if plan.key.algorithm == signer.TCP_MD5:
        return bytes([signer.MD5_KIND, 18]) + bytes(16)
    mac_length = plan.key.wire_mac_length if plan.fault.mac_length is None else plan.fault.mac_length
    return bytes([signer.AO_KIND, 4 + mac_length, plan.wire_key_id, plan.rnext_key_id]) + bytes(mac_length)


def signature(plan: PlannedSegment, key: Key, unsigned_segment: bytes, mac_length: int) -> bytes:
    """The MAC or digest that goes into the option."""
    fault = plan.fault
    secret = key.secret if fault.secret is None else fault.secret
    addresses = fault.signed_addresses or (plan.source.address, plan.destination.address)
    segment = unsigned_segment if fault.as_sent is None else fault.as_sent(unsigned_segment)
    if key.algorithm == signer.TCP_MD5:
        return signer.md5_digest(secret, *addresses, segment, lambda covered: _altered(covered, segment, fault))
    signing_key = Key(algorithm=fault.algorithm or key.algorithm, secret=secret)
    context = signer.kdf_context(*addresses, plan.source.port, plan.destination.port, *plan.kdf_isns)
    if fault.context is not None:
        context = fault.context(context)
    traffic_key = signer.traffic_key(signing_key, context, fault.kdf_block or bytes)
    sne = (plan.sne + fault.sne_shift) % 2**32
    include_options = key.include_options != fault.swaps_options_flag
    message = _altered(signer.mac_input(sne, *addresses, segment, include_options), segment, fault)
    whole = signer.mac(signing_key, traffic_key, message)
    if fault.mac is not None:
        whole = fault.mac(signing_key, traffic_key, whole)
    if len(whole) < mac_length:
        raise ValueError(f"{signing_key.algorithm} has no MAC of {mac_length} octets")
    return whole[:mac_length]


def _altered(message: bytes, segment: bytes, fault: Fault) -> bytes:
    return message if fault.message is None else fault.message(message, segment)


def build_segment(plan: PlannedSegment) -> bytes:
    """The TCP segment, signed, with its checksum; ValueError where the options exceed 40 octets."""
    template = option_template(plan)
    parts = [template, plan.other_options] if plan.option_first else [plan.other_options, template]
    options = b"".join(parts) + plan.fault.more_options
    options += b"\x01" * (-len(options) % 4)
    ports = plan.source.port, plan.destination.port
    segment = packets.tcp_segment(ports, plan.seq, plan.ack, plan.flags, plan.window, options, plan.payload)
    if plan.key is not None:
        start = 20 if plan.option_first else 20 + len(plan.other_options)
        header_octets = 2 if plan.key.algorithm == signer.TCP_MD5 else 4
        mac_start, mac_end = start + header_octets, start + len(template)
        mac = signature(plan, plan.key, segment, mac_end - mac_start)
        segment = segment[:mac_start] + mac + segment[mac_end:]
        if plan.fault.option_length is not None:
            segment = segment[: start + 1] + bytes([plan.fault.option_length]) + segment[start + 2 :]
    altered = bytearray(segment)
    for octet, mask in plan.fault.flipped:
        if octet < len(altered):  # A segment that has lost its option since may be shorter.
            altered[octet] ^= mask
    if plan.fault.checksum is not None:
        altered[16:18] = plan.fault.checksum
        return bytes(altered)
    return packets.with_tcp_checksum(plan.source.address, plan.destination.address, bytes(altered))


def build_packet(plan: PlannedSegment) -> bytes:
    """The IP packet that carries the segment."""
    return packets.ip_packet(
        plan.source.address,
        plan.destination.address,
        build_segment(plan),
        identification=plan.identification,
        traffic_class=plan.traffic_class,
        hop_limit=plan.hop_limit,
    )
