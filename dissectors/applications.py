"""The protocols on top of TCP: their names and ports, known without loading what describes them.

Nothing follows them, so locating segments never asks them anything; each one's file is loaded when the first of
its messages is described. Ports are those that Wireshark has, and for BMP, to which it gives none, those of common
configurations (RFC 7854 3.2 leaves the port to the operator).
"""

from __future__ import annotations

from dissectors.base import Dissector, Layer


def _bgp(octets: bytes, start: int, end: int) -> Layer:
    from dissectors import bgp

    return bgp.describe(octets, start, end)


def _bmp(octets: bytes, start: int, end: int) -> Layer:
    from dissectors import bmp

    return bmp.describe(octets, start, end)


def _ldp(octets: bytes, start: int, end: int) -> Layer:
    from dissectors import ldp

    return ldp.describe(octets, start, end)


def _msdp(octets: bytes, start: int, end: int) -> Layer:
    from dissectors import msdp

    return msdp.describe(octets, start, end)


def _pcep(octets: bytes, start: int, end: int) -> Layer:
    from dissectors import pcep

    return pcep.describe(octets, start, end)


def _rtr(octets: bytes, start: int, end: int) -> Layer:
    from dissectors import rtr

    return rtr.describe(octets, start, end)


DISSECTORS = (
    Dissector("bgp", "Border Gateway Protocol", (("tcp.port", 179),), _bgp),
    Dissector("bmp", "BGP Monitoring Protocol", (("tcp.port", 1790), ("tcp.port", 11019)), _bmp),
    Dissector("ldp", "Label Distribution Protocol", (("tcp.port", 646),), _ldp),
    Dissector("msdp", "Multicast Source Discovery Protocol", (("tcp.port", 639),), _msdp),
    Dissector("pcep", "Path Computation Element Communication Protocol", (("tcp.port", 4189),), _pcep),
    Dissector("rpkirtr", "RPKI to Router Protocol", (("tcp.port", 323),), _rtr),
)
