"""A plain verifier that shares nothing with the product says the same of every segment, whatever the capture.

The engine judges batches with arrays; the reference takes one segment after the other, straight from the RFCs.
"""

from __future__ import annotations

import ast
import dataclasses
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.errors import CaptureError
from tests import packets
from tests.conversation import PEER, CapturedSegment, Conversation, End, Key, merge
from tests.engine.judged import judge
from tests.engine.stories import ANY_STRAYS, ENDS, Stray, chains, examples, injected, md5_stories, stories
from tests.packets import ETHERNET, LINUX_SLL, LINUX_SLL2, RAW, Encapsulate, Record, write_pcap, write_pcapng
from tests.recorded import RecordedCapture, captures_in, parameters
from tests.reference.captures import NoCaptureError
from tests.reference.key_file import KeyFile, read_key_file
from tests.reference.verification import verify
from tests.told_capture import Capture, with_plan

HERE = Path(__file__).parent
PROJECT_ROOT = HERE.parents[1]
SHARED = PROJECT_ROOT.parent / "shared"

Told = tuple[str, str | None, str | None, int | None]
"""Verdict, reason, key and SNE."""

FOR_ANYONE = """
version = 1
[[peer]]
  [[peer.key]]
  send-id = 1
  recv-id = 2
  algorithm = "hmac-sha-1-96"
  secret = "anyone"
  [[peer.key]]
  algorithm = "tcp-md5"
  secret = "anyone"
"""
"""Covers every socket pair, so that every TCP segment has a row."""


def differences(capture: bytes, key_text: str, batch_frames: int = 32768) -> list[tuple[int, Told | None, Told | None]]:
    """Frames of which the engine (first) and the reference do not say the same."""
    try:
        judged = judge(capture, key_text, batch_frames)
    except CaptureError:
        with pytest.raises(NoCaptureError):
            verify(capture, KeyFile())
        return []
    plain, unread = verify(capture, read_key_file(key_text))
    ours: dict[int, Told] = {line.frame: (*line.outcome, line.mkt, line.sne) for line in judged.lines}
    theirs: dict[int, Told] = {one.frame: (one.verdict, one.reason, one.mkt, one.sne) for one in plain}
    assert len(ours) == len(judged.lines)
    return [
        (frame, ours.get(frame), theirs.get(frame))
        for frame in sorted((ours.keys() | theirs.keys()) - unread)
        if ours.get(frame) != theirs.get(frame)
    ]


def test_the_reference_shares_nothing_with_the_product() -> None:
    modules = [path for path in HERE.glob("*.py") if not path.name.startswith("test_")]
    modules += [PROJECT_ROOT / "tests" / "reference_signer.py"]
    assert len(modules) > 5
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in ("aoinspect", "dissectors", "numpy", "dpkt"), (path.name, name)
                if name.startswith("tests"):
                    assert name.startswith(("tests.reference.", "tests.reference_signer")) or name == "tests", name


# Recorded captures.


@pytest.mark.parametrize("capture", parameters())
def test_recorded_captures_are_judged_alike(capture: RecordedCapture) -> None:
    octets = capture.path.read_bytes()
    octets = gzip.decompress(octets) if capture.path.suffix == ".gz" else octets
    assert differences(octets, capture.keys.read_text(encoding="utf-8")) == []


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")
def test_further_recorded_captures_are_judged_alike() -> None:
    known = {parameter.values[0].name for parameter in parameters()}  # type: ignore[union-attr]
    for capture in captures_in(SHARED / "captures"):
        if capture.name not in known:
            assert differences(capture.path.read_bytes(), capture.keys.read_text(encoding="utf-8")) == [], capture.name


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="odd captures are not beside the project")
def test_odd_and_malformed_captures_are_judged_alike() -> None:
    captures = sorted((SHARED / "corpus").rglob("*.pcap*"))
    assert len(captures) > 600
    for path in captures:
        for key_text in ("version = 1\n", FOR_ANYONE):
            assert differences(path.read_bytes(), key_text) == [], path.name


# Random conversations.


