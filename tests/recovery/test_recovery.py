"""ISNs are found again where both ends together had sent little, within a budget that counts candidates."""

from __future__ import annotations

import io
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from aoinspect.ao.isn_search import SearchTask, search
from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.recovery import DEFAULT_CANDIDATES, Recovery, recover_isns
from aoinspect.engine.results import connection_results
from aoinspect.engine.verdicts import IsnSource
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from tests.conversation import Conversation, Key, merge

KEY = Key(name="k1", secret=b"a secret of this peer")
MIDWAY = Path(__file__).resolve().parents[2] / "samples" / "pcaps" / "mid-capture.pcap"


def analysed(capture: bytes, store: KeyStore) -> Analyzer:
    analyzer = Analyzer(store)
    with open_capture(io.BytesIO(capture)) as reader:
        analyse([reader], analyzer)
    return analyzer


def keys_of(text: str, directory: Path) -> KeyStore:
    path = directory / "keys.toml"
    path.write_text(text)
    return load_keys([str(path)])


def midway(client_octets: int, server_octets: int, key: Key = KEY, **options: int) -> Conversation:
    """A session caught after so many octets each way."""
    conversation = Conversation([key], **options)  # type: ignore[arg-type]
    conversation.established(client_octets=client_octets, server_octets=server_octets)
    return conversation.data("a", 19).ack("b").data("b", 19).ack("a").data("a", 40).ack("b")


def recovered(
    conversation: Conversation, directory: Path, budget: int = DEFAULT_CANDIDATES
) -> tuple[Recovery, Analyzer]:
    """The outcome of the search, and of reading the capture again with it."""
    store = keys_of(conversation.key_file(), directory)
    with ThreadPoolExecutor(1) as executor:
        recovery = recover_isns(analysed(conversation.to_pcap(), store), budget, executor=executor)
    return recovery, analysed(conversation.to_pcap(), recovery.extend(store))


@pytest.mark.parametrize(("client_octets", "server_octets"), [(0, 0), (64, 64), (48, 300), (205, 0), (150, 170)])
@pytest.mark.parametrize("algorithm", ["hmac-sha-1-96", "aes-128-cmac-96", "hmac-sha-256-128"])
def test_a_young_session_verifies_whole_without_its_handshake(
    client_octets: int, server_octets: int, algorithm: str, tmp_path: Path
) -> None:
    key = Key(name="k1", algorithm=algorithm, secret=b"a secret of this peer")
    _, again = recovered(midway(client_octets, server_octets, key), tmp_path)
    assert again.totals.verdicts.tolist() == [6, 0, 0, 0, 0, 0]


def test_the_isns_that_were_found_are_the_true_ones_and_named_as_recovered(tmp_path: Path) -> None:
    conversation = midway(120, 133, client_isn=0x01020304, server_isn=0xA1A2A3A4)
    recovery, again = recovered(conversation, tmp_path)
    (connection,) = connection_results(again)
    assert {connection.a.isn, connection.b.isn} == {0x01020304, 0xA1A2A3A4}
    assert connection.isn_source is IsnSource.RECOVERED
    assert recovery.found[0].octets_sent == 120 + 133
    assert recovery.found[0].key == "k1"


def test_isns_right_before_the_wrap_are_found_with_the_sne_behind_it(tmp_path: Path) -> None:
    """After an ISN of 0xffffffc0, 100 octets later the SNE is 1 (RFC 5925 6.2)."""
    _, again = recovered(midway(100, 20, client_isn=0xFFFFFFC0), tmp_path)
    assert again.totals.verdicts.tolist() == [6, 0, 0, 0, 0, 0]


def test_a_short_mac_needs_several_segments_to_agree(tmp_path: Path) -> None:
    """Four octets match by chance once in 2^32 candidates; 64 bits of agreement are asked for."""
    short = Key(name="k1", mac_length=4, secret=b"a secret of this peer")
    recovery, again = recovered(midway(60, 60, short), tmp_path)
    assert len(recovery.found) == 1
    assert again.totals.verdicts.tolist() == [6, 0, 0, 0, 0, 0]
    alone = Conversation([short]).established(client_octets=60, server_octets=60).data("a", 19)
    recovery, _ = recovered(alone, tmp_path, budget=20_000)
    assert recovery.candidates > 121 * 120 / 2
    assert recovery.found == ()


