"""Any octets end in frames, damage or a CaptureError; and batches are only a way of cutting."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from aoinspect.capture import CaptureReader
from aoinspect.errors import CaptureError
from tests.capture.builders import (
    Told,
    block,
    epb,
    idb,
    obsolete_pb,
    option,
    pcap,
    pcap_header,
    pcap_record,
    pcapng,
    read,
    shb,
    spb,
)

MIXED = (
    shb(">", option(1, b"note", ">"))
    + idb(">", 1, 40, option(9, b"\x89", ">"))
    + epb(b"abcdef", ">", ticks=1 << 33, options=option(2, b"\0\0\0\1", ">") + option(1, b"hello", ">"))
    + block(5, bytes(12), ">")
    + spb(b"simple", ">")
    + shb()
    + idb()
    + block(0xBAD, b"abcd")
    + obsolete_pb(b"old")
    + idb(link_type=113, options=option(14, b"\xff" * 8))
    + epb(b"xyz" * 30, interface=1, wire_length=400)
)
SMALL = [
    pcap([b"a" * 40, b"", b"b" * 3, b"c" * 90], "<"),
    pcap([b"a" * 40, b"", b"b" * 3, b"c" * 90], ">"),
    pcapng([b"a" * 40, b"", b"b" * 3]),
    MIXED,
]
LAST_NUMBER_OF_MIXED = 5

files = st.sampled_from(SMALL)


def outcome(
    octets: bytes, batch_octets: int = 4 << 20, batch_frames: int = 32768
) -> tuple[list[Told], CaptureReader] | None:
    """What reading gives; None for a CaptureError."""
    try:
        frames, reader = read(octets, batch_octets=batch_octets, batch_frames=batch_frames)
    except CaptureError:
        return None
    for frame in frames:
        again = reader.frame_at(frame.offset)
        assert (again.octets, again.wire_length, again.time_ns) == (
            frame.octets,
            frame.wire_length,
            frame.time_ns,
        )
        assert again.comments == reader.comments.get(frame.number, ())
        assert reader.interfaces[frame.interface].link_type == frame.link_type
    assert reader.frames_read == len(frames)
    if reader.damage is not None:
        assert 0 <= reader.damage.offset <= len(octets)
        assert all(frame.offset < reader.damage.offset for frame in frames)
    return frames, reader


def test_the_mixed_file_is_whole() -> None:
    result = outcome(MIXED)
    assert result is not None
    frames, reader = result
    assert reader.damage is None
    assert [frame.number for frame in frames] == [1, 2, 4, LAST_NUMBER_OF_MIXED]


def test_every_prefix_gives_the_frames_that_it_holds_and_damage_where_it_was_cut() -> None:
    for octets in SMALL:
        whole, _ = read(octets)
        borders = {frame.offset for frame in whole} | {len(octets)}
        for kept in range(len(octets)):
            result = outcome(octets[:kept])
            if result is None:
                assert kept < 28
                continue
            frames, reader = result
            assert frames == whole[: len(frames)]
            if kept in borders:
                assert reader.damage is None


@given(files, st.data())
def test_any_changed_octet_ends_in_frames_or_a_clean_error(octets: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(octets) - 1))
    changed = bytearray(octets)
    changed[at] ^= data.draw(st.integers(1, 255))
    outcome(bytes(changed))


@given(files, st.binary(max_size=80), st.data())
def test_any_octets_in_place_of_others_end_in_frames_or_a_clean_error(
    octets: bytes, noise: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(octets)))
    outcome(octets[:at] + noise)
    outcome(octets[:at] + noise + octets[at + len(noise) :])


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", pcap_header(), shb(), shb(">") + idb(">"), b"\x1f\x8b\x08\0"]),
)
def test_any_octets_behind_any_header_end_in_frames_or_a_clean_error(noise: bytes, header: bytes) -> None:
    outcome(header + noise)


def summary(result: tuple[list[Told], CaptureReader] | None) -> object:
    if result is None:
        return None
    frames, reader = result
    learned = (reader.damage, reader.interfaces, reader.comments, reader.file_comments, reader.skipped_blocks)
    return frames, learned, reader.clamped_times, reader.malformed_options


@given(files, st.data(), st.integers(1, 300), st.integers(1, 6))
def test_batches_of_any_size_give_the_same_frames_and_damage(
    octets: bytes, data: st.DataObject, batch_octets: int, batch_frames: int
) -> None:
    changed = bytearray(octets)
    if data.draw(st.booleans()):
        changed[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    expected = summary(outcome(bytes(changed)))
    assert summary(outcome(bytes(changed), batch_octets, batch_frames)) == expected


@given(files, st.integers(1, 300), st.integers(1, 6))
def test_gzip_gives_the_same_frames(octets: bytes, batch_octets: int, batch_frames: int) -> None:
    assert summary(outcome(gzip.compress(octets), batch_octets, batch_frames)) == summary(outcome(octets))


@given(st.lists(st.binary(max_size=70), max_size=40), st.sampled_from("<>"), st.integers(1, 2000))
def test_frames_come_back_as_they_were_written(octets: list[bytes], order: str, batch_octets: int) -> None:
    for capture in (pcap(octets, order), pcapng(octets, order), pcap_header(order) + b"".join(
        pcap_record(frame, order, 1, index) for index, frame in enumerate(octets)
    )):  # fmt: skip
        frames, reader = read(capture, batch_octets=batch_octets)
        assert [frame.octets for frame in frames] == octets
        assert [frame.time_ns for frame in frames] == [10**9 + index * 1000 for index in range(len(octets))]
        assert reader.damage is None
