"""stdout is the result and stderr is narration, wherever they lead: pipes, full disks, terminals, other encodings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aoinspect.engine.workers import Workers
from tests.cli.processes import SAMPLES, Terminal, command, environment, with_keys
from tests.conversation import Conversation
from tests.report.running import Command


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_reader_that_goes_away_is_no_event(form: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        command(*with_keys("inject"), "--format", form), stdout=writing, stderr=subprocess.PIPE, env=environment()
    )
    os.close(writing)
    assert process.returncode == 141
    assert b"Traceback" not in process.stderr
    assert b"BrokenPipe" not in process.stderr


def test_help_into_a_closed_pipe_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(command("--help"), stdout=writing, stderr=subprocess.PIPE, env=environment())
    os.close(writing)
    assert process.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_full_disk_gets_one_line(form: str) -> None:
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            command(*with_keys("inject"), "--format", form, "-q"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
        )
    assert process.returncode == 74
    assert process.stderr == b"aoinspect: input or output fails: No space left on device\n"


def test_closed_streams_leave_the_exit_status() -> None:
    shell = subprocess.run(
        ["sh", "-c", '"$@" >&- 2>&-', "sh", *command(*with_keys("inject"))], env=environment(), check=False
    )
    assert shell.returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [("verify", "-"), ("verify", "-", "--follow"), ("show", "-", "1"), ("timeline", "-")],
    ids=" ".join,
)
def test_a_closed_standard_input_gets_one_line(arguments: tuple[str, ...]) -> None:
    """As jobs of some schedulers have it."""
    shell = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *command(*arguments)], env=environment(), capture_output=True, check=False
    )
    told = b"aoinspect: -: standard input is closed; name a file, or lead a capture into it\n"
    assert (shell.returncode, shell.stdout, shell.stderr) == (3, b"", told)


def test_an_encoding_without_check_marks_gets_ascii() -> None:
    process = subprocess.run(
        command(*with_keys("inject"), "-q"), capture_output=True, env=environment(PYTHONIOENCODING="ascii")
    )
    assert process.stdout.isascii()
    assert process.stdout.splitlines()[-1].startswith(b"x 18 verified, 9 mismatch")
    assert b"\\u" not in process.stdout


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_of_a_name_that_is_no_text_gives_the_name_back(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "\udcff \x1b.pcap"
    path.write_bytes((SAMPLES / "v4-sha1.pcap").read_bytes())
    process = subprocess.run(
        command("verify", path, "--format", "json"), capture_output=True, env=environment(PYTHONIOENCODING=encoding)
    )
    assert json.loads(process.stdout)["captures"][0]["path"] == str(path)


def test_standard_input_is_a_capture() -> None:
    process = subprocess.run(
        command("verify", "-", "--keys", SAMPLES / "inject.toml", "--format", "json"),
        input=(SAMPLES / "inject.pcap").read_bytes(),
        capture_output=True,
        env=environment(),
    )
    told = json.loads(process.stdout)
    assert process.returncode == 1
    assert (told["captures"][0]["path"], told["totals"]["verified"]) == ("-", 18)


@pytest.mark.parametrize("name", ["verify", "timeline"])
def test_that_a_worker_failed_is_a_warning_too(aoinspect: Command, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def enter(self: Workers) -> Workers:
        self.problem = "a worker failed"
        return self

    monkeypatch.setattr(Workers, "__enter__", enter)
    arguments = (name, SAMPLES / "v4-sha1.pcap")
    assert aoinspect(*arguments).err == "aoinspect: warning: a worker failed\n"
    assert aoinspect(*arguments, "-q").err == ""


def test_warnings_go_to_stderr_and_quiet_leaves_them_out(aoinspect: Command, tmp_path: Path) -> None:
    keys, capture = tmp_path / "keys.toml", tmp_path / "cut.pcap"
    keys.write_text((SAMPLES / "v4-sha1.toml").read_text())
    keys.chmod(0o644)
    capture.write_bytes((SAMPLES / "v4-sha1.pcap").read_bytes()[:-3])
    told = aoinspect("verify", capture, "--keys", keys, "--format", "json")
    quiet = aoinspect("verify", capture, "--keys", keys, "--format", "json", "-q")
    assert [line.split(": ")[:3] for line in told.err.splitlines()] == [
        ["aoinspect", f"{keys}:1", "warning"],
        ["aoinspect", str(capture), "warning"],
    ]
    assert quiet.err == ""
    assert quiet.out == told.out


class TestTerminals:
    """NO_COLOR and FORCE_COLOR are honoured."""

    @staticmethod
    def shown(columns: int = 80, **variables: str) -> str:
        """What a terminal gets of a run on the sample "inject"."""
        terminal = Terminal(columns)
        process = subprocess.Popen(
            command("verify", "inject.pcap", "--keys", "inject.toml", "-q"),
            cwd=SAMPLES,
            stdout=terminal.descriptor,
            stderr=subprocess.PIPE,
            env=environment(**{"TERM": "xterm-256color"} | variables),
        )
        shown = terminal.read(process)
        terminal.close()
        return shown.replace("\r\n", "\n")

    def test_a_terminal_gets_colour(self) -> None:
        assert "\x1b[1;31m✗\x1b[0m \x1b[1;31mmismatch: " in self.shown()

    def test_no_color_leaves_no_colour(self) -> None:
        codes = re.findall(r"\x1b\[([0-9;]*)m", self.shown(NO_COLOR="1"))
        assert {number for code in codes for number in code.split(";")} <= {"0", "1", "2"}, "bold and faint at most"

    @pytest.mark.parametrize("columns", [80, 120])
    def test_lines_are_as_wide_as_the_terminal_allows(self, columns: int) -> None:
        golden = Path(__file__).parents[1] / "report" / "golden" / f"inject-{columns}.txt"
        assert re.sub(r"\x1b\[[0-9;]*m", "", self.shown(columns)) == golden.read_text(encoding="utf-8")

    def test_a_dumb_terminal_gets_plain_text(self) -> None:
        assert "\x1b" not in self.shown(TERM="dumb")

    def test_a_pipe_gets_colour_only_when_forced(self, aoinspect: Command) -> None:
        assert "\x1b[" not in aoinspect(*with_keys("inject")).out
        assert "\x1b[1;31m" in aoinspect(*with_keys("inject"), environment={"FORCE_COLOR": "1"}).out

    def test_no_color_beats_force_color(self, aoinspect: Command) -> None:
        forced = aoinspect(*with_keys("inject"), environment={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
        assert "31m" not in forced

    @pytest.mark.parametrize("columns", ["", "wide", "0", "-3", "²"])
    def test_a_width_that_is_none_breaks_no_line(self, aoinspect: Command, columns: str) -> None:
        assert aoinspect(*with_keys("inject"), environment={"COLUMNS": columns}).out == (
            aoinspect(*with_keys("inject")).out
        )


@pytest.mark.parametrize(("more", "is_told"), [([], True), (["--recover-isn", "off"], False), (["-q"], False)])
def test_a_pipe_is_not_searched_for_missing_isns_and_that_is_said(
    more: list[str], is_told: bool, tmp_path: Path
) -> None:
    conversation = Conversation().established(client_octets=100, server_octets=50).data("a", 400)
    path, keys = tmp_path / "late.pcap", tmp_path / "k.toml"
    path.write_bytes(conversation.to_pcap())
    keys.write_text(conversation.key_file())
    with open(path, "rb") as capture:
        piped = subprocess.run(
            command("verify", "-", "--keys", str(keys), *more), stdin=capture, capture_output=True, env=environment()
        )
    assert piped.returncode == 4
    assert (b"missing ISNs are not searched for" in piped.stderr) is is_told
    named = subprocess.run(
        command("verify", str(path), "--keys", str(keys)), capture_output=True, env=environment(), check=False
    )
    assert named.returncode == 0
    assert b"not searched for" not in named.stderr
