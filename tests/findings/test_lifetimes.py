"""Lifetimes against use: what is told of hand-overs, how far they missed their time, and what is not told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect.engine.findings import Finding
from aoinspect.engine.findings.lifetimes import zone_quarters
from tests.conversation import Conversation
from tests.findings.scenes import HOUR, NEW, OLD, SECOND, Scene, changing_after, planned, talk
from tests.findings.test_findings import findings_of

HANDOVERS = ("handover-not-seen", "handover-early", "handover-late", "handover-unplanned")


def of_lifetimes(scene: Scene, directory: Path) -> list[Finding]:
    return [
        finding
        for finding in findings_of(scene, directory)
        if finding.ident in HANDOVERS or finding.ident == "key-outside-lifetime"
    ]


def idents(scene: Scene, directory: Path) -> list[str]:
    return [finding.ident for finding in of_lifetimes(scene, directory)]


def test_a_handover_on_time_is_nothing_to_tell(tmp_path: Path) -> None:
    assert idents(planned(changing_after(60 * SECOND), "..61", "59.."), tmp_path) == []


@pytest.mark.parametrize("new", ["..", "-60..", "58..", "..900"])
def test_any_change_among_keys_that_the_lifetimes_allow_and_order_is_planned(new: str, tmp_path: Path) -> None:
    assert idents(planned(changing_after(60 * SECOND), "..90", new), tmp_path) == []


def test_an_expired_key_without_a_successor_is_no_handover(tmp_path: Path) -> None:
    """No key is planned then: the use is outside its lifetime, and nothing could have been changed to."""
    scene = planned(talk().advance(60 * SECOND).data("a", 10), "..30", "-90..-60")
    (finding,) = of_lifetimes(scene, tmp_path)
    assert finding.ident == "key-outside-lifetime"
    assert "no key may be sent with then" in finding.evidence


def test_a_handover_that_is_not_seen_is_told_with_what_was_due(tmp_path: Path) -> None:
    scene = planned(talk().advance(3 * HOUR).data("a", 10).ack("b"), "..120", "120..")
    (finding,) = [finding for finding in of_lifetimes(scene, tmp_path) if finding.ident == "handover-not-seen"]
    assert "10.0.0.1 should have changed from key 'old' to 'new' at 2026-09-21T14:15:20Z" in finding.message
    assert "goes on with 'old' for 2 h 58 min" in finding.message
    assert "due: 'new' (KeyID 2, " in finding.evidence


def test_only_the_end_that_the_key_file_describes_is_held_to_its_send_lifetimes(tmp_path: Path) -> None:
    """b's keys are nowhere told: a's accept lifetimes say what it takes, and not when b is to change."""
    staying = talk().advance(60 * SECOND).data("b", 10).ack("b")
    assert "handover-not-seen" not in idents(planned(staying, "..30", "30.."), tmp_path)


def test_both_ends_files_hold_both_ends_to_their_own(tmp_path: Path) -> None:
    conversation = talk().advance(60 * SECOND).data("a", 10).data("b", 10)
    own = planned(conversation, "..30", "30..").key_file
    crossed = Conversation(
        [replace(key, send_id=key.recv_id, recv_id=key.send_id) for key in (OLD, NEW)],
        client="10.0.0.2:179",
        server="10.0.0.1:40000",
    )
    theirs = planned(crossed, "..40", "40..").key_file.removeprefix("version = 1\n").replace("40000", "179")
    found = [
        finding
        for finding in of_lifetimes(Scene(conversation.to_pcap(), own + theirs), tmp_path)
        if finding.ident == "handover-not-seen"
    ]
    assert [finding.message.split()[0] for finding in found] == ["10.0.0.1", "10.0.0.2"]
    assert ["14:13:50Z" in found[0].message, "14:14:00Z" in found[1].message] == [True, True]


@pytest.mark.parametrize(
    ("old", "new", "ident", "distance", "zone"),
    [
        ("..7260", "7260..", "handover-early", "2 h before", "2 h is the difference of a time zone"),
        ("..-7140", "-7140..", "handover-late", "2 h after", "2 h is the difference of a time zone"),
        ("..-19740", "-19740..", "handover-late", "5 h 30 min after", "5 h 30 min is the difference"),
        ("..-7540", "-7540..", "handover-late", "2 h 7 min after", "compare the clocks"),
        ("..6000", "6000..", "handover-early", "1 h 39 min before", "compare the clocks"),
        ("..-99900", "-99900..", "handover-late", "1 day 4 h after", "compare the clocks"),
    ],
)
def test_the_distance_is_told_and_the_offset_of_a_zone_is_named(
    old: str, new: str, ident: str, distance: str, zone: str, tmp_path: Path
) -> None:
    scene = planned(changing_after(60 * SECOND), old, new)
    (finding,) = [finding for finding in of_lifetimes(scene, tmp_path) if finding.ident in HANDOVERS]
    assert finding.ident == ident
    assert distance in finding.message
    assert zone in finding.remedy


def test_a_distance_that_the_capture_leaves_open_is_no_zone() -> None:
    minute = 60 * SECOND
    assert zone_quarters(59 * minute, 61 * minute) == 4
    assert zone_quarters(45 * minute - 5 * SECOND, 45 * minute + 20 * SECOND) == 3
    assert zone_quarters(44 * minute, 46 * minute) is None, "quarters need a change that is seen exactly"
    assert zone_quarters(30 * minute, 90 * minute) is None
    assert zone_quarters(0, minute) is None
    assert zone_quarters(15 * HOUR, 15 * HOUR + SECOND) is None, "no zone is as far as that"


def test_going_back_to_a_key_whose_time_is_over_is_worse_than_going_back_to_an_older_one(tmp_path: Path) -> None:
    over = of_lifetimes(planned(changing_after(60 * SECOND), "..", "..30"), tmp_path)
    older = of_lifetimes(planned(changing_after(60 * SECOND), "-20..", "-90.."), tmp_path)
    assert [(finding.ident, finding.severity.value) for finding in over if finding.ident in HANDOVERS] == [
        ("handover-unplanned", "warning")
    ]
    assert [(finding.ident, finding.severity.value) for finding in older] == [("handover-unplanned", "note")]


def test_a_sender_that_goes_back_and_forth_is_told_of_once(tmp_path: Path) -> None:
    conversation = talk()
    for key in ("new", "old") * 20:
        conversation.switch("a", key).data("a", 10).ack("b")
    assert idents(planned(conversation, "..3600", "3600.."), tmp_path).count("handover-early") == 1


def test_segments_that_the_network_delivers_late_are_no_change(tmp_path: Path) -> None:
    conversation = talk().data("a", 10).data("a", 10).rollover("a", to=2).data("a", 10).data("a", 10).reorder(-4, by=3)
    assert "handover-unplanned" not in idents(planned(conversation, "..2", "-1.."), tmp_path)


def test_where_either_end_may_be_local_only_what_neither_lifetime_allows_is_told(tmp_path: Path) -> None:
    conversation = talk().advance(60 * SECOND).data("a", 10).ack("b")
    key_file = planned(conversation, "..30", "30..").key_file
    anywhere = "\n".join(line for line in key_file.splitlines() if not line.startswith(("local =", "remote =")))
    assert "key-outside-lifetime" not in idents(Scene(conversation.to_pcap(), anywhere), tmp_path)
    both = anywhere.replace(
        "  send-lifetime = { until", "  accept-lifetime = { until = 2020-01-01 }\n  send-lifetime = { until"
    )
    assert "key-outside-lifetime" in idents(Scene(conversation.to_pcap(), both), tmp_path)


def test_a_key_told_with_several_lifetimes_may_be_used_in_each(tmp_path: Path) -> None:
    """An observer's file may hold the keys of several years, and the same key twice."""
    conversation = changing_after(60 * SECOND)
    now = planned(conversation, "..62", "58..").key_file
    before = planned(conversation, "-9000..-8000", "-8000..-7000").key_file.removeprefix("version = 1\n")
    assert idents(Scene(conversation.to_pcap(), now + before), tmp_path) == []
