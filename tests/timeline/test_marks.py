"""Marks: where SYN, FIN, RST, failures and SNE roll-overs are, and that their number stays bounded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from aoinspect.engine.marks import MARKS_PER_KIND, Mark, MarkKind, Marks
from tests.conversation import Conversation, Flag
from tests.recorded import OWN_CAPTURES, RecordedCapture
from tests.timeline.pictures import report_of, told_report

every_capture = pytest.mark.parametrize("capture", OWN_CAPTURES, ids=lambda capture: capture.name)


def marks_of(
    told: Conversation, folder: Path, *, batch_frames: int | None = None, marks: Marks | None = None
) -> tuple[Mark, ...]:
    report = told_report(told, folder, batch_frames=batch_frames, marks=marks)
    assert len(report.connections) == 1
    return report.connections[0].marks


def places(marks: tuple[Mark, ...]) -> list[tuple[str, str, int, int, int]]:
    return [(mark.direction, mark.kind.word, mark.first_frame, mark.last_frame, mark.segments) for mark in marks]


def test_handshake_and_end_are_marked_where_they_are(tmp_path: Path) -> None:
    assert places(marks_of(Conversation().handshake().data("a", 10).fin("a").abort("b"), tmp_path)) == [
        ("a>b", "syn", 1, 1, 1),
        ("b>a", "syn", 2, 2, 1),
        ("a>b", "fin", 5, 5, 1),
        ("b>a", "rst", 6, 6, 1),
    ]


def test_consecutive_failures_of_one_direction_and_verdict_are_one_mark(tmp_path: Path) -> None:
    told = Conversation().handshake()
    for _ in range(3):
        # The other direction's segments in between do not part them.
        told.data("a", 10).sign_with_wrong_secret().ack("b")
    told.data("a", 10).strip_option().data("a", 10).ack("b").data("a", 10).sign_with_wrong_secret()
    failures = [place for place in places(marks_of(told, tmp_path)) if place[1] != "syn"]
    assert failures == [
        ("a>b", "mismatch", 4, 8, 3),
        ("a>b", "unsigned", 10, 10, 1),
        ("a>b", "mismatch", 13, 13, 1),
    ]


@pytest.mark.parametrize("batch_frames", [1, 2, 3, 4, 5, 6, 7, 9, 11])
def test_marks_do_not_depend_on_batches(tmp_path: Path, batch_frames: int) -> None:
    told = Conversation(client_isn=0xFFFFFF00, server_isn=0xFFFFFF40).handshake()
    for _ in range(8):
        told.data("a", 100).data("b", 100)
    for step in range(12):
        told.ack("a").data("b", 10)
        if step % 4:
            told.sign_with_wrong_secret()
    told.close("a")
    whole = marks_of(told, tmp_path)
    assert [mark.segments for mark in whole if mark.kind is MarkKind.MISMATCH] == [3, 3, 3]
    assert [mark.direction for mark in whole if mark.kind is MarkKind.SNE] == ["b>a", "a>b"]
    assert marks_of(told, tmp_path, batch_frames=batch_frames) == whole


class TestSneRollOver:
    def test_the_first_segment_under_a_higher_sne_is_marked(self, tmp_path: Path) -> None:
        told = Conversation(client_isn=0xFFFFFF00).handshake().data("a", 200).data("a", 100).data("a", 100).ack("a")
        assert [place for place in places(marks_of(told, tmp_path)) if place[1] == "sne"] == [("a>b", "sne", 6, 6, 1)]

    def test_every_wrap_is_marked_once_though_old_segments_come_late(self, tmp_path: Path) -> None:
        told = Conversation(client_isn=0xFFFFFF00).handshake().wrap("a").retransmit(3).data("a", 10).wrap("a")
        rolled = [place for place in places(marks_of(told, tmp_path)) if place[1] == "sne"]
        assert len(rolled) == 2
        assert [place[0] for place in rolled] == ["a>b", "a>b"]

    def test_the_sne_of_a_capture_that_begins_later_is_no_roll_over(self, tmp_path: Path) -> None:
        told = Conversation(client_isn=0xFFFFFF00).established(client_octets=0x2_0000_1000).data("a", 100)
        told.ack("b").data("a", 100)
        (tmp_path / "late.pcap").write_bytes(told.to_pcap())
        (tmp_path / "late.toml").write_text(told.key_file(with_connections=True))
        report = report_of(tmp_path / "late.pcap", tmp_path / "late.toml")
        assert report.totals.verdicts["verified"] == 3
        assert report.connections[0].marks == ()

    def test_a_strangers_sne_is_none(self, tmp_path: Path) -> None:
        told = Conversation(client_isn=0xFFFFFF00).handshake().data("a", 100)
        told.stray("a", 50, signed="wrongly", sne=1).data("a", 20)
        assert MarkKind.SNE not in {mark.kind for mark in marks_of(told, tmp_path)}


class TestTheBound:
    def test_failures_that_alternate_are_merged_and_none_is_lost(self, tmp_path: Path) -> None:
        told = Conversation().handshake()
        for _ in range(40):
            told.data("a", 10).sign_with_wrong_secret().data("a", 10)
        exact = [mark for mark in marks_of(told, tmp_path) if mark.kind is MarkKind.MISMATCH]
        merged = [mark for mark in marks_of(told, tmp_path, marks=Marks(16)) if mark.kind is MarkKind.MISMATCH]
        assert len(exact) == 40
        assert len(merged) <= 16
        assert sum(mark.segments for mark in merged) == sum(mark.stretches for mark in merged) == 40
        assert merged[0].first_frame == exact[0].first_frame
        assert merged[-1].last_frame == exact[-1].last_frame
        assert all(
            any(mark.first_frame <= failure.first_frame <= mark.last_frame for mark in merged) for failure in exact
        )

    def test_merging_while_a_stretch_goes_on_keeps_counting_it(self, tmp_path: Path) -> None:
        told = Conversation().handshake()
        for _ in range(20):
            told.data("a", 10).sign_with_wrong_secret().data("a", 10)
        for _ in range(10):
            told.data("a", 10).sign_with_wrong_secret()
        marks = Marks(8)
        marks._compact_above = 10
        found = marks_of(told, tmp_path, batch_frames=4, marks=marks)
        failures = [mark for mark in found if mark.kind is MarkKind.MISMATCH]
        assert sum(mark.segments for mark in failures) == 30
        assert failures[-1].last_frame == len(told.segments)
        assert len(failures) <= 8

    def test_a_flood_of_resets_leaves_at_most_a_thousand_marks(self, tmp_path: Path) -> None:
        told = Conversation().handshake()
        for number in range(1500):
            told.stray("a" if number % 2 else "b", 1000 + number, flags=Flag.RST, payload=b"")
        resets = [mark for mark in marks_of(told, tmp_path) if mark.kind is MarkKind.RST]
        assert 250 <= len(resets) <= MARKS_PER_KIND
        assert sum(mark.segments for mark in resets) == 1500


@every_capture
def test_marks_count_each_failing_segment_once(capture: RecordedCapture) -> None:
    for connection in report_of(capture.path, capture.keys).connections:
        counted: Counter[str] = Counter()
        for mark in connection.marks:
            counted[mark.kind.name.lower()] += mark.segments
        failing = {verdict: count for verdict, count in connection.verdicts.items() if verdict != "verified" and count}
        assert {kind: count for kind, count in counted.items() if kind in connection.verdicts} == failing
