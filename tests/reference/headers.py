"""From a frame's first octet to the TCP segment or IP fragment in it, header by header, by each protocol's own text.

A header that the captured octets end in leads nowhere, and so does one that the layer around it leaves no room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

LLC, IPV4, IPV6, PPPOE, PPP_IN_GRE, BRIDGED = 4, 0x0800, 0x86DD, 0x8864, 0x880B, 0x6558
VLANS = (0x8100, 0x88A8, 0x9100)
MPLS = (0x8847, 0x8848)
MOST_HEADERS = 24
EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)
"""IPv6 extension headers (RFC 8200 4, and IANA's registry of them)."""


@dataclass(frozen=True)
class Place:
    """How far one frame has been read."""

    octets: bytes
    """What was captured of the frame."""
    start: int
    end: int
    """Where the layer ends as those around it say; beyond the octets where the capture cut it."""
    vlan: int | None = None
    cooked_interface: int | None = None

    def u16(self, at: int) -> int:
        return int.from_bytes(self.octets[self.start + at : self.start + at + 2], "big")

    def u32(self, at: int) -> int:
        return int.from_bytes(self.octets[self.start + at : self.start + at + 4], "big")

    def has(self, length: int) -> bool:
        """Whether so many octets of the layer were captured."""
        return self.start + length <= len(self.octets)


@dataclass(frozen=True)
class IpPayload:
    """What an IP packet that carries TCP, or a piece of anything, has behind its headers."""

    place: Place
    source: bytes
    destination: bytes
    """The final one, where a source route or routing header is on the way."""
    protocol: int
    header: bytes
    """IPv4: the whole header; IPv6: its first 40 octets."""
    identification: int = 0
    offset: int = 0
    has_more: bool = False

    @property
    def is_fragment(self) -> bool:
        return self.has_more or self.offset > 0


class UnknownProtocolError(Exception):
    """The frame has a header that nothing here reads; what lies behind it is not known."""


_Next = tuple[str, int, Place] | IpPayload | None
"""Namespace and number of the next header, and its place; the end; or nowhere."""


def find_tcp(link_type: int, octets: bytes, wire_length: int) -> IpPayload | None:
    """The TCP segment or IP fragment in a frame. UnknownProtocolError where a header cannot be read here."""
    found: _Next = ("link", link_type, Place(octets, 0, wire_length))
    for _ in range(MOST_HEADERS):
        if found is None or isinstance(found, IpPayload):
            return found
        namespace, number, place = found
        reader = READERS.get((namespace, number))
        if reader is None:
            if (namespace, number) in UNREAD:
                raise UnknownProtocolError(f"{namespace} {number}")
            return None
        found = reader(place)
    return found if isinstance(found, IpPayload) else None


def _inner(namespace: str, number: int, place: Place, length: int, end: int | None = None, **known: int) -> _Next:
    """What follows a header of so many octets, if it was captured whole and the layer has room for it."""
    end = place.end if end is None else min(end, place.end)
    if not place.has(length) or place.start + length > end:
        return None
    changed = replace(place, start=place.start + length, end=end)
    if "vlan" in known:
        changed = replace(changed, vlan=known["vlan"])
    if "cooked_interface" in known:
        changed = replace(changed, cooked_interface=known["cooked_interface"])
    return namespace, number, changed


def _ethertype(place: Place, at: int, length: int, **known: int) -> _Next:
    """A type, or the length of what follows (IEEE 802.3 3.2.6)."""
    number = place.u16(at)
    if number < 1536:
        return _inner("ethertype", LLC, place, length, place.start + length + number, **known)
    return _inner("ethertype", number, place, length, **known)


def _ethernet(place: Place) -> _Next:
    return _ethertype(place, 12, 14)


def _vlan(place: Place) -> _Next:
    return _ethertype(place, 2, 4, vlan=place.u16(0) & 0xFFF)


def _llc(place: Place) -> _Next:
    """SNAP (RFC 1042), and IP's own service access point."""
    head = place.octets[place.start : place.start + 8]
    if head[:3] == b"\x06\x06\x03":
        return _inner("ethertype", IPV4, place, 3)
    if head[:3] == b"\xaa\xaa\x03" and head[3:6] in (b"\0\0\0", b"\0\0\xf8"):
        return _inner("ethertype", place.u16(6), place, 8)
    return None


def _null(place: Place) -> _Next:
    word = place.octets[place.start : place.start + 4]
    family = min(int.from_bytes(word, "big"), int.from_bytes(word, "little"))
    return _inner("family", family, place, 4)


def _raw(place: Place) -> _Next:
    if not place.has(1) or place.start > place.end:
        return None
    return "version", place.octets[place.start] >> 4, place


_OTHER_HARDWARE = (770, 803, 824)
"""ARPHRD_ types for which a cooked header's protocol is no ethertype."""


def _sll(place: Place) -> _Next:
    if place.u16(2) in _OTHER_HARDWARE:
        return None
    return _inner("ethertype", place.u16(14), place, 16)


def _sll2(place: Place) -> _Next:
    if place.u16(8) in _OTHER_HARDWARE:
        return None
    return _inner("ethertype", place.u16(0), place, 20, cooked_interface=place.u32(4))


def _mpls(place: Place) -> _Next:
    """Labels to the bottom of the stack; the first four bits behind it tell IP (RFC 4928 3)."""
    length = 0
    for _ in range(16):
        if not place.has(length + 4):
            return None
        is_bottom = place.octets[place.start + length + 2] & 1
        length += 4
        if is_bottom:
            break
    else:
        return None
    behind = replace(place, start=place.start + length)
    room = min(len(place.octets), place.end)
    version = place.octets[behind.start] >> 4 if behind.start < room else None
    if version in (4, 6):
        return _inner("ethertype", IPV4 if version == 4 else IPV6, place, length)
    believed = (IPV4, IPV6, 0x8100, 0x88A8, *MPLS, PPPOE)
    if behind.start + 14 <= room and behind.u16(12) in believed:
        return _inner("ethertype", BRIDGED, place, length)
    if behind.start + 18 <= room and version == 0 and behind.u16(16) in believed:
        return _inner("ethertype", BRIDGED, place, length + 4)
    return None


def _pppoe(place: Place) -> _Next:
    if not place.has(6) or place.octets[place.start + 1] != 0:
        return None
    return _inner("ppp", 0, place, 6, place.start + 6 + place.u16(4))


def _ppp(place: Place) -> _Next:
    """Address and control may be left out, and so may the first octet of the protocol (RFC 1661 6.5, 6.6)."""
    if place.octets[place.start : place.start + 2] in (b"\x0f\0", b"\x8f\0"):
        return ("link", 104, place) if place.start <= place.end else None
    length = 2 if place.octets[place.start : place.start + 2] == b"\xff\x03" else 0
    if not place.has(length + 1):
        return None
    if place.octets[place.start + length] & 1:
        return _inner("ppp-protocol", place.octets[place.start + length], place, length + 1)
    return _inner("ppp-protocol", place.u16(length), place, length + 2)


def _chdlc(place: Place) -> _Next:
    return _inner("ethertype", place.u16(2), place, 4)


def _udp(place: Place) -> _Next:
    length = place.u16(4)
    if not place.has(8) or 0 < length < 8:
        return None
    for port in (place.u16(2), place.u16(0)):
        if ("udp", port) in READERS or ("udp", port) in UNREAD:
            return _inner("udp", port, place, 8, place.start + length if length else None)
    return None


def _vxlan(place: Place) -> _Next:
    return _inner("ethertype", BRIDGED, place, 8)


def _geneve(place: Place) -> _Next:
    if not place.has(8) or place.octets[place.start] >> 6:
        return None
    return _inner("ethertype", place.u16(2), place, 8 + (place.octets[place.start] & 0x3F) * 4)


def _gre(place: Place) -> _Next:
    """RFC 2784 and 2890; PPTP's version 1; ERSPAN and source routes are read nowhere here."""
    if not place.has(4):
        return None
    flags, protocol = place.u16(0), place.u16(2)
    version = flags & 7
    if version > 1 or (version == 1 and protocol != PPP_IN_GRE):
        return None
    if version == 0 and flags & 0x4000:
        raise UnknownProtocolError("GRE with a source route")
    length = 4 + 4 * sum(
        (
            version == 0 and flags & 0x8000 != 0,
            flags & 0x2000 != 0,
            flags & 0x1000 != 0,
            version == 1 and flags & 0x0080 != 0,
        )
    )
    if protocol == 0x88BE and not flags & 0x1000:
        protocol = BRIDGED
    return _inner("ethertype", protocol, place, length)


def _ipv4(place: Place) -> _Next:
    first = place.octets[place.start] if place.has(1) else 0
    length = (first & 15) * 4
    if not place.has(20) or first >> 4 != 4 or length < 20 or not place.has(length):
        return None
    header = place.octets[place.start : place.start + length]
    total = place.u16(2)
    # A total length of 0 stands in captures made before segmentation offload: the packet ends with its frame.
    end = min(place.end, place.start + total) if total else place.end
    if place.start + length > end:
        return None
    fragment = place.u16(6)
    payload = IpPayload(
        replace(place, start=place.start + length, end=end),
        header[12:16],
        _source_route(header) or header[16:20],
        header[9],
        header,
        place.u16(4),
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
    )
    return _transport(payload)


def _source_route(header: bytes) -> bytes | None:
    """The last address of a source route that is not used up (RFC 791 3.1, RFC 1122 3.2.1.8)."""
    position, found = 20, None
    while position < len(header):
        kind = header[position]
        if kind == 0:
            break
        if kind == 1:
            position += 1
            continue
        if position + 1 == len(header):
            break
        length = header[position + 1]
        if length < 2 or position + length > len(header):
            break
        if kind in (131, 137) and length >= 7 and header[position + 2] <= length:
            found = header[position + length - 4 : position + length]
        position += length
    return found


@dataclass
class _Chain:
    """The extension headers of one IPv6 packet, read so far."""

    protocol: int
    destination: bytes
    offset: int = 40
    jumbo_length: int = 0
    identification: int = 0
    fragment_offset: int = 0
    has_more: bool = False

    @property
    def is_fragment(self) -> bool:
        return self.has_more or self.fragment_offset > 0


def _ipv6(place: Place) -> _Next:
    if not place.has(40) or place.octets[place.start] >> 4 != 6:
        return None
    header = place.octets[place.start : place.start + 40]
    chain = _Chain(protocol=header[6], destination=header[24:40])
    for _ in range(16):
        if chain.protocol not in EXTENSIONS or chain.is_fragment:
            break
        if not _read_extension(chain, place):
            return None
    if chain.protocol == 59 or (chain.protocol in EXTENSIONS and not chain.is_fragment):
        return None
    length = place.u16(4) or chain.jumbo_length
    end = min(place.end, place.start + 40 + length) if length else place.end
    if place.start + chain.offset > end:
        return None
    return _transport(
        IpPayload(
            replace(place, start=place.start + chain.offset, end=end),
            header[8:24],
            chain.destination,
            chain.protocol,
            header,
            chain.identification,
            chain.fragment_offset,
            chain.has_more,
        )
    )


def _read_extension(chain: _Chain, place: Place) -> bool:
    """Steps over one extension header (RFC 8200 4); whether it was captured whole."""
    kind, at = chain.protocol, place.start + chain.offset
    if not place.has(chain.offset + 2):
        return False
    size = {44: 8, 51: (place.octets[at + 1] + 2) * 4}.get(kind, (place.octets[at + 1] + 1) * 8)
    if not place.has(chain.offset + size):
        return False
    extension = place.octets[at : at + size]
    if kind == 43:
        chain.destination = _final_destination(extension) or chain.destination
    elif kind == 0:
        chain.jumbo_length = _jumbo_length(extension)
    elif kind == 44:
        word = int.from_bytes(extension[2:4], "big")
        # One that is alone is no fragment (RFC 6946).
        chain.fragment_offset, chain.has_more = word & 0xFFF8, bool(word & 1)
        chain.identification = int.from_bytes(extension[4:8], "big")
    chain.protocol = extension[0]
    chain.offset += size
    return True


def _final_destination(route: bytes) -> bytes | None:
    """The address at which a routing header's way ends, while it is on the way (RFC 8200 8.1, RFC 8754 2)."""
    kind, left = route[2], route[3]
    count = (len(route) - 8) // 16
    if not 0 < left <= count or kind not in (0, 2, 4):
        return None
    return route[8:24] if kind == 4 else route[8 + (count - 1) * 16 : 8 + count * 16]


def _jumbo_length(options: bytes) -> int:
    """The jumbo payload option's length (RFC 2675 2); 0 without one."""
    position = 2
    while position < len(options):
        if options[position] == 0:
            position += 1
            continue
        length = options[position + 1] if position + 1 < len(options) else 0
        if options[position] == 0xC2 and length == 4 and position + 6 <= len(options):
            return int.from_bytes(options[position + 2 : position + 6], "big")
        position += 2 + length
    return 0


def _transport(payload: IpPayload) -> _Next:
    if payload.is_fragment or payload.protocol == 6:
        return payload
    return "ip", payload.protocol, payload.place


READERS: dict[tuple[str, int], Callable[[Place], _Next]] = {
    ("link", 0): _null,
    ("link", 1): _ethernet,
    ("link", 9): _ppp,
    ("link", 12): _raw,
    ("link", 14): _raw,
    ("link", 50): _ppp,
    ("link", 51): _pppoe,
    ("link", 101): _raw,
    ("link", 104): _chdlc,
    ("link", 108): _null,
    ("link", 113): _sll,
    ("link", 228): _ipv4,
    ("link", 229): _ipv6,
    ("link", 276): _sll2,
    ("ethertype", LLC): _llc,
    ("ethertype", IPV4): _ipv4,
    ("ethertype", IPV6): _ipv6,
    **{("ethertype", number): _vlan for number in VLANS},
    **{("ethertype", number): _mpls for number in MPLS},
    ("ethertype", PPPOE): _pppoe,
    ("ethertype", PPP_IN_GRE): _ppp,
    ("ethertype", BRIDGED): _ethernet,
    ("version", 4): _ipv4,
    ("version", 6): _ipv6,
    ("family", 2): _ipv4,
    **{("family", number): _ipv6 for number in (10, 24, 28, 30)},
    ("ppp", 0): _ppp,
    ("ppp-protocol", 0x0021): _ipv4,
    ("ppp-protocol", 0x0057): _ipv6,
    ("ppp-protocol", 0x0281): _mpls,
    ("ppp-protocol", 0x0283): _mpls,
    ("ip", 4): _ipv4,
    ("ip", 17): _udp,
    ("ip", 41): _ipv6,
    ("ip", 47): _gre,
    ("ip", 137): _mpls,
    ("udp", 4789): _vxlan,
    ("udp", 6081): _geneve,
    ("udp", 6635): _mpls,
}
UNREAD = {("link", 178), ("link", 239), ("ethertype", 0x88BE), ("ethertype", 0x22EB), ("udp", 4790)}
"""Juniper, NFLOG, ERSPAN II and III, VXLAN-GPE: read by the product, and not here."""
