"""What prompted each change of keys, on told conversations and on a capture whose hosts wrote down what they did."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from aoinspect.engine.results import KeyTransition
from tests.conversation import Conversation, Key
from tests.recorded import LARGER, SAMPLES, SHARED
from tests.timeline.pictures import report_of, told_report

KEYS = tuple(Key(f"k{number}", number, 100 + number, secret=f"secret {number}".encode()) for number in (1, 2, 3))
SECOND = 1_000_000_000


def key_changes(told: Conversation, folder: Path) -> list[tuple[int, int | None, int, str | None, int | None]]:
    """(frame, old, new, trigger, latency) of the client's changes of KeyID."""
    report = told_report(told, folder)
    assert len(report.connections) == 1
    return [
        (change.frame, change.old, change.new, change.trigger, change.latency_ns)
        for change in report.connections[0].transitions
        if change.direction == "a>b" and change.field == "key_id"
    ]


def asked_for(key_id: int) -> Conversation:
    """Frames 1 to 5: a handshake, the client's data, and an ACK by which the server asks for the key."""
    return Conversation(KEYS).handshake().data("a", 100).rnext("b", key_id).ack("b")


def handed_over() -> Conversation:
    """The same with key 2, and frame 6: the client's data under it, a step later."""
    return asked_for(2).switch("a", 2).data("a", 100)


def handed_over_with_late_data() -> Conversation:
    """Frame 11 is data under key 1 from before the change, five frames late: longer than the hand-over took."""
    told = asked_for(2).data("a", 100).switch("a", 2)
    for _ in range(5):
        told.data("a", 100)
    return told.reorder(frame=5, by=-5).data("a", 100)


def late_ack() -> Conversation:
    """Frame 11 is an ACK under key 1 from before the change, as late as that."""
    told = Conversation(KEYS).handshake().data("a", 100).data("b", 50).ack("a").rnext("b", 2).data("b", 50)
    told.switch("a", 2)
    for _ in range(4):
        told.ack("a")
    return told.reorder(frame=5, by=-5).ack("a")


FIRST = (1, None, 1, "first", None)
STEP_NS = 1_000_003
HAND_OVER = (6, 1, 2, "peer-rnext", STEP_NS)


class TestBackingUp:
    """Note that the algorithm allows the current_key to change to a new MKT, then change back to a previously used MKT
    (known as "backing up"). This can occur during an MKT change when segments are received out of order, and is
    considered a feature of TCP-AO, because reordering does not result in drops. -- RFC 5925 6.1
    """

    def test_a_segment_from_before_the_change_that_comes_behind_it_is_reordering_and_so_is_what_follows(
        self, tmp_path: Path
    ) -> None:
        assert key_changes(handed_over_with_late_data(), tmp_path) == [
            FIRST,
            HAND_OVER,
            (11, 2, 1, "reordering", None),
            (12, 1, 2, "reordering", None),
        ]

    def test_a_late_ack_without_data_is_known_by_what_it_acknowledges(self, tmp_path: Path) -> None:
        told = late_ack()
        assert [change[:4] for change in key_changes(told, tmp_path)] == [
            (1, None, 1, "first"),
            (7, 1, 2, "peer-rnext"),
            (11, 2, 1, "reordering"),
            (12, 1, 2, "reordering"),
        ]

    def test_a_late_ack_is_late_even_where_its_key_is_still_asked_for(self, tmp_path: Path) -> None:
        told = Conversation(KEYS).handshake().data("b", 50).ack("a").data("b", 50).switch("a", 2)
        told.ack("a").reorder(frame=4, by=-2).ack("a")
        assert [change[:4] for change in key_changes(told, tmp_path)] == [
            (1, None, 1, "first"),
            (6, 1, 2, "unprompted"),
            (7, 2, 1, "reordering"),
            (8, 1, 2, "reordering"),
        ]

    @pytest.mark.parametrize("told", [handed_over_with_late_data, late_ack])
    def test_late_segments_are_reordering_however_the_capture_is_cut_into_batches(
        self, told: Callable[[], Conversation], tmp_path: Path
    ) -> None:
        whole = told_report(told(), tmp_path).connections[0].transitions
        assert [change.trigger for change in whole].count("reordering") == 2
        for batch_frames in (1, 2, 3, 5):
            assert told_report(told(), tmp_path, batch_frames=batch_frames).connections[0].transitions == whole

    def test_a_sender_that_follows_a_request_which_a_newer_one_overtook_is_reordering(self, tmp_path: Path) -> None:
        told = handed_over().switch("a", 1).data("a", 100).switch("a", 2).data("a", 100)
        assert key_changes(told, tmp_path) == [
            FIRST,
            HAND_OVER,
            (7, 2, 1, "reordering", None),
            (8, 1, 2, "reordering", None),
        ]


class TestARealChangeBack:
    def test_new_octets_under_the_older_key_are_no_reordering(self, tmp_path: Path) -> None:
        told = handed_over().advance(SECOND).switch("a", 1).data("a", 100).ack("b").switch("a", 2).data("a", 100)
        assert key_changes(told, tmp_path) == [
            FIRST,
            HAND_OVER,
            (7, 2, 1, "unprompted", None),
            # The request goes on; the latency runs from where the client left the key.
            (9, 1, 2, "peer-rnext", 2 * STEP_NS),
        ]

    def test_one_that_begins_with_a_retransmission_and_goes_on_is_no_reordering(self, tmp_path: Path) -> None:
        told = handed_over().advance(SECOND).switch("a", 1).retransmit(3).data("a", 100)
        assert key_changes(told, tmp_path)[-1] == (7, 2, 1, "unprompted", None)

    def test_one_that_the_peer_asks_for_is_the_peers_doing(self, tmp_path: Path) -> None:
        told = handed_over().rnext("b", 1).ack("b").switch("a", 1).retransmit(3)
        assert key_changes(told, tmp_path)[-1] == (8, 2, 1, "peer-rnext", STEP_NS)


