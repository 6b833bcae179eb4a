"""Several captures as one: rings of files, the two directions of a tap, copies of the same segments."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.capture.reader import CaptureReader, open_capture
from aoinspect.engine.limits import Limits
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse, openable
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Verdict
from aoinspect.errors import CaptureError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.model import build_report
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import store_of
from tests.engine.stories import examples, stories
from tests.packets import ETHERNET, RAW, Record, write_pcap
from tests.recorded import SAMPLES

MILLISECOND = 1_000_000
SPLIT = ("rotation", "inject", "md5-then-ao", "bird-bird", "mss-clamp-B", "vrf-any-sll2")


def records_of(path: Path) -> tuple[list[Record], int]:
    with open_capture(path) as reader:
        records = [
            Record(batch.octets[start:end].tobytes(), wire, time_ns)
            for batch in reader.batches()
            for start, end, wire, time_ns in zip(
                batch.starts.tolist(),
                batch.ends.tolist(),
                batch.wire_lengths.tolist(),
                batch.times_ns.tolist(),
                strict=True,
            )
        ]
        return records, reader.interfaces[0].link_type


def write(path: Path, records: Sequence[Record], link_type: int = ETHERNET) -> str:
    path.write_bytes(write_pcap(records, link_type=link_type))
    return str(path)


def run(captures: Sequence[str | CaptureReader], store: KeyStore, **options: int) -> Analyzer:
    return analyse(captures, Analyzer(store, **options))  # type: ignore[arg-type]


def rows_of(analyzer: Analyzer) -> Rows:
    assert analyzer.table is not None
    return analyzer.table.rows


def judged(analyzer: Analyzer) -> list[tuple[int, ...]]:
    """Per row what does not say which file it stands in."""
    rows = rows_of(analyzer)
    columns = (rows.time_ns, rows.connection, rows.direction, rows.seq, rows.key_id, rows.sne, rows.verdict)
    return [tuple(values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def changes(analyzer: Analyzer) -> list[tuple[object, ...]]:
    return [
        (connection.id, change.time_ns, change.direction, change.field, change.old, change.new, change.trigger)
        for connection in build_report(analyzer).connections
        for change in connection.transitions
    ]


@pytest.mark.parametrize("name", SPLIT)
@pytest.mark.parametrize("pieces", [2, 5])
def test_a_ring_of_files_in_any_order_is_one_capture(name: str, pieces: int, tmp_path: Path) -> None:
    store = load_keys([str(SAMPLES / f"{name}.toml")])
    records, link_type = records_of(SAMPLES / f"{name}.pcap")
    whole = run([str(SAMPLES / f"{name}.pcap")], store)
    size = -(-len(records) // pieces)
    paths = [
        write(tmp_path / f"{name}{number}", part, link_type)
        for number, part in enumerate(itertools.batched(records, size) if hasattr(itertools, "batched") else [])
    ] or [write(tmp_path / f"{at}", records[at : at + size], link_type) for at in range(0, len(records), size)]
    for given_order in (paths, paths[::-1]):
        ring = run(given_order, store)
        assert judged(ring) == judged(whole)
        assert changes(ring) == changes(whole)
    rows = rows_of(run(paths, store))
    assert int(rows.frame.max()) <= size
    assert set(rows.capture.tolist()) <= set(range(len(paths)))


@pytest.mark.parametrize("name", SPLIT)
def test_captures_that_run_side_by_side_are_judged_in_the_order_of_time(name: str, tmp_path: Path) -> None:
    """Every other frame is in another file, as two interfaces of a router or the two fibres of a tap give them."""
    store = load_keys([str(SAMPLES / f"{name}.toml")])
    records, link_type = records_of(SAMPLES / f"{name}.pcap")
    # Equal times tell no order between files.
    records = [
        Record(record.octets, record.wire_length, record.time_ns + number) for number, record in enumerate(records)
    ]
    whole = run([write(tmp_path / "whole", records, link_type)], store)
    halves = [write(tmp_path / f"half{number}", records[number::2], link_type) for number in (0, 1)]
    both = run(halves, store)
    assert judged(both) == judged(whole)
    assert changes(both) == changes(whole)
    for reader_order in itertools.permutations(halves):
        readers = [open_capture(path, batch_frames=3) for path in reader_order]
        assert judged(run(readers, store)) == judged(whole)


@given(story=stories(), choices=st.lists(st.integers(0, 2), min_size=1, max_size=40), batch=st.integers(1, 9))
@examples(25)
def test_any_story_dealt_out_to_files_is_the_same_story(
    story: Conversation, choices: list[int], batch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("dealt")
    store = store_of(story.key_file())
    records = [
        Record(record.octets, record.wire_length, 1_790_000_000_000_000_000 + number * MILLISECOND)
        for number, record in enumerate(story.capture().records())
    ]
    whole = run([write(folder / "whole", records)], store)
    hands: dict[int, list[Record]] = {}
    for number, record in enumerate(records):
        hands.setdefault(choices[number % len(choices)], []).append(record)
    readers = [open_capture(write(folder / f"{hand}", dealt), batch_frames=batch) for hand, dealt in hands.items()]
    assert judged(run(readers, store)) == judged(whole)


def test_frames_keep_their_numbers_and_files(tmp_path: Path) -> None:
    story = Conversation([Key()]).handshake().data("a", 10).ack("b").data("b", 10).ack("a")
    records = [
        Record(one.octets, one.wire_length, 1_790_000_000_000_000_000 + number * MILLISECOND)
        for number, one in enumerate(story.capture().records())
    ]
    halves = [write(tmp_path / "even", records[::2]), write(tmp_path / "odd", records[1::2])]
    rows = rows_of(run(halves, store_of(story.key_file())))
    assert rows.capture.tolist() == [number % 2 for number in range(len(records))]
    assert rows.frame.tolist() == [number // 2 + 1 for number in range(len(records))]


def test_captures_without_times_follow_as_they_are_given(tmp_path: Path) -> None:
    story = Conversation([Key()]).handshake().data("a", 10).ack("b")
    records = [Record(one.octets, one.wire_length, 0) for one in story.capture().records()]
    paths = [write(tmp_path / "z-first", records[:3]), write(tmp_path / "a-second", records[3:])]
    analyzer = run(paths, store_of(story.key_file()))
    assert [capture.path for capture in analyzer.captures] == paths
    assert int(analyzer.totals.verdicts[Verdict.VERIFIED]) == len(records)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_file_without_frames_does_not_put_the_others_out_of_order(place: int, tmp_path: Path) -> None:
    """`tcpdump -G` leaves one behind where nothing came, and begins one before it has anything to write."""
    store = load_keys([str(SAMPLES / "rotation.toml")])
    records, link_type = records_of(SAMPLES / "rotation.pcap")
    paths = [write(tmp_path / "late", records[30:], link_type), write(tmp_path / "early", records[:30], link_type)]
    paths.insert(place, write(tmp_path / "empty", [], link_type))
    ring = run(paths, store)
    assert judged(ring) == judged(run([str(SAMPLES / "rotation.pcap")], store))
    assert [capture.path for capture in ring.captures] == paths
    assert [capture.frames for capture in ring.captures if capture.path.endswith("empty")] == [0]


def test_one_file_of_a_ring_is_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Conversation([Key()]).handshake()
    for _ in range(20):
        story.data("a", 10).ack("b")
    records = story.capture().records()
    paths = [write(tmp_path / f"{at:03}", records[at : at + 2]) for at in range(0, len(records), 2)]
    open_now, most = 0, 0

    def entered(self: CaptureReader) -> CaptureReader:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        return self

    close = CaptureReader.close

    def closed(self: CaptureReader) -> None:
        nonlocal open_now
        open_now -= 1
        close(self)

    monkeypatch.setattr(CaptureReader, "__enter__", entered)
    monkeypatch.setattr(CaptureReader, "close", closed)
    run(paths, store_of(story.key_file()))
    assert most <= 2


def test_every_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    from contextlib import ExitStack

    with ExitStack() as opened, pytest.raises(CaptureError) as raised:
        openable([str(tmp_path / "one"), str(SAMPLES / "rotation.pcap"), str(tmp_path / "two")], opened)
    assert "one" in str(raised.value)
    assert "two" in str(raised.value)


# Copies.


def mirrored(records: Sequence[Record], delay_ns: int) -> list[Record]:
    copies = [Record(one.octets, one.wire_length, one.time_ns + delay_ns) for one in records]
    return sorted([*records, *copies], key=lambda record: record.time_ns)


@pytest.mark.parametrize("batch_frames", [1, 7, 1000])
def test_copies_of_a_mirror_port_are_left_out(batch_frames: int, tmp_path: Path) -> None:
    records, link_type = records_of(SAMPLES / "rotation.pcap")
    store = load_keys([str(SAMPLES / "rotation.toml")])
    path = write(tmp_path / "mirror", mirrored(records, 30_000), link_type)
    whole = run([str(SAMPLES / "rotation.pcap")], store)
    with open_capture(path, batch_frames=batch_frames) as reader:
        analyzer = run([reader], store, dedupe_ns=MILLISECOND)
    assert judged(analyzer) == judged(whole)
    assert analyzer.duplicates is not None
    assert analyzer.duplicates.count == len(rows_of(whole).frame)
    assert build_report(analyzer).totals.duplicates == analyzer.duplicates.count


def test_copies_in_another_file_are_left_out(tmp_path: Path) -> None:
    records, link_type = records_of(SAMPLES / "v4-sha1.pcap")
    store = load_keys([str(SAMPLES / "v4-sha1.toml")])
    later = [Record(one.octets, one.wire_length, one.time_ns + 50_000) for one in records]
    other = write(tmp_path / "other", later, link_type)
    analyzer = run([str(SAMPLES / "v4-sha1.pcap"), other], store, dedupe_ns=MILLISECOND)
    assert judged(analyzer) == judged(run([str(SAMPLES / "v4-sha1.pcap")], store))


def routed(record: Record) -> Record:
    """The frame as the router's other port sends it: other MAC addresses, a VLAN tag, and one hop less to live."""
    octets = bytearray(record.octets)
    octets[0:12] = bytes(range(2, 14))
    octets[22] -= 1
    checksum = int.from_bytes(octets[24:26], "big") + 0x100  # RFC 1141
    octets[24:26] = ((checksum & 0xFFFF) + (checksum >> 16)).to_bytes(2, "big")
    octets[12:12] = b"\x81\x00\x00\x14"
    return Record(bytes(octets), record.wire_length + 4, record.time_ns + 20_000)


