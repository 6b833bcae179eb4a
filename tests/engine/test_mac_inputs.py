"""The batch's MAC inputs are the octets that `aoinspect.ao` states for one segment (RFC 5925 5.1, RFC 2385 2.0)."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.mac_input import mac_input
from aoinspect.ao.md5 import md5_input
from aoinspect.capture.reader import open_capture
from aoinspect.engine.locate import Locator
from aoinspect.engine.macs import Layout, MacInputs, MacPlaces
from aoinspect.engine.pairs import endpoints
from aoinspect.engine.segments import Segments, read_segments
from dissectors.registry import Registry
from tests import packets
from tests.conversation import Flag, Key
from tests.engine.judged import capture_of
from tests.engine.stories import ENDS, SOCKETS, examples
from tests.planned_segment import PlannedSegment, Socket, build_packet
from tests.reference_signer import TCP_MD5

OTHER_OPTIONS = [b"", b"\x01\x01\x08\x0a\0\0\0\1\0\0\0\2", b"\x02\x04\x05\xb4", b"\x01", b"\x01\x01\x01\x01"]


@st.composite
def plans(draw: st.DrawFn, *, is_md5: bool) -> PlannedSegment:
    client, server = map(Socket.parse, draw(st.sampled_from(SOCKETS)))
    if draw(st.sampled_from(ENDS)) == "b":
        client, server = server, client
    other_options = draw(st.sampled_from(OTHER_OPTIONS))
    mac_length = draw(st.integers(0, 20))
    return PlannedSegment(
        source=client,
        destination=server,
        position=draw(st.integers(0, 2**64 - 1)),
        ack=draw(st.integers(0, 2**32 - 1)),
        flags=draw(st.sampled_from([Flag.SYN, Flag.ACK, Flag.PSH | Flag.ACK, Flag.RST])),
        source_isn=1,
        destination_isn=2,
        payload=draw(st.binary(max_size=70)),
        key=Key(algorithm=TCP_MD5) if is_md5 else Key(algorithm="hmac(sha512)", mac_length=mac_length),
        key_id=draw(st.integers(0, 255)),
        rnext_key_id=draw(st.integers(0, 255)),
        other_options=other_options,
        option_first=draw(st.booleans()),
    )


def segments_of(plans_of_batch: list[PlannedSegment], encapsulate: packets.Encapsulate, link_type: int) -> Segments:
    frames = [encapsulate(build_packet(plan)) for plan in plans_of_batch]
    with open_capture(io.BytesIO(capture_of(frames, link_type))) as reader:
        (batch,) = reader.batches()
    located, fragments = Locator(Registry()).locate(batch)
    assert fragments is None
    return read_segments(located)


CARRIERS = [(packets.ETHERNET, packets.ethernet), (packets.RAW, packets.raw), (packets.ETHERNET, packets.in_vlan(9))]
AO_BATCHES = st.lists(plans(is_md5=False), min_size=1, max_size=8)


@pytest.mark.parametrize("layout", [Layout.AO_INCLUDE, Layout.AO_EXCLUDE])
@examples(40)
@given(batch=AO_BATCHES, carrier=st.sampled_from(CARRIERS), chosen=st.sets(st.integers(0, 7), min_size=1))
def test_the_ao_inputs_of_a_batch_are_those_of_its_segments(
    layout: Layout, batch: list[PlannedSegment], carrier: tuple[int, packets.Encapsulate], chosen: set[int]
) -> None:
    segments = segments_of(batch, carrier[1], carrier[0])
    rows = np.array(sorted({row % len(batch) for row in chosen}), dtype=np.int64)
    snes = np.array([batch[row].sne for row in rows], dtype=np.uint32)
    inputs = MacInputs(MacPlaces.of(segments))
    for turn in range(2):
        view, starts, ends = inputs.arrange(layout, rows, snes + np.uint32(turn))
        for row, sne, start, end in zip(rows.tolist(), snes.tolist(), starts.tolist(), ends.tolist(), strict=True):
            source, destination = endpoints(segments, row)
            plain = mac_input(
                (sne + turn) % 2**32,
                source.address,
                destination.address,
                octets_of(segments, row),
                include_options=layout is Layout.AO_INCLUDE,
            )
            assert bytes(view[start:end]) == plain


@examples(30)
@given(batch=st.lists(plans(is_md5=True), min_size=1, max_size=8), carrier=st.sampled_from(CARRIERS))
def test_the_tcp_md5_inputs_of_a_batch_are_those_of_its_segments(
    batch: list[PlannedSegment], carrier: tuple[int, packets.Encapsulate]
) -> None:
    segments = segments_of(batch, carrier[1], carrier[0])
    rows = np.arange(len(batch))
    view, starts, ends = MacInputs(MacPlaces.of(segments)).arrange(
        Layout.MD5, rows, np.zeros(len(batch), dtype=np.uint32)
    )
    for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        source, destination = endpoints(segments, row)
        assert bytes(view[start:end]) == md5_input(source.address, destination.address, octets_of(segments, row))


@examples(20)
@given(batch=AO_BATCHES)
def test_the_batchs_own_octets_stay_as_captured(batch: list[PlannedSegment]) -> None:
    segments = segments_of(batch, packets.ethernet, packets.ETHERNET)
    before = segments.packets.octets.copy()
    inputs = MacInputs(MacPlaces.of(segments))
    for layout in (Layout.AO_INCLUDE, Layout.AO_EXCLUDE):
        inputs.arrange(layout, np.arange(len(batch)), np.zeros(len(batch), dtype=np.uint32))
    assert (segments.packets.octets == before).all()


@examples(20)
@given(batch=AO_BATCHES)
def test_the_captured_macs_are_those_of_the_options(batch: list[PlannedSegment]) -> None:
    batch = [dataclasses.replace(plan, key=Key(algorithm="hmac(sha512)", mac_length=12)) for plan in batch]
    segments = segments_of(batch, packets.ethernet, packets.ETHERNET)
    macs = MacInputs(MacPlaces.of(segments)).captured_macs(np.arange(len(batch)), 12)
    for row, plan in enumerate(batch):
        option = 20 if plan.option_first else 20 + len(plan.other_options)
        assert macs[row].tobytes() == octets_of(segments, row)[option + 4 : option + 16]


def octets_of(segments: Segments, row: int) -> bytes:
    """TCP header and payload of one segment."""
    located = segments.packets
    return located.octets[int(located.starts[row]) : int(located.ends[row])].tobytes()
