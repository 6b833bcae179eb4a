"""`--follow` as its users run it: pipes, FIFOs, files that grow, signals, readers that go away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from aoinspect.progress import ONE_SIGNAL_SECONDS
from tests.cli.processes import PATIENCE_SECONDS, SAMPLES, command, environment, wait_until
from tests.conversation import Conversation, Key
from tests.follow.following import Follower, JsonObject

ROTATION = (SAMPLES / "rotation.pcap").read_bytes()
INJECT = (SAMPLES / "inject.pcap").read_bytes()
KEYS = ("--keys", SAMPLES / "rotation.toml", "-q")
JSONL = ("--format", "jsonl")
HEADER = 24


def end_of(capture: bytes, frames: int) -> int:
    """Where the first so many frames of a capture end."""
    end = HEADER
    for _ in range(frames):
        end += 16 + int.from_bytes(capture[end + 8 : end + 12], "little")
    return end


class TestPipes:
    def test_a_key_change_is_told_while_the_pipe_is_open_and_without_more_frames(self) -> None:
        with Follower("-", *KEYS, *JSONL) as follower:
            follower.write(ROTATION[: end_of(ROTATION, 10)])
            assert [follower.object()["type"] for _ in range(5)] == [
                *("connection", "verdict", "transition", "verdict", "transition")
            ]
            follower.write(ROTATION[end_of(ROTATION, 10) : end_of(ROTATION, 11)])
            told = follower.object()
            assert (told["type"], told["frame"], told["field"], told["old"], told["new"]) == (
                *("transition", 11, "rnext_key_id", 101, 102),
            )

    def test_half_a_frame_is_waited_for_and_nothing_is_told_of_it(self) -> None:
        with Follower("-", *KEYS, *JSONL) as follower:
            end = end_of(ROTATION, 11)
            follower.write(ROTATION[: end - 1])
            for _ in range(5):
                follower.object()
            follower.wait_until_idle()
            follower.write(ROTATION[end - 1 : end])
            assert follower.object()["frame"] == 11

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_is_the_normal_end_and_the_verdicts_decide(self, number: signal.Signals) -> None:
        with Follower("-", *KEYS) as follower:
            follower.write(ROTATION[: end_of(ROTATION, 20) + 7])
            follower.line()
            follower.wait_until_idle()
            status, lines, err = follower.interrupt(number)
        assert (status, err) == (0, "")
        assert "interrupted" not in "\n".join(lines)
        assert lines[-2:] == ["20 frames, 18 TCP segments, 18 protected (18 with AO, 0 with MD5)", "✓ 18 verified"]

    def test_what_is_wrong_by_then_is_status_1(self) -> None:
        with Follower("-", "--keys", SAMPLES / "inject.toml", "-q", *JSONL) as follower:
            follower.write(INJECT[: end_of(INJECT, 17)])
            while follower.object_of("verdict")["verdict"] != "mismatch":
                pass
            follower.wait_until_idle()
            status, lines, _ = follower.interrupt()
        summary: JsonObject = json.loads(lines[-1])
        assert (status, summary["type"], summary["exit_status"], summary["interrupted"]) == (1, "summary", 1, False)

    @pytest.mark.parametrize("octets", [b"", ROTATION[:1], ROTATION[:HEADER]], ids=["none", "one", "header"])
    def test_before_the_first_frame_a_signal_ends_it_as_well(self, octets: bytes) -> None:
        with Follower("-", *KEYS) as follower:
            if octets:
                follower.write(octets)
            follower.wait_until_idle()
            status, lines, err = follower.interrupt()
        assert (status, err) == (4, "")
        assert lines[0] == "0 frames, 0 TCP segments, 0 protected (0 with AO, 0 with MD5)"

    def test_the_pipes_end_is_the_end(self) -> None:
        with Follower("-", *KEYS, *JSONL) as follower:
            follower.write(ROTATION)
            assert follower.process.stdin is not None
            follower.process.stdin.close()
            follower.process.stdin = None
            status, lines, err = follower.end()
        told = [json.loads(line) for line in lines]
        assert (status, err) == (0, "")
        assert [line["type"] for line in told].index("summary") == len(told) - 1
        assert told[-1]["totals"]["verified"] == 60

    def test_an_empty_pipe_cannot_be_read(self) -> None:
        with Follower("-", *KEYS, stdin=subprocess.DEVNULL) as follower:
            assert follower.end() == (3, [], "aoinspect: -: an empty file\n")

    def test_a_fifo_is_a_pipe(self, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        with Follower(fifo, *KEYS, *JSONL) as follower:
            with open(fifo, "wb", buffering=0) as pipe:
                pipe.write(ROTATION[: end_of(ROTATION, 3)])
                assert follower.object()["type"] == "connection"
            status, _, err = follower.end()
        assert (status, err) == (0, "")

    def test_a_pipe_that_ends_within_a_frame_is_damaged(self) -> None:
        with Follower("-", *KEYS, *JSONL) as follower:
            follower.write(ROTATION[:-3])
            assert follower.process.stdin is not None
            follower.process.stdin.close()
            follower.process.stdin = None
            status, lines, _ = follower.end()
        findings = [json.loads(line) for line in lines if '"type": "finding"' in line]
        assert "capture-damaged" in [finding["ident"] for finding in findings]
        assert status == 4

    def test_a_reader_that_goes_away_is_noticed_though_nothing_comes(self) -> None:
        with Follower("-", *KEYS) as follower:
            follower.write(ROTATION[: end_of(ROTATION, 3)])
            follower.line()
            assert follower.process.stdout is not None
            follower.process.stdout.close()
            follower.process.stdout = None
            assert follower.process.wait(timeout=PATIENCE_SECONDS) == 141
            assert follower.process.stderr is not None
            assert follower.process.stderr.read() == b""

    def test_waiting_burns_nothing(self) -> None:
        with Follower("-", *KEYS) as follower:
            follower.write(ROTATION[: end_of(ROTATION, 20)])
            follower.line()
            follower.wait_until_idle()
            before = spent(follower.process.pid)
            time.sleep(1.0)
            assert spent(follower.process.pid) - before <= 1, "in hundredths of a second"

    def test_a_filter_chooses_what_is_told(self) -> None:
        run = subprocess.run(
            command(
                "verify",
                "-",
                "--follow",
                "--filter",
                "tcp.options.ao.keyid == 33",
                "--keys",
                SAMPLES / "inject.toml",
                *JSONL,
            ),
            input=INJECT,
            capture_output=True,
            env=environment(),
        )
        told = [json.loads(line) for line in run.stdout.splitlines()]
        assert [line["frame"] for line in told if line["type"] == "verdict"] == [18]
        assert told[-1]["totals"]["no_key"] == 1

    def test_json_is_one_report_at_the_end(self) -> None:
        with Follower("-", *KEYS, "--format", "json") as follower:
            follower.write(ROTATION[: end_of(ROTATION, 20)])
            follower.wait_until_idle()
            status, lines, _ = follower.interrupt()
        told = json.loads("\n".join(lines))
        assert (status, told["totals"]["frames"], told["interrupted"]) == (0, 20, False)

    def test_that_isns_are_not_searched_is_said_once(self) -> None:
        without_handshake = ROTATION[:HEADER] + ROTATION[end_of(ROTATION, 12) :]
        run = subprocess.run(
            command("verify", "-", "--follow", "--keys", SAMPLES / "rotation.toml"),
            input=without_handshake,
            capture_output=True,
            env=environment(),
        )
        assert run.stderr.decode().count("are not searched while following") == 1


def spent(pid: int) -> int:
    """Hundredths of a second of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """The first is taken while a report of many connections is made, the second while that goes on."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    slow, begun = tmp_path / "sitecustomize.py", tmp_path / "begun"
    slow.write_text(
        "import pathlib, time, aoinspect.report.model as model\n"
        f"model.connection_results = lambda analyzer: (pathlib.Path({str(begun)!r}).touch(), time.sleep(60))\n"
    )
    process = subprocess.Popen(
        command("verify", fifo, *KEYS, "--follow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"},
    )
    with open(fifo, "wb", buffering=0) as pipe:
        pipe.write(ROTATION[: end_of(ROTATION, 5)])
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        wait_until(begun.exists)
        time.sleep(ONE_SIGNAL_SECONDS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert err == b"aoinspect: interrupted\n"
    assert b"Traceback" not in out


class TestFiles:
    def test_a_file_that_grows_is_followed_and_half_a_frame_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        end = end_of(ROTATION, 11)
        with open(path, "wb", buffering=0) as file, Follower(path, *KEYS, *JSONL) as follower:
            file.write(ROTATION[:10])
            time.sleep(0.3)
            file.write(ROTATION[10 : end - 9])
            for _ in range(5):
                follower.object()
            time.sleep(0.3)
            file.write(ROTATION[end - 9 : end])
            assert follower.object()["frame"] == 11
            status, lines, err = follower.interrupt()
        summary = json.loads(lines[-1])
        assert (status, err, summary["captures"][0]["frames"], summary["captures"][0]["damage"]) == (0, "", 11, None)

    def test_a_file_is_followed_on_standard_input_too(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(ROTATION[: end_of(ROTATION, 10)])
        with open(path, "rb") as stdin, Follower("-", *KEYS, *JSONL, stdin=stdin) as follower:
            follower.object_of("verdict")
            with open(path, "ab") as file:
                file.write(ROTATION[end_of(ROTATION, 10) : end_of(ROTATION, 11)])
            while follower.object_of("transition")["frame"] != 11:
                pass
            assert follower.interrupt()[0] == 0

    def test_a_new_file_of_the_name_is_gone_on_with_and_its_connections_continue(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(ROTATION[: end_of(ROTATION, 10)])
        with Follower(path, "--keys", SAMPLES / "rotation.toml", *JSONL) as follower:
            follower.object_of("verdict")
            path.rename(tmp_path / "a.pcap.1")
            with open(tmp_path / "a.pcap.1", "ab") as file:
                file.write(ROTATION[end_of(ROTATION, 10) : end_of(ROTATION, 12)])
            (tmp_path / "new").write_bytes(ROTATION[:HEADER] + ROTATION[end_of(ROTATION, 12) :])
            (tmp_path / "new").rename(path)
            while "capture" not in (told := follower.object_of("transition")):
                pass
            follower.wait_until_idle()
            status, lines, err = follower.interrupt()
        assert (told["capture"], told["frame"], told["connection"]) == (1, 4, 0)
        summary = json.loads(lines[-1])
        assert ([capture["frames"] for capture in summary["captures"]], summary["totals"]["verified"]) == ([12, 50], 60)
        assert (status, summary["connections"]) == (0, 1)
        assert f"{path}: another file has its name: going on with what is there now" in err

    def test_a_truncated_file_is_read_from_its_start_again(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(ROTATION)
        with Follower(path, "--keys", SAMPLES / "rotation.toml", *JSONL) as follower:
            while follower.object_of("transition")["frame"] != 43:
                pass
            follower.wait_until_idle()
            os.truncate(path, 0)
            time.sleep(0.5)
            path.write_bytes(INJECT)
            while follower.object_of("verdict").get("capture") != 1:
                pass
            follower.wait_until_idle()
            _, lines, err = follower.interrupt()
        assert [capture["frames"] for capture in json.loads(lines[-1])["captures"]] == [62, 40]
        assert "it was truncated" in err

    def test_while_a_truncated_file_has_no_header_what_has_held_is_told(self, tmp_path: Path) -> None:
        """A finding that waits for what comes next, and then for a file that does not go on."""
        conversation = Conversation([Key()]).syn("a")
        keys = tmp_path / "keys.toml"
        keys.write_text(conversation.key_file())
        path = tmp_path / "a.pcap"
        path.write_bytes(conversation.to_pcap())
        with Follower(path, "--keys", keys, *JSONL) as follower:
            follower.object_of("verdict")
            os.truncate(path, 0)
            assert follower.object_of("finding")["ident"] == "syn-unanswered"

    def test_while_a_truncated_file_has_no_header_a_reader_that_goes_away_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(ROTATION)
        with Follower(path, "--keys", SAMPLES / "rotation.toml", *JSONL) as follower:
            follower.object_of("verdict")
            os.truncate(path, 0)
            assert follower.process.stderr is not None
            while b"it was truncated" not in follower.process.stderr.readline():
                pass
            follower.wait_until_idle()
            assert follower.process.stdout is not None
            follower.process.stdout.close()
            follower.process.stdout = None
            assert follower.process.wait(PATIENCE_SECONDS) == 141

    def test_a_name_that_gets_something_else_ends_it_with_a_summary(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(ROTATION)
        with Follower(path, *KEYS, *JSONL) as follower:
            follower.object_of("verdict")
            (tmp_path / "new").write_text("no capture, a note\n" * 9)
            (tmp_path / "new").rename(path)
            status, lines, _ = follower.end()
        first, second = json.loads(lines[-1])["captures"]
        assert (first["damage"], second["frames"], second["damage"]["offset"]) == (None, 0, 0)
        assert status == 3

    def test_a_file_that_is_not_there_is_told_at_once(self, tmp_path: Path) -> None:
        with Follower(tmp_path / "a.pcap") as follower:
            assert follower.end() == (3, [], f"aoinspect: {tmp_path}/a.pcap: there is no such file\n")


SEGMENTS = 3000


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="memory is read off /proc")
def test_three_times_the_frames_take_no_more_memory(tmp_path: Path) -> None:
    """One conversation's frames over and over: what is kept of replays, and for telling of them, is bounded."""
    conversation = Conversation().handshake()
    while len(conversation.segments) < SEGMENTS:
        conversation.data("a", 600).data("b", 600).ack("a")
    capture = conversation.to_pcap()
    keys = tmp_path / "keys.toml"
    keys.write_text(conversation.key_file())
    process = subprocess.Popen(
        command("verify", "-", "--follow", "--keys", keys, "-q", *JSONL),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    assert process.stdin is not None
    process.stdin.write(capture)
    in_use = []
    for copies in (40, 80):
        for _ in range(copies):
            process.stdin.write(capture[HEADER:])
        process.stdin.flush()
        in_use.append(resident(process.pid))
    process.stdin.close()
    assert process.wait(PATIENCE_SECONDS) == 0
    # A row of the table for each of the 240,000 would be 18,000. What comes in one batch, and so its size, is chance.
    assert in_use[1] < in_use[0] + 14_000


def resident(pid: int) -> int:
    """Kilobytes of memory in use."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])
