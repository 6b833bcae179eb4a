"""`aoinspect keys traffic-keys`, and logs in place of key files, as a user meets them."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from aoinspect.cli import main
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from aoinspect.tui.saving import save_keys
from tests.conversation import Conversation, Key
from tests.recorded import SAMPLES, SMALL
from tests.traffic_keys.logging import traffic_keys
from tests.tui.running import read_all, session_on

ROTATION = str(SAMPLES / "rotation.pcap")
ROTATION_KEYS = str(SAMPLES / "rotation.toml")


@pytest.fixture
def log(tmp_path: Path) -> str:
    """The log of the sample `rotation`."""
    return logged(ROTATION, ROTATION_KEYS, tmp_path / "rotation.log")


def logged(capture: str, keys: str, target: Path, *more: str) -> str:
    assert main(["keys", "traffic-keys", capture, "--keys", keys, "-o", str(target), "-q", *more]) == 0
    return str(target)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr."""
    capsys.readouterr()
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def verdict_lines(capsys: pytest.CaptureFixture[str], capture: str, keys: str) -> tuple[int, list[dict[str, object]]]:
    status, out, _ = told(capsys, "verify", "-q", capture, "--keys", keys, "--format", "jsonl")
    return status, [json.loads(line) for line in out.splitlines()]


