"""BGP's capabilities (RFC 5492 4): the name of each that IANA lists, and the fields of those that are in use."""

from __future__ import annotations

from collections.abc import Callable

from dissectors.bgp_families import AFI_NAMES, SAFI_NAMES, family_name, write_family
from dissectors.passage import Passage
from dissectors.scribe import named

NAMES = {
    0: "Reserved",
    1: "Multiprotocol extensions",
    2: "Route refresh",
    3: "Outbound route filtering",
    4: "Multiple routes to a destination",
    5: "Extended next hop encoding",
    6: "Extended message",
    7: "BGPsec",
    8: "Multiple labels",
    9: "BGP role",
    64: "Graceful restart",
    65: "4-octet AS number",
    66: "Dynamic capability (deprecated)",
    67: "Dynamic capability",
    68: "Multisession",
    69: "ADD-PATH",
    70: "Enhanced route refresh",
    71: "Long-lived graceful restart",
    72: "Routing policy distribution",
    73: "FQDN",
    74: "BFD",
    75: "Software version",
    76: "Paths limit",
    77: "Link-local next hop",
    128: "Route refresh (Cisco)",
    129: "Outbound route filtering (Cisco)",
    130: "Outbound route filtering (Cisco)",
    131: "Multisession (Cisco)",
    184: "FQDN (before its number)",
    185: "Operational message (before its number)",
}
ROLE_NAMES = {0: "provider", 1: "route server", 2: "route server client", 3: "customer", 4: "peer"}
SEND_RECEIVE_NAMES = {1: "receive", 2: "send", 3: "both"}
ORF_NAMES = {
    2: "communities",
    3: "extended communities",
    64: "address prefix",
    65: "covering prefixes",
    128: "address prefix (Cisco)",
    129: "community list (Cisco)",
    130: "extended community list (Cisco)",
    131: "AS path list (Cisco)",
}


def name_of(code: int) -> str:
    """The capability's name; "Experimental" for RFC 8810's range, and the number where there is none."""
    if 239 <= code <= 254:
        return f"Experimental capability {code}"
    return NAMES.get(code, f"Capability {code}")


def write_capability(passage: Passage) -> str:
    """Write one capability, and give its name."""
    code = passage.peek(1)
    with passage.element(name_of(code), 2 + passage.peek(1, 1), "bgp.cap") as capability:
        capability.number("Code", 1, "bgp.cap.type", lambda number: f"{name_of(number)} ({number})")
        capability.number("Length", 1, "bgp.cap.length")
        write = _WRITERS.get(code)
        if write is not None:
            capability.value = write(capability)
        else:
            capability.rest("Value", "bgp.cap.unknown")
    return name_of(code)


def _multiprotocol(capability: Passage) -> str:
    return write_family(capability, "bgp.cap.mp", reserved=True)


def _extended_next_hop(capability: Passage) -> str:
    families = []
    while capability.left:
        with capability.element("Family", 6) as entry:
            afi = entry.number("AFI", 2, "bgp.cap.enh.afi", named(AFI_NAMES))
            safi = entry.number("SAFI", 2, "bgp.cap.enh.safi", named(SAFI_NAMES))
            hop = entry.number("Next hop AFI", 2, "bgp.cap.enh.nhafi", named(AFI_NAMES))
            entry.value = f"{family_name(afi, safi)} by {AFI_NAMES.get(hop, f'AFI {hop}')}"
            families.append(entry.value)
    return ", ".join(families)


def _bgpsec(capability: Passage) -> str:
    """RFC 8205 2.1."""
    bits = ((0xF0, "Version", "bgp.cap.bgpsec.version"), (0x08, "Send", "bgp.cap.bgpsec.sendreceive"))
    word = capability.bits("Version and direction", 1, "bgp.cap.bgpsec.flags", bits)
    afi = capability.number("AFI", 2, "bgp.cap.bgpsec.afi", named(AFI_NAMES))
    return f"{'send' if word & 8 else 'receive'} {AFI_NAMES.get(afi, f'AFI {afi}')}"


def _multiple_labels(capability: Passage) -> str:
    """RFC 8277 2.1."""
    return _entries(capability, 4, None, lambda entry: f"{entry.number('Count', 1)} labels")


def _role(capability: Passage) -> str:
    """RFC 9234 4.1."""
    role = capability.number("Role", 1, None, named(ROLE_NAMES))
    return ROLE_NAMES.get(role, str(role))