@st.composite
def faulty_stories(draw: st.DrawFn) -> Conversation:
    """Conversations with segments missing, cut, broken, wrongly signed or not signed."""
    if draw(st.integers(0, 5)) == 0:
        story = draw(md5_stories())
    else:
        story = draw(stories(minimum_mac_length=draw(st.sampled_from([4, 8])), longest=10))
        if draw(st.booleans()):
            story.keys["b"] = [_another(draw, key) for key in story.keys["a"]]
    lost = draw(st.sets(st.integers(0, 5), max_size=4)) if draw(st.booleans()) else set()
    for frame in sorted(lost, reverse=True):
        if frame < len(story.segments) - 1:
            story.lose(frame)
    for _ in range(draw(st.integers(0, 5))):
        _spoil(draw, story, draw(st.integers(0, len(story.segments) - 1)))
    return story


def _another(draw: st.DrawFn, key: Key) -> Key:
    """The key as the server has it, maybe otherwise."""
    return draw(
        st.sampled_from(
            [
                key,
                dataclasses.replace(key, secret=b"another"),
                dataclasses.replace(key, include_options=not key.include_options),
                dataclasses.replace(key, algorithm="hmac-sha-1-96"),
                dataclasses.replace(key, mac_length=12),
            ]
        )
    )


def _spoil(draw: st.DrawFn, story: Conversation, frame: int) -> None:
    kind = draw(st.integers(0, 10))
    segment = story.segments[frame]
    is_signed = segment.plan.key is not None
    is_ao = is_signed and segment.plan.key is not None and segment.plan.key.algorithm != "tcp-md5"
    if kind == 0:
        story.cut(draw(st.integers(0, len(segment.packet) - 1)), frame)
    elif kind == 1 and segment.plan.key is not None:
        story.strip_option(frame)
    elif kind == 2:
        story.flip_bit(draw(st.integers(0, 70)) % (len(segment.packet) - 40), draw(st.integers(0, 7)), frame)
    elif kind == 3 and is_signed:
        story.sign_with_wrong_secret(frame)
    elif not is_ao:
        return
    elif kind == 4:
        story.sign_with_wrong_sne(draw(st.sampled_from([1, -1, 2])), frame)
    elif kind == 5:
        story.change_mac_length(draw(st.integers(1, 16)), frame)
    elif kind == 6:
        story.name_unknown_key(draw(st.integers(0, 255)), frame)
    elif kind == 7:
        story.break_option_length(draw(st.integers(0, 60)), frame)
    elif kind == 8:
        story.sign_with_wrong_isns(frame)
    elif kind == 9 and not segment.plan.other_options and len(segment.packet) < 1000:
        story.add_second_option(frame)
    elif kind == 10:
        story.sign_with_other_options_flag(frame)


@st.composite
def key_texts(draw: st.DrawFn, story: Conversation) -> str:
    """Its key file, with and without the ISNs; or with other options, a gap, an SNE that is one off; or no keys."""
    text = story.key_file(with_connections=draw(st.booleans()))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return "version = 1\n"
    if kind == 1:
        return text.replace('tcp-options = "include"', 'tcp-options = "auto"').replace(
            'tcp-options = "exclude"', 'tcp-options = "auto"'
        )
    if kind == 2:
        lines = text.splitlines()
        place = next((index for index, line in enumerate(lines) if line.lstrip().startswith("secret")), None)
        if place is not None:
            lines[place] = 'gap = "nobody knows"'
        return "\n".join(lines)
    if kind == 3:
        return re.sub(r"(?<=-sne = )\d+", lambda _: str(draw(st.sampled_from([0, 1, 2, 2**32 - 1]))), text)
    if kind == 4:
        text = story.key_file()
        return "\n".join(line for line in text.splitlines() if not line.startswith(("local =", "port =")))
    return text


ENVELOPES: list[tuple[int, Encapsulate]] = [
    (ETHERNET, packets.ethernet),
    (ETHERNET, packets.in_vlan(20)),
    (RAW, packets.raw),
    (LINUX_SLL, packets.linux_cooked),
    (LINUX_SLL2, packets.linux_cooked_on(7)),
    (ETHERNET, packets.in_gre()),
    (ETHERNET, packets.in_vxlan(9)),
]


