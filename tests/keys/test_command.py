"""`aoinspect keys ...` as a user meets it: files, statuses, and secrets only where they are asked for."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from aoinspect.cli import main
from aoinspect.commands.keys import EXPORT_SYSTEMS
from aoinspect.keys import load_keys
from aoinspect.keys.export import SYSTEMS
from tests.importers.test_bird import SAMPLE as BIRD

CANARY = "Canary-7f3a-Canary"
GAP = """\
key chain EDGE tcp
 key 1
  send-id 1
  recv-id 2
  cryptographic-algorithm hmac-sha-1
  key-string 6 JDYkqyIFWeBvzpljSfWmRZrmRSRE8syx
router bgp 1
 neighbor 192.0.2.1 ao EDGE
"""
ISNS = """\
Local host: 10.0.0.1, Local port: 179
Foreign host: 10.0.0.2, Foreign port: 33000
iss: 1 irs: 2
"""


@pytest.fixture
def bird(tmp_path: Path) -> str:
    """A configuration of BIRD that only its owner can read."""
    return written(tmp_path / "bird.conf", BIRD.replace("hello321", CANARY))


def written(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


class TestImport:
    def test_a_configuration_becomes_a_key_file_that_only_its_owner_can_read(
        self, bird: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / "keys.toml"
        assert main(["keys", "import", bird, "-o", str(target)]) == 0
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        (before,), (after,) = load_keys([bird]).peers, load_keys([str(target)]).peers
        assert [mkt.secret for mkt in after.mkts] == [mkt.secret for mkt in before.mkts]
        told = shown(capsys)
        assert told == f"aoinspect: {target}: 1 key chain, 2 keys, 1 peer\n"
        assert CANARY not in told

    def test_a_file_that_is_there_is_replaced_only_when_told(self, bird: str, tmp_path: Path) -> None:
        target = tmp_path / "keys.toml"
        target.write_text("mine", encoding="utf-8")
        target.chmod(0o644)
        assert main(["keys", "import", bird, "-o", str(target)]) == 2
        assert target.read_text(encoding="utf-8") == "mine"
        assert main(["keys", "import", bird, "-o", str(target), "--force"]) == 0
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_a_link_is_not_followed_to_a_file_that_is_not_there(self, bird: str, tmp_path: Path) -> None:
        (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
        assert main(["keys", "import", bird, "-o", str(tmp_path / "link.toml")]) == 2
        assert not (tmp_path / "elsewhere.toml").exists()

    def test_a_gap_is_told_with_the_line_to_fill_in(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source, target = written(tmp_path / "xe.cfg", GAP), tmp_path / "keys.toml"
        assert main(["keys", "import", source, "-o", str(target)]) == 0
        (line,) = [n for n, text in enumerate(target.read_text().splitlines(), 1) if "gap = " in text]
        assert f"secrets to fill in, in place of gap, in line {line}\n" in shown(capsys)

    def test_strict_refuses_what_everybody_can_read(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source, target = written(tmp_path / "bird.conf", BIRD, 0o644), tmp_path / "keys.toml"
        assert main(["keys", "import", source, "-o", str(target), "--strict"]) == 2
        assert not target.exists()
        assert "--strict refuses it" in shown(capsys)
        assert main(["keys", "import", source, "-o", str(target)]) == 0
        assert "every user of this machine can read" in shown(capsys)

    def test_a_system_may_be_named_and_a_wrong_one_tells_what_it_misses(
        self, bird: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["keys", "import", f"bird:{bird}", "-o", str(tmp_path / "a.toml")]) == 0
        assert main(["keys", "import", f"junos:{bird}", "-o", str(tmp_path / "b.toml")]) == 2
        assert "Junos: no keys of TCP-AO or TCP-MD5 in this file" in shown(capsys)

    def test_a_folder_that_is_not_there_is_a_clear_error(self, bird: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "import", bird, "-o", "/nowhere/keys.toml", "-q"]) == 2
        assert "/nowhere/keys.toml: cannot be written: No such file or directory" in shown(capsys)

    def test_stdout_has_secrets_only_where_that_is_asked_for(
        self, bird: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["keys", "import", bird, "-o", "-"]) == 0
        captured = capsys.readouterr()
        assert CANARY in captured.out
        assert CANARY not in captured.err


class TestExport:
    def test_the_systems_are_those_of_the_library(self) -> None:
        assert tuple(SYSTEMS) == EXPORT_SYSTEMS

    def test_the_peers_half_agrees_with_this_end(
        self, bird: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = str(tmp_path / "peer.toml")
        assert main(["keys", "export", bird, "--to", "bird", "--peer", "-o", target]) == 0
        assert main(["keys", "compare", bird, target, "--fail-on", "note"]) == 0
        assert "both ends agree" in shown(capsys)

    def test_what_the_system_cannot_express_is_status_2(self, bird: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "export", bird, "--to", "junos", "-o", "-"]) == 2
        told = shown(capsys)
        assert "Junos cannot express the algorithm hmac-sha-256-96" in told
        assert CANARY not in told


class TestLintAndCompare:
    def test_lint_prints_remarks_and_fails_only_when_asked(self, bird: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "lint", bird]) == 0
        told = shown(capsys)
        assert "warning [short-secret]" in told
        assert "note [cmac-key-length]" in told
        assert CANARY not in told
        assert main(["keys", "lint", bird, "--fail-on", "warning"]) == 1
        assert main(["keys", "lint", bird, "--fail-on", "error"]) == 0

    def test_lint_in_json(self, bird: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "lint", bird, "--format", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["schema"] == "aoinspect.keys-lint/1"
        assert {"ident", "severity", "path", "line", "message", "remedy", "reference", "other"} == set(
            told["remarks"][0]
        )

    def test_compare_tells_secrets_by_yes_and_no_alone(
        self, bird: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = BIRD.replace("hello321", "Canary-9b1c-Canary").replace("send id 2; recv id 1", "send id 1; recv id 2")
        other = other.replace("local 198.51.100.14", "local 198.51.100.130").replace(
            "neighbor 198.51.100.130", "neighbor 198.51.100.14"
        )
        theirs = written(tmp_path / "other.conf", other)
        assert main(["keys", "compare", bird, theirs, "--fail-on", "error"]) == 1
        told = shown(capsys)
        assert "secrets equal: no" in told
        assert "secrets equal: yes" in told
        assert "Canary" not in told
        assert main(["keys", "compare", bird, theirs, "--format", "json"]) == 0
        keys = json.loads(capsys.readouterr().out)["sessions"][0]["keys"]
        assert [pair["secrets_equal"] for pair in keys] == [False, True]

    def test_ends_without_a_session_in_common_are_an_error(self, bird: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "compare", bird, bird]) == 2
        assert "have no session in common" in shown(capsys)


def test_the_example_loads(tmp_path: Path) -> None:
    target = tmp_path / "keys.toml"
    assert main(["keys", "example", "-o", str(target)]) == 0
    assert len(load_keys([str(target)]).peers) == 2


def test_isns_become_entries_of_the_key_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "isn", written(tmp_path / "tcp.txt", ISNS)]) == 0
    entry = capsys.readouterr().out
    target = tmp_path / "keys.toml"
    assert main(["keys", "example", "-o", str(target)]) == 0
    target.write_text(target.read_text(encoding="utf-8") + "\n" + entry, encoding="utf-8")
    assert {known.local_isn for known in load_keys([str(target)]).connections} == {0xFBFBAB5A, 1}


@pytest.mark.parametrize("arguments", [["keys"], ["keys", "import", "x"], ["keys", "export", "x", "-o", "-"]])
def test_what_is_missing_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_verifying_with_a_gap_says_which_line_to_fill_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.conversation import Conversation

    (tmp_path / "capture.pcap").write_bytes(Conversation().handshake().data("a", 10).to_pcap())
    config = tmp_path / "xe.cfg"
    config.write_text(
        "key chain K tcp\n key 1\n  send-id 1\n  recv-id 101\n  cryptographic-algorithm hmac-sha-1\n"
        "  key-string 6 AbC\nrouter bgp 1\n neighbor 10.0.0.2 remote-as 2\n neighbor 10.0.0.2 ao K\n"
    )
    assert main(["verify", str(tmp_path / "capture.pcap"), "--keys", str(config)]) == 4
    assert f"try: {config}: Cisco type 6 cannot be read: fill in the secret (line 6)" in " ".join(
        capsys.readouterr().out.split()
    )
    assert main(["timeline", str(tmp_path / "capture.pcap"), "--keys", str(config)]) == 0
    assert "A→B key    1" in capsys.readouterr().out
