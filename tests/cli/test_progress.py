"""The progress bar: on a terminal's stderr, after a second, and nowhere else."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from aoinspect import progress
from aoinspect.capture.reader import open_capture
from tests.cli.processes import PATIENCE_SECONDS, SAMPLES, Terminal, command, environment, octets_waiting, wait_until

CAPTURE = (SAMPLES / "v4-sha1.pcap").read_bytes()


_LONGER_THAN_PATIENCE_SECONDS = progress.PATIENCE_SECONDS + 0.2


def slow_run(*arguments: str, stdout_is_terminal: bool = False) -> tuple[str, str]:
    """What stderr's terminal and stdout get of a run that waits so long in the middle of its capture."""
    terminal = Terminal()
    process = subprocess.Popen(
        command("verify", "-", *arguments),
        stdin=subprocess.PIPE,
        stdout=terminal.descriptor if stdout_is_terminal else subprocess.PIPE,
        stderr=terminal.descriptor,
        env=environment(TERM="xterm-256color"),
    )
    assert process.stdin is not None
    process.stdin.write(CAPTURE[:2000])
    process.stdin.flush()
    # How long the program takes to start is not the question.
    reading = process.stdin.fileno()
    wait_until(lambda: not octets_waiting(reading))
    time.sleep(_LONGER_THAN_PATIENCE_SECONDS)
    process.stdin.write(CAPTURE[2000:])
    process.stdin.close()
    shown = terminal.read(process)
    out = b"" if process.stdout is None else process.stdout.read()
    process.wait(PATIENCE_SECONDS)
    terminal.close()
    return shown, out.decode()


def test_work_longer_than_a_second_shows_a_bar_that_names_the_flag_and_goes_away() -> None:
    shown, out = slow_run()
    assert "standard input (-q hides this)" in shown
    assert shown.rstrip().endswith("\x1b[2K"), "the last thing written erases the bar"
    assert "-q hides this" not in out
    assert "37 TCP segments" in out


def test_quick_work_shows_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # However long this machine takes for it.
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 3600.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with open_capture(SAMPLES / "v4-sha1.pcap") as reader, progress.ProgressBar(is_wanted=True) as bar:
        for _ in reader.batches():
            bar.update(reader)
    assert capsys.readouterr().err == ""


def test_quiet_shows_none() -> None:
    shown, _ = slow_run("-q")
    assert shown == ""


def test_lines_and_bar_do_not_share_a_terminal() -> None:
    shown, _ = slow_run("--format", "jsonl", stdout_is_terminal=True)
    assert "-q hides this" not in shown
    assert shown.count('"type": "segment"') == 37


def test_no_terminal_gets_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    from tests.report.running import command as in_process

    assert in_process(monkeypatch, capsys)("verify", SAMPLES / "v4-sha1.pcap").err == ""


def test_markup_and_control_characters_of_a_file_name_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    path = tmp_path / "[red]\x1b[2J.pcap"
    path.write_bytes(CAPTURE)
    with open_capture(path) as reader, progress.ProgressBar(is_wanted=True) as bar:
        for _ in reader.batches():
            bar.update(reader)
    shown = capsys.readouterr().err
    assert "[red]?[2J.pcap (-q hides this)" in shown
    assert "\x1b[2J" not in shown
