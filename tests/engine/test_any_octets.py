"""Whatever a capture holds, the engine ends with a Report."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.errors import CaptureError
from aoinspect.report.model import Report, build_report
from dissectors.registry import Registry
from tests import packets
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import capture_of, store_of
from tests.engine.stories import examples, stories
from tests.packets import Record, write_pcap

LINK_TYPES = sorted(Registry().namespace("linktype"))
KEYS = Conversation([Key(), Key("k2", 2, 102, "aes-128-cmac-96")]).key_file(with_connections=True)


def report_of(capture: bytes, batch_frames: int = 32768) -> Report | None:
    """The Report, or None where not even the file's header can be read."""
    analyzer = Analyzer(store_of(KEYS))
    try:
        reader = open_capture(io.BytesIO(capture), batch_frames=batch_frames)
    except CaptureError:
        return None
    with reader:
        analyse([reader], analyzer)
    return build_report(analyzer)


def several() -> bytes:
    """A small capture of everything: two connections, fragments, a cut, a stray, options."""
    first = Conversation().handshake().data("a", 30).stray("a", 9).data("a", 20).cut(60).add_second_option(3)
    second = Conversation([Key("k2", 2, 102, "aes-128-cmac-96")], client="[fd00::1]:40000", server="[fd00::2]:179")
    second.syn().syn_ack().data("a", 50)
    capture = merge([first, second])
    records = capture.records()
    for piece in packets.ip_fragments(second.segments[-1].packet, 24):
        frame = packets.ethernet(piece)
        records.append(Record(frame, len(frame), records[-1].time_ns + 1))
    return write_pcap(records)


def test_every_prefix_of_a_small_capture_ends_in_a_report() -> None:
    capture = several()
    assert len(capture) < 4096
    whole = report_of(capture)
    assert whole is not None
    for length in range(len(capture)):
        report = report_of(capture[:length])
        if report is not None:
            assert report.totals.frames <= whole.totals.frames
            assert report.totals.protected_segments <= whole.totals.protected_segments


@examples(40)
@given(st.lists(st.tuples(st.integers(24, 3000), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_octets_end_in_a_report(damage: list[tuple[int, int]]) -> None:
    capture = bytearray(several())
    for place, value in damage:
        capture[place % len(capture)] = value
    report_of(bytes(capture), 4)


@pytest.mark.parametrize("link_type", LINK_TYPES)
def test_random_frames_of_every_link_type_end_in_a_report(link_type: int) -> None:
    chance = random.Random(link_type)
    frames = [chance.randbytes(chance.randrange(0, 120)) for _ in range(60)]
    # What looks like a packet for a while comes further in.
    packet = Conversation().syn().segments[0].packet
    for head in (b"", *(chance.randbytes(length) for length in range(1, 40))):
        frames.append(head + packet)
        damaged = bytearray(head + packet)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        frames.append(bytes(damaged[: chance.randrange(len(damaged))]))
    report = report_of(capture_of(frames, link_type))
    assert report is not None
    assert report.totals.frames == len(frames)


@examples(40)
@given(st.lists(st.binary(max_size=90), max_size=10), st.sampled_from(LINK_TYPES))
def test_any_octets_as_frames_end_in_a_report(frames: list[bytes], link_type: int) -> None:
    report = report_of(capture_of(frames, link_type), 3)
    assert report is not None
    assert report.totals.frames == len(frames)


@examples(40)
@given(stories(longest=5), st.data())
def test_conversations_with_damaged_headers_end_in_a_report(story: Conversation, data: st.DataObject) -> None:
    """Damage inside the IP packet: lengths, offsets, options, fragments."""
    frames = []
    for segment in story.segments:
        packet = bytearray(segment.packet)
        for _ in range(data.draw(st.integers(0, 3))):
            packet[data.draw(st.integers(0, min(len(packet), 80) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.sampled_from([None, None, None, 10, 30, 50]))
        frames.append(packets.ethernet(bytes(packet[:cut])))
    report = report_of(capture_of(frames))
    assert report is not None


@examples(30)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 12), st.booleans(), st.binary(max_size=40)), max_size=20))
def test_any_fragments_end_in_a_report(pieces: list[tuple[int, int, bool, bytes]]) -> None:
    """Overlapping, empty, endless, contradicting."""
    frames = []
    for identification, offset, has_more, payload in pieces:
        packet = bytearray(packets.ip_packet("10.0.0.1", "10.0.0.2", payload, identification=identification % 2))
        packet[6:8] = (has_more << 13 | offset).to_bytes(2, "big")
        frames.append(packets.ethernet(bytes(packet)))
    report = report_of(capture_of(frames), 2)
    assert report is not None
