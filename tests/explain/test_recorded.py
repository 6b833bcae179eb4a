"""Captures of real stacks: what fails in them is explained, by what their facts files say, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aoinspect.engine.explain import Account, Confidence
from aoinspect.keys import load_keys
from tests.explain.explaining import accounts_of, keys_of_end
from tests.packets import RAW, Record, write_pcap
from tests.recorded import OWN_CAPTURES, RecordedCapture, parameters

BY_NAME = {capture.name: capture for capture in OWN_CAPTURES}
SERVER = "10.0.0.2"


def idents(accounts: list[Account]) -> list[tuple[str, ...]]:
    return [tuple(explanation.ident for explanation in account.explanations) for account in accounts]


def with_all_keys(name: str) -> list[Account]:
    capture = BY_NAME[name]
    return accounts_of(capture.path, load_keys([str(capture.keys)]))


def with_keys_of(name: str, address: str) -> list[Account]:
    capture = BY_NAME[name]
    return accounts_of(capture.path, keys_of_end(capture.keys, address))


@pytest.mark.parametrize(
    ("name", "ident", "change"),
    [
        ("alg-mismatch", "H5", "the algorithm is hmac-sha-1-96"),
        ("exopt-mismatch", "H1", "TCP options are covered by the MAC"),
        ("maclen-mismatch", "H7", "the MAC is cut to 16 octets"),
        ("wrong-keyid", "H2", "under KeyID 1"),
    ],
)
@pytest.mark.parametrize("has_both_ends", [False, True], ids=["server's keys", "both ends' keys"])
def test_what_a_server_refuses_is_explained(name: str, ident: str, change: str, has_both_ends: bool) -> None:
    (account,) = with_all_keys(name) if has_both_ends else with_keys_of(name, SERVER)
    (explanation,) = account.explanations
    assert explanation.ident == ident
    assert change in explanation.changed
    assert explanation.senders == ("10.0.0.1",)
    assert explanation.matched == account.failing == 3
    assert bool(explanation.file_remedy) is not has_both_ends


@pytest.mark.parametrize("name", ["wrong-key", "wrong-key-linux6.18", "bird-wrongsecret"])
def test_another_secret_is_not_explained_away(name: str) -> None:
    for account in with_all_keys(name):
        assert account.explanations == ()
        assert account.unexplained
        assert "another secret" in account.note
    for account in with_keys_of(name, SERVER):
        assert account.explanations == ()
        assert {"H1", "H8", "H5"} <= set(account.ruled_out)
        assert any("another key" in words for words in account.would_decide)


@pytest.mark.parametrize("name", ["wrong-rnext", "wrong-rnext-linux6.18"])
def test_a_syn_whose_rnext_key_id_names_no_key_is_explained(name: str) -> None:
    (account,) = with_all_keys(name)
    (explanation,) = account.explanations
    assert explanation.ident == "H29"
    assert "RNextKeyID 77" in explanation.summary
    assert explanation.confidence is Confidence.FACT


def test_a_clamped_mss_is_solved_on_the_first_syns_alone() -> None:
    (account,) = with_all_keys("mss-clamp-B")
    (explanation,) = account.explanations
    assert (explanation.ident, explanation.changed) == ("H19", "the MSS was 1460 and is 1200")
    assert explanation.frames == ((0, 3), (0, 4))
    assert explanation.bits == 192


def test_a_nat_is_named_with_the_address_behind_it() -> None:
    (account,) = with_all_keys("nat-outside")
    (explanation,) = account.explanations
    assert explanation.ident == "H23"
    assert "192.168.1.10" in explanation.summary
    assert explanation.matched == account.failing == 3


ODDITIES = {
    "mkt not selected by KeyID": "H2",
    "maclen 10 instead of 12": "H7",
    "sne=1": "H13",
    "isns=own,0": "H12",
    "traffic key of the OPPOSITE direction": "H16",
    "signed with an all-zero traffic key (sne=0)": "H31",
}
"""What the facts files say of a segment that is not right, and the hypothesis that says the same."""


@pytest.mark.parametrize(
    "name",
    [
        "inject",
        "listener-rst-sameid-linux6.18",
        "synrecv-rst-sameid",
        "synsent-bad-synack",
        "synsent-bad-synack-linux6.18",
    ],
)
def test_what_the_independent_program_found_odd_is_explained_so(name: str) -> None:
    capture = BY_NAME[name]
    told = json.loads(capture.path.with_name(f"{name}.json").read_text())["check"]["not_valid_list"]
    explained = {
        frame: explanation.ident
        for account in with_all_keys(name)
        for explanation in account.explanations
        if explanation.confidence is Confidence.PROOF
        for _, frame in explanation.frames
    }
    odd = {
        frame: ident
        for frame, _, found in told
        for words, ident in ODDITIES.items()
        if "odd:" in found and found.endswith(words) and "maclen 0" not in found
    }
    assert odd
    assert odd.items() <= explained.items()


def test_what_was_injected_with_a_wrong_mac_stays_unexplained() -> None:
    account = with_all_keys("inject")[0]
    wrong = {frame for frame, found in BY_NAME["inject"].facts.not_right.items() if found.endswith("ao-invalid")}
    # The segment in frame 33 has a MAC of no octets, which proves nothing.
    assert {frame for _, frame in account.unexplained} <= wrong | {33}
    assert {17, 19, 21, 22, 33} <= {frame for _, frame in account.unexplained}


FAILING = frozenset(
    (
        *("alg-mismatch", "bird-wrongsecret", "client-no-ao", "closed-port", "closed-port-linux6.18"),
        *("exopt-mismatch", "inject", "listener-rst-sameid-linux6.18", "maclen-mismatch", "mixed", "mss-clamp-B"),
        *("nat-outside", "port-reuse", "snap60", "synrecv-rst-sameid", "synsent-bad-synack"),
        *("synsent-bad-synack-linux6.18", "timewait", "wrong-key", "wrong-key-linux6.18", "wrong-keyid"),
        *("wrong-rnext", "wrong-rnext-linux6.18"),
    )
)
"""The recorded captures in which something fails or cannot be checked."""


@pytest.mark.parametrize("capture", parameters(lambda name: name not in FAILING, own_only=True))
def test_a_right_capture_is_never_explained(capture: RecordedCapture) -> None:
    assert idents(accounts_of(capture.path, load_keys([str(capture.keys)]))) in ([], [("H25",)])


VECTORS = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "rfc9235.json").read_text())["vectors"]
SYNS = [vector for vector in VECTORS if vector["include_options"] and vector["section"].endswith(".1")]


@pytest.mark.parametrize("vector", SYNS, ids=[vector["section"] for vector in SYNS])
def test_a_syn_of_rfc_9235_with_a_rewritten_mss_is_solved_uniquely(vector: dict[str, object], tmp_path: Path) -> None:
    packet = bytes.fromhex(str(vector["packet_hex"]))
    at = packet.index(b"\x02\x04", 40)
    signed = int.from_bytes(packet[at + 2 : at + 4], "big")
    clamped = packet[: at + 2] + (1260).to_bytes(2, "big") + packet[at + 4 :]
    path, key_file = tmp_path / "clamped.pcap", tmp_path / "keys.toml"
    path.write_bytes(write_pcap([Record(clamped, len(clamped), 1)], link_type=RAW))
    local, remote = ("10.11.12.13", "172.27.28.29") if vector["ip_version"] == 4 else ("fd00::1", "fd00::2")
    key_file.write_text(
        f"""
version = 1
[[peer]]
local = "{local}"
remote = "{remote}"
  [[peer.key]]
  name = "edge"
  send-id = 61
  recv-id = 84
  algorithm = "{str(vector["algorithm"]).lower()}"
  secret-hex = "{vector["master_key_hex"]}"
"""
    )
    (account,) = accounts_of(path, load_keys([str(key_file)]))
    assert [explanation.changed for explanation in account.explanations] == [f"the MSS was {signed} and is 1260"]
    assert account.explanations[0].ident == "H19"


def test_both_directions_are_told_with_their_own_counts() -> None:
    (account,) = with_all_keys("snap60")
    facts = [(explanation.ident, explanation.matched) for explanation in account.explanations]
    assert facts == [("H26", 21), ("H26", 16)]


def test_unsigned_segments_and_unsigned_resets_are_told_beside_each_other() -> None:
    account = with_all_keys("inject")[0]
    facts = [(explanation.summary.split(" from ")[0], explanation.matched) for explanation in account.explanations]
    assert [fact for fact in facts if fact[0][2:].startswith(("unsigned", "segment"))] == [
        ("2 unsigned segments", 2),
        ("2 unsigned RSTs", 2),
        ("1 segment", 1),
    ]
