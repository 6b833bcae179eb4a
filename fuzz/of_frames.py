"""Targets whose octets are one frame, or one TCP header: hops, descriptions, and the walk over the options.

The first two octets of an input choose the link type, the next two how much longer the frame was on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from aoinspect.capture import FrameBatch, open_capture
from aoinspect.engine.locate import DEPTH_LIMIT, Locator, Packets
from aoinspect.engine.segments import read_segments
from aoinspect.engine.verdicts import Method, Reason
from aoinspect.errors import CaptureError
from dissectors.base import Field
from dissectors.registry import Registry
from dissectors.tree import describe_frame
from tests.dissectors.walking import assert_same_steps, lay_out, walk_by_description, walk_by_hops
from tests.reference.options import read_options

HEAD = 4
_ROOM = 64


@cache
def _registry() -> Registry:
    return Registry(use_entry_points=False)


@cache
def _link_types() -> list[int]:
    return sorted(_registry().namespace("linktype"))


def head(link_type: int, surplus: int) -> bytes:
    """The octets before a frame that choose this link type and this surplus of the wire."""
    return _link_types().index(link_type).to_bytes(2, "big") + min(max(surplus, 0), 0xFFFF).to_bytes(2, "big")


def _frame(octets: bytes) -> tuple[int, bytes, int]:
    """Link type, frame, and its length on the wire."""
    link_type = _link_types()[int.from_bytes(octets[:2], "big") % len(_link_types())]
    frame = octets[HEAD:]
    return link_type, frame, len(frame) + int.from_bytes(octets[2:HEAD], "big")


def hop(octets: bytes) -> None:
    """The hops take the steps that the description takes, and find nothing outside of the frame."""
    link_type, frame, wire_length = _frame(octets)
    key = ("linktype", link_type)
    by_hops = walk_by_hops(_registry(), lay_out([frame], [wire_length]), key)[0]
    assert_same_steps(by_hops, walk_by_description(_registry(), frame, key, wire_length))
    noisy = walk_by_hops(_registry(), lay_out([frame, frame], [wire_length, wire_length], gap=b"\xff\x45\x06"), key)
    assert noisy == [by_hops, by_hops]
    packets, _ = Locator(_registry()).locate(_batch(frame, link_type, wire_length))
    # The locator follows fewer headers than the tree; and it stops before what the frame ends inside of.
    reaches_tcp = bool(by_hops) and by_hops[-1][0] == "tcp" and len(by_hops) <= DEPTH_LIMIT
    if reaches_tcp:
        assert packets.size == 1
        assert int(packets.starts[0]) - _ROOM == by_hops[-1][1]


def describe(octets: bytes) -> None:
    """Every field of the tree lies inside the frame, and no dissector had to be caught."""
    link_type, frame, wire_length = _frame(octets)
    for layer in describe_frame(_registry(), frame, ("linktype", link_type), wire_length):
        for field in _walk(layer.node):
            assert 0 <= field.start <= field.end, field
            assert field.end <= len(frame) or field.start == field.end, field
            assert not field.value.startswith("the dissector"), field.value


def _walk(root: Field) -> Iterator[Field]:
    pending = [root]
    while pending:
        field = pending.pop()
        yield field
        pending.extend(field.children)


def options(octets: bytes) -> None:
    """The walk over all segments' options at once finds what a plain walk over one finds.

    The first octet says how many octets a snap length left, counted from the 20th.
    """
    captured = 20 + octets[0] % 61 if octets else 20
    header = octets[1:61].ljust(20, b"\0")
    header = header[:12] + bytes([header[12] | 0x50]) + header[13:]
    declared = max(len(header), (header[12] >> 4) * 4) if len(header) % 2 else len(header)
    header = header[:captured]
    size = len(header)
    start = np.full(2, _ROOM, np.int64)
    zero = np.zeros(2, np.int64)
    packets = Packets(
        octets=np.frombuffer(bytes(_ROOM) + header + bytes(_ROOM), np.uint8),
        frames=zero + 1,
        times_ns=zero,
        offsets=zero,
        sources=zero,
        destinations=zero,
        is_ipv6=np.zeros(2, np.bool_),
        starts=start,
        ends=start + declared,
        limits=start + size,
        interfaces=zero,
        vlans=zero,
        is_partial=np.zeros(2, np.bool_),
    )
    segments = read_segments(packets)
    plain = read_options(header, declared)
    for row in range(2):
        assert Reason(int(segments.malformed[row])).word == (plain.fault or "none")
        assert bool(segments.is_header_cut[row]) == plain.is_cut
        if plain.fault is not None:
            continue
        assert Method(int(segments.methods[row])).word == plain.method
        if plain.method == "ao":
            assert int(segments.key_ids[row]) == plain.key_id
            assert int(segments.rnext_key_ids[row]) == plain.rnext_key_id
            assert int(segments.mac_lengths[row]) == len(plain.mac)


def _batch(frame: bytes, link_type: int, wire_length: int) -> FrameBatch:
    start = np.full(1, _ROOM, np.int64)
    return FrameBatch(
        octets=np.frombuffer(bytes(_ROOM) + frame + bytes(_ROOM), np.uint8),
        starts=start,
        ends=start + len(frame),
        wire_lengths=np.full(1, wire_length, np.int64),
        times_ns=np.zeros(1, np.int64),
        interfaces=np.zeros(1, np.uint16),
        link_types=np.full(1, link_type, np.uint16),
        offsets=np.zeros(1, np.int64),
        first_frame=1,
    )


def frames_of(folders: tuple[Path, ...], most_per_file: int = 5) -> Iterator[bytes]:
    """The first frames of all captures in `folders`, as inputs; damaged files give what they hold."""
    known = set(_link_types())
    for path in sorted(path for folder in folders for path in folder.rglob("*.pcap*")):
        try:
            reader = open_capture(path)
        except CaptureError:
            continue
        with reader:
            for batch in reader.batches():
                for index in range(min(len(batch), most_per_file)):
                    link_type = int(batch.link_types[index])
                    if link_type in known:
                        frame = batch.octets[batch.starts[index] : batch.ends[index]].tobytes()
                        yield head(link_type, int(batch.wire_lengths[index]) - len(frame)) + frame
                break
