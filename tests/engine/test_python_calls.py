"""No stage but the MAC loop does anything per segment: twice the frames of a batch are no more Python or C calls."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from aoinspect.capture.frames import FrameBatch
from aoinspect.capture.reader import open_capture
from aoinspect.engine.connections import GUESS_LIMIT
from aoinspect.engine.macs import compute_macs
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.verdicts import Verdict
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import store_of
from tests.engine.stories import Stray, StrayFlags
from tests.told_capture import Capture

Calls = Counter[str]
"""Where a call was made and what was called -> how often."""

CONNECTIONS = 3
HANDSHAKES = 3 * CONNECTIONS
ROUND = 4 * CONNECTIONS
"""Frames of one turn of every connection."""
TURNS = 46
MOST_CALLS_A_STRAY = {"SYN": 400, "SYN-ACK": 2_000}
"""Thrice to five times as many where it looks at each of the connections that are alive. A SYN-ACK is checked with the
ISNs of all of them, which takes a traffic key each."""


def counted(work: Callable[[], object]) -> Calls:
    """Every Python and C call that `work` makes; those of the MAC loop under its own name."""
    calls: Calls = Counter()

    def note(frame: FrameType, event: str, called: object) -> None:
        if event == "call":
            calls[f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            name = getattr(called, "__qualname__", repr(called))
            place = "MAC loop" if frame.f_code is compute_macs.__code__ else frame.f_code.co_qualname
            calls[f"{place} -> {name}"] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def told(kind: str) -> Capture:
    """Conversations of which every segment behind the handshakes is of the same few kinds, in the same order."""
    conversations = []
    for number in range(CONNECTIONS):
        is_ipv6 = kind == "ipv6"
        key = Key(algorithm="aes-128-cmac-96" if number == 2 else "hmac-sha-1-96", include_options=kind != "exclude")
        conversation = Conversation(
            [key],
            client=f"[fd00::{number}]:40000" if is_ipv6 else f"10.0.0.{number}:40000",
            server="[fd00:1::1]:179" if is_ipv6 else "10.0.1.1:179",
            timestamps=kind in ("options", "exclude"),
        ).handshake()
        for _ in range(TURNS):
            conversation.data("a", 100).data("b", 60).ack("a").ack("b")
        conversations.append(conversation)
    return merge(conversations)


def without_first(capture: Capture, frames: int) -> bytes:
    return Capture(capture.segments[frames:], capture.key_entries).to_pcap()


def first_batch(pcap: bytes, frames: int) -> FrameBatch:
    with open_capture(io.BytesIO(pcap), batch_frames=frames) as reader:
        batch = next(iter(reader.batches()))
    assert len(batch) == frames
    return batch


def calls_of_a_batch(capture: Capture, key_file: str, warm_up: int, frames: int) -> tuple[Calls, list[int]]:
    """The calls for a batch of `frames` behind `warm_up` others, and how many segments it gave each verdict."""
    analyzer = Analyzer(store_of(key_file))
    analyzer.begin_capture("capture", [])
    analyzer.feed(first_batch(capture.to_pcap(), warm_up))
    batch = first_batch(without_first(capture, warm_up), frames)
    before = analyzer.totals.verdicts.copy()
    calls = counted(lambda: analyzer.feed(batch))
    return calls, (analyzer.totals.verdicts - before).tolist()


def assert_only_the_mac_loop_grows(once: Calls, twice: Calls, macs: int) -> None:
    added = twice - once
    assert {name for name in added if not name.startswith("MAC loop")} == set()
    # copy, update, finalize and append: four calls a MAC.
    assert sum(added.values()) == 4 * macs
    assert (once - twice) == Counter()


@pytest.mark.parametrize("kind", ["plain", "options", "exclude", "ipv6"])
def test_twice_the_frames_add_calls_in_the_mac_loop_only(kind: str) -> None:
    capture = told(kind)
    once, verdicts_once = calls_of_a_batch(capture, capture.key_file(), HANDSHAKES + ROUND, 120)
    twice, verdicts_twice = calls_of_a_batch(capture, capture.key_file(), HANDSHAKES + ROUND, 240)
    assert (verdicts_once[Verdict.VERIFIED], verdicts_twice[Verdict.VERIFIED]) == (120, 240)
    assert_only_the_mac_loop_grows(once, twice, 120)


def test_segments_that_fail_add_no_other_calls_either() -> None:
    """Once a pair has had its share of guesses, a wrong secret costs one MAC a segment."""
    capture = told("plain")
    wrong = capture.key_file().replace(Key().secret.hex(), "00")
    warm_up = HANDSHAKES + CONNECTIONS * (GUESS_LIMIT + ROUND // CONNECTIONS)
    once, verdicts_once = calls_of_a_batch(capture, wrong, warm_up, 120)
    twice, verdicts_twice = calls_of_a_batch(capture, wrong, warm_up, 240)
    assert (verdicts_once[Verdict.MISMATCH], verdicts_twice[Verdict.MISMATCH]) == (120, 240)
    assert_only_the_mac_loop_grows(once, twice, 120)


def test_segments_without_a_key_add_no_calls_at_all() -> None:
    capture = told("plain")
    once, verdicts_once = calls_of_a_batch(capture, "version = 1\n", HANDSHAKES + ROUND, 120)
    twice, verdicts_twice = calls_of_a_batch(capture, "version = 1\n", HANDSHAKES + ROUND, 240)
    assert (verdicts_once[Verdict.NO_KEY], verdicts_twice[Verdict.NO_KEY]) == (120, 240)
    assert_only_the_mac_loop_grows(once, twice, 0)


def test_unprotected_frames_add_no_calls_at_all() -> None:
    capture = merge([Conversation([]).handshake()])
    for _ in range(260):
        capture = Capture((*capture.segments, capture.segments[-1]))
    once, _ = calls_of_a_batch(capture, "version = 1\n", 3, 120)
    twice, _ = calls_of_a_batch(capture, "version = 1\n", 3, 240)
    assert_only_the_mac_loop_grows(once, twice, 0)


@pytest.mark.parametrize("kind", ["SYN", "SYN-ACK"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_a_stray_handshake_looks_at_all_others_that_are_alive_at_once(kind: StrayFlags, is_signed: bool) -> None:
    """Each is a step of its own, since it may open a connection."""
    conversation = Conversation([Key()]).handshake()
    flood = [
        Stray(0, "a" if kind == "SYN" else "b", kind, number << 24, number << 25, is_signed, is_relative=False)
        for number in range(1, 100)
    ]
    capture = Capture((*conversation.segments, *(stray.segment(conversation) for stray in flood)))
    # Nothing is confirmed, so that a segment whose MAC fails may be a handshake all the same.
    wrong = conversation.key_file().replace(Key().secret.hex(), "00")
    once, twice = (calls_of_a_batch(capture, wrong, 43, frames)[0] for frames in (20, 40))
    assert 0 < sum((twice - once).values()) < 20 * MOST_CALLS_A_STRAY[kind], (twice - once).most_common(20)


def test_reading_adds_a_length_and_a_place_for_each_record() -> None:
    """The record walk of pcap reads one length a record and keeps where it lies; nothing else runs per frame."""
    pcap = told("plain").to_pcap()
    once, twice = (counted(lambda frames=frames: first_batch(pcap, frames)) for frames in (120, 240))  # type: ignore[misc]
    added = {name.rpartition(" -> ")[2]: count for name, count in (twice - once).items()}
    assert set(added) <= {"list.append", "Struct.unpack_from", "unpack_from"}
    assert set(added.values()) <= {120}
    assert (once - twice) == Counter()