class TestWriting:
    def test_the_log_can_be_read_by_its_owner_alone(self, log: str) -> None:
        assert stat.S_IMODE(Path(log).stat().st_mode) == 0o600

    def test_what_is_in_it_is_told_on_stderr(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        target = tmp_path / "a.log"
        status, out, err = told(capsys, "keys", "traffic-keys", ROTATION, "--keys", ROTATION_KEYS, "-o", str(target))
        assert (status, out) == (0, "")
        assert "9 traffic keys of 1 connection, readable by you alone" in err

    def test_an_existing_file_is_kept(self, log: str, capsys: pytest.CaptureFixture[str]) -> None:
        before = Path(log).read_text()
        status, _, err = told(capsys, "keys", "traffic-keys", ROTATION, "--keys", ROTATION_KEYS, "-o", log)
        assert status == 2
        assert "--force replaces it" in err
        assert Path(log).read_text() == before
        assert main(["keys", "traffic-keys", ROTATION, "--keys", ROTATION_KEYS, "-o", log, "--force", "-q"]) == 0

    @pytest.mark.parametrize("which", ["capture", "keys"])
    def test_neither_capture_nor_key_file_is_ever_replaced(
        self, which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = {"capture": tmp_path / "a.pcap", "keys": tmp_path / "k.toml"}
        files["capture"].write_bytes(Path(ROTATION).read_bytes())
        files["keys"].write_bytes(Path(ROTATION_KEYS).read_bytes())
        link = tmp_path / "link"
        link.symlink_to(files[which])
        before = files[which].read_bytes()
        arguments = ["keys", "traffic-keys", str(files["capture"]), "--keys", str(files["keys"]), "-o", str(link)]
        status, _, err = told(capsys, *arguments, "--force")
        assert status == 2
        assert "this is the file that is read" in err
        assert files[which].read_bytes() == before

    def test_stdout_is_asked_for_by_a_dash(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, _ = told(capsys, "keys", "traffic-keys", ROTATION, "--keys", ROTATION_KEYS, "-o", "-")
        assert status == 0
        assert len(traffic_keys(out)) == 9

    def test_several_captures_make_one_log(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        first, second = Conversation().handshake(), Conversation(client="10.0.0.1:5").handshake().data("a", 9)
        for number, conversation in enumerate((first, second)):
            (tmp_path / f"{number}.pcap").write_bytes(conversation.to_pcap())
        keys = tmp_path / "k.toml"
        keys.write_text(first.key_file())
        captures = [str(tmp_path / "0.pcap"), str(tmp_path / "1.pcap")]
        log = tmp_path / "both.log"
        assert main(["keys", "traffic-keys", *captures, "--keys", str(keys), "-o", str(log), "-q"]) == 0
        assert told(capsys, "verify", "-q", *captures, "--keys", str(log))[0] == 0

    def test_without_keys_there_is_nothing_to_tell(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, _, err = told(capsys, "keys", "traffic-keys", ROTATION, "-o", str(tmp_path / "a.log"))
        assert status == 2
        assert "name a key file with --keys" in err

    def test_tcp_md5_alone_makes_no_log_and_why_is_said(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / "a.log"
        capture, keys = str(SMALL / "md5-v4.pcap"), str(SMALL / "md5-v4.toml")
        status, _, err = told(capsys, "keys", "traffic-keys", capture, "--keys", keys, "-o", str(target))
        assert status == 2
        assert "TCP-MD5, whose password is the key itself" in err
        assert not target.exists()

    def test_tcp_md5_beside_tcp_ao_is_left_out_with_a_warning(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capture, keys = str(SAMPLES / "md5-then-ao.pcap"), str(SAMPLES / "md5-then-ao.toml")
        log = str(tmp_path / "a.log")
        status, _, err = told(capsys, "keys", "traffic-keys", capture, "--keys", keys, "-o", log)
        assert status == 0
        assert "warning: TCP-MD5 is left out (13 segments)" in err
        assert told(capsys, "verify", "-q", capture, "--keys", log)[0] == 4

    def test_a_capture_that_is_none_is_status_3(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        broken = tmp_path / "broken.pcap"
        broken.write_bytes(b"no capture at all")
        arguments = ["keys", "traffic-keys", str(broken), "--keys", ROTATION_KEYS, "-o", str(tmp_path / "a.log")]
        assert told(capsys, *arguments)[0] == 3
        assert not (tmp_path / "a.log").exists()

    def test_failing_segments_bring_a_hint_to_all(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capture, keys = str(SMALL / "wrong-keyid.pcap"), str(SMALL / "wrong-keyid.toml")
        arguments = ["keys", "traffic-keys", capture, "--keys", keys, "-o", "-"]
        assert "--all adds" in told(capsys, *arguments)[2]
        assert "--all adds" not in told(capsys, *arguments, "--all")[2]


class TestReading:
    def test_verify_says_the_same(self, log: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert verdict_lines(capsys, ROTATION, log) == verdict_lines(capsys, ROTATION, ROTATION_KEYS)

    def test_show_says_that_the_traffic_key_is_of_the_log(self, log: str, capsys: pytest.CaptureFixture[str]) -> None:
        keys = traffic_keys(Path(log).read_text())
        _, out, _ = told(capsys, "show", ROTATION, "5", "--keys", log)
        assert f"traffic key   20 octets, as {log} tells it, not derived: hidden" in out
        assert not any(key in out.replace(" ", "") for key in keys)
        _, out, _ = told(capsys, "show", ROTATION, "5", "--keys", log, "--reveal")
        assert any(key in out.replace(" ", "") for key in keys)

    def test_show_in_json_names_the_log(self, log: str, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = told(capsys, "show", ROTATION, "5", "--keys", log, "--format", "json")
        (attempt,) = json.loads(out)["proof"]["attempts"]
        assert attempt["key"]["log"] == log
        assert attempt["traffic_key"] is None

    def test_show_says_what_is_missing_of_a_connection_that_the_log_does_not_hold(
        self, log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capture = tmp_path / "other.pcap"
        keys = [Key(name="k1", send_id=1, recv_id=101)]
        other = Conversation(keys, client="10.0.0.1:36125", server="10.0.0.2:179").handshake().data("a", 9)
        capture.write_bytes(other.to_pcap())
        _, out, _ = told(capsys, "show", str(capture), "4", "--keys", log)
        assert "unverifiable (no-secret)" in out
        assert f"{log} does not hold the traffic key of this connection" in out
        assert "disagree" not in out
        assert "internal error" not in out

    @pytest.mark.parametrize("name", ["inject", "isn-ffffffff", "rotation", "mid-capture"])
    def test_the_proof_of_every_frame_agrees_with_the_verdict(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capture = str(SAMPLES / f"{name}.pcap")
        log = logged(capture, str(SAMPLES / f"{name}.toml"), tmp_path / "a.log")
        for frame in (1, 4, 5, 8, 12, 20):
            status, out, err = told(capsys, "show", capture, str(frame), "--keys", log)
            assert status == 0, err
            assert "internal error" not in out

    @pytest.mark.parametrize("command", ["timeline", "explain", "report", "check"])
    def test_other_commands_take_it(
        self, command: str, log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        more = ["-o", str(tmp_path / "report.html")] if command == "report" else []
        under_log = told(capsys, command, ROTATION, "--keys", log, *more, "-q")
        under_keys = told(capsys, command, ROTATION, "--keys", ROTATION_KEYS, *more, "-q")
        place = re.compile(r"[^\s(]*\.(?:toml|log)(?::[0-9]+)?")
        assert under_log[0] == under_keys[0] == 0
        assert place.sub("K", under_log[1]) == place.sub("K", under_keys[1])

    def test_the_terminal_interface_takes_it_and_saves_no_key_file_of_it(self, log: str, tmp_path: Path) -> None:
        session = read_all(session_on(Path(ROTATION), load_keys([log])))
        report = session.analysis.report
        assert report is not None
        assert report.connections[0].verdicts["verified"] == 60
        with pytest.raises(UsageError, match="traffic-key log"):
            save_keys(session.store, str(tmp_path / "k.toml"), replaces=False)

    @pytest.mark.parametrize(
        "arguments", [["lint"], ["import", "-o", "-"], ["export", "--to", "bird", "-o", "-"], ["compare"]]
    )
    def test_what_takes_master_keys_says_what_the_file_is(
        self, arguments: list[str], log: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = [ROTATION_KEYS] if arguments == ["compare"] else []
        status, out, err = told(capsys, "keys", *arguments, log, *other)
        assert status == 2
        assert out == ""
        assert f"{log}: this is a traffic-key log" in err

    def test_a_key_file_is_not_corrected_out_of_it(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capture = str(SMALL / "exopt-mismatch.pcap")
        log = logged(capture, str(SMALL / "exopt-mismatch.toml"), tmp_path / "a.log")
        target = tmp_path / "corrected.toml"
        status, _, err = told(capsys, "explain", capture, "--keys", log, "--write", str(target))
        assert status == 2
        assert "traffic-key log" in err
        assert not target.exists()

    def test_a_log_that_is_cut_is_status_2_and_shows_no_key(self, log: str, capsys: pytest.CaptureFixture[str]) -> None:
        text = Path(log).read_text()
        Path(log).write_text(text[: len(text) // 2])
        status, out, err = told(capsys, "verify", ROTATION, "--keys", log)
        assert (status, out) == (2, "")
        assert "the log ends here without its `end` line" in err
        assert not any(key[:8] in err for key in traffic_keys(text))


class TestExplaining:
    def test_what_rests_on_the_mac_input_is_found(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        found: dict[str, list[list[str]]] = {}
        for name in ("exopt-mismatch", "maclen-mismatch", "mss-clamp-B", "rst-exopt"):
            folder = SAMPLES if name == "mss-clamp-B" else SMALL
            capture, key_file = str(folder / f"{name}.pcap"), str(folder / f"{name}.toml")
            for keys in (logged(capture, key_file, tmp_path / f"{name}.log"), key_file):
                _, out, _ = told(capsys, "explain", capture, "--keys", keys, "--format", "json", "-q")
                told_idents = [
                    one["hypothesis"] for account in json.loads(out)["connections"] for one in account["explanations"]
                ]
                found.setdefault(name, []).append(told_idents)
        assert all(under_log == under_keys for under_log, under_keys in found.values()), found
        assert {"H1", "H7", "H19"} <= {ident for idents, _ in found.values() for ident in idents}

    def test_what_takes_the_master_key_is_named_as_not_tried(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        conversation = Conversation().handshake().data("a", 400).data("b", 9)
        conversation.sign_with_wrong_secret()
        capture, keys = tmp_path / "a.pcap", tmp_path / "k.toml"
        capture.write_bytes(conversation.to_pcap())
        keys.write_text(conversation.key_file())
        log = logged(str(capture), str(keys), tmp_path / "a.log")
        _, out, _ = told(capsys, "explain", str(capture), "--keys", log)
        (line,) = (line for line in out.splitlines() if "for the log holds no secret" in line)
        assert {"H5", "H8", "H14"} <= set(re.findall(r"H[0-9]+", line))
        (ruled_out,) = (line for line in out.splitlines() if "ruled out" in line)
        assert {"H13", "H15", "H21"} <= set(re.findall(r"H[0-9]+", ruled_out))
        assert "H8" not in ruled_out
        _, out, _ = told(capsys, "explain", str(capture), "--keys", log, "--format", "json")
        (account,) = json.loads(out)["connections"]
        assert "H8" in account["not_tried_without_secret"]

    def test_another_key_is_found_where_the_log_holds_all(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capture, keys = str(SMALL / "wrong-keyid.pcap"), str(SMALL / "wrong-keyid.toml")
        log = logged(capture, keys, tmp_path / "a.log", "--all")
        _, out, _ = told(capsys, "explain", capture, "--keys", log)
        assert "H2 proof" in out


class TestResigning:
    def test_repairing_gives_the_same_octets(self, tmp_path: Path) -> None:
        capture, keys = str(SAMPLES / "inject.pcap"), str(SAMPLES / "inject.toml")
        log = logged(capture, keys, tmp_path / "a.log")
        for name, chosen in (("log", log), ("keys", keys)):
            assert main(["resign", capture, str(tmp_path / f"{name}.pcap"), "--keys", chosen, "-q"]) == 0
        assert (tmp_path / "log.pcap").read_bytes() == (tmp_path / "keys.pcap").read_bytes()

    def test_other_keys_take_the_place_of_logged_ones(self, tmp_path: Path, log: str) -> None:
        new = tmp_path / "new.toml"
        new.write_text(
            re.sub(r'secret(-hex)? = ".*"', 'secret = "published test key"', Path(ROTATION_KEYS).read_text())
        )
        out = str(tmp_path / "out.pcap")
        assert main(["resign", ROTATION, out, "--keys", log, "--sign-keys", str(new), "-q"]) == 0
        assert main(["verify", "-q", out, "--keys", str(new)]) == 0
        assert main(["verify", "-q", out, "--keys", log]) == 1

    def test_signatures_that_were_taken_out_come_back(self, tmp_path: Path, log: str) -> None:
        bare, again = str(tmp_path / "bare.pcap"), tmp_path / "again.pcap"
        capture = str(SAMPLES / "v4-sha1.pcap")
        log = logged(capture, str(SAMPLES / "v4-sha1.toml"), tmp_path / "v4.log")
        assert main(["resign", capture, bare, "--keys", log, "--strip", "-q"]) == 0
        assert main(["resign", bare, str(again), "--keys", log, "--add", "-q"]) == 0
        assert again.read_bytes() == Path(capture).read_bytes()

    def test_a_connection_that_the_log_does_not_hold_is_left_and_named(
        self, tmp_path: Path, log: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capture = tmp_path / "unsigned.pcap"
        capture.write_bytes(Conversation([]).handshake().data("a", 9).to_pcap())
        status, out, err = told(capsys, "resign", str(capture), str(tmp_path / "o.pcap"), "--keys", log, "--add")
        assert status == 0
        assert "4 no-secret" in out
        assert "left as they were (no-secret): frames 1, 2, 3, 4" in err
        assert (tmp_path / "o.pcap").read_bytes() == capture.read_bytes()
