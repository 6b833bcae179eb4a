"""Files that are not what they should be: one clear line each, and the right status."""

from __future__ import annotations

import builtins
import struct
from pathlib import Path
from typing import NoReturn

import pytest

from aoinspect.ao.algorithms import ALGORITHMS
from tests.cli.processes import SAMPLES
from tests.report.running import Command

SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
SIMPLE_PACKET = struct.pack("<III", 3, 76, 60) + bytes(60) + struct.pack("<I", 76)


def block_of_length(length: int) -> bytes:
    return SECTION + struct.pack("<II", 6, length) + bytes(64)


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "a JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(64), "JPEG"),
    "an empty file": (b"", "empty"),
    "text": (b"10.0.0.1 > 10.0.0.2\n", "text"),
    "a pcap header cut short": ((SAMPLES / "v4-sha1.pcap").read_bytes()[:20], "ends at octet 20"),
    "a block length of 0": (block_of_length(0), "octet 28: a block claims a length of 0 octets"),
    "a block length of 4": (block_of_length(4), "octet 28: a block claims a length of 4 octets"),
    "a block length of 4 GiB": (block_of_length(0xFFFF_FFFC), "octet 28: a block claims a length of 4294967292"),
    "a section header of length 0": (struct.pack("<II", 0x0A0D0D0A, 0) + SECTION[8:], "a length of 0 octets"),
    "a packet before any interface": (SECTION + SIMPLE_PACKET, "before any Interface Description Block"),
}


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
@pytest.mark.parametrize("what", UNREADABLE)
def test_a_capture_that_is_none_gets_one_line_and_3(aoinspect: Command, tmp_path: Path, what: str, form: str) -> None:
    octets, told = UNREADABLE[what]
    path = tmp_path / "capture"
    path.write_bytes(octets)
    run = aoinspect("verify", path, "--format", form)
    assert (run.status, run.out) == (3, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith(f"aoinspect: {path}: ")
    assert told in run.err


def test_a_directory_and_a_missing_file_get_one_line_and_3(aoinspect: Command, tmp_path: Path) -> None:
    assert aoinspect("verify", tmp_path).err == (
        f"aoinspect: {tmp_path}: this is a directory; name the capture files in it\n"
    )
    assert aoinspect("verify", tmp_path / "none").err == f"aoinspect: {tmp_path}/none: there is no such file\n"


def test_a_file_that_may_not_be_read_gets_one_line_and_3(
    aoinspect: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Refused here and not by the file's mode, which binds no superuser.
    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(builtins, "open", refuse)
    run = aoinspect("verify", tmp_path / "private.pcap")
    assert run.status == 3
    assert run.err == (
        f"aoinspect: {tmp_path}/private.pcap: no permission to read it; change its mode or run as its owner\n"
    )


def test_every_unreadable_capture_of_several_is_named_before_anything_is_read(
    aoinspect: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", tmp_path / "none", tmp_path / "empty")
    assert (run.status, run.out) == (3, "")
    assert [line.rpartition(": ")[2] for line in run.err.splitlines()] == ["there is no such file", "an empty file"]


def test_of_several_captures_one_that_breaks_off_at_once_leaves_the_others_verdicts(
    aoinspect: Command, tmp_path: Path
) -> None:
    (tmp_path / "broken").write_bytes(block_of_length(4))
    run = aoinspect("verify", tmp_path / "broken", SAMPLES / "v4-sha1.pcap", "--keys", SAMPLES / "v4-sha1.toml", "-q")
    assert run.status == 3
    assert "capture-damaged" in run.out
    assert run.out.endswith("? 37 verified\n")


FIVE_MISTAKES = """\
version = 1
[[keychain]]
name = "edge"
  [[keychain.key]]
  send-id = 256
  recv-id = "two"
  algorithm = "hmac-md4"
  secret = "hunter2hunter2"
  tcp-options = "maybe"
[[peer]]
remote = "10.0.0.300"
keychain = "edge"
"""


def test_five_mistakes_of_a_key_file_get_five_lines_and_no_secret(aoinspect: Command, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(FIVE_MISTAKES)
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", "--keys", keys)
    assert (run.status, run.out) == (2, "")
    lines = [line.removeprefix(f"aoinspect: {keys}:").partition(":")[0] for line in run.err.splitlines()]
    assert lines == ["5", "6", "7", "9", "11"]
    assert "hunter2" not in run.err


def test_an_unknown_algorithm_names_the_known_ones(aoinspect: Command, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(FIVE_MISTAKES)
    (line,) = (
        line
        for line in aoinspect("verify", "x", "--keys", keys).err.splitlines()
        if line.startswith(f"aoinspect: {keys}:7:")
    )
    assert all(algorithm.name in line for algorithm in ALGORITHMS)


@pytest.mark.parametrize(
    "rule, told",
    [
        ("udp.port==8472,vxlam", "vxlan"),
        ("udp.prot==8472,vxlan", "udp.port"),
        ("udp.port==70000,vxlan", "65535"),
        ("vxlan", "udp.port==8472,vxlan"),
    ],
)
def test_a_decode_as_that_means_nothing_says_what_would(aoinspect: Command, rule: str, told: str) -> None:
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", "--decode-as", rule)
    assert run.status == 2
    assert run.err.count("\n") == 1
    assert run.err.startswith("aoinspect: --decode-as: ")
    assert told in run.err


@pytest.mark.parametrize(
    "code, told",
    [
        ("DISSECTOR = (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("X = 1", "DISSECTOR"),
        ("DISSECTOR = 1", "int is not a"),
        ("import sys; sys.exit(0)", "ends the program"),
    ],
)
def test_a_dissector_that_is_none_gets_one_line_and_2(aoinspect: Command, tmp_path: Path, code: str, told: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(code)
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", "--dissector", path)
    assert (run.status, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith(f"aoinspect: {path}: ")
    assert told in run.err


def test_a_name_that_would_disturb_the_terminal_is_shown_escaped(aoinspect: Command, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31m\udcff.pcap"
    run = aoinspect("verify", path)
    assert run.err == f"aoinspect: {tmp_path}/\\x1b[31m\\udcff.pcap: there is no such file\n"
    path.write_bytes((SAMPLES / "v4-sha1.pcap").read_bytes())
    run = aoinspect("verify", path, SAMPLES / "v4-sha1.pcap")
    assert run.status == 0
    assert "\\x1b[31m\\udcff.pcap: 40 frames" in run.out
    assert "\x1b" not in run.out


@pytest.mark.parametrize(
    "option, told",
    [
        (("--jobs", "0"), "'0' is no number from 1 to 1,024"),
        # A process that is forked for each of them would stop the machine.
        (("--jobs", "1000000"), "'1000000' is no number from 1 to 1,024"),
        (("--dedupe", "0"), "'0' is no number of milliseconds above 0 and below 3,600,000"),
        (("--dedupe", "3600000"), "'3600000' is no number of milliseconds above 0 and below 3,600,000"),
        (("--dedupe", "b.pcap"), "'b.pcap' is no number of milliseconds above 0 and below 3,600,000; captures stand"),
        (("--max-connections", "0"), "'0' is no number from 1"),
        (("--max-key-runs", "-1"), "'-1' is no number from 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_number_that_makes_no_sense_gets_one_line_and_2(
    aoinspect: Command, option: tuple[str, str], told: str
) -> None:
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", *option)
    assert (run.status, run.out) == (2, "")
    assert run.err.startswith("aoinspect verify: argument ")
    assert told in run.err
    assert run.err.count("\n") == 1
