"""The same capture cut into any batches gives the same rows and the same Report."""

from __future__ import annotations

import dataclasses

from hypothesis import given, note
from hypothesis import strategies as st

from tests import packets
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import assert_alike_in_any_batches, judge
from tests.engine.stories import ANY_STRAYS, Stray, chains, examples, injected, openings, stories, tell, told_in_words
from tests.packets import Record, write_pcap
from tests.told_capture import Capture, CapturedSegment


def records_of(segments: list[CapturedSegment], fragmented: set[int], fragment_octets: int = 32) -> list[Record]:
    """Frames of `segments`; those whose index is in `fragmented` in pieces."""
    records = []
    for index, segment in enumerate(segments):
        pieces = packets.ip_fragments(segment.packet, fragment_octets) if index in fragmented else [segment.packet]
        for piece in pieces:
            frame = packets.ethernet(piece)
            records.append(Record(frame, len(frame), segment.time_ns))
    return records


@examples(40)
@given(stories(longest=8), ANY_STRAYS, st.sets(st.integers(0, 20)), st.sets(st.integers(0, 30), max_size=4))
def test_batches_of_any_size_tell_the_same_of_one_pair(
    story: Conversation, some: list[Stray], fragmented: set[int], missing: set[int]
) -> None:
    note(told_in_words(story))
    segments, _ = injected(story, some)
    records = [record for index, record in enumerate(records_of(segments, fragmented)) if index not in missing]
    assert_alike_in_any_batches(write_pcap(records), story.key_file(with_connections=len(missing) > 2), (1, 2, 5))


@st.composite
def reconnections(draw: st.DrawFn) -> list[Conversation]:
    """Conversations of one socket pair under the same keys, some of them at the same time."""
    keys = draw(chains(minimum_mac_length=8))
    conversations = []
    for number in range(draw(st.integers(2, 4))):
        conversation = draw(openings(keys))
        conversation.sockets = Conversation(keys).sockets
        conversation.advance(draw(st.integers(0, 12)) * 1_000_003 + number)
        conversations.append(tell(draw, conversation.handshake(), longest=5))
    return conversations


@examples(20)
@given(reconnections(), ANY_STRAYS, st.sets(st.integers(0, 20), max_size=3))
def test_batches_of_any_size_tell_the_same_of_several_connections_of_one_pair(
    conversations: list[Conversation], some: list[Stray], lost: set[int]
) -> None:
    together = Conversation(conversations[0].keys["a"])
    together.segments = list(merge(conversations).segments)
    told, _ = injected(together, some)
    told = [segment for index, segment in enumerate(told) if index not in lost]
    capture = write_pcap(Capture(tuple(told)).records())
    assert_alike_in_any_batches(capture, conversations[0].key_file(), (1, 2, 5))


def test_a_fragment_whose_rest_never_comes_stands_at_the_end_in_any_batches() -> None:
    conversation = Conversation().handshake()
    conversation.data("a", 200)
    for _ in range(4):
        conversation.advance(40 * 10**9).data("b", 50).data("a", 30)
    records = records_of(list(conversation.segments), {3}, 64)
    assert packets.ip_fragments(conversation.segments[3].packet, 64)[1:] != []
    del records[4]
    judged = assert_alike_in_any_batches(write_pcap(records), conversation.key_file())
    assert judged.lines[-1].frame == 4
    assert judged.lines[-1].outcome == ("unverifiable", "fragment")
    assert judged.report.totals.incomplete_datagrams == 1


def test_a_wrong_secret_says_the_same_in_any_batches() -> None:
    conversation = Conversation(timestamps=True).handshake()
    for end in ("a", "b", "a", "b"):
        conversation.data(end, 900).wrap(end)
    wrong = conversation.key_file().replace(Key().secret.hex(), b"another secret".hex())
    judged = assert_alike_in_any_batches(conversation.to_pcap(), wrong)
    assert set(judged.outcomes) == {("mismatch", None)}


def test_without_keys_batches_say_the_same() -> None:
    first = Conversation(client_isn=2**32 - 3).handshake().data("a", 10).wrap("b").rollover("a", to=1)
    second = Conversation(client_isn=77, start_ns=1_790_000_000_500_000_000).handshake().data("a", 10).data("b", 9)
    capture = merge([first, second])
    judged = assert_alike_in_any_batches(capture.to_pcap(), "version = 1\n")
    assert set(judged.verdicts) == {"no-key"}
    assert [line.sne for line in judged.lines if line.connection == 0][-1] == 1


def test_reordering_across_the_handshake_says_the_same_in_any_batches() -> None:
    for late in range(1, 6):
        conversation = Conversation().handshake().data("b", 10).data("a", 10).data("b", 5)
        segment = conversation.segments.pop(1)
        conversation.segments.insert(late, segment)
        conversation.segments = [
            dataclasses.replace(told, time_ns=10**18 + index) for index, told in enumerate(conversation.segments)
        ]
        judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file(), (1, 2, 3, 4))
        assert judged.by_frame[late + 1].verdict == "verified"
        assert "mismatch" not in judged.verdicts


def test_a_stray_before_the_isns_are_known_goes_to_the_same_connection_in_any_batches() -> None:
    conversation = Conversation(client_isn=2**31, server_isn=99).handshake().data("a", 10).lose(1)
    some = [Stray(at, "a", "RST", 0, 0, False, False) for at in (0, 1, 1, 2)]
    segments, _ = injected(conversation, some)
    capture = write_pcap(Capture(tuple(segments)).records())
    judged = assert_alike_in_any_batches(capture, conversation.key_file())
    assert judged.verdicts == ["unsigned", "verified", "unsigned", "unsigned", "verified", "unsigned", "verified"]


def test_one_frame_is_a_batch_too() -> None:
    conversation = Conversation().syn()
    assert judge(conversation.to_pcap(), conversation.key_file(), 1).verdicts == ["verified"]
