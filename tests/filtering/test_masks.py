"""A filter's mask over columns is what one row after another says, on rows and filters of every kind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoinspect.capture.reader import open_capture
from aoinspect.engine.filtering import FIELDS, Filter, FilterContext, evaluation, parse_filter
from aoinspect.engine.filtering.syntax import Node
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.results import connection_results
from aoinspect.engine.table import EMPTY, Rows
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from tests.filtering.trees import World, as_dicts, filters, made_rows, selects, single_tests
from tests.recorded import SAMPLES, SMALL

NAMES = ("mixed", "v6-rst-after-close", "oneway-c2s")
"""IPv4 and IPv6, several peers and keys."""

UNKEYED = SAMPLES / "mid-capture.pcap"
"""One connection of which nothing tells the ISNs."""

CAPTURES = (*(SMALL / f"{name}.pcap" for name in NAMES), UNKEYED)


@cache
def analysis(*, count_streams: bool = True) -> Analyzer:
    analyzer = Analyzer(load_keys([str(SMALL / f"{name}.toml") for name in NAMES]), count_streams=count_streams)
    return analyse([open_capture(str(path)) for path in CAPTURES], analyzer)


def rows_of(analyzer: Analyzer) -> Rows:
    assert analyzer.table is not None
    return analyzer.table.rows


def frames_selected(text: str, capture: int = 0) -> list[int]:
    """Frames of one capture of the analysis."""
    analyzer = analysis()
    rows = rows_of(analyzer)
    chosen = rows.select(parse_filter(text).mask(rows, FilterContext(analyzer)))
    frames: list[int] = chosen.frame[chosen.capture == capture].tolist()
    return frames


def world_of(analyzer: Analyzer) -> World:
    assert analyzer.streams is not None
    streams = {
        (capture, frame): stream
        for capture, counts in enumerate(analyzer.captures)
        for frame in range(1, counts.frames + 1)
        if (stream := analyzer.streams.of_frame(capture, frame)) is not None
    }
    return World(
        connections=connection_results(analyzer),
        key_names=[mkt.name for mkt in analyzer.keyring.mkts],
        first_times_ns=[counts.first_time_ns or 0 for counts in analyzer.captures],
        streams=streams,
    )


@cache
def world() -> World:
    return world_of(analysis())


def agrees_row_by_row(node: Node, seed: int, count: int) -> None:
    analyzer, known = analysis(), world()
    rows, macs = made_rows(seed, count, known)
    frames = zip(rows.capture.tolist(), rows.frame.tolist(), macs, strict=True)
    analyzer.long_macs = {(capture, frame): mac for capture, frame, mac in frames if len(mac) > 16}
    mask = Filter(node).mask(rows, FilterContext(analyzer))
    expected = [selects(node, row, mac, known) for row, mac in zip(as_dicts(rows), macs, strict=True)]
    assert mask.dtype == np.bool_
    assert mask.tolist() == expected


@settings(max_examples=200, deadline=None)
@given(filters(), st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_the_mask_is_what_each_row_by_itself_says(node: Node, seed: int, count: int) -> None:
    agrees_row_by_row(node, seed, count)


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_test_of_the_field_says_of_all_rows_what_it_says_of_each(name: str, data: st.DataObject, seed: int) -> None:
    agrees_row_by_row(data.draw(single_tests([FIELDS[name]])), seed, 150)


@settings(max_examples=150, deadline=None)
@given(filters())
def test_the_mask_of_recorded_rows_is_what_each_row_by_itself_says(node: Node) -> None:
    analyzer, known = analysis(), world()
    rows = rows_of(analyzer)
    macs = [mac[:length] for mac, length in zip((m.tobytes() for m in rows.mac), rows.mac_length.tolist(), strict=True)]
    expected = [selects(node, row, mac, known) for row, mac in zip(as_dicts(rows), macs, strict=True)]
    assert Filter(node).mask(rows, FilterContext(analyzer)).tolist() == expected


@given(filters())
def test_no_rows_give_an_empty_mask(node: Node) -> None:
    assert Filter(node).mask(EMPTY, FilterContext(analysis())).shape == (0,)


@pytest.mark.parametrize("text", ["tcp.port == 179", "ao.key == 'k1'", "tcp.flags.syn == 1 or ip.src == 10.0.0.1"])
def test_the_mask_does_not_depend_on_how_many_rows_are_taken_at_a_time(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frames_selected(text)
    monkeypatch.setattr(evaluation, "_ROWS_AT_A_TIME", 7)
    assert whole
    assert frames_selected(text) == whole


def test_not_equal_asks_all_values_and_not_any() -> None:
    """Wireshark since 3.6: `ip.addr != 10.0.0.1` selects what neither comes from there nor goes there."""
    from_or_to = set(frames_selected("ip.addr == 10.0.0.1"))
    everything = set(frames_selected("ip"))
    assert from_or_to
    assert set(frames_selected("ip.addr != 10.0.0.1")) == everything - from_or_to
    assert set(frames_selected("ip.addr !== 10.0.0.1")) == everything
    assert frames_selected("ip.addr === 10.0.0.1") == []


def test_a_field_that_is_not_there_is_neither_equal_nor_unequal() -> None:
    ipv6 = rows_of(analysis())
    context = FilterContext(analysis())
    for text in ("ip.addr == 10.0.0.1", "ip.addr != 10.0.0.1", "ip.addr < 255.255.255.255"):
        mask = parse_filter(f"ipv6 and {text}").mask(ipv6, context)
        assert not mask.any()
    assert parse_filter("ipv6").mask(ipv6, context).any()


def test_a_mac_longer_than_the_tables_column_is_compared_whole() -> None:
    analyzer = Analyzer(load_keys([str(SMALL / "mixed.toml")]))
    analyse([open_capture(str(SMALL / "mixed.pcap"))], analyzer)
    rows = rows_of(analyzer).select(np.arange(3))
    macs = [b"\xaa" * 16 + b"\x01\x02", b"\xaa" * 16 + b"\x01\x03", b"\xaa" * 16]
    rows = rows._replace(
        method=np.ones(3, dtype=np.uint8),
        mac=np.array([mac[:16] for mac in macs], dtype="V16"),
        mac_length=np.array([len(mac) for mac in macs], dtype=np.uint8),
    )
    analyzer.long_macs = {(0, int(rows.frame[row])): macs[row] for row in (0, 1)}
    context = FilterContext(analyzer)

    def masked(text: str) -> list[bool]:
        return list(parse_filter(text).mask(rows, context).tolist())

    assert masked(f"tcp.options.ao.mac == {macs[0].hex(':')}") == [True, False, False]
    assert masked("tcp.options.ao.mac[16:2] == 01:03") == [False, True, False]
    assert masked("tcp.options.ao.mac contains aa:01") == [True, True, False]
    assert masked(f"tcp.options.ao.mac == {macs[2].hex()}") == [False, False, True]


def test_a_context_takes_the_connections_that_come_later() -> None:
    analyzer = Analyzer(load_keys([str(SMALL / "mixed.toml")]))
    context = FilterContext(analyzer)
    chosen = parse_filter("tcp.port == 179")
    assert len(context) == 0
    reader = open_capture(str(SMALL / "mixed.pcap"))
    analyzer.begin_capture(reader.path, reader.interfaces)
    for batch in reader.batches():
        analyzer.feed(batch)
    rows = rows_of(analyzer)
    mask = chosen.mask(rows, context)
    assert mask.tolist() == chosen.mask(rows, FilterContext(analyzer)).tolist()
    assert mask.all()
    assert len(context) == analyzer.tallies.connection_count > 1


def test_a_filter_that_names_streams_says_so_and_asks_for_a_run_that_counts_them() -> None:
    analyzer = analysis(count_streams=False)
    context = FilterContext(analyzer)
    chosen = parse_filter("ao.verdict == verified or not tcp.stream == 1")
    assert chosen.names_stream
    assert not parse_filter("tcp.port == 179").names_stream
    assert not context.has_streams
    assert FilterContext(analysis()).has_streams
    with pytest.raises(UsageError, match=r"tcp\.stream"):
        chosen.mask(rows_of(analyzer), context)


def test_relative_numbers_are_not_there_where_no_isn_is_known() -> None:
    unknown = {result.id for result in connection_results(analysis()) if result.a.isn is None}
    assert unknown
    for number in unknown:
        assert frames_selected(f"ao.connection == {number} and (tcp.seq or tcp.ack)", capture=len(CAPTURES) - 1) == []
        assert frames_selected(f"ao.connection == {number} and tcp.seq_raw", capture=len(CAPTURES) - 1)
