"""Conversations made at random, for properties that hold for all of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st

from tests.conversation import PEER, CapturedSegment, Conversation, End, Flag, Key
from tests.reference_signer import ALGORITHMS, TCP_MD5
from tests.told_capture import with_plan

ENDS: tuple[End, End] = ("a", "b")
SOCKETS = [
    ("10.0.0.1:40000", "10.0.0.2:179"),
    ("10.0.0.2:40000", "10.0.0.1:179"),
    ("[fd00::1]:40000", "[fd00::2]:179"),
    ("[2001:db8:ffff::9]:50000", "[2001:db8::1]:179"),
]
NUMBERS = st.one_of(
    st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]), st.integers(0, 2000)
)
"""Sequence numbers, those at the edges more often."""

HANDSHAKE_FRAMES = 3

EFFORT = int(os.environ.get("AOINSPECT_TEST_EFFORT", "1"))
"""How many times as many examples as usual are tried."""


def examples(count: int) -> settings:
    """Settings of a property that is tried on `count` examples."""
    return settings(max_examples=count * EFFORT, deadline=None)


@st.composite
def chains(draw: st.DrawFn, minimum_mac_length: int = 4) -> list[Key]:
    """Keys that may stand side by side: no id twice from one end, but the same id from both."""
    count = draw(st.integers(1, 3))
    send_ids = draw(st.lists(st.integers(0, 255), min_size=count, max_size=count, unique=True))
    recv_ids = draw(st.lists(st.integers(0, 255), min_size=count, max_size=count, unique=True))
    return [
        Key(
            name=f"k{index}",
            send_id=send_ids[index],
            recv_id=recv_ids[index],
            algorithm=draw(st.sampled_from(ALGORITHMS)),
            secret=draw(st.binary(min_size=1, max_size=40)),
            mac_length=draw(st.integers(minimum_mac_length, 16)),
            include_options=draw(st.booleans()),
        )
        for index in range(count)
    ]


@st.composite
def openings(draw: st.DrawFn, keys: list[Key]) -> Conversation:
    """A conversation of which nothing is told yet."""
    client, server = draw(st.sampled_from(SOCKETS))
    return Conversation(
        keys,
        client=client,
        server=server,
        client_isn=draw(NUMBERS),
        server_isn=draw(NUMBERS),
        timestamps=draw(st.booleans()),
        traffic_class=draw(st.sampled_from([0, 0xE0])),
    )


def _resend(conversation: Conversation, _: End) -> None:
    """Of recent segments only: what lies far back is not resent."""
    for frame in (-1, -2, -3):
        plan = conversation.segments[frame].plan
        end: End = "a" if conversation.segments[frame].direction == "a>b" else "b"
        if not plan.flags & Flag.SYN and conversation.next_positions[end] - plan.position < 2**29:
            conversation.retransmit(frame)
            return


def _reorder(conversation: Conversation, _: End) -> None:
    """Within three frames, and never before the handshake."""
    by = min(3, len(conversation.segments) - 1 - HANDSHAKE_FRAMES)
    if by > 0:
        conversation.reorder(by=by)


def _lose(conversation: Conversation, end: End) -> None:
    conversation.data(end, 77).lose()


def _roll_over(conversation: Conversation, end: End) -> None:
    keys = conversation.keys["a"]
    conversation.rollover(end, to=keys[len(conversation.segments) % len(keys)])


EVENTS: list[Callable[[Conversation, End], object]] = [
    lambda conversation, end: conversation.data(end, 1),
    lambda conversation, end: conversation.data(end, 400),
    lambda conversation, end: conversation.data(end, 1400, option_first=True),
    lambda conversation, end: conversation.ack(end),
    lambda conversation, end: conversation.wrap(end),
    lambda conversation, end: conversation.skip(end, 2**29).data(end, 100),
    lambda conversation, end: conversation.keepalive(end, b"\0"),
    lambda conversation, _: conversation.duplicate(),
    _resend,
    _reorder,
    _lose,
    _roll_over,
]


def tell(draw: st.DrawFn, conversation: Conversation, *, longest: int = 12) -> Conversation:
    """Goes on at random, and closes at times."""
    for event, end in draw(
        st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(ENDS)), min_size=2, max_size=longest)
    ):
        event(conversation, end)
    ending = draw(st.sampled_from(["close", "abort", "none"]))
    if ending == "close":
        conversation.close(draw(st.sampled_from(ENDS)))
    elif ending == "abort":
        conversation.abort(draw(st.sampled_from(ENDS)))
    return conversation


@st.composite
def stories(draw: st.DrawFn, minimum_mac_length: int = 4, longest: int = 12) -> Conversation:
    """Whole conversations, of which a verifier must verify every segment."""
    conversation = draw(openings(draw(chains(minimum_mac_length))))
    opening = draw(st.sampled_from(["handshake", "simultaneous", "retransmitted"]))
    if opening == "simultaneous":
        conversation.simultaneous_open()
    elif opening == "retransmitted":
        conversation.syn().retransmit().syn_ack().retransmit().handshake_ack()
    else:
        conversation.handshake()
    return tell(draw, conversation, longest=longest)


@st.composite
def md5_stories(draw: st.DrawFn) -> Conversation:
    """The same under TCP-MD5."""
    key = Key(name="m", algorithm=TCP_MD5, secret=draw(st.binary(min_size=1, max_size=80)))
    return tell(draw, draw(openings([key])).handshake(), longest=6)


StrayFlags = Literal["SYN", "SYN-ACK", "RST", "data", "ACK", "FIN"]
FLAGS: dict[StrayFlags, Flag] = {
    "SYN": Flag.SYN,
    "SYN-ACK": Flag.SYN | Flag.ACK,
    "RST": Flag.RST,
    "data": Flag.PSH | Flag.ACK,
    "ACK": Flag.ACK,
    "FIN": Flag.FIN | Flag.ACK,
}


@dataclass(frozen=True, slots=True)
class Stray:
    """A segment that somebody injects."""

    at: int
    """How many frames of the conversation stand before it, cut to what there is."""
    end: End
    flags: StrayFlags
    seq: int
    ack: int
    is_signed: bool
    """Wrongly; else not at all."""
    is_relative: bool
    """Numbers count from the ISNs."""

    def segment(self, conversation: Conversation) -> CapturedSegment:
        """The segment in the name of one end of `conversation`."""
        count = len(conversation.segments)
        own, peer = conversation.isns[self.end], conversation.isns[PEER[self.end]]
        seq = (self.seq + (own if self.is_relative else 0)) % 2**32
        ack = (self.ack + (peer if self.is_relative else 0)) % 2**32
        signed: Literal["wrongly", "no"] = "wrongly" if self.is_signed else "no"
        conversation.stray(self.end, seq, signed=signed, flags=FLAGS[self.flags], payload=self.payload)
        stray = conversation.segments.pop()
        assert len(conversation.segments) == count
        if FLAGS[self.flags] & Flag.ACK:
            stray = with_plan(stray, dataclasses.replace(stray.plan, ack=ack), stray.verdict)
        return stray

    @property
    def payload(self) -> bytes:
        return b"stray" if self.flags == "data" else b""


def strays(*, is_signed: st.SearchStrategy[bool], is_relative: st.SearchStrategy[bool]) -> st.SearchStrategy[Stray]:
    """Segments of any kind, with any numbers, at any time."""
    return st.builds(
        Stray,
        at=st.integers(0, 40),
        end=st.sampled_from(ENDS),
        flags=st.sampled_from(list(FLAGS)),
        seq=st.one_of(NUMBERS, st.integers(0, 3)),
        ack=st.one_of(NUMBERS, st.integers(0, 3)),
        is_signed=is_signed,
        is_relative=is_relative,
    )


ANY_STRAYS = st.lists(strays(is_signed=st.booleans(), is_relative=st.booleans()), min_size=1, max_size=12)


def injected(conversation: Conversation, injected_strays: list[Stray]) -> tuple[list[CapturedSegment], set[int]]:
    """The conversation's segments with strays among them, and the frame numbers of the strays."""
    tagged = [(index, 1, segment) for index, segment in enumerate(conversation.segments)]
    tagged += [(min(stray.at, len(tagged)), 0, stray.segment(conversation)) for stray in injected_strays]
    tagged.sort(key=lambda item: item[:2])
    times = sorted(segment.time_ns for _, _, segment in tagged)
    segments = [
        dataclasses.replace(segment, time_ns=time_ns) for (_, _, segment), time_ns in zip(tagged, times, strict=True)
    ]
    return segments, {frame for frame, (_, is_own, _) in enumerate(tagged, start=1) if not is_own}


def told_in_words(conversation: Conversation) -> str:
    """The frames of a conversation, for a failing test to show."""
    lines = [f"ISNs {conversation.isns['a']:#x} {conversation.isns['b']:#x}"]
    for frame, segment in enumerate(conversation.segments, start=1):
        plan = segment.plan
        lines.append(
            f"{frame}: {segment.direction} {plan.flags!r} position {plan.position:#x} ack {plan.ack:#x} "
            f"payload {len(plan.payload)} key {segment.mkt} {segment.verdict}"
        )
    return "\n".join(lines)