class TestRequests:
    """If the RNextKeyID is not the current_key's SendID … and the RNextKeyID MKT is ready, set current_key to the
    RNextKeyID MKT. -- RFC 5925 7.5 (2e), in short
    """

    def test_a_change_that_nobody_asked_for_is_unprompted(self, tmp_path: Path) -> None:
        told = Conversation(KEYS).handshake().data("a", 100).switch("a", 2).data("a", 100)
        assert key_changes(told, tmp_path) == [FIRST, (5, 1, 2, "unprompted", None)]

    def test_a_request_counts_though_the_peer_asks_for_a_third_key_by_then(self, tmp_path: Path) -> None:
        told = asked_for(2).rnext("b", 3).ack("b").switch("a", 2).data("a", 9).switch("a", 3).data("a", 9)
        assert key_changes(told, tmp_path)[1:] == [
            (7, 1, 2, "peer-rnext", 2 * STEP_NS),
            (8, 2, 3, "peer-rnext", 2 * STEP_NS),
        ]

    def test_a_request_that_was_taken_back_before_the_senders_last_change_counts_no_more(self, tmp_path: Path) -> None:
        told = handed_over().ack("b").rnext("b", 3).ack("b").switch("a", 3).data("a", 9).advance(SECOND)
        assert key_changes(told.switch("a", 2).data("a", 9), tmp_path)[-1] == (10, 3, 2, "unprompted", None)

    def test_a_strangers_request_counts_for_nothing(self, tmp_path: Path) -> None:
        told = Conversation(KEYS).handshake().data("a", 100).rnext("b", 2).ack("b").sign_with_wrong_secret()
        assert key_changes(told.switch("a", 2).data("a", 9), tmp_path)[-1][3] == "unprompted"

    def test_a_change_of_rnext_key_id_has_no_trigger(self, tmp_path: Path) -> None:
        transitions = told_report(handed_over(), tmp_path).connections[0].transitions
        changes = [change for change in transitions if change.field == "rnext_key_id"]
        assert [(change.frame, change.old, change.new, change.trigger) for change in changes] == [(5, 1, 2, None)]


class TestSegmentsThatNothingVerifies:
    def test_a_strangers_key_id_does_not_move_the_sender(self, tmp_path: Path) -> None:
        told = handed_over().advance(SECOND).data("a", 9).name_unknown_key(77).data("a", 9)
        assert key_changes(told, tmp_path)[2:] == [
            (7, 2, 77, "unprompted", None),
            (8, 77, 2, "peer-rnext", None),
        ]

    def test_a_requested_key_with_a_wrong_secret_was_still_requested(self, tmp_path: Path) -> None:
        told = handed_over().sign_with_wrong_secret()
        assert key_changes(told, tmp_path) == [FIRST, HAND_OVER]


def rotation_changes() -> list[tuple[int, str, int | None, int, str | None]]:
    report = report_of(SAMPLES / "rotation.pcap", SAMPLES / "rotation.toml")
    return [
        (change.time_ns, change.direction, change.old, change.new, change.trigger)
        for change in report.connections[0].transitions
        if change.field == "key_id" and change.old is not None
    ]


@pytest.mark.parametrize("direction, own, peer", [("a>b", "A", "B"), ("b>a", "B", "A")])
def test_triggers_agree_with_what_the_hosts_of_rotation_wrote_down(direction: str, own: str, peer: str) -> None:
    states = json.loads((SAMPLES / "rotation.json").read_text())["timeline"]
    expected: list[tuple[int, int, str]] = []
    for before, state in pairwise(states):
        old, new = before[f"{own}_current_sendid"], state[f"{own}_current_sendid"]
        if old != new:
            # The other host's wish, in its own numbers: its RecvID is our SendID.
            expected.append((old, new, "peer-rnext" if state[f"{peer}_rnext_recvid"] == new else "unprompted"))
    found = [change[2:] for change in rotation_changes() if change[1] == direction]
    assert found == expected
    assert len(expected) == {"A": 5, "B": 3}[own]


def test_the_forced_change_in_rotation_is_the_only_unprompted_one_and_none_is_reordering() -> None:
    odd = [change[1:] for change in rotation_changes() if change[4] != "peer-rnext"]
    assert odd == [("a>b", 3, 1, "unprompted")]


@pytest.mark.parametrize("name", sorted(name for name in LARGER if name.startswith("rotation-lossy")))
def test_keys_that_flip_under_loss_and_reordering_are_always_followed_requests(name: str) -> None:
    if not SHARED.exists():
        pytest.skip("shared captures are not beside the project")
    report = report_of(SHARED / f"{name}.pcap", SHARED / f"{name}.toml")
    changes: list[KeyTransition] = [
        change
        for connection in report.connections
        for change in connection.transitions
        if change.field == "key_id" and change.old is not None
    ]
    assert len(changes) == 11
    assert {change.trigger for change in changes} == {"peer-rnext"}
    assert all(0 < (change.latency_ns or 0) < 50_000_000 for change in changes)