def sent_again(record: Record) -> Record:
    """The same segment in another IP packet, as a fast retransmission sends it."""
    octets = bytearray(record.octets)
    identification = int.from_bytes(octets[18:20], "big") ^ 0x4000
    octets[18:20] = identification.to_bytes(2, "big")
    return Record(bytes(octets), record.wire_length, record.time_ns + 3 * MILLISECOND)


@pytest.mark.parametrize("link_type", [ETHERNET, RAW])
def test_a_copy_behind_a_router_is_one_and_a_fast_retransmission_is_none(link_type: int, tmp_path: Path) -> None:
    """The copies stand in a capture of their own, also of another link type."""
    story = Conversation([Key()]).handshake().data("a", 10).data("b", 20).ack("a").ack("b")
    records = story.capture().records()
    copies = [routed(record) for record in records]
    if link_type == RAW:
        copies = [Record(one.octets[18:], one.wire_length - 18, one.time_ns) for one in copies]
    beside = write(tmp_path / "beside", copies, link_type)
    again = write(tmp_path / "again", [sent_again(record) for record in records])
    own = write(tmp_path / "own", records)
    store = store_of(story.key_file())
    analyzer = run([beside, again, own], store, dedupe_ns=10 * MILLISECOND)
    assert analyzer.duplicates is not None
    assert analyzer.duplicates.count == len(records)
    assert int(analyzer.totals.verdicts[Verdict.VERIFIED]) == 2 * len(records)
    without = run([own, again], store)
    assert [row[1:] for row in judged(analyzer)] == [row[1:] for row in judged(without)]


