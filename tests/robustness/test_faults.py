"""What breaks under a run: disks, files, processes, memory. A line and a status come of it, or the same Report."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import aoinspect.engine.resign.resign as resigning
from aoinspect.capture import open_capture
from aoinspect.checks import running
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.recovery import recover_isns
from aoinspect.keys import load_keys
from aoinspect.report.model import build_report
from tests.cli.processes import SAMPLES, command, environment, wait_until_idle
from tests.recovery.test_recovery import analysed, keys_of, midway
from tests.report.running import Command
from tests.report.running import command as command_here

CAPTURE, KEYS = SAMPLES / "rotation.pcap", SAMPLES / "rotation.toml"
PATIENCE_SECONDS = 60


@pytest.fixture
def aoinspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command_here(monkeypatch, capsys)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture that may be broken."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(CAPTURE.read_bytes())
    return path


def offset_of(path: Path, share: float) -> int:
    """Where the record starts that has this share of the frames before it."""
    with open_capture(path) as reader:
        (batch,) = reader.batches()
    return int(batch.offsets[int(len(batch) * share)])


# Files that change.


class TestACaptureThatShrinksWhileItIsRead:
    def test_what_was_read_is_reported_with_the_damage(self, capture: Path) -> None:
        """The file is cut in the middle of a record when a part of it has been read."""
        large = capture.with_name("large.pcap")
        octets = capture.read_bytes()
        records = octets[24:]
        large.write_bytes(octets[:24] + records * 200)
        cut = 24 + 150 * len(records) + 11
        analyzer = Analyzer(load_keys([str(KEYS)]))
        with open_capture(large, batch_octets=1 << 16, batch_frames=100) as reader:
            taken = 0

            def shrink(_: object) -> None:
                nonlocal taken
                taken += 1
                if taken == 2:
                    os.truncate(large, cut)

            analyse([reader], analyzer, progress=shrink)
        report = build_report(analyzer)
        assert report.captures[0].damage is not None
        assert report.captures[0].frames < len(records) * 200
        assert report.exit_code in (1, 4)

    def test_cut_at_a_records_start_it_is_a_shorter_capture(self, capture: Path) -> None:
        at = offset_of(capture, 0.5)
        analyzer = Analyzer(load_keys([str(KEYS)]))
        with open_capture(capture, batch_octets=256, batch_frames=2) as reader:
            analyse([reader], analyzer, progress=lambda _: os.truncate(capture, at))
        assert analyzer.totals.verdicts[1:].sum() == 0

    @pytest.mark.parametrize("frame", ["1", "30"])
    def test_show_says_that_it_was_changed(
        self, aoinspect: Command, capture: Path, frame: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        between_passes(monkeypatch, lambda: os.truncate(capture, 30))
        run = aoinspect("show", capture, frame, "--keys", KEYS, "-q")
        assert (run.status, run.out) == (3, "")
        assert run.err.startswith(f"aoinspect: {capture}: ")

    @pytest.mark.parametrize("left", [0, 30, 1000])
    def test_resign_writes_nothing(
        self, aoinspect: Command, capture: Path, left: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        after_first_pass(monkeypatch, lambda: os.truncate(capture, left))
        out = capture.with_name("out.pcap")
        run = aoinspect("resign", capture, out, "--keys", KEYS, "--strip", "-q")
        assert run.status == 3, run
        assert run.err.count("\n") == 1
        assert sorted(path.name for path in capture.parent.iterdir()) == [capture.name]


class TestACaptureThatIsReplacedBetweenTwoPasses:
    """What one pass says of frames must not be applied to those of another file."""

    @pytest.mark.parametrize("is_in_place", [False, True])
    def test_resign_writes_nothing(
        self, aoinspect: Command, capture: Path, is_in_place: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        after_first_pass(monkeypatch, lambda: replace(capture, SAMPLES / "v4-sha1.pcap", is_in_place=is_in_place))
        run = aoinspect("resign", capture, capture.with_name("out.pcap"), "--keys", KEYS, "--strip", "-q")
        assert run.status == 3
        assert "was changed" in run.err
        assert sorted(path.name for path in capture.parent.iterdir()) == [capture.name]

    def test_show_shows_no_frame_of_the_other(
        self, aoinspect: Command, capture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Frame 1 is no TCP segment, so that the capture is read a second time for it."""
        between_passes(monkeypatch, lambda: replace(capture, SAMPLES / "v4-sha1.pcap", is_in_place=False))
        run = aoinspect("show", capture, "1")
        assert (run.status, run.out) == (3, "")
        assert "was changed" in run.err

    def test_a_capture_that_grows_is_none(self, aoinspect: Command, capture: Path, tmp_path: Path) -> None:
        octets = capture.read_bytes()
        capture.write_bytes(octets[: offset_of(capture, 0.5)])
        from aoinspect.engine.single_frame import CaptureSource, frame_of

        with CaptureSource(str(capture)) as source:
            first = [len(batch) for batch in source.open().batches()]
            capture.write_bytes(octets)
            assert frame_of(source, first[0] + 1).octets