def test_a_wrong_key_finds_nothing_and_says_how_far_it_searched(tmp_path: Path) -> None:
    conversation = midway(30, 30)
    store = keys_of(midway(30, 30, Key(name="k1", secret=b"another secret")).key_file(), tmp_path)
    with ThreadPoolExecutor(1) as executor:
        recovery = recover_isns(analysed(conversation.to_pcap(), store), 50_000, executor=executor)
    assert recovery.found == ()
    assert 0 < recovery.missing[0].searched_below < 700
    assert recovery.candidates <= 50_000


def test_one_budget_serves_the_run_and_young_sessions_come_first(tmp_path: Path) -> None:
    old = midway(50_000, 50_000)
    young = Conversation([KEY], client="10.0.0.9:1179").established(client_octets=64, server_octets=64).data("a", 19)
    capture = merge([old, young])
    store = keys_of(capture.key_file(), tmp_path)
    with ThreadPoolExecutor(1) as executor:
        recovery = recover_isns(analysed(capture.to_pcap(), store), 40_000, executor=executor)
    assert [found.octets_sent for found in recovery.found] == [128]
    assert len(recovery.missing) == 1
    assert recovery.candidates <= 40_000


def test_the_budget_zero_searches_nothing_and_names_what_was_not_tried(tmp_path: Path) -> None:
    recovery, _ = recovered(midway(0, 30), tmp_path, budget=0)
    assert recovery.candidates == 0
    assert [missing.searched_below for missing in recovery.missing] == [0]


def test_the_outcome_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    conversation = midway(90, 110)
    store = keys_of(conversation.key_file(), tmp_path)
    outcomes = []
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as executor:
            outcomes.append(recover_isns(analysed(conversation.to_pcap(), store), 100_000, executor=executor))
    assert outcomes[0] == outcomes[1]


def test_processes_find_the_same(tmp_path: Path) -> None:
    """Tasks, with their algorithm, travel to other processes."""
    conversation = midway(90, 110)
    store = keys_of(conversation.key_file(), tmp_path)
    assert len(recover_isns(analysed(conversation.to_pcap(), store), 100_000).found) == 1


class _Interrupted(Executor):
    """An executor whose user presses ctrl+c."""

    def submit(self, *arguments: object, **options: object) -> Future[None]:  # type: ignore[override]
        raise KeyboardInterrupt


def test_an_interrupted_search_keeps_what_is_known(tmp_path: Path) -> None:
    conversation = midway(90, 110)
    store = keys_of(conversation.key_file(), tmp_path)
    recovery = recover_isns(analysed(conversation.to_pcap(), store), 100_000, executor=_Interrupted())
    assert recovery.is_interrupted
    assert recovery.found == ()


def test_no_secret_shows_in_what_travels_and_what_is_told(tmp_path: Path) -> None:
    conversation = midway(10, 10)
    recovery, _ = recovered(conversation, tmp_path)
    task = SearchTask(
        algorithm=load_keys([str(tmp_path / "keys.toml")]).peers[0].mkts[0].algorithm,
        secret=KEY.secret,
        include_options=True,
        source=bytes(4),
        destination=bytes(4),
        segment=conversation.segments[0].segment,
        mac=conversation.segments[0].mac,
    )
    assert KEY.secret.decode() not in repr(task) + repr(recovery)
    assert search(task, 0, 3) is None


def test_a_capture_of_a_real_kernel_is_found_when_its_isns_are_near() -> None:
    """The first 8 TCP segments (handshake, 77 octets) of a kernel's session are cut off."""
    path = MIDWAY.with_name("v4-sha1.pcap")
    with open_capture(path) as reader:
        batch = next(reader.batches())
    starts = batch.offsets[11:]
    octets = path.read_bytes()
    capture = octets[:24] + octets[int(starts[0]) :]
    store = load_keys([str(path.with_suffix(".toml"))])
    before = analysed(capture, store)
    assert before.totals.verdicts[0] == 0
    recovery = recover_isns(before, 100_000)
    assert [found.octets_sent for found in recovery.found] == [77]
    after = analysed(capture, recovery.extend(store))
    assert after.totals.verdicts.tolist() == [29, 0, 0, 0, 0, 0]
