"""Packets beside the sessions that tell why one does not come up: ARP, ICMP's errors, neighbour discovery.

Each is built anew from what is known of its form (RFC 826, RFC 792, RFC 4443, RFC 4861), with other addresses and
without link-layer ones; of a quoted packet only its IP header and the ports are there. Packets of any other form, and
of any other protocol, are not kept. One packet at a time: captures of sessions have few.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from aoinspect.capture.frames import I64
from aoinspect.engine.anonymise.addresses import AddressMap
from aoinspect.engine.resign.checksums import MODULUS, checksum_of, sum_of

ETHERTYPE_ARP = 0x0806
PROTOCOL_ICMP, PROTOCOL_ICMPV6 = 1, 58
_PROTOCOL_TCP = 6
_ARP_OVER_ETHERNET = bytes.fromhex("08000604")
"""IPv4 over addresses of 6 octets, from octet 2 on."""
_ERRORS, _REDIRECT = (3, 4, 11, 12), 5
_ECHOES = (0, 8)
_ERRORS_V6, _ECHOES_V6 = (1, 2, 3, 4), (128, 129)
_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT, _NEIGHBOR_SOLICITATION, _NEIGHBOR_ADVERTISEMENT, _REDIRECT_V6 = range(
    133, 138
)
_FIXED = {
    _ROUTER_SOLICITATION: (8, 0),
    _ROUTER_ADVERTISEMENT: (16, 0),
    _NEIGHBOR_SOLICITATION: (8, 1),
    _NEIGHBOR_ADVERTISEMENT: (8, 1),
    _REDIRECT_V6: (8, 2),
}
"""Type -> octets of numbers, and addresses behind them."""
_PREFIX_INFORMATION, _MTU = 3, 5


class Neighbours:
    """Rewrites with the addresses and ports of one run."""

    def __init__(self, addresses: AddressMap, ports: I64) -> None:
        self._addresses = addresses
        self._ports = ports

    def arp(self, packet: bytes) -> bytes | None:
        """An ARP packet; None where it is none over Ethernet and IPv4."""
        if len(packet) < 28 or packet[2:6] != _ARP_OVER_ETHERNET:
            return None
        sender, target = self._addresses.of(packet[14:18]), self._addresses.of(packet[24:28])
        return packet[:8] + bytes(6) + sender + bytes(6) + target + bytes(len(packet) - 28)

    def icmp(self, packet: bytes) -> bytes | None:
        """An ICMP message, whole; None where its type is none of those that are kept."""
        if len(packet) < 8:
            return None
        kind = packet[0]
        if kind in _ECHOES:
            made = packet[:2] + bytes(2) + packet[4:8]
        elif kind in _ERRORS:
            made = packet[:2] + bytes(2) + packet[4:8] + self._quoted(packet[8:])
        elif kind == _REDIRECT:
            made = packet[:2] + bytes(2) + self._addresses.of(packet[4:8]) + self._quoted(packet[8:])
        else:
            return None
        made = made.ljust(len(packet), b"\0")
        return made[:2] + checksum_of(made).to_bytes(2, "big") + made[4:]

    def icmpv6(self, packet: bytes, ends: bytes) -> bytes | None:
        """The same for IPv6; `ends` are the 32 octets of both (new) addresses, which its checksum covers."""
        if len(packet) < 8:
            return None
        kind = packet[0]
        if kind in _ECHOES_V6:
            made: bytes | None = packet[:2] + bytes(2) + packet[4:8]
        elif kind in _ERRORS_V6:
            made = packet[:2] + bytes(2) + packet[4:8] + self._quoted(packet[8:])
        else:
            made = self._discovery(packet)
        if made is None:
            return None
        made = made.ljust(len(packet), b"\0")
        total = sum_of(made) + sum_of(ends) + PROTOCOL_ICMPV6 + len(made)
        return made[:2] + ((MODULUS - total % MODULUS) % MODULUS).to_bytes(2, "big") + made[4:]

    def _discovery(self, packet: bytes) -> bytes | None:
        """Neighbour discovery (RFC 4861 4): link-layer addresses and unknown options become zeros."""
        numbers, addresses = _FIXED.get(packet[0], (0, 0))
        options_at = numbers + 16 * addresses
        if not numbers or len(packet) < options_at:
            return None
        made = bytearray(packet[:2] + bytes(2) + packet[4:numbers])
        for at in range(numbers, options_at, 16):
            made += self._addresses.of(packet[at : at + 16])
        at = options_at
        while at + 8 <= len(packet):
            length = packet[at + 1] * 8
            if not length or at + length > len(packet):
                break
            made += self._option(packet[at : at + length])
            at += length
        return bytes(made)

    def _option(self, option: bytes) -> bytes:
        kind = option[0]
        if kind == _PREFIX_INFORMATION and len(option) == 32 and option[2] <= 128:
            prefix = self._addresses.network(IPv6Network((option[16:32], option[2]), strict=False))
            return option[:12] + bytes(4) + prefix.network_address.packed
        if kind == _MTU and len(option) == 8:
            return option
        return option[:2] + bytes(len(option) - 2)

    def _quoted(self, packet: bytes) -> bytes:
        """The packet that an error quotes: its header, and for TCP ports and sequence number."""
        if len(packet) >= 20 and packet[0] >> 4 == 4:
            length = (packet[0] & 15) * 4
            made = packet[:10] + bytes(2) + self._addresses.of(packet[12:16]) + self._addresses.of(packet[16:20])
            made = made.ljust(max(length, 20), b"\0")
            made = made[:10] + checksum_of(made).to_bytes(2, "big") + made[12:]
            protocol = packet[9]
        elif len(packet) >= 40 and packet[0] >> 4 == 6:
            length = 40
            ends = self._addresses.of(packet[8:24]) + self._addresses.of(packet[24:40])
            made = packet[:1] + bytes([packet[1] & 0xF0, 0, 0]) + packet[4:8] + ends
            protocol = packet[6]
        else:
            return b""
        inside = packet[length : length + 8]
        if protocol == _PROTOCOL_TCP and len(inside) == 8:
            for at in (0, 2):
                made += int(self._ports[int.from_bytes(inside[at : at + 2], "big")]).to_bytes(2, "big")
            made += inside[4:8]
        return made
