"""What a run keeps: under 100 octets for each protected segment, and nothing for others."""

from __future__ import annotations

import gc
import io
import tracemalloc
from functools import cache

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine import repeats
from aoinspect.engine.pipeline import Analyzer
from tests.conversation import Conversation, Key
from tests.engine.judged import store_of
from tests.packets import Record, write_pcap

SEGMENTS = 3000
PAYLOAD = 600
"""Octets of each: far more than a row, so that keeping a batch's octets would show."""


@pytest.fixture(autouse=True)
def _short_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of the last so many segments takes the same however long a capture is."""
    monkeypatch.setattr(repeats, "HISTORY_ROWS", 500)


@cache
def capture_of(copies: int, is_signed: bool) -> bytes:
    """A long conversation; frames come `copies` times."""
    conversation = Conversation([Key()] if is_signed else []).handshake()
    while len(conversation.segments) < SEGMENTS:
        conversation.data("a", PAYLOAD).data("b", PAYLOAD).ack("a")
    records = conversation.capture().records()
    last_ns = records[-1].time_ns
    return write_pcap(
        [
            Record(record.octets, record.wire_length, record.time_ns + copy * (last_ns - records[0].time_ns))
            for copy in range(copies)
            for record in records
        ]
    )


def kept_octets(capture: bytes, key_file: str, batch_frames: int, *, keep_table: bool = True) -> tuple[int, int]:
    """Octets that the analyzer holds when all is read, and its protected segments."""
    tracemalloc.start()
    try:
        analyzer = Analyzer(store_of(key_file), keep_table=keep_table, make_rows=False)
        analyzer.begin_capture("capture", [])
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        with open_capture(io.BytesIO(capture), batch_frames=batch_frames) as reader:
            for batch in reader.batches():
                analyzer.feed(batch)
            del batch, reader
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before, int(analyzer.totals.verdicts.sum())
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("batch_frames", [200, 700])
@pytest.mark.parametrize("key_file", [Conversation().key_file(), "version = 1\n"], ids=["keys", "no keys"])
def test_a_protected_segment_takes_under_100_octets(key_file: str, batch_frames: int) -> None:
    once, segments_once = kept_octets(capture_of(1, True), key_file, batch_frames)
    twice, segments_twice = kept_octets(capture_of(3, True), key_file, batch_frames)
    assert segments_twice == 3 * segments_once >= 3 * SEGMENTS
    assert (twice - once) / (segments_twice - segments_once) < 100


def test_without_a_table_nothing_is_kept_per_segment() -> None:
    key_file = Conversation().key_file()
    once, segments_once = kept_octets(capture_of(1, True), key_file, 700, keep_table=False)
    twice, segments_twice = kept_octets(capture_of(3, True), key_file, 700, keep_table=False)
    assert (twice - once) / (segments_twice - segments_once) < 1


def test_unprotected_frames_leave_nothing_behind() -> None:
    once, segments = kept_octets(capture_of(1, False), "version = 1\n", 700)
    twice, _ = kept_octets(capture_of(3, False), "version = 1\n", 700)
    assert segments == 0
    assert abs(twice - once) < 2_000