def test_what_is_sent_again_is_no_copy(tmp_path: Path) -> None:
    records, link_type = records_of(SAMPLES / "rotation.pcap")
    store = load_keys([str(SAMPLES / "rotation.toml")])
    path = write(tmp_path / "again", mirrored(records, 200 * MILLISECOND), link_type)
    analyzer = run([path], store, dedupe_ns=10 * MILLISECOND)
    assert analyzer.duplicates is not None
    assert analyzer.duplicates.count == 0


def test_nothing_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    records, link_type = records_of(SAMPLES / "v4-sha1.pcap")
    store = load_keys([str(SAMPLES / "v4-sha1.toml")])
    path = write(tmp_path / "mirror", mirrored(records, 30_000), link_type)
    whole = run([str(SAMPLES / "v4-sha1.pcap")], store)
    assert len(rows_of(run([path], store)).frame) == 2 * len(rows_of(whole).frame)


# Limits.


def sessions(count: int) -> tuple[list[Record], str]:
    told = merge([Conversation([Key()], client=f"10.0.{n // 200}.{n % 200}:40000").handshake() for n in range(count)])
    return told.records(), told.key_file()


def test_socket_pairs_beyond_the_limit_are_counted_and_no_more(tmp_path: Path) -> None:
    records, keys = sessions(20)
    path = write(tmp_path / "many", records)
    analyzer = analyse([path], Analyzer(store_of(keys), limits=Limits(connections=8)))
    assert len(analyzer.pairs) == 8
    assert analyzer.excess.untracked_segments == 12 * 3
    report = build_report(analyzer)
    assert report.totals.untracked == 36
    assert report.exit_code == 4
    assert [finding.ident for finding in report.findings if finding.ident == "limit-reached"]


