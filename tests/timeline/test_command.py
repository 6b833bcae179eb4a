"""`aoinspect timeline`: what it shows of which connections, where it writes, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aoinspect.commands.timeline import SHOWN_CONNECTIONS
from aoinspect.errors import CaptureError, UsageError
from tests.conversation import Conversation, merge
from tests.recorded import SAMPLES
from tests.timeline.pictures import plain_console, run_command, written

ROTATION = [str(SAMPLES / "rotation.pcap"), "--keys", str(SAMPLES / "rotation.toml")]


def many(folder: Path, count: int = SHOWN_CONNECTIONS + 5) -> tuple[Path, Path]:
    """A capture of so many quiet connections; of number 3 a segment fails."""
    told = [Conversation(client=f"10.0.0.1:{40000 + number}").handshake() for number in range(count)]
    told[3].data("a", 10).sign_with_wrong_secret()
    return written(merge(told), folder)


def shown_ids(capsys: pytest.CaptureFixture[str]) -> list[int]:
    return [connection["id"] for connection in json.loads(capsys.readouterr().out)["connections"]]


def test_it_works_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([ROTATION[0], "--format", "json"]) == 0
    (connection,) = json.loads(capsys.readouterr().out)["connections"]
    assert len(connection["transitions"]) == 16
    assert [change["frame"] for change in connection["transitions"] if change["trigger"] == "unprompted"] == [36]


@pytest.mark.parametrize(
    "form, begins", [("json", "{"), ("svg", "<svg "), ("html", "<!DOCTYPE html>"), ("text", "#0 A ")]
)
def test_a_file_gets_what_stdout_would_get(
    form: str, begins: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "drawn"
    assert run_command([*ROTATION, "--format", form, "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    text = target.read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert text.endswith("\n")
    console, octets = plain_console()
    run_command([*ROTATION, "--format", form], console)
    printed = octets.getvalue().decode() if form == "text" else capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == text.splitlines()


def test_a_console_that_writes_ascii_only_is_drawn_in_ascii() -> None:
    console, octets = plain_console("ascii")
    assert run_command(ROTATION, console) == 0
    assert b"A>B key    1 k1 ####" in octets.getvalue()


def test_the_axis_can_count_frames(capsys: pytest.CaptureFixture[str]) -> None:
    run_command([*ROTATION, "--by", "frame", "--format", "json"])
    axis = json.loads(capsys.readouterr().out)["connections"][0]["axis"]
    assert (axis["unit"], axis["first"], axis["last"]) == ("frame", 3, 62)


class TestManyConnections:
    def test_only_those_with_changes_or_failures_are_shown_and_the_rest_is_counted(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capture, keys = many(tmp_path)
        assert run_command([str(capture), "--keys", str(keys), "-o", str(tmp_path / "out")]) == 0
        text = (tmp_path / "out").read_text()
        assert [line for line in text.splitlines() if line.startswith("#")] == ["#3 A 10.0.0.1:40003  B 10.0.0.2:179"]
        told = capsys.readouterr().err
        assert told == "aoinspect: 29 more connections have neither changes nor failures; --all shows them too\n"

    def test_all_of_them_are_shown_when_asked_for(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capture, keys = many(tmp_path)
        run_command([str(capture), "--keys", str(keys), "--all", "--format", "json"])
        assert shown_ids(capsys) == list(range(30))

    def test_those_that_are_named_are_shown(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capture, keys = many(tmp_path)
        named = ["--connection", "7", "--connection", "0", "--format", "json"]
        assert run_command([str(capture), "--keys", str(keys), *named]) == 0
        assert shown_ids(capsys) == [0, 7]

    def test_a_few_are_all_shown(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capture, keys = many(tmp_path, SHOWN_CONNECTIONS)
        run_command([str(capture), "--keys", str(keys), "--format", "json"])
        assert shown_ids(capsys) == list(range(SHOWN_CONNECTIONS))


class TestMistakes:
    def test_a_connection_that_is_not_there_is_said(self) -> None:
        with pytest.raises(UsageError, match=r"--connection 4: there is no such connection \(only 0\)"):
            run_command([*ROTATION, "--connection", "4"])

    def test_a_connection_that_is_no_number_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            run_command([*ROTATION, "--connection", "first"])
        assert "'first' is no connection's number; the first connection is 0" in capsys.readouterr().err

    def test_a_file_that_cannot_be_written_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"cannot write .*/absent/drawn: No such file or directory"):
            run_command([*ROTATION, "--format", "svg", "-o", str(tmp_path / "absent" / "drawn")])

    def test_standard_input_twice_is_said(self) -> None:
        with pytest.raises(UsageError, match="standard input can be read only once"):
            run_command(["-", "-"])

    def test_a_capture_of_which_nothing_can_be_read_is_said(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.pcap"
        broken.write_bytes((SAMPLES / "rotation.pcap").read_bytes()[:24] + b"\xff" * 40)
        with pytest.raises(CaptureError, match="nothing can be read"):
            run_command([str(broken)])

    def test_a_capture_without_anything_protected_is_said(self, tmp_path: Path) -> None:
        plain = tmp_path / "plain.pcap"
        plain.write_bytes(Conversation(()).handshake().to_pcap())
        console, octets = plain_console()
        assert run_command([str(plain)], console) == 0
        assert b"nothing here is protected" in octets.getvalue()
