"""Every odd and malformed capture of public test suites goes through every command: lines and a documented status."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from aoinspect.capture import open_capture
from aoinspect.errors import CaptureError
from tests.engine.stories import EFFORT
from tests.reference.test_against_engine import FOR_ANYONE
from tests.report.running import Command, Run, command

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT_ROOT.parent / "shared" / "corpus"
CAPTURES = sorted(CORPUS.rglob("*.pcap*"))
STRIDE = max(1, 12 // EFFORT)
"""Every twelfth capture goes through a command; all through all with AOINSPECT_TEST_EFFORT=12."""
MOST_SECONDS = 5.0
"""Of processor time, for one command on one capture of at most some hundred kilobytes."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CORPUS.exists(), reason="odd captures are not beside the project"),
]


@pytest.fixture
def aoinspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `aoinspect` in this process."""
    return command(monkeypatch, capsys)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "anyone.toml"
    path.write_text(FOR_ANYONE, encoding="utf-8")
    path.chmod(0o600)
    return path


def first_packets(path: Path, count: int) -> list[int]:
    """Numbers of the first packets and of the last."""
    try:
        with open_capture(path) as reader:
            numbers = [batch.first_frame + index for batch in reader.batches() for index in range(len(batch))]
    except CaptureError:
        return [1]
    return list(dict.fromkeys([*numbers[:count], *numbers[-1:]])) or [1]


Arguments = Callable[[Path, Path, Path], Sequence[Sequence[str | Path]]]
"""(capture, key file, folder for output) -> the command lines to run."""

JUDGING = {0, 1, 2, 3, 4}
SHOWING = {0, 2, 3}
"""2: a frame that is not there, or something that cannot be signed; 3: nothing of the capture can be read."""

COMMANDS: dict[str, tuple[set[int], Arguments]] = {
    "verify": (JUDGING, lambda path, keys, out: [["verify", path], ["verify", path, "--keys", keys, "--all"]]),
    "verify-json": (JUDGING, lambda path, keys, out: [["verify", path, "--keys", keys, "--format", "json"]]),
    "verify-jsonl": (JUDGING, lambda path, keys, out: [["verify", path, "--keys", keys, "--format", "jsonl"]]),
    "verify-filter": (
        JUDGING,
        lambda path, keys, out: [["verify", path, "--keys", keys, "--filter", "tcp.stream == 0 and not tcp.port == 1"]],
    ),
    "timeline": (SHOWING, lambda path, keys, out: [["timeline", path, "--keys", keys]]),
    "timeline-html": (SHOWING, lambda path, keys, out: [["timeline", path, "--all", "--format", "html"]]),
    "show": (SHOWING, lambda path, keys, out: [["show", path], ["show", path, "--keys", keys, "--format", "jsonl"]]),
    "show-frame": (
        SHOWING,
        lambda path, keys, out: [["show", path, str(number), "--keys", keys] for number in first_packets(path, 1)],
    ),
    "show-frame-json": (SHOWING, lambda path, keys, out: [["show", path, "1", "--format", "json"]]),
    "explain": (SHOWING, lambda path, keys, out: [["explain", path, "--keys", keys]]),
    "explain-pair": (SHOWING, lambda path, keys, out: [["explain", path, path, "--keys", keys, "--format", "json"]]),
    "report": (SHOWING, lambda path, keys, out: [["report", path, "--keys", keys, "-o", out / "page.html"]]),
    "check": (JUDGING, lambda path, keys, out: [["check", path, "--keys", keys, "-j", "1"]]),
    "resign-strip": (SHOWING, lambda path, keys, out: [["resign", path, out / "stripped", "--strip", "--force"]]),
    "resign": (SHOWING, lambda path, keys, out: [["resign", path, out / "signed", "--keys", keys, "--add", "--force"]]),
    "annotate": (SHOWING, lambda path, keys, out: [["annotate", path, out / "told", "--keys", keys, "--force"]]),
    "traffic-keys": (
        SHOWING,
        lambda path, keys, out: [["keys", "traffic-keys", path, "--keys", keys, "-o", out / "log", "--all", "--force"]],
    ),
}


def assert_told(run: Run, allowed: set[int], what: object) -> None:
    """Lines and a status, never a traceback, never both a result and nothing."""
    assert run.status in allowed, (what, run)
    assert "Traceback" not in run.err, what
    assert "internal error" not in run.err, what
    if run.status in (2, 3):
        assert run.err.startswith("aoinspect: ") or run.out, (what, run)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_odd_capture_ends_in_lines_and_a_status(
    aoinspect: Command, keys: Path, tmp_path: Path, name: str
) -> None:
    allowed, arguments = COMMANDS[name]
    statuses: set[int] = set()
    share = list(COMMANDS).index(name) % STRIDE
    for path in CAPTURES[share::STRIDE]:
        for line in arguments(path, keys, tmp_path):
            began = time.process_time()
            run = aoinspect(*line)
            seconds = time.process_time() - began
            assert_told(run, allowed, (path.name, line))
            assert seconds < MOST_SECONDS, (path.name, line)
            statuses.add(run.status)
    assert statuses & {0, 1, 4}, "some of them can be read"
