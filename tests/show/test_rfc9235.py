"""`show` prints what RFC 9235 prints of its packets: the KDF context, the traffic key, the MAC input and the MAC."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import cast

import pytest

from tests.packets import RAW, Record, write_pcap
from tests.show.running import Outcome, run_show

Vector = dict[str, "str | int | bool"]
VECTORS: list[Vector] = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "rfc9235.json").read_text())[
    "vectors"
]

SECTIONS: dict[str, list[Vector]] = defaultdict(list)
for _vector in VECTORS:
    SECTIONS[str(_vector["section"]).rpartition(".")[0]].append(_vector)
PACKETS = [(section, number) for section, vectors in SECTIONS.items() for number in range(1, len(vectors) + 1)]
ENDS = {4: ("10.11.12.13", "172.27.28.29"), 6: ("fd00::1", "fd00::2")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Per section of the RFC a capture of its connection, and its key file."""
    folder = tmp_path_factory.mktemp("rfc9235")
    for section, vectors in SECTIONS.items():
        packets = [bytes.fromhex(str(vector["packet_hex"])) for vector in vectors]
        records = [Record(packet, len(packet), 1_000_000 * at) for at, packet in enumerate(packets)]
        (folder / f"{section}.pcap").write_bytes(write_pcap(records, link_type=RAW))
        (folder / f"{section}.toml").write_text(key_file(vectors[0]))
    return folder


def key_file(vector: Vector) -> str:
    local, remote = ENDS[int(vector["ip_version"])]
    return f"""
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
  tcp-options = "{"include" if vector["include_options"] else "exclude"}"
"""


def show(folder: Path, section: str, number: int, *more: str) -> Outcome:
    outcome = run_show(folder / f"{section}.pcap", str(number), "--keys", folder / f"{section}.toml", *more)
    assert outcome.status == 0, outcome.err
    return outcome


def attempt_of(outcome: Outcome) -> dict[str, object]:
    proof = cast("dict[str, object]", outcome.frame["proof"])
    assert proof["verdict"] == "verified"
    assert proof["disagreement"] is None
    (attempt,) = cast("list[dict[str, object]]", proof["attempts"])
    return attempt


def joined(parts: object) -> str:
    return "".join(str(part["octets"]) for part in cast("list[dict[str, object]]", parts))


def spaced(octets: object) -> str:
    return bytes.fromhex(str(octets)).hex(" ")


def test_every_section_is_there() -> None:
    assert len(PACKETS) == len(VECTORS) == 32
    assert len(SECTIONS) == 8


@pytest.mark.parametrize(("section", "number"), PACKETS)
def test_json_has_the_context_the_traffic_key_the_input_and_the_mac_of_the_rfc(
    folder: Path, section: str, number: int
) -> None:
    vector = SECTIONS[section][number - 1]
    attempt = attempt_of(show(folder, section, number, "--reveal", "--format", "json"))
    assert joined(attempt["kdf_context"]) == vector["kdf_context_hex"]
    assert attempt["traffic_key"] == vector["traffic_key_hex"]
    assert joined(attempt["mac_input"]) == vector["mac_input_hex"]
    assert attempt["computed_mac"] == attempt["captured_mac"] == vector["mac_hex"]


@pytest.mark.parametrize(("section", "number"), PACKETS)
def test_text_has_the_traffic_key_and_the_mac_of_the_rfc(folder: Path, section: str, number: int) -> None:
    vector = SECTIONS[section][number - 1]
    text = show(folder, section, number, "--reveal").out
    assert spaced(vector["traffic_key_hex"]) in text
    assert text.count(spaced(vector["mac_hex"])) >= 2  # Computed and captured.
    context = str(vector["kdf_context_hex"])
    for field in (context[-8:], context[-16:-8]):
        assert spaced(field) in text


@pytest.mark.parametrize(("section", "number"), PACKETS)
def test_every_octet_of_the_input_is_the_one_at_the_place_that_it_names(
    folder: Path, section: str, number: int
) -> None:
    outcome = show(folder, section, number, "--format", "json")
    packet = bytes.fromhex(str(outcome.frame["octets"]))
    at = 0
    for part in cast("list[dict[str, object]]", attempt_of(outcome)["mac_input"]):
        start, end = cast(int, part["start"]), cast(int, part["end"])
        assert start == at
        at = end
        octets = bytes.fromhex(str(part["octets"]))
        assert len(octets) == end - start
        place = cast("dict[str, int] | None", part["frame"])
        if part["zeroed"]:
            assert octets == bytes(end - start)
        elif place is not None:
            assert packet[place["start"] : place["end"]] == octets


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
@pytest.mark.parametrize(("section", "number"), PACKETS[::3])
def test_neither_traffic_key_nor_secret_is_printed_unless_asked_for(
    folder: Path, section: str, number: int, form: str
) -> None:
    vector = SECTIONS[section][number - 1]
    outcome = show(folder, section, number, "--format", form)
    printed = (outcome.out + outcome.err).lower()
    for octets in (bytes.fromhex(str(vector["traffic_key_hex"])), bytes.fromhex(str(vector["master_key_hex"]))):
        for spelling in (octets.hex(), octets.hex(" "), octets.hex(":"), base64.b64encode(octets).decode()):
            assert spelling.lower() not in printed
    assert "testvector" not in printed


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_master_key_is_not_even_revealed(folder: Path, form: str) -> None:
    printed = show(folder, "4.1", 1, "--reveal", "--format", form).out
    secret = b"testvector"
    for spelling in (secret.decode(), secret.hex(), secret.hex(" "), base64.b64encode(secret).decode()):
        assert spelling not in printed
