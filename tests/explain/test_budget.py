"""What an explanation costs: counted in MACs, and no more for a connection of many segments than of few."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from aoinspect.engine.explain import PER_CONNECTION, Budget, explain_failures
from aoinspect.engine.explain.path import MSS_VALUES
from aoinspect.engine.failures import SEGMENTS_PER_CONNECTION, Failures, Occasion
from aoinspect.engine.findings import find
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import connection_results
from aoinspect.keys import load_keys
from aoinspect.report.explain_text import one_line
from tests.conversation import Conversation, Key, merge
from tests.explain.explaining import Told, accounts_of_told, analysed
from tests.explain.scenes import CMAC, KEY, SHA256, read_with
from tests.reference_signer import TCP_MD5

STRANGE = replace(KEY, secret=b"of nobody here")


def long_talk(segments: int) -> Conversation:
    conversation = Conversation([STRANGE]).handshake()
    for _ in range(segments // 2):
        conversation.data("a", 30).ack("b")
    return conversation


def analyser_of(told: Told, folder: Path, batch_frames: int | None = None) -> Analyzer:
    path, key_file = folder / "told.pcap", folder / "told.toml"
    path.write_bytes(told.capture)
    key_file.write_text(told.key_file)
    return analysed(path, load_keys([str(key_file)]), batch_frames)


def test_a_wrong_secret_costs_no_more_on_many_segments_than_on_few(tmp_path: Path) -> None:
    costs = []
    for segments in (2 * SEGMENTS_PER_CONNECTION, 2_000):
        (account,) = accounts_of_told(read_with(long_talk(segments), KEY), tmp_path)
        assert account.failing >= segments
        assert account.tried == SEGMENTS_PER_CONNECTION
        costs.append(account.macs)
    assert costs[0] == costs[1] < PER_CONNECTION.macs


@pytest.mark.parametrize("key", [KEY, CMAC, SHA256], ids=["sha1", "cmac", "sha256"])
def test_the_search_for_an_mss_tries_each_value_once(key: object, tmp_path: Path) -> None:
    assert isinstance(key, type(KEY))
    told = read_with(Conversation([replace(key, secret=b"another of 16 oc")]).syn(), key)
    (account,) = accounts_of_told(told, tmp_path)
    assert "H19" in account.ruled_out
    assert MSS_VALUES < account.macs < MSS_VALUES * 1.1


def test_syns_that_are_sent_again_are_searched_once(tmp_path: Path) -> None:
    conversation = Conversation([STRANGE]).syn()
    for _ in range(5):
        conversation.advance(10**9).retransmit()
    (account,) = accounts_of_told(read_with(conversation, KEY), tmp_path)
    assert account.macs < 2 * MSS_VALUES
    assert account.not_tried == ()


def test_one_budget_serves_the_run_and_connections_that_it_does_not_reach_are_named(tmp_path: Path) -> None:
    conversations = [
        Conversation([STRANGE], client=f"10.0.0.1:{40000 + index}", start_ns=index * 10**9).syn() for index in range(4)
    ]
    told = Told(merge(conversations).to_pcap(), Conversation([KEY]).key_file())
    analyzer = analyser_of(told, tmp_path)
    budget = Budget(macs=300, searches=1)
    accounts = explain_failures(analyzer, connection_results(analyzer), budget)
    assert budget == Budget(0, 0)
    assert [account.connection for account in accounts] == [0, 1, 2, 3]
    assert accounts[-1].macs == 0
    assert "H1" in accounts[-1].not_tried
    assert any("budget" in words for words in accounts[-1].would_decide)
    assert "used up the run's budget" in one_line(accounts[-1])
    assert "used up" not in one_line(accounts[0])


def test_what_the_budget_does_not_reach_names_nothing_of_another_method(tmp_path: Path) -> None:
    md5 = Key(name="md5", algorithm=TCP_MD5, secret=b"of nobody here")
    for signed, given in ((STRANGE, KEY), (md5, replace(md5, secret=b"an md5 password"))):
        analyzer = analyser_of(read_with(Conversation([signed]).syn(), given), tmp_path)
        (account,) = explain_failures(analyzer, connection_results(analyzer), Budget(0, 0))
        assert ("H32" in account.not_tried) is (signed is md5)
        assert ("H1" in account.not_tried) is (signed is not md5)


def calls_for(count: int, folder: Path) -> int:
    """Python calls that results, findings and accounts of so many failing connections and a sound one take."""
    flood = [Conversation([STRANGE], client=f"10.0.0.1:{2000 + index}").syn() for index in range(count)]
    sound = Conversation([KEY], client="10.0.0.1:1999").handshake()
    told = Told(merge([sound, *flood]).to_pcap(), Conversation([KEY]).key_file())
    analyzer = analyser_of(told, folder)
    counted = 0

    def count_call(frame: FrameType, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        connections = connection_results(analyzer)
        find(analyzer, connections)
        explain_failures(analyzer, connections, Budget(0, 0))
    finally:
        sys.setprofile(None)
    return counted


def test_each_of_many_failing_connections_costs_the_same(tmp_path: Path) -> None:
    calls_for(2, tmp_path)
    few, many = calls_for(30, tmp_path), calls_for(120, tmp_path)
    assert many < 4.2 * few


def test_the_same_is_said_whenever_it_is_asked(tmp_path: Path) -> None:
    told = read_with(long_talk(60), KEY)
    assert accounts_of_told(told, tmp_path) == accounts_of_told(told, tmp_path)


@pytest.mark.parametrize("batch_frames", [1, 7, 64])
def test_which_segments_are_kept_does_not_depend_on_batches(batch_frames: int, tmp_path: Path) -> None:
    conversation = Conversation([STRANGE], timestamps=True).handshake()
    for octets in range(40):
        conversation.data("a", octets).ack("b")
    conversation.abort("b")
    told = read_with(conversation, KEY)
    whole = analyser_of(told, tmp_path).failures.of(0, Occasion.FAILED)
    cut = analyser_of(told, tmp_path, batch_frames).failures.of(0, Occasion.FAILED)
    assert [segment.frame for segment in cut] == [segment.frame for segment in whole]
    assert len(whole) == SEGMENTS_PER_CONNECTION


def test_syns_resets_and_both_ends_are_among_the_kept(tmp_path: Path) -> None:
    conversation = Conversation([STRANGE]).handshake()
    for _ in range(50):
        conversation.data("a", 100)
    conversation.ack("b").abort("b")
    kept = analyser_of(read_with(conversation, KEY), tmp_path).failures.of(0, Occasion.FAILED)
    flags = [segment.octets[13] for segment in kept]
    assert flags[:2] == [0x02, 0x12]
    assert 0x14 in flags
    assert len({segment.source for segment in kept}) == 2


def test_octets_are_kept_of_failing_segments_alone(tmp_path: Path) -> None:
    right = Conversation([KEY]).handshake().data("a", 100)
    assert analyser_of(Told(right.to_pcap(), right.key_file()), tmp_path).failures.octets_kept == 0


def test_a_run_whose_store_is_full_names_the_connections_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aoinspect.engine.failures.OCTETS_LIMIT", 200)
    conversations = [Conversation([STRANGE], client=f"10.0.0.1:{40000 + index}").syn() for index in range(9)]
    told = Told(merge(conversations).to_pcap(), Conversation([KEY]).key_file())
    analyzer = analyser_of(told, tmp_path)
    assert analyzer.failures.octets_kept <= 200
    accounts = explain_failures(analyzer, connection_results(analyzer), dataclasses.replace(PER_CONNECTION))
    assert len(accounts) == 9
    unkept = [account for account in accounts if account.tried == 0]
    assert unkept
    assert all("explain it alone" in account.note for account in unkept)


def test_key_ids_that_never_repeat_are_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("aoinspect.engine.failures.OFFERS_PER_CONNECTION", 30)
    offers = []
    offer = Failures._offer

    def counting(self: Failures, row: int, *rest: object) -> None:
        offers.append(row)
        offer(self, row, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Failures, "_offer", counting)
    conversation = Conversation([KEY]).handshake()
    for key_id in range(2, 100):
        conversation.data("a", 5).name_unknown_key(key_id)
    analyser_of(Told(conversation.to_pcap(), conversation.key_file()), tmp_path)
    assert len(offers) == 30