def _graceful_restart(capability: Passage) -> str:
    """RFC 4724 3, with RFC 8538 2's N bit."""
    bits = (
        (0x8000, "Restart state (R)", "bgp.cap.gr.timers.restart_flag"),
        (0x4000, "Graceful notification (N)", "bgp.cap.gr.timers.notification_flag"),
        (0x0FFF, "Restart time", "bgp.cap.gr.timers.restart_time"),
    )
    seconds = capability.bits("Restart flags and time", 2, "bgp.cap.gr.timers", bits) & 0xFFF
    families = _entries(capability, 4, "bgp.cap.gr", _forwarding_flag)
    return f"{seconds} s{', ' if families else ''}{families}"


def _forwarding_flag(entry: Passage) -> str:
    bits = ((0x80, "Forwarding state preserved (F)", "bgp.cap.gr.flag.pfs"),)
    return "forwarding preserved" if entry.bits("Flags", 1, "bgp.cap.gr.flag", bits) & 0x80 else ""


def _four_octet_as(capability: Passage) -> str:
    return str(capability.number("AS number", 4, "bgp.cap.4as"))


def _codes(capability: Passage) -> str:
    names = []
    while capability.left:
        names.append(
            name_of(capability.number("Capability", 1, "bgp.cap.dc", lambda code: f"{name_of(code)} ({code})"))
        )
    return ", ".join(names)


def _multisession(capability: Passage) -> str:
    capability.number("Flags", 1, "bgp.cap.multisession.flags")
    return _codes(capability)


def _add_path(capability: Passage) -> str:
    """RFC 7911 4."""

    def direction(entry: Passage) -> str:
        mode = entry.number("Send/receive", 1, "bgp.cap.ap.sendreceive", named(SEND_RECEIVE_NAMES))
        return SEND_RECEIVE_NAMES.get(mode, str(mode))

    return _entries(capability, 4, "bgp.cap.ap", direction)


def _long_lived(capability: Passage) -> str:
    """RFC 9494 3.1."""

    def stale_time(entry: Passage) -> str:
        entry.bits("Flags", 1, None, ((0x80, "Forwarding state preserved (F)", None),))
        return f"{entry.number('Stale time', 3)} s"

    return _entries(capability, 7, None, stale_time)


def _fqdn(capability: Passage) -> str:
    host_size = capability.number("Host name length", 1, "bgp.cap.orf.fqdn.hostname.len")
    host = capability.text("Host name", host_size, "bgp.cap.orf.fqdn.hostname")
    domain_size = capability.number("Domain name length", 1, "bgp.cap.orf.fqdn.domain_name.len")
    domain = capability.text("Domain name", domain_size, "bgp.cap.orf.fqdn.domain_name")
    return f"{host}.{domain}" if domain else host


def _software_version(capability: Passage) -> str:
    size = capability.number("Version length", 1)
    return capability.text("Version", size)


def _paths_limit(capability: Passage) -> str:
    return _entries(capability, 5, None, lambda entry: f"{entry.number('Limit', 2)} paths")


def _route_filtering(capability: Passage) -> str:
    """RFC 5291 4."""
    families = []
    while capability.left:
        with capability.element("Family", 5 + 2 * capability.peek(1, 4)) as entry:
            entry.value = write_family(entry, "bgp.cap.orf", reserved=True)
            for _ in range(entry.number("Number of types", 1, "bgp.cap.orf.number")):
                entry.number("Type", 1, "bgp.cap.orf.type", named(ORF_NAMES))
                entry.number("Send/receive", 1, "bgp.cap.orf.sendreceive", named(SEND_RECEIVE_NAMES))
            families.append(entry.value)
    return ", ".join(families)


def _entries(capability: Passage, size: int, name: str | None, write: Callable[[Passage], str]) -> str:
    """Entries of `size` octets, each a family and what `write` reads behind it; gives all of them in words."""
    written = []
    while capability.left:
        with capability.element("Family", size) as entry:
            entry.value = write_family(entry, name)
            entry.value = f"{entry.value} {write(entry)}".rstrip()
            written.append(entry.value)
    return ", ".join(written)


def _nothing(capability: Passage) -> str:
    return ""


_WRITERS: dict[int, Callable[[Passage], str]] = {
    1: _multiprotocol,
    2: _nothing,
    3: _route_filtering,
    5: _extended_next_hop,
    6: _nothing,
    7: _bgpsec,
    8: _multiple_labels,
    9: _role,
    64: _graceful_restart,
    65: _four_octet_as,
    67: _codes,
    68: _multisession,
    69: _add_path,
    70: _nothing,
    71: _long_lived,
    73: _fqdn,
    75: _software_version,
    76: _paths_limit,
    77: _nothing,
    128: _nothing,
    130: _route_filtering,
    131: _multisession,
}