def test_a_flood_of_syns_does_not_push_out_a_session_beside_it(tmp_path: Path) -> None:
    flood = merge([Conversation([Key()], client=f"10.1.0.{n}:1000").syn() for n in range(200)]).records()
    talk = Conversation([Key()], client="10.0.0.1:40000").handshake().data("a", 10).ack("b")
    start = flood[-1].time_ns
    session = [
        Record(one.octets, one.wire_length, start + number * MILLISECOND)
        for number, one in enumerate(talk.capture().records(), 1)
    ]
    path = write(tmp_path / "flood", [*flood, *session])
    for batch_frames in (1, 1000):
        analyzer = Analyzer(store_of(talk.key_file()), limits=Limits(connections=20))
        with open_capture(path, batch_frames=batch_frames) as reader:
            analyse([reader], analyzer)
        assert len(analyzer.pairs) <= 20
        verified = rows_of(analyzer).verdict[rows_of(analyzer).time_ns > start]
        assert np.count_nonzero(verified == Verdict.VERIFIED) >= len(session) - 1


def test_handshakes_of_one_pair_beyond_the_limit_share_a_connection(tmp_path: Path) -> None:
    talk = Conversation([Key()])
    records = []
    for number in range(40):
        one = Conversation([Key()], client_isn=number * 100_000 + 7).syn().capture().records()
        records += [Record(r.octets, r.wire_length, 1_790_000_000_000_000_000 + number * MILLISECOND) for r in one]
    path = write(tmp_path / "syns", records)
    analyzer = analyse([path], Analyzer(store_of(talk.key_file()), limits=Limits(connections=10)))
    assert len(analyzer.connections) <= 41
    assert int(analyzer.totals.verdicts.sum()) == 40


@pytest.mark.parametrize("batch_frames", [1, 5, 1000])
def test_key_runs_beyond_the_limit_are_counted_into_the_run_before(batch_frames: int, tmp_path: Path) -> None:
    keys = [Key(name=f"k{n}", send_id=n, recv_id=n, secret=bytes([n + 1]) * 8) for n in range(4)]
    talk = Conversation(keys).handshake()
    for number in range(60):
        talk.rollover("a", to=number % 4).data("a", 10)
    path = write(tmp_path / "flip", talk.capture().records())
    results = []
    for limits in (Limits(), Limits(key_runs=10)):
        analyzer = Analyzer(store_of(talk.key_file()), limits=limits)
        with open_capture(path, batch_frames=batch_frames) as reader:
            analyse([reader], analyzer)
        results.append(analyzer)
    free, limited = results
    assert len(free.timeline) > 40
    assert len(limited.timeline) <= 20
    assert limited.excess.folded_runs > 20
    assert int(limited.timeline.number("segments").sum()) == int(free.timeline.number("segments").sum())
    assert limited.timeline.verdicts.sum(axis=0).tolist() == free.timeline.verdicts.sum(axis=0).tolist()
