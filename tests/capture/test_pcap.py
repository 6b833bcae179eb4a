"""pcap: every magic, lengths that make no sense, and the cost of the walk."""

from __future__ import annotations

import io
import struct
import sys
import time
from types import FrameType

import numpy as np
import pytest

from aoinspect.capture import HEADROOM, TAILROOM, open_capture
from aoinspect.errors import CaptureError
from tests.capture.builders import (
    PCAP_MAGIC_KUZNETZOV,
    PCAP_MAGIC_NS,
    PCAP_MAGIC_US,
    pcap,
    pcap_header,
    pcap_record,
    read,
)

FRAMES = [b"first", b"", b"the third frame", bytes(range(256))]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "magic, fraction_ns, more",
    [
        (PCAP_MAGIC_US, 1000, b""),
        (PCAP_MAGIC_NS, 1, b""),
        (PCAP_MAGIC_KUZNETZOV, 1000, b"\2\0\0\0\x08\0\4\0"),
    ],
    ids=["us", "ns", "kuznetzov"],
)
def test_every_magic_and_byte_order_gives_the_frames(order: str, magic: int, fraction_ns: int, more: bytes) -> None:
    records = [
        pcap_record(octets, order, 0xFFFFFFF0, 123456 + index, len(octets) + 9, more=more)
        for index, octets in enumerate(FRAMES)
    ]
    frames, reader = read(pcap_header(order, magic) + b"".join(records))
    assert [frame.octets for frame in frames] == FRAMES
    assert [frame.number for frame in frames] == [1, 2, 3, 4]
    assert [frame.wire_length for frame in frames] == [len(octets) + 9 for octets in FRAMES]
    expected = [0xFFFFFFF0 * 10**9 + (123456 + index) * fraction_ns for index in range(4)]
    assert [frame.time_ns for frame in frames] == expected
    assert reader.damage is None
    for frame in frames:
        again = reader.frame_at(frame.offset)
        assert (again.octets, again.wire_length, again.time_ns) == (
            frame.octets,
            frame.wire_length,
            frame.time_ns,
        )


def test_the_upper_bits_of_the_link_type_are_the_frame_check_sequence() -> None:
    frames, reader = read(pcap_header(link_field=0x2400_0071) + pcap_record(b"x"))
    assert frames[0].link_type == 0x71
    (interface,) = reader.interfaces
    assert (interface.link_type, interface.fcs_length, interface.snap_length) == (0x71, 4, 262144)


def test_a_frame_check_sequence_counts_only_where_its_flag_is_set() -> None:
    _, reader = read(pcap_header(link_field=0x2000_0001))
    assert reader.interfaces[0].fcs_length is None


def test_files_before_version_2_3_have_the_wire_length_first() -> None:
    record = struct.pack("<IIII", 1, 2, 60, 5) + b"abcde"
    frames, _ = read(pcap_header(version=(2, 2)) + record + record)
    assert [(frame.octets, frame.wire_length) for frame in frames] == [(b"abcde", 60)] * 2


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(CaptureError, match=r"version 3\.0 at octet 4"):
        read(pcap_header(version=(3, 0)))


@pytest.mark.parametrize("claimed", [262_145, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_captured_length_beyond_reason_is_damage_at_its_record(claimed: int) -> None:
    sound = pcap_header() + pcap_record(b"good") * 3
    frames, reader = read(sound + pcap_record(b"bad", captured=claimed) + pcap_record(b"never"))
    assert [frame.octets for frame in frames] == [b"good"] * 3
    assert reader.damage is not None
    assert reader.damage.offset == len(sound)
    assert str(claimed) in reader.damage.message


def test_a_snap_length_of_megabytes_allows_frames_of_megabytes() -> None:
    large = bytes(3 << 20)
    frames, reader = read(
        pcap_header(snap_length=4 << 20) + pcap_record(large) + pcap_record(b"end"), batch_octets=4096
    )
    assert [len(frame.octets) for frame in frames] == [3 << 20, 3]
    assert reader.damage is None


def test_a_snap_length_of_nonsense_allows_no_frame_beyond_128_mib() -> None:
    frames, reader = read(pcap_header(snap_length=0xFFFF_FFFF) + pcap_record(b"x", captured=(128 << 20) + 1))
    assert frames == []
    assert reader.damage is not None
    assert reader.damage.offset == 24


@pytest.mark.parametrize("kept", range(1, 21))
def test_a_record_cut_short_is_damage_at_its_start(kept: int) -> None:
    sound = pcap([b"one", b"two"])
    frames, reader = read(sound + pcap_record(b"three")[:kept])
    assert [frame.octets for frame in frames] == [b"one", b"two"]
    assert reader.damage is not None
    assert reader.damage.offset == len(sound)
    assert "frame 3" in reader.damage.message


def test_a_header_alone_is_an_empty_capture() -> None:
    frames, reader = read(pcap_header())
    assert (frames, reader.damage, reader.format, reader.compression) == ([], None, "pcap", None)


def test_head_and_tail_of_every_batch_are_zero_and_the_octets_may_be_written() -> None:
    octets = pcap([bytes([255]) * (50 + index) for index in range(40)])
    for batch_octets, batch_frames in ((4 << 20, 32768), (4 << 20, 7), (300, 32768)):
        reader = open_capture(io.BytesIO(octets), batch_octets=batch_octets, batch_frames=batch_frames)
        for batch in reader.batches():
            assert len(batch.octets) >= batch.ends[-1] + TAILROOM
            assert not batch.octets[:HEADROOM].any()
            assert not batch.octets[-TAILROOM:].any()
            assert batch.starts[0] >= HEADROOM
            batch.octets[:] = 1
    frames, _ = read(octets)
    assert [len(frame.octets) for frame in frames] == list(range(50, 90))


def test_writing_over_one_batch_changes_no_other() -> None:
    octets = pcap([bytes([index]) * 30 for index in range(20)])
    seen = []
    for batch in open_capture(io.BytesIO(octets), batch_frames=3, batch_octets=256).batches():
        seen += [batch.octets[s:e].tobytes() for s, e in zip(batch.starts, batch.ends, strict=True)]
        batch.octets[:] = 0xEE
    assert seen == [bytes([index]) * 30 for index in range(20)]


def test_batches_have_the_dtypes_of_the_contract() -> None:
    (batch,) = open_capture(io.BytesIO(pcap(FRAMES))).batches()
    for column in (batch.starts, batch.ends, batch.wire_lengths, batch.times_ns, batch.offsets):
        assert column.dtype == np.int64
    assert batch.interfaces.dtype == batch.link_types.dtype == np.uint16
    assert batch.octets.dtype == np.uint8
    assert len(batch) == 4


def _python_calls(octets: bytes) -> int:
    reader = open_capture(io.BytesIO(octets))
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        (batch,) = reader.batches()
    finally:
        sys.setprofile(None)
    assert len(batch) > 900
    return calls


def test_twice_the_frames_in_a_batch_add_no_python_calls() -> None:
    once, twice = (pcap([b"frame"] * frames) for frames in (1000, 2000))
    assert _python_calls(once) == _python_calls(twice) > 0


def test_small_batches_of_a_large_file_take_time_in_proportion() -> None:
    """A batch of one frame must not cost a copy of the whole buffer."""
    octets = pcap([bytes(60)] * 20_000)
    started = time.process_time()
    frames, _ = read(octets, batch_frames=4)
    assert len(frames) == 20_000
    assert time.process_time() - started < 5