@st.composite
def files_of(draw: st.DrawFn, records: Sequence[Record], link_type: int) -> bytes:
    """The records as a capture file, maybe cut."""
    write = write_pcap if draw(st.booleans()) else write_pcapng
    octets = write(records, byte_order=draw(st.sampled_from(["little", "big"])), link_type=link_type)
    return octets[: draw(st.integers(40, len(octets)))] if draw(st.integers(0, 7)) == 0 else octets


@examples(30)
@given(st.data())
def test_random_conversations_are_judged_alike(data: st.DataObject) -> None:
    story = data.draw(faulty_stories())
    some = data.draw(st.one_of(st.just([]), ANY_STRAYS))
    text = data.draw(key_texts(story))
    segments, _ = injected(story, some)
    link_type, encapsulate = data.draw(st.sampled_from(ENVELOPES))
    capture = data.draw(files_of(Capture(tuple(segments)).records(encapsulate), link_type))
    assert differences(capture, text, data.draw(st.sampled_from([1, 4, 32768]))) == []


@examples(8)
@given(st.lists(faulty_stories(), min_size=2, max_size=3), ANY_STRAYS, st.data())
def test_random_conversations_of_one_socket_pair_are_judged_alike(
    told: list[Conversation], some: list[Stray], data: st.DataObject
) -> None:
    """Sessions that follow or overlap each other between the same ports."""
    first = told[0]
    for other in told[1:]:
        for end in ENDS:
            other.sockets[end] = first.sockets[end]
        other.segments = [_moved(other, segment) for segment in other.segments]
    segments, _ = injected(first, some)
    first.segments = segments
    capture = merge(told)
    text = "\n".join([first.key_file(with_connections=data.draw(st.booleans()))])
    assert differences(capture.to_pcap(), text, data.draw(st.sampled_from([1, 3, 32768]))) == []


def _moved(story: Conversation, segment: CapturedSegment) -> CapturedSegment:
    """The segment between the ends that the conversation has by now."""
    end: End = "a" if segment.direction == "a>b" else "b"
    plan = dataclasses.replace(segment.plan, source=story.sockets[end], destination=story.sockets[PEER[end]])
    return with_plan(segment, plan, segment.verdict)


@examples(15)
@given(st.data())
def test_any_octets_in_a_conversation_are_judged_alike(data: st.DataObject) -> None:
    """Octets of its frames changed, whatever they mean, and frames in fragments."""
    story = data.draw(stories(minimum_mac_length=8, longest=4))
    records = []
    size = data.draw(st.sampled_from([8, 40, 1480]))
    for segment in story.segments:
        pieces = packets.ip_fragments(segment.packet, size) if len(segment.packet) > size + 40 else [segment.packet]
        for piece in data.draw(st.permutations(pieces)) if data.draw(st.booleans()) else pieces:
            frame = packets.ethernet(piece)
            records.append(Record(frame, len(frame), segment.time_ns))
    octets = bytearray(write_pcap(records))
    places = st.tuples(st.integers(40, len(octets) - 1), st.integers(0, 255))
    for at, value in data.draw(st.lists(places, max_size=6)):
        octets[at] = value
    text = story.key_file() if data.draw(st.booleans()) else FOR_ANYONE
    assert differences(bytes(octets), text, data.draw(st.sampled_from([1, 32768]))) == []


@examples(6)
@given(chains(4), st.data())
def test_every_algorithm_and_length_is_judged_alike(keys: list[Key], data: st.DataObject) -> None:
    story = Conversation(keys).handshake().data("a", 9)
    for key in keys:
        story.rollover("a", key.send_id).data("a", 3).rollover("b", key.send_id).data("b", 3)
    if data.draw(st.booleans()):
        story.fault_everywhere(dataclasses.replace(story.segments[0].plan.fault, isn_shift=1), beyond_syns=True)
    assert differences(story.to_pcap(), story.key_file()) == []
