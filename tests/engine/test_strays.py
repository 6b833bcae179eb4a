"""Segments that somebody injects change no other segment's verdict (design: Connections)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aoinspect.engine.connections import ALIVE_LIMIT, CONTINUATION_LIMIT
from tests.conversation import Conversation, Flag, Key
from tests.engine.judged import Judged, assert_alike_in_any_batches, judge, judge_told
from tests.engine.stories import ANY_STRAYS, ENDS, NUMBERS, Stray, examples, injected, stories, strays, told_in_words
from tests.packets import write_pcap
from tests.told_capture import Capture, CapturedSegment


def judge_segments(segments: list[CapturedSegment], key_file: str, batch_frames: int = 32768) -> Judged:
    return judge(write_pcap(Capture(tuple(segments)).records()), key_file, batch_frames)


def outcomes_beside_strays(
    conversation: Conversation, injected_strays: list[Stray], *, with_connections: bool = False
) -> list[tuple[str, str | None]]:
    """Verdict and reason of the conversation's own segments, the same in whole and in single frames."""
    segments, stray_frames = injected(conversation, injected_strays)
    capture = write_pcap(Capture(tuple(segments)).records())
    judged = assert_alike_in_any_batches(capture, conversation.key_file(with_connections=with_connections), (1,))
    assert all(line.verdict != "verified" for line in judged.lines if line.frame in stray_frames)
    return [line.outcome for line in judged.lines if line.frame not in stray_frames]


@examples(30)
@given(stories(minimum_mac_length=8, longest=8), ANY_STRAYS)
def test_strays_change_no_verdict_of_a_whole_conversation(story: Conversation, some: list[Stray]) -> None:
    words = told_in_words(story)
    expected = [("verified", None)] * len(story.segments)
    assert outcomes_beside_strays(story, some) == expected, words


@st.composite
def partial_stories(draw: st.DrawFn) -> Conversation:
    """Conversations whose first segments, any of them, are not in the capture."""
    story = draw(stories(minimum_mac_length=8, longest=6))
    for frame in sorted(draw(st.sets(st.integers(0, 4), min_size=1, max_size=4)), reverse=True):
        if len(story.segments) > max(frame, 1):
            story.lose(frame)
    return story


UNSIGNED_STRAYS = st.lists(strays(is_signed=st.just(False), is_relative=st.booleans()), min_size=1, max_size=12)


@examples(30)
@given(partial_stories(), UNSIGNED_STRAYS)
def test_unsigned_strays_change_no_verdict_where_the_handshake_is_partly_missing(
    story: Conversation, some: list[Stray]
) -> None:
    words = told_in_words(story)
    expected = judge_told(story).outcomes
    assert outcomes_beside_strays(story, some) == expected, words


def _is_like_a_wrong_secret(story: Conversation, stray: Stray) -> bool:
    """Whether the stray is a wrongly signed handshake segment that segments of the story seem to continue.

    Where nothing can be verified, that is what a genuine handshake and a wrong secret look like.
    """
    if not stray.is_signed or stray.flags not in ("SYN", "SYN-ACK"):
        return False
    plan = stray.segment(story).plan
    peer_isn = (plan.ack - 1) % 2**32
    for segment in story.segments:
        is_same_end = segment.plan.source == plan.source
        own = (segment.plan.seq if is_same_end else segment.plan.ack) - plan.seq
        peer = (segment.plan.ack if is_same_end else segment.plan.seq) - peer_isn
        if own % 2**32 < CONTINUATION_LIMIT and (plan.flags == Flag.SYN or peer % 2**32 < CONTINUATION_LIMIT):
            return True
    return False


@examples(30)
@given(partial_stories(), ANY_STRAYS)
def test_strays_change_no_verdict_where_the_handshake_is_partly_missing(story: Conversation, some: list[Stray]) -> None:
    words = told_in_words(story)
    some = [stray for stray in some if not _is_like_a_wrong_secret(story, stray)]
    expected = judge_told(story).outcomes
    assert outcomes_beside_strays(story, some) == expected, words


@examples(20)
@given(stories(minimum_mac_length=8, longest=6), ANY_STRAYS)
def test_strays_change_no_verdict_where_the_key_file_tells_the_isns(story: Conversation, some: list[Stray]) -> None:
    while story.segments and story.segments[0].plan.flags & Flag.SYN:
        story.lose(0)
    assume(story.segments)
    words = told_in_words(story)
    expected = judge_told(story, with_connections=True).outcomes
    assert expected == [("verified", None)] * len(story.segments), words
    assert outcomes_beside_strays(story, some, with_connections=True) == expected, words


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("flags", [Flag.SYN, Flag.SYN | Flag.ACK])
@pytest.mark.parametrize("signed", ["wrongly", "no"])
@pytest.mark.parametrize("after", [0, 2])
def test_a_flood_of_handshakes_leaves_the_connection_alive(end: str, flags: Flag, signed: str, after: int) -> None:
    conversation = Conversation().handshake().data("a", 20).data("b", 30).wrap("a").close()
    flood = [
        Stray(
            after,
            "a" if end == "a" else "b",
            "SYN-ACK" if flags & Flag.ACK else "SYN",
            number * 0x3_1415_926 % 2**32,
            number * 0x2_7182_818 % 2**32,
            signed == "wrongly",
            False,
        )
        for number in range(2 * ALIVE_LIMIT + 3)
    ]
    expected = [("verified", None)] * len(conversation.segments)
    assert outcomes_beside_strays(conversation, flood) == expected


