"""The captures that speed is measured on, and the C program that is the yardstick, are right themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conversation import Conversation, Key

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
NAMES = ("bgp", "bulk", "ipv6", "cmac", "mostly-unprotected")


def make_captures(directory: Path, seed: int) -> None:
    script = BENCHMARKS / "make_captures.py"
    command = [sys.executable, str(script), str(directory), "--scale", "0.001", "--seed", str(seed)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("captures")
    make_captures(directory, 1)
    return directory


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    binary = str(tmp_path_factory.mktemp("reference") / "reference")
    command = [compiler, "-O1", "-o", binary, str(BENCHMARKS / "reference.c"), "-lcrypto"]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiled.returncode != 0 and "openssl/" in compiled.stderr:
        pytest.skip("OpenSSL's headers are not installed")
    assert compiled.returncode == 0, compiled.stderr
    return binary


def run_reference(reference: str, capture: Path, keys: Path) -> dict[str, int]:
    output = subprocess.run([reference, str(capture), str(keys)], check=True, capture_output=True).stdout
    counts: dict[str, int] = json.loads(output)
    return counts


@pytest.mark.parametrize("name", NAMES)
def test_the_c_program_verifies_every_signed_segment_of_the_benchmark_captures(
    name: str, captures: Path, reference: str
) -> None:
    counts = run_reference(reference, captures / f"{name}.pcap", captures / f"{name}.txt")
    assert counts["verified"] == counts["ao_segments"] > 0
    assert (counts["ao_segments"] < counts["tcp_segments"]) == (name == "mostly-unprotected")


def test_the_same_seed_makes_the_same_octets_and_another_seed_makes_others(captures: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        make_captures(tmp_path, seed)
        for name in NAMES:
            is_same = (tmp_path / f"{name}.pcap").read_bytes() == (captures / f"{name}.pcap").read_bytes()
            assert is_same == (seed == 1)


def test_the_key_files_name_a_peer_for_each_protected_connection(captures: Path) -> None:
    peers = {name: len(tomllib.loads((captures / f"{name}.toml").read_text())["peer"]) for name in NAMES}
    assert peers == {"bgp": 1000, "bulk": 1, "ipv6": 1000, "cmac": 1000, "mostly-unprotected": 50}


ADDRESSES = [("10.0.0.1:40000", "10.0.0.2:179"), ("[fd00::1]:40000", "[fd00::2]:179")]


@pytest.mark.parametrize("client, server", ADDRESSES)
def test_the_c_program_and_the_conversation_builder_agree(
    client: str, server: str, reference: str, tmp_path: Path
) -> None:
    """They share no line: wraps, loss, reordering, rollover, both algorithms, both options flags."""
    keys = [Key(), Key("k2", 2, 102, "aes-128-cmac-96", b"a secret of any length", include_options=False)]
    conversation = (
        Conversation(keys, client=client, server=server, client_isn=2**32 - 1, timestamps=True)
        .handshake()
        .data("a", 33)
        .rollover("b", to=2)
        .data("b", 400)
        .data("b", 400)
        .reorder()
        .rollover("a", to=2)
        .data("a", 100)
        .lose()
        .wrap("b")
        .data("a", 7)
        .retransmit_lost()
        .wrap("a")
    )
    (tmp_path / "told.pcap").write_bytes(conversation.to_pcap())
    (tmp_path / "keys.txt").write_text(
        "\n".join(
            f"{key.algorithm} {key.wire_mac_length} {'include' if key.include_options else 'exclude'} "
            f"{key.send_id} {key.recv_id} {key.secret.hex()}"
            for key in keys
        )
    )
    counts = run_reference(reference, tmp_path / "told.pcap", tmp_path / "keys.txt")
    assert (counts["verified"], counts["mismatch"]) == (len(conversation.segments), 0)
    conversation.sign_with_wrong_secret(frame=5).flip_bit(47, frame=-1)
    (tmp_path / "told.pcap").write_bytes(conversation.to_pcap())
    counts = run_reference(reference, tmp_path / "told.pcap", tmp_path / "keys.txt")
    assert (counts["verified"], counts["mismatch"]) == (len(conversation.segments) - 2, 2)
