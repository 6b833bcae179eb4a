"""`aoinspect resign --anonymise`: two files together or none, and what is said of them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect.commands.anonymising import key_path_of
from aoinspect.keys import load_keys
from tests.anonymise.sharing import share
from tests.anonymise.test_frames import PAYLOAD, session, told
from tests.conversation import Conversation, Key
from tests.packets import write_pcap
from tests.recorded import SAMPLES
from tests.resign.running import lines_of, run_resign


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.pcap").write_bytes(write_pcap(session(tmp_path)))
    (tmp_path / "session.pcap").unlink()
    (tmp_path / "in.toml").write_text(told().key_file())
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("out", "key_file"),
    [
        ("a.pcap", "a.toml"),
        ("a.pcapng", "a.toml"),
        ("a.b.pcap.gz", "a.b.toml"),
        ("a.cap", "a.toml"),
        ("capture", "capture.toml"),
    ],
)
def test_the_key_file_has_the_outputs_name(out: str, key_file: str) -> None:
    assert key_path_of(out) == key_file


@pytest.mark.parametrize("there", ["out.pcap", "out.toml"])
def test_a_file_that_is_there_needs_force(there: str, folder: Path) -> None:
    (folder / there).write_text("precious")
    arguments = ("--anonymise", "--keys", folder / "in.toml", folder / "in.pcap", folder / "out.pcap")
    before = names(folder)
    ended = run_resign(*arguments)
    assert ended.status == 2
    assert f"{there}: there is such a file already; --force replaces it" in ended.err
    assert (names(folder), (folder / there).read_text()) == (before, "precious")
    assert run_resign(*arguments, "--force").status == 0
    assert {line.verdict for line in lines_of(folder / "out.pcap", load_keys([str(folder / "out.toml")]))} == {
        "verified"
    }


def test_the_real_key_file_is_never_replaced(folder: Path) -> None:
    before = (folder / "in.toml").read_text()
    ended = run_resign(
        "--anonymise", "--force", "--keys", folder / "in.toml", folder / "in.pcap", folder / "in.pcap.gz"
    )
    assert ended.status == 2
    assert "the new key file would take the place of this one; give OUT another name" in ended.err
    assert (folder / "in.toml").read_text() == before
    assert names(folder) == ["in.pcap", "in.toml"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--anonymise", "--strip"), "run --strip before it"),
        (("--anonymise", "--add"), "run --add before it"),
        (("--anonymise", "--rollover", "1=k"), "run --rollover before it"),
        (("--anonymise", "--fix-checksums"), "makes all checksums right"),
        (("--payload", "keep"), "give --anonymise as well"),
        (("--ports", "shuffle"), "give --anonymise as well"),
        (("--other-frames", "drop"), "give --anonymise as well"),
        (("--anonymise", "--payload", "all"), "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_told(flags: tuple[str, ...], message: str, folder: Path) -> None:
    before = names(folder)
    ended = run_resign("--keys", folder / "in.toml", folder / "in.pcap", folder / "out.pcap", *flags)
    assert ended.status == 2
    assert message in ended.err
    assert names(folder) == before


def test_without_keys_there_is_nothing_to_tell(folder: Path) -> None:
    ended = run_resign("--anonymise", folder / "in.pcap", folder / "out.pcap")
    assert (ended.status, names(folder)) == (2, ["in.pcap", "in.toml"])
    assert "--keys FILE" in ended.err


def test_a_broken_capture_leaves_nothing(folder: Path) -> None:
    (folder / "in.pcap").write_bytes(b"no capture at all")
    ended = run_resign("--anonymise", "--keys", folder / "in.toml", folder / "in.pcap", folder / "out.pcap")
    assert ended.status == 3
    assert names(folder) == ["in.pcap", "in.toml"]


def test_what_lies_behind_damage_is_left_out(folder: Path) -> None:
    octets = (folder / "in.pcap").read_bytes()
    (folder / "in.pcap").write_bytes(octets + b"\xff" * 16 + PAYLOAD)
    ended = run_resign("--anonymise", "--keys", folder / "in.toml", folder / "in.pcap", folder / "out.pcap")
    assert ended.status == 0
    assert "what lies behind is left out" in ended.err
    assert PAYLOAD not in (folder / "out.pcap").read_bytes()
    assert len((folder / "out.pcap").read_bytes()) == len(octets)


def test_a_compressed_capture_can_be_shared_compressed(folder: Path) -> None:
    (folder / "in.pcap.gz").write_bytes(gzip.compress((folder / "in.pcap").read_bytes()))
    ended = run_resign("--anonymise", "--keys", folder / "in.toml", folder / "in.pcap.gz", folder / "out.pcap.gz")
    assert ended.status == 0, ended.err
    assert (folder / "out.pcap.gz").read_bytes().startswith(b"\x1f\x8b")
    assert {line.verdict for line in lines_of(folder / "out.pcap.gz", load_keys([str(folder / "out.toml")]))} == {
        "verified"
    }


def test_faults_can_be_repaired(tmp_path: Path) -> None:
    conversation = Conversation([Key()]).handshake().data("a", 40).sign_with_wrong_secret().data("b", 9)
    (tmp_path / "in.pcap").write_bytes(conversation.to_pcap())
    (tmp_path / "in.toml").write_text(conversation.key_file())
    shared = share(tmp_path / "in.pcap", tmp_path / "in.toml", tmp_path, "--faults", "repair")
    before, now = shared.lines()
    assert [line.verdict for line in before].count("mismatch") == 1
    assert {line.verdict for line in now} == {"verified"}


def test_lifetimes_ids_and_flags_of_keys_are_the_same(tmp_path: Path) -> None:
    key = Key(name="k", send_id=7, recv_id=9, algorithm="hmac-sha-256-128", mac_length=14, include_options=False)
    conversation = Conversation([key]).handshake()
    (tmp_path / "in.pcap").write_bytes(conversation.to_pcap())
    lifetime = "send-lifetime = { from = 2026-10-01T00:00:00Z, until = 2027-01-01T00:00:00Z }"
    text = conversation.key_file().replace("send-id = 7", f"{lifetime}\n  send-id = 7")
    (tmp_path / "in.toml").write_text(text)
    shared = share(tmp_path / "in.pcap", tmp_path / "in.toml", tmp_path)
    old, new = shared.old_keys.peers[0].mkts[0], shared.keys.peers[0].mkts[0]
    assert old.send_lifetime is not None
    assert replace(new, secret=old.secret, name=old.name, origin=old.origin) == old
    assert new.secret == b"testvector"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("name", ["v4-sha1", "v6-exopt-ts", "mss-clamp-B", "vrf-any-sll2", "inject"])
@pytest.mark.parametrize("payload", ["zero", "drop"])
def test_tshark_finds_right_checksums_and_nothing_malformed(name: str, payload: str, tmp_path: Path) -> None:
    shared = share(SAMPLES / f"{name}.pcap", SAMPLES / f"{name}.toml", tmp_path, "--payload", payload)
    fields = ["-e", "tcp.checksum.status", "-e", "ip.checksum.status", "-e", "_ws.malformed"]
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    command = ["tshark", "-r", str(shared.path), "-Y", "tcp", *checks, "-T", "fields", *fields]
    told_lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told_lines
    for line in told_lines:
        tcp, ip, malformed = line.split("\t")
        assert (tcp, ip in ("", "1"), malformed) == ("1", True, "")