def test_a_flood_of_syns_leaves_connections_of_the_key_file_alive() -> None:
    conversation = Conversation().established(client_octets=9000).data("a", 20).data("b", 30)
    flood = [Stray(0, "a", "SYN", number << 27, 0, False, False) for number in range(2 * ALIVE_LIMIT)]
    expected = [("verified", None)] * 2
    assert outcomes_beside_strays(conversation, flood, with_connections=True) == expected


def test_a_stray_copy_of_the_last_ack_does_not_use_up_its_guess() -> None:
    """A wrongly signed segment with the very numbers that tell the ISNs comes first."""
    conversation = Conversation().handshake().data("a", 10)
    conversation.lose(0).lose(0)
    stray = Stray(0, "a", "ACK", 1, 1, True, True)
    assert outcomes_beside_strays(conversation, [stray] * 3) == [("verified", None)] * 2


def test_a_stray_syn_does_not_hide_a_syn_ack_that_stands_alone() -> None:
    conversation = Conversation().handshake().data("b", 10).lose(0)
    stray = Stray(0, "a", "SYN", 77, 0, False, False)
    assert outcomes_beside_strays(conversation, [stray]) == [("verified", None)] * 3


def test_a_stray_syn_does_not_hide_that_isns_are_unknown() -> None:
    conversation = Conversation().established(client_octets=500, server_octets=500).data("a", 10).data("b", 10)
    handshake = [
        Stray(0, "a", "SYN", 400, 0, False, True),
        Stray(0, "b", "SYN-ACK", 400, 401, False, True),
        Stray(1, "a", "SYN", 2**30, 0, True, True),
        Stray(1, "b", "SYN-ACK", 2**30, 2**30 + 1, True, True),
    ]
    expected: list[tuple[str, str | None]] = [("unverifiable", "isn-unknown")] * 2
    assert judge_told(conversation).outcomes == expected
    assert outcomes_beside_strays(conversation, handshake) == expected


def test_a_stray_syn_ack_gives_no_isn_to_a_verified_syn() -> None:
    conversation = Conversation().handshake().data("b", 10).data("a", 10).data("a", 10)
    conversation.lose(1).lose(1)
    stray = Stray(1, "b", "SYN-ACK", 12345, 1, True, True)
    expected = judge_told(conversation).outcomes
    assert outcomes_beside_strays(conversation, [stray]) == expected


def test_a_stray_copy_of_the_syn_with_another_mss_decides_nothing() -> None:
    """What is larger than the announced MSS, and fails, was not captured from the wire."""
    conversation = Conversation().handshake().data("a", 3000).sign_with_wrong_secret()
    expected = judge_told(conversation).outcomes
    assert expected[-1] == ("unverifiable", "offloaded")
    (copy,) = injected(Conversation(), [Stray(0, "b", "SYN-ACK", 0, 1, False, True)])[0]
    copy = dataclasses.replace(copy, packet=copy.packet.replace(b"\x02\x04\x05\xb4", b"\x02\x04\x7f\xff"))
    segments = [*conversation.segments[:1], copy, *conversation.segments[1:]]
    judged = judge_segments(segments, conversation.key_file())
    assert [line.outcome for line in judged.lines if line.frame != 2] == expected


@examples(20)
@given(st.lists(st.tuples(st.integers(3, 20), NUMBERS), min_size=1, max_size=6))
def test_strays_of_any_sequence_number_do_not_carry_the_sne_along(places: list[tuple[int, int]]) -> None:
    """SNE is unwrapped with verified segments as the only reference."""
    conversation = Conversation(client_isn=2**32 - 500).handshake()
    for _ in range(8):
        conversation.data("a", 100).ack("b")
    expected = [(segment.plan.sne, "verified") for segment in conversation.segments]
    strays_within = [Stray(at, "a", "data", seq, 1, True, False) for at, seq in places]
    segments, stray_frames = injected(conversation, strays_within)
    judged = judge_segments(segments, conversation.key_file())
    assert [(line.sne, line.verdict) for line in judged.lines if line.frame not in stray_frames] == expected


def test_a_verified_segment_that_only_a_failed_one_leads_to_is_none_in_any_batches() -> None:
    """Read one by one it cannot be placed: it lies 2^31 octets or more beyond the last verified one."""
    conversation = Conversation([Key()], client_isn=0x91223344).handshake().data("a", 10)
    conversation.skip("a", 2**30).data("a", 10).sign_with_wrong_secret()
    conversation.skip("a", 2**30).data("a", 10).data("a", 10)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file(), (1, 2, 5))
    assert judged.verdicts == ["verified"] * 4 + ["mismatch"] * 3


@pytest.mark.parametrize("seq", [2**32 - 1, 2**32 - 2**20, 2**31 + 7])
def test_without_keys_a_segment_before_the_start_is_at_sne_0_and_moves_no_other(seq: int) -> None:
    """A position below the ISN at SNE 0 does not exist (RFC 9187)."""
    conversation = Conversation(client_isn=5).handshake().stray("a", seq, signed="wrongly").data("a", 40).data("b", 2)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), "version = 1\n", (1, 4))
    assert [line.sne for line in judged.lines] == [0] * 6
