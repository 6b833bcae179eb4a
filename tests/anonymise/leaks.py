"""That an anonymised capture holds nothing of its original, told by dpkt and plain searches."""

from __future__ import annotations

from pathlib import Path

import dpkt

from aoinspect.capture.reader import open_capture
from tests.resign.test_identity import records_of

_LINK_LAYERS = {1: dpkt.ethernet.Ethernet, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2, 101: dpkt.ip.IP}
_SIGNATURES = (19, 29)
_TELLING_OCTETS = 5
"""Different octets in a run of eight that is no marker or counter."""


def assert_nothing_left(original: Path, shared: Path) -> None:
    """No address, no payload and no MAC of `original` is in `shared`."""
    addresses, runs, macs = set(), set(), set()
    for octets in (record.octets for record in records_of(original)[0]):
        for layer in ip_layers(octets, original):
            addresses |= {bytes(layer.src), bytes(layer.dst)}
            if isinstance(layer.data, dpkt.tcp.TCP):
                data = bytes(layer.data.data)
                runs |= {data[at : at + 8] for at in range(0, len(data) - 7, 8)}
                macs |= _macs(layer.data)
    telling = {run for run in runs if len(set(run)) >= _TELLING_OCTETS}
    for octets in (record.octets for record in records_of(shared)[0]):
        for layer in ip_layers(octets, shared):
            assert not {bytes(layer.src), bytes(layer.dst)} & addresses
            if isinstance(layer.data, dpkt.tcp.TCP):
                assert not any(bytes(layer.data.data))
                assert not {mac for mac in _macs(layer.data) & macs if len(mac) >= 12}
        assert not any(run in octets for run in telling)
        assert not any(address in octets for address in addresses if len(address) == 16)


def _macs(segment: dpkt.tcp.TCP) -> set[bytes]:
    return {bytes(value) for kind, value in dpkt.tcp.parse_opts(segment.opts) if kind in _SIGNATURES}


def ip_layers(octets: bytes, path: Path) -> list[dpkt.ip.IP | dpkt.ip6.IP6]:
    """The IP packets of a frame, those in tunnels that dpkt knows too."""
    with open_capture(path) as reader:
        kind = reader.interfaces[0].link_type
    try:
        layer: object = _LINK_LAYERS[kind](octets)
    except (dpkt.UnpackError, KeyError):
        return []
    found = []
    while isinstance(layer, dpkt.Packet):
        if isinstance(layer, dpkt.ip.IP | dpkt.ip6.IP6):
            found.append(layer)
        layer = getattr(layer, "data", None)
    return found
