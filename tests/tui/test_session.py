"""The session without a terminal: what is shown, where the next thing lies, what other keys change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.engine.filtering import FilterError, parse_filter
from aoinspect.engine.table import EMPTY, Rows
from aoinspect.engine.verdicts import Verdict
from aoinspect.errors import KeyFileError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.connection_facts import application_of, first_failure, keys_in_use, sparkline, state_of
from aoinspect.tui.key_edits import KeyDraft, draft_of, with_added_key, with_edited_key
from aoinspect.tui.key_use import key_uses
from aoinspect.tui.listed_table import ListedTable
from aoinspect.tui.packet_nodes import Node, nodes_of
from aoinspect.tui.places import nearest_row, row_of_frame
from aoinspect.tui.saving import FileExistsAlreadyError, save_keys
from aoinspect.tui.session import change_in_words
from tests.conversation import Conversation
from tests.tui.running import PROJECT_ROOT, SAMPLES, read_all, sample_session, session_on


def quiet(_: Analysis) -> None:
    """Nobody is told."""


def rows_of(frames: range) -> Rows:
    columns = {name: np.zeros(len(frames), column.dtype) for name, column in EMPTY._asdict().items()}
    return Rows(**{**columns, "frame": np.array(frames, dtype=np.uint64)})


def all_nodes(nodes: tuple[Node, ...]) -> list[Node]:
    return [one for node in nodes for one in (node, *all_nodes(node.children))]


def test_the_session_loads_no_textual() -> None:
    code = "import sys, aoinspect.tui.session; print('textual' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# The table.


def test_a_listed_table_grows_past_its_room_and_what_it_gave_stays() -> None:
    table = ListedTable()
    seen = []
    for start in range(0, 200_000, 25_000):
        table.add(rows_of(range(start, start + 25_000)))
        seen.append(table.rows)
    assert len(table) == 200_000
    assert np.array_equal(table.rows.frame, np.arange(200_000, dtype=np.uint64))
    assert [len(rows.frame) for rows in seen] == list(range(25_000, 200_001, 25_000))
    assert all(np.array_equal(rows.frame, table.rows.frame[: len(rows.frame)]) for rows in seen)
    assert table.row(123_456)["frame"] == 123_456


# What is shown, and where things lie.


@pytest.mark.parametrize(
    "text", ["ao.verdict == mismatch", "tcp.flags.reset == 1", "frame.number > 1000", "ao.sne > 0"]
)
def test_a_filter_shows_what_its_mask_selects(text: str) -> None:
    session = read_all(sample_session("inject"))
    session.show(text, quiet)
    mask = parse_filter(text).mask(session.rows, session.analysis.context)
    assert session.visible.all_rows().tolist() == np.flatnonzero(mask).tolist()
    assert [session.visible.row_at(place) for place in range(len(session.visible))] == np.flatnonzero(mask).tolist()


def test_a_wrong_filter_leaves_what_is_shown() -> None:
    session = read_all(sample_session("inject"))
    session.show("ao.verdict == mismatch", quiet)
    with pytest.raises(FilterError):
        session.show("ao.verdict ==", quiet)
    assert len(session.visible) == 9
    assert session.filter_history == ["ao.verdict == mismatch"]


def test_a_row_that_the_filter_hides_is_not_shown() -> None:
    session = read_all(sample_session("inject"))
    session.show("ao.verdict == mismatch", quiet)
    shown = set(session.visible.all_rows().tolist())
    assert all(session.visible.shows(row) == (row in shown) for row in range(len(session.rows.frame)))


def test_failures_and_matches_are_found_round_the_end() -> None:
    session = read_all(sample_session("inject"))
    failing = np.flatnonzero(session.rows.verdict != Verdict.VERIFIED).tolist()
    assert session.position_of_next_failure(-1) == failing[0]
    assert session.position_of_next_failure(failing[-1]) == failing[0]
    session.find("ao.verdict == malformed")
    malformed = np.flatnonzero(session.rows.verdict == Verdict.MALFORMED).tolist()
    assert session.position_of_match(malformed[-1], 1) == malformed[0]
    assert session.position_of_match(malformed[0], -1) == malformed[-1]
    session.show("ao.verdict == verified", quiet)
    assert session.position_of_next_failure(0) is None
    assert session.position_of_match(0, -1) is None


def test_nothing_is_found_in_nothing() -> None:
    session = sample_session("inject")
    session.find("frame")
    assert session.position_of_next_failure(-1) is None
    assert session.position_of_match(-1, 1) is None
    assert session.position_of_next_mark(-1) is None
    assert session.connections == ()


# Other keys.


def test_other_keys_take_over_and_the_chosen_packet_and_filter_stay() -> None:
    session = read_all(sample_session("inject", keys=""))
    session.show("frame.number >= 17", quiet)
    row = session.row_of_frame(19)
    session.choose(row)
    told = session.check_again(load_keys([str(SAMPLES / "inject.toml")]), quiet)
    assert "+18 verified" in told
    assert session.row is not None
    assert int(session.rows.frame[session.row]) == 19
    assert str(session.visible.chosen) == "frame.number >= 17"
    assert session.analysis.is_finished


def test_a_check_that_is_stopped_leaves_the_former_keys() -> None:
    session = read_all(sample_session("inject"))
    before = session.analysis

    def stop(analysis: Analysis) -> None:
        analysis.stop()

    session._spool = None
    store = session.store
    analysis = session._analysis(KeyStore())
    analysis.stop()
    assert session._replace(analysis, stop) == "cancelled: the former keys stand"
    assert session.analysis is before
    assert session.store is store


def test_keys_that_are_asked_for_last_win() -> None:
    session = read_all(sample_session("inject"))
    wanted = load_keys([str(SAMPLES / "rotation.toml")])
    told: list[str] = []

    def ask_for_others(analysis: Analysis) -> None:
        if not told:
            told.append("")
            told[0] = session.check_again(wanted, quiet)

    assert session.check_again(KeyStore(), ask_for_others) == ""
    assert "−18 verified" in told[0]
    assert session.store is wanted
    assert session.pending is None
    assert session.last_change == told[0]


def test_a_filter_that_is_set_while_other_keys_are_checked_holds_for_them() -> None:
    session = read_all(sample_session("inject", keys=""))

    def filter_meanwhile(analysis: Analysis) -> None:
        if session.visible.chosen is None:
            session.show("ao.verdict == verified", quiet)
            assert len(session.visible) == (18 if session.analysis is analysis else 0)

    session.check_again(load_keys([str(SAMPLES / "inject.toml")]), filter_meanwhile)
    assert session.visible.analysis is session.analysis
    assert len(session.visible) == 18


def test_counting_streams_keeps_the_keys_that_are_being_checked() -> None:
    session = read_all(sample_session("inject", keys=""))
    store = load_keys([str(SAMPLES / "inject.toml")])

    def ask_for_streams(analysis: Analysis) -> None:
        if session.visible.chosen is None:
            session.show("tcp.stream == 0", quiet)

    session.check_again(store, ask_for_streams)
    assert session.store is store
    assert str(session.visible.chosen) == "tcp.stream == 0"
    assert session.visible.analysis is session.analysis


def test_changes_are_told_by_verdict() -> None:
    before, after = rows_of(range(3)), rows_of(range(3))
    assert change_in_words(before, after) == "no verdict changed"
    after.verdict[1:] = Verdict.MISMATCH
    assert change_in_words(before, after) == "−2 verified, +2 mismatch"


def test_explaining_without_keys_says_what_to_do() -> None:
    session = read_all(sample_session("inject", keys=""))
    with pytest.raises(UsageError, match="load a key file"):
        session.explain(0)


# Keys that are typed.


def test_an_edited_key_changes_at_both_ends_with_the_ids_crossed() -> None:
    store = load_keys([str(SAMPLES / "v4-sha1.toml")])
    old = store.peers[0].mkts[0]
    draft = draft_of(old)
    assert draft.secret == ""
    edited = with_edited_key(store, old, KeyDraft("new", "7", "8", "hmac-sha-256-128", "hex:00ff", "16", "exclude"))
    ids = [(mkt.send_id, mkt.recv_id) for peer in edited.peers for mkt in peer.mkts]
    assert ids == [(7, 8), (8, 7)]
    assert {mkt.secret for peer in edited.peers for mkt in peer.mkts} == {b"\x00\xff"}
    assert {mkt.mac_length for peer in edited.peers for mkt in peer.mkts} == {16}


def test_an_empty_secret_stays_as_it_is() -> None:
    store = load_keys([str(SAMPLES / "v4-sha1.toml")])
    old = store.peers[0].mkts[0]
    assert with_edited_key(store, old, draft_of(old)) == store


@pytest.mark.parametrize(
    "draft, words",
    [
        (KeyDraft(send_id="1", recv_id="2"), "a secret is needed"),
        (KeyDraft(send_id="300", recv_id="2", secret="top-secret"), "send-id must be from 0 to 255"),
        (KeyDraft(send_id="x", recv_id="2", secret="top-secret"), "no number"),
        (KeyDraft(send_id="1", recv_id="2", secret="top-secret", algorithm="rot13"), "algorithm is unknown"),
        (KeyDraft(send_id="1", recv_id="2", secret="top-secret", local="nowhere"), "local is not an IP address"),
        (KeyDraft(send_id="1", recv_id="2", secret="hex:zz"), "secret"),
    ],
)
def test_a_wrong_draft_is_told_without_its_secret(draft: KeyDraft, words: str) -> None:
    with pytest.raises(KeyFileError) as raised:
        with_added_key(KeyStore(), draft)
    assert words in str(raised.value)
    assert "typed here" not in str(raised.value)
    assert "top-secret" not in str(raised.value) + repr(draft)


# What is said.


def test_facts_of_a_connection() -> None:
    session = read_all(sample_session("inject"))
    first, second = session.connections
    assert application_of(first, session.registry) == "BGP"
    assert (state_of(first), state_of(second)) == ("reset", "SYN, no answer")
    assert keys_in_use(first) == "k1 / k1"
    assert first_failure(first) == (0, 12)
    assert sum(session.analysis.activity[0]) == 35
    assert sparkline((0, 1, 8)) == " ▁█"


def test_key_use_counts_and_lists_ids_without_a_key() -> None:
    session = read_all(sample_session("inject"))
    known, unknown = key_uses(session.analysis)
    assert (known.segments, known.first_frame) == (18, 3)
    assert (unknown.mkt, unknown.segments, unknown.first_frame) == (None, 1, 18)


def test_use_outside_a_lifetime_is_told(tmp_path: Path) -> None:
    talk = Conversation().handshake()
    lines = [
        line + "\nsend-lifetime = { until = 2001-01-01T00:00:00Z }" if line.strip().startswith("secret") else line
        for line in talk.key_file().splitlines()
    ]
    (tmp_path / "k.toml").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "c.pcap").write_bytes(talk.to_pcap())
    session = read_all(session_on(tmp_path / "c.pcap", load_keys([str(tmp_path / "k.toml")])))
    assert any("after its send lifetime" in line for use in key_uses(session.analysis) for line in use.details)


@pytest.mark.parametrize("sample", ["inject", "rotation", "md5-then-ao", "snap60", "vrf-any-sll2", "v6-exopt-ts"])
def test_every_packet_has_a_tree_within_its_octets_and_shows_no_secret(sample: str) -> None:
    session = read_all(sample_session(sample))
    secrets = {mkt.secret for peer in session.store.peers for mkt in peer.mkts if mkt.secret is not None}
    for row in range(len(session.rows.frame)):
        view = session.view(row)
        length = max(len(view.frame.octets), view.frame.wire_length)
        for reveal in (False, True):
            nodes = all_nodes(nodes_of(view, reveal=reveal))
            assert sum(node.is_first for node in nodes) == 1
            assert all(0 <= node.start <= node.end <= length for node in nodes)
        hidden = "\n".join(f"{node.label} {node.copied}" for node in all_nodes(nodes_of(view)))
        assert view.proof is not None
        keys = [attempt.traffic_key for attempt in view.proof.attempts if attempt.traffic_key is not None]
        for octets in [*secrets, *keys]:
            assert octets.hex() not in hidden
            assert octets.hex(" ") not in hidden


def test_no_file_is_replaced_without_being_asked(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text("mine", encoding="utf-8")
    store = load_keys([str(SAMPLES / "inject.toml")])
    with pytest.raises(FileExistsAlreadyError):
        save_keys(store, str(path), replaces=False)
    assert path.read_text(encoding="utf-8") == "mine"
    save_keys(store, str(path), replaces=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert {mkt.secret for peer in load_keys([str(path)]).peers for mkt in peer.mkts} == {
        mkt.secret for peer in store.peers for mkt in peer.mkts
    }
    with pytest.raises(UsageError, match="cannot be written"):
        save_keys(store, str(tmp_path / "none" / "keys.toml"), replaces=False)


# Places in a large table.


def table_of(connections: list[int], times: list[int], frames: list[int] | None = None) -> ListedTable:
    table = ListedTable()
    rows = rows_of(range(1, len(connections) + 1))
    rows.connection[:] = connections
    rows.time_ns[:] = times
    if frames is not None:
        rows.frame[:] = frames
    for start in range(0, len(connections), 3):
        table.add(Rows._make(column[start : start + 3] for column in rows))
    return table


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=40),
    st.integers(0, 2),
    st.integers(-5, 35),
    st.booleans(),
)
def test_the_nearest_row_is_nearest_whatever_the_order(
    told: list[tuple[int, int]], connection: int, position: int, is_sorted: bool
) -> None:
    times = [time for _, time in told]
    table = table_of([number for number, _ in told], sorted(times) if is_sorted else times)
    rows = table.rows
    ordered = bool((np.diff(rows.time_ns) >= 0).all())
    assert table.is_in_time_order == ordered
    own = [row for row in range(len(told)) if int(rows.connection[row]) == connection]
    found = nearest_row(rows, connection, rows.time_ns, position, is_ordered=table.is_in_time_order)
    if not own:
        assert found is None
        return
    assert found in own
    distance = min(abs(int(rows.time_ns[row]) - position) for row in own)
    assert abs(int(rows.time_ns[found]) - position) == distance


def test_a_frame_that_came_late_is_found() -> None:
    rows = table_of([0] * 5, [0] * 5, [2, 4, 9, 11, 3]).rows
    assert [row_of_frame(rows, frame) for frame in (2, 4, 9, 11, 3, 5)] == [0, 1, 2, 3, 4, None]