def between_passes(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """`change` happens once `show` has read the capture through."""
    import aoinspect.engine.reading as reading

    read = reading.analyse

    def read_and_change(*arguments: Any, **options: Any) -> object:
        analyzer = read(*arguments, **options)
        change()
        return analyzer

    monkeypatch.setattr(reading, "analyse", read_and_change)


def after_first_pass(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """`change` happens when `resign` knows what to do and has written nothing yet."""
    plan_of = resigning.plan_of

    def plan_and_change(*arguments: Any) -> object:
        plan = plan_of(*arguments)
        change()
        return plan

    monkeypatch.setattr(resigning, "plan_of", plan_and_change)


def replace(path: Path, by: Path, *, is_in_place: bool) -> None:
    if is_in_place:
        path.write_bytes(by.read_bytes())
        os.utime(path, ns=(1, 1))
        return
    beside = path.with_name("beside")
    beside.write_bytes(by.read_bytes())
    beside.replace(path)


# Disks that are full.


def with_limit(kind: int, octets: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (octets, octets))


def run_limited(kind: int, octets: int, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(**variables),
        preexec_fn=with_limit(kind, octets),
        timeout=PATIENCE_SECONDS,
        check=False,
    )


OUTPUTS: dict[str, tuple[int, Callable[[Path], list[str | Path]]]] = {
    "resign": (3, lambda out: ["resign", CAPTURE, out, "--keys", KEYS, "--strip", "--force"]),
    "report": (2, lambda out: ["report", CAPTURE, "--keys", KEYS, "-o", out]),
    "timeline": (2, lambda out: ["timeline", CAPTURE, "--keys", KEYS, "--format", "svg", "-o", out]),
    "check": (2, lambda out: ["check", CAPTURE, "--keys", KEYS, "--output", f"json={out}", "-j", "1"]),
    "baseline": (2, lambda out: ["check", CAPTURE, "--keys", KEYS, "--baseline", out, "--update", "-j", "1"]),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_full_disk_costs_no_file_that_was_there(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands in for the disk."""
    status, arguments = OUTPUTS[name]
    out = tmp_path / "out"
    baseline = SAMPLES / "inject.baseline.json"
    out.write_bytes(baseline.read_bytes())
    before = out.read_bytes()
    run = run_limited(resource.RLIMIT_FSIZE, 700, *arguments(out))
    assert run.returncode in (status, 2), run
    assert "Traceback" not in run.stderr
    assert "File too large" in run.stderr + run.stdout
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "arguments",
    [("keys", "traffic-keys", CAPTURE, "--keys", KEYS), ("keys", "import", KEYS)],
    ids=["traffic-keys", "import"],
)
def test_a_full_disk_leaves_no_half_of_a_file_of_secrets(tmp_path: Path, arguments: tuple[str | Path, ...]) -> None:
    run = run_limited(resource.RLIMIT_FSIZE, 100, *arguments, "-o", tmp_path / "out")
    assert (run.returncode, "File too large" in run.stderr) == (2, True), run
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["report", "timeline", "check"])
def test_what_replaces_a_file_keeps_its_permissions_and_where_it_is_linked_from(
    aoinspect: Command, tmp_path: Path, name: str
) -> None:
    _, arguments = OUTPUTS[name]
    out, link = tmp_path / "out", tmp_path / "link"
    out.touch(0o640)
    out.chmod(0o640)
    link.symlink_to(out)
    assert aoinspect(*arguments(link)).status in (0, 1, 4)
    assert link.is_symlink()
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert out.stat().st_size > 100


def test_a_device_may_be_named_for_output(aoinspect: Command) -> None:
    assert aoinspect("timeline", CAPTURE, "--keys", KEYS, "--format", "svg", "-o", os.devnull, "-q").status == 0
    full = aoinspect("timeline", CAPTURE, "--keys", KEYS, "--format", "svg", "-o", "/dev/full", "-q")
    assert (full.status, full.err) == (2, "aoinspect: cannot write /dev/full: No space left on device\n")


def test_no_room_for_the_copy_of_a_pipe_is_one_line(tmp_path: Path) -> None:
    with CAPTURE.open("rb") as stdin:
        run = subprocess.run(
            command("show", "-", "1"),
            stdin=stdin,
            capture_output=True,
            text=True,
            env=environment(TMPDIR=str(tmp_path)),
            preexec_fn=with_limit(resource.RLIMIT_FSIZE, 500),
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert run.returncode == 3
    assert run.stderr == "aoinspect: -: it cannot be copied to a temporary file: File too large\n"


# Memory.


def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    """One frame of 100 MiB, as USB captures may have, in a sparse file."""
    path = tmp_path / "usb.pcap"
    length = 100 << 20
    header = bytes.fromhex("d4c3b2a1020004000000000000000000") + length.to_bytes(4, "little") + b"\xdc\0\0\0"
    record = bytes(8) + length.to_bytes(4, "little") * 2
    path.write_bytes(header + record)
    os.truncate(path, len(header) + len(record) + length)
    run = run_limited(resource.RLIMIT_AS, 250 << 20, "verify", path, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    assert (run.returncode, run.stdout) == (71, ""), run.stderr
    assert run.stderr == (
        "aoinspect: there is not enough memory for this; fewer or smaller captures at a time take less\n"
    )


def test_more_captures_of_one_time_than_files_may_be_open_get_one_line(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:02}.pcap" for number in range(40)]
    for path in paths:
        path.write_bytes(CAPTURE.read_bytes())
    run = run_limited(resource.RLIMIT_NOFILE, 30, "verify", *paths, "-q")
    assert (run.returncode, run.stdout) == (3, ""), run.stderr
    assert run.stderr.startswith(f"aoinspect: {tmp_path}/")
    assert run.stderr.endswith(
        ".pcap: too many files are open; allow more (ulimit -n), or name fewer captures of one time\n"
    )
    assert run.stderr.count("\n") == 1


# Pipes that never send.


@pytest.mark.parametrize("arguments", [("verify", "{}"), ("show", "{}", "1"), ("verify", str(CAPTURE), "--keys", "{}")])
@pytest.mark.parametrize("has_writer", [False, True])
def test_a_pipe_that_never_sends_can_be_interrupted(
    tmp_path: Path, arguments: tuple[str, ...], has_writer: bool
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR) if has_writer else None
    process = subprocess.Popen(
        command(*(argument.format(pipe) for argument in arguments)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    wait_until_idle(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    if writer is not None:
        os.close(writer)
    assert process.returncode == 130, (out, err)
    assert b"Traceback" not in err


# Processes that are killed.


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Killing(ProcessPoolExecutor):
    """A pool one of whose workers is killed when it has been given some work."""

    def __init__(self, after: int) -> None:
        super().__init__(1)
        self._left = after

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        self._left -= 1
        return super().submit(_die if self._left == 0 else function, *arguments, **options)


@pytest.mark.parametrize("after", [1, 3])
def test_a_search_for_isns_survives_its_workers(tmp_path: Path, after: int) -> None:
    conversation = midway(90, 110)
    store = keys_of(conversation.key_file(), tmp_path)
    expected = recover_isns(analysed(conversation.to_pcap(), store), 100_000)
    with _Killing(after) as executor:
        assert recover_isns(analysed(conversation.to_pcap(), store), 100_000, executor=executor) == expected
    assert len(expected.found) == 1


def test_a_search_that_gets_no_process_is_done_here(tmp_path: Path) -> None:
    class NoProcess(ProcessPoolExecutor):
        def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
            raise BlockingIOError(11, "Resource temporarily unavailable")

    conversation = midway(90, 110)
    store = keys_of(conversation.key_file(), tmp_path)
    with NoProcess(1) as executor:
        assert len(recover_isns(analysed(conversation.to_pcap(), store), 100_000, executor=executor).found) == 1


def _die_in_a_worker(job: Any) -> running.Results:
    if os.getpid() != _PARENT:
        time.sleep(0.05)
        _die()
    return running.run_job(job)


_PARENT = os.getpid()


def test_checks_whose_worker_is_killed_are_run_again(
    aoinspect: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("v4-sha1", "rotation", "wrong-key"):
        for suffix in (".pcap", ".toml", ".baseline.json"):
            (tmp_path / f"{name}{suffix}").write_bytes((SAMPLES / f"{name}{suffix}").read_bytes())
    alone = aoinspect("check", tmp_path, "-j", "1", "--format", "json", "-q")
    monkeypatch.setattr(running, "_run_beside_others", _die_in_a_worker)
    killed = aoinspect("check", tmp_path, "-j", "2", "--format", "json", "-q")
    assert killed.status == alone.status
    assert _without_times(json.loads(killed.out)) == _without_times(json.loads(alone.out))


def _without_times(told: object) -> object:
    if isinstance(told, dict):
        return {name: _without_times(value) for name, value in told.items() if name not in ("seconds", "started")}
    return [_without_times(one) for one in told] if isinstance(told, list) else told
