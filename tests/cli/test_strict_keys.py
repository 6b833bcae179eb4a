"""`--strict`: every command that reads keys refuses those that every user of the machine can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conversation import Conversation
from tests.report.running import Command

READERS = {
    "verify": ("verify", "{capture}", "--keys", "{keys}", "--strict"),
    "check": ("check", "{capture}", "--keys", "{keys}", "--strict-keys"),
    "check with expectations": ("check", "-f", "{expect}", "--strict-keys"),
    "explain": ("explain", "{capture}", "--keys", "{keys}", "--strict"),
    "timeline": ("timeline", "{capture}", "--keys", "{keys}", "--strict"),
    "show": ("show", "{capture}", "1", "--keys", "{keys}", "--strict"),
    "report": ("report", "{capture}", "--keys", "{keys}", "-o", "{out}", "--strict"),
    "resign": ("resign", "{capture}", "{out}", "--keys", "{keys}", "--strict"),
    "resign with other keys": ("resign", "{capture}", "{out}", "--keys", "{own}", "--sign-keys", "{keys}", "--strict"),
    "tui": ("tui", "{capture}", "--keys", "{keys}", "--strict"),
    "keys lint": ("keys", "lint", "{keys}", "--strict"),
    "keys compare": ("keys", "compare", "{own}", "{keys}", "--strict"),
    "keys import": ("keys", "import", "{keys}", "-o", "{out}", "--strict"),
    "keys export": ("keys", "export", "{keys}", "--to", "bird", "-o", "{out}", "--strict"),
}
ONE_FILE_ONLY = ("tui", "check with expectations", "keys compare")
"""What needs a terminal, names the file itself, or the other end's file."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    conversation = Conversation().handshake().data("a", 10)
    (tmp_path / "capture.pcap").write_bytes(conversation.to_pcap())
    for name, mode in (("keys.toml", 0o644), ("own.toml", 0o600)):
        (tmp_path / name).write_text(conversation.key_file())
        (tmp_path / name).chmod(mode)
    (tmp_path / "expect.toml").write_text(
        'version = 1\n[[capture]]\npath = "capture.pcap"\nkeys = "keys.toml"\nverdicts = { verified = "1.." }\n'
    )
    return tmp_path


def arguments(folder: Path, command: str, keys: str) -> list[str]:
    places = {"capture": "capture.pcap", "keys": keys, "own": "own.toml", "out": "out", "expect": "expect.toml"}
    paths = {name: folder / path for name, path in places.items()}
    return [argument.format_map(paths) for argument in READERS[command]]


@pytest.mark.parametrize("command", READERS)
def test_a_file_that_every_user_can_read_is_refused(aoinspect: Command, folder: Path, command: str) -> None:
    run = aoinspect(*arguments(folder, command, "keys.toml"))
    assert run.status == 2
    told = run.out + run.err
    assert f"{folder}/keys.toml:1: every user of this machine can read" in told
    assert "--strict refuses it" in told
    assert not (folder / "out").exists()


@pytest.mark.parametrize("command", [name for name in READERS if name not in ONE_FILE_ONLY])
def test_a_file_of_its_owners_alone_is_read(aoinspect: Command, folder: Path, command: str) -> None:
    run = aoinspect(*arguments(folder, command, "own.toml"))
    assert run.status == 0
    assert "refuses" not in run.err


def test_a_configuration_is_refused_too(aoinspect: Command, folder: Path) -> None:
    (folder / "bird.conf").write_text(
        "protocol bgp p {\n  local 10.0.0.1 as 1;\n  neighbor 10.0.0.2 as 2;\n  authentication ao;\n"
        '  keys { key { id 1; secret "hello321"; algorithm hmac sha1; }; };\n}\n'
    )
    (folder / "bird.conf").chmod(0o644)
    run = aoinspect("verify", folder / "capture.pcap", "--keys", folder / "bird.conf", "--strict")
    assert run.status == 2
    assert "bird.conf:1: every user of this machine can read this file and its secrets" in run.err


def test_the_file_of_the_environment_is_refused_too(aoinspect: Command, folder: Path) -> None:
    run = aoinspect(
        "verify", folder / "capture.pcap", "--strict", environment={"AOINSPECT_KEYS": f"{folder}/keys.toml"}
    )
    assert run.status == 2


def test_check_keeps_strict_for_baselines(aoinspect: Command, folder: Path) -> None:
    baseline = folder / "capture.baseline.json"
    common = ("check", folder / "capture.pcap", "--keys", folder / "keys.toml", "--baseline", baseline)
    assert aoinspect(*common, "--update", "--strict").status == 0
    assert '"strict": true' in baseline.read_text()


def test_check_reads_a_configuration_as_the_device_that_local_names(aoinspect: Command, folder: Path) -> None:
    """A GoBGP neighbour may say nothing of its own address."""
    config = folder / "gobgp.toml"
    config.write_text(
        '[[keychains]]\n  [keychains.config]\n    name = "k"\n  [[keychains.keys]]\n    [keychains.keys.config]\n'
        '      key-id = 1\n      receive-id = 101\n      crypto-algorithm = "hmac_sha_1_96"\n'
        '      secret-key = "dGVzdHZlY3Rvcg=="\n[[neighbors]]\n  [neighbors.config]\n'
        '    neighbor-address = "10.0.0.2"\n  [neighbors.tcp-ao.config]\n    keychain = "k"\n'
    )
    for local, status in (("10.0.0.1", 0), ("10.9.9.9", 1)):
        assert aoinspect("check", folder / "capture.pcap", "--keys", config, "--local", local).status == status
