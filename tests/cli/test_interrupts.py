"""SIGINT: what is known so far is printed, whole, and nothing like a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import cast

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer, Prepared
from aoinspect.engine.reading import analyse
from aoinspect.engine.table import Rows
from aoinspect.keys.model import KeyStore
from aoinspect.progress import ONE_SIGNAL_SECONDS, InterruptibleAnalyzer, Interruption
from dissectors.registry import Registry
from tests.cli.processes import (
    PATIENCE_SECONDS,
    SAMPLES,
    command,
    environment,
    octets_waiting,
    wait_until,
    wait_until_idle,
)

CAPTURE = (SAMPLES / "v4-sha1.pcap").read_bytes()


def frames_end(count: int) -> int:
    """Where the first so many frames of CAPTURE end."""
    end = 24
    for _ in range(count):
        end += 16 + int.from_bytes(CAPTURE[end + 8 : end + 12], "little")
    return end


def interrupted(fifo: Path, octets: bytes, *arguments: str | Path) -> tuple[int, str, str]:
    """Status, stdout and stderr of a run on `fifo` that gets `octets` of a capture, then waits, then gets SIGINT."""
    os.mkfifo(fifo)
    process = subprocess.Popen(
        command("verify", fifo, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    with open(fifo, "wb", buffering=0) as pipe:
        pipe.write(octets)
        wait_until(lambda: octets_waiting(pipe.fileno()) == 0)
        wait_until_idle(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("count", [10, 25])
def test_text_tells_of_the_frames_read_until_then(tmp_path: Path, count: int) -> None:
    octets = CAPTURE[: frames_end(count) + 7]
    status, out, err = interrupted(tmp_path / "pipe", octets, "--keys", SAMPLES / "v4-sha1.toml", "-q")
    assert status == 130
    assert err == ""
    *_, note, totals, counts = out.splitlines()
    assert note == "interrupted: this is what was read until then"
    assert totals.startswith(f"{count} frames, ")
    assert counts == f"? {count - 3} verified"


def test_json_is_whole_and_says_so(tmp_path: Path) -> None:
    arguments = ("--keys", SAMPLES / "v4-sha1.toml", "--format", "json", "-q")
    status, out, err = interrupted(tmp_path / "pipe", CAPTURE[: frames_end(10)], *arguments)
    told = json.loads(out)
    assert (status, err, told["interrupted"], told["totals"]["frames"]) == (130, "", True, 10)


def test_json_lines_are_whole_and_one_line_on_stderr_says_so(tmp_path: Path) -> None:
    status, out, err = interrupted(tmp_path / "pipe", CAPTURE[: frames_end(10)], "--format", "jsonl")
    assert status == 130
    assert [json.loads(line)["frame"] for line in out.splitlines()] == list(range(4, 11))
    assert err == "aoinspect: interrupted: the result is of what was read until then\n"


def test_before_the_captures_header_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert interrupted(tmp_path / "pipe", CAPTURE[:1]) == (130, "", "aoinspect: interrupted\n")


def test_lines_of_a_live_pipe_come_while_it_is_open(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        command("verify", fifo, "--format", "jsonl"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    with open(fifo, "wb", buffering=0) as pipe:
        pipe.write(CAPTURE[: frames_end(10)])
        assert json.loads(process.stdout.readline())["frame"] == 4
    process.communicate(timeout=PATIENCE_SECONDS)


class RaisesSigintWhileJudging(Analyzer):
    """SIGINT comes in the middle of the first batch."""

    batches_judged = 0

    def conclude(self, prepared: Prepared | None) -> Rows:
        if not self.batches_judged:
            signal.raise_signal(signal.SIGINT)
        rows = super().conclude(prepared)
        self.batches_judged += 1
        return rows


class Interrupted(InterruptibleAnalyzer, RaisesSigintWhileJudging):
    """The wrapper under test around the analyser in which SIGINT comes."""


def test_a_batch_that_is_being_judged_is_finished_first() -> None:
    fed: list[int] = []
    with Interruption() as interruption:
        analyzer = Interrupted(KeyStore(), Registry(), interruption, make_rows=True)
        with open_capture(SAMPLES / "v4-sha1.pcap", batch_frames=10) as reader:
            analyse(
                [reader],
                cast(Analyzer, analyzer),
                on_rows=lambda rows: fed.append(len(rows.frame)),
                progress=lambda reader: interruption.raise_if_pending(),
            )
    assert analyzer.totals.is_interrupted
    assert (analyzer.batches_judged, analyzer.totals.frames, analyzer.totals.tcp_segments) == (1, 10, 7)
    assert fed == [7, 0], "the rows of the batch, and none at the capture's end"


def test_a_second_sigint_waits_for_nothing() -> None:
    now = 100.0
    with Interruption(clock=lambda: now) as interruption, interruption.held():
        signal.raise_signal(signal.SIGINT)
        assert interruption.is_pending
        now += 2 * ONE_SIGNAL_SECONDS
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_to_process_and_group_is_one(number: signal.Signals) -> None:
    """As timeout(1) sends it, which would end a run without its summary."""
    with Interruption(takes_sigterm=True, clock=lambda: 100.0) as interruption:
        with interruption.held():
            signal.raise_signal(number)
            signal.raise_signal(number)
        assert interruption.is_pending
    with Interruption(takes_sigterm=True, clock=lambda: 100.0):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(number)


def test_what_was_there_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_job_that_ignores_sigint_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_may_run_it_too() -> None:
    entered = []

    def run() -> None:
        with Interruption() as interruption:
            entered.append(interruption)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(entered) == 1
