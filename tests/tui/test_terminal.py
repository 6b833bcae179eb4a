"""The same in a real terminal, through tmux; skipped where there is none."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conversation import Conversation
from tests.tui.running import PROJECT_ROOT, SAMPLES
from tests.tui.test_walk import SAMPLE, wrong_keys

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
LAUNCH = f"cd {shlex.quote(str(PROJECT_ROOT))} && {shlex.quote(sys.executable)} -m aoinspect tui"


class Terminal:
    """A tmux session of its own server."""

    def __init__(self, command: str, size: tuple[int, int]) -> None:
        self._server = f"aoinspect-{uuid.uuid4().hex[:12]}"
        self._is_closed = False
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "sh")
        self.keys(f"{command}; echo status $?", "Enter")

    def _tmux(self, *arguments: str) -> str:
        run = subprocess.run(["tmux", "-L", self._server, *arguments], capture_output=True, text=True, check=True)
        return run.stdout

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", "--", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", "--", text)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def wait_for(self, words: str, seconds: float = 90) -> str:
        """The screen, once it has `words`."""
        return self.wait_until(lambda screen: words in screen, words, seconds)

    def wait_until(self, condition: Callable[[str], bool], what: str, seconds: float = 90) -> str:
        deadline = time.monotonic() + seconds
        while not condition(screen := self.screen()):
            assert time.monotonic() < deadline, f"{what!r} did not come:\n{screen}"
            time.sleep(0.1)
        return screen

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._tmux("kill-server")


@pytest.fixture
def start() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(arguments: str, *, before: str = "", size: tuple[int, int] = (100, 30)) -> Terminal:
        terminal = Terminal(f"{before}({LAUNCH} {arguments})", size)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def test_the_walk_in_a_real_terminal(start: Callable[..., Terminal], tmp_path: Path) -> None:
    capture = SAMPLES / f"{SAMPLE}.pcap"
    saved = tmp_path / "fixed.toml"
    terminal = start(f"-q {capture} --keys {wrong_keys(tmp_path)}")
    terminal.wait_for("mismatch ")
    terminal.wait_for("10.0.0.1")
    terminal.keys("f")
    terminal.wait_for("the captured MAC is not the one")
    terminal.keys("e")
    terminal.wait_for("H1")
    terminal.keys("A")
    terminal.wait_for("+2 verified")
    terminal.keys("s")
    terminal.wait_for("save what?")
    terminal.keys("k")
    terminal.wait_for(f"{SAMPLE}-keys.toml")
    terminal.keys("C-u")
    terminal.type(str(saved))
    terminal.wait_for(saved.name)
    terminal.keys("Enter")
    deadline = time.monotonic() + 90
    while not saved.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    terminal.keys("q")
    terminal.wait_for("status 0")


def test_a_pipe_leaves_the_terminal_to_the_keys(start: Callable[..., Terminal]) -> None:
    keys = SAMPLES / "rotation.toml"
    before = f"(cat {SAMPLES / 'rotation.pcap'}; sleep 30) | "
    terminal = start(f"-q - --keys {keys}", before=before)
    terminal.wait_for("60 verified")
    terminal.wait_for("following")
    terminal.keys("3")
    terminal.wait_for("the captured MAC is the one")
    terminal.keys("2")
    terminal.wait_for("A→B key")
    terminal.keys("q")
    terminal.wait_until(lambda screen: "A→B key" not in screen, "the end")


def test_a_broken_file_is_told_before_the_screen_is_taken(start: Callable[..., Terminal], tmp_path: Path) -> None:
    path = tmp_path / "broken.pcap"
    path.write_bytes(b"\xd4\xc3\xb2\xa1\x02")
    screen = start(str(path)).wait_for("status 3")
    assert "broken.pcap" in screen
    assert "Traceback" not in screen


def test_without_a_terminal_it_says_so() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "aoinspect", "tui", str(SAMPLES / "rotation.pcap")],
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "needs a terminal" in run.stderr


def test_forty_columns(start: Callable[..., Terminal]) -> None:
    terminal = start(f"-q {SAMPLES / 'inject.pcap'} --keys {SAMPLES / 'inject.toml'}", size=(40, 15))
    terminal.wait_for("18 verified")
    for key in "2345":
        terminal.keys(key)
    terminal.keys("q")
    assert "Traceback" not in terminal.wait_for("status 0")


def test_isns_are_searched_by_processes_of_their_own(start: Callable[..., Terminal], tmp_path: Path) -> None:
    talk = Conversation().established(client_octets=60, server_octets=40)
    talk.data("a", 100).data("b", 50).ack("a").data("a", 30)
    (tmp_path / "late.pcap").write_bytes(talk.to_pcap())
    (tmp_path / "keys.toml").write_text(talk.key_file(), encoding="utf-8")
    terminal = start(f"-q {tmp_path / 'late.pcap'} --keys {tmp_path / 'keys.toml'} --recover-isn 200000")
    terminal.wait_for("4 unverifiable")
    terminal.keys("r")
    terminal.wait_for("+4 verified")
    terminal.keys("q")
    terminal.wait_for("status 0")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_the_terminal_as_it_was_and_no_temporary_file(
    start: Callable[..., Terminal], tmp_path: Path, name: str
) -> None:
    spooled, number = tmp_path / "spooled", tmp_path / "number"
    spooled.mkdir()
    pipe = f"(cat {SAMPLES / 'rotation.pcap'}; exec sleep 300)"
    follow = f"exec {shlex.quote(sys.executable)} -m aoinspect tui -q -"
    own = f"export TMPDIR={spooled}; {pipe} | sh -c 'echo $$ >{number}; {follow}'; true "
    terminal = start("", before=f"cd {shlex.quote(str(PROJECT_ROOT))}; {own} || ")
    terminal.wait_for("following")
    assert len(list(spooled.iterdir())) == 1
    os.kill(int(number.read_text(encoding="utf-8")), getattr(signal, name))
    screen = terminal.wait_until(lambda screen: "following" not in screen, "the end")
    assert "Traceback" not in screen
    terminal.wait_until(lambda _: not list(spooled.iterdir()), "the end of the temporary file")


def test_a_terminal_that_goes_away_takes_the_program_along(start: Callable[..., Terminal], tmp_path: Path) -> None:
    """It sends SIGHUP and SIGCONT, here while the program is leaving already."""
    number = tmp_path / "number"
    program = f"exec {shlex.quote(sys.executable)} -m aoinspect tui -q {SAMPLES / 'rotation.pcap'}"
    own = f"sh -c 'echo $$ >{number}; {program}'; true "
    terminal = start("", before=f"cd {shlex.quote(str(PROJECT_ROOT))}; {own} || ")
    terminal.wait_for("62 packets")
    process = int(number.read_text(encoding="utf-8"))
    os.kill(process, signal.SIGTERM)
    terminal.close()
    deadline = time.monotonic() + 90
    while is_there(process):
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.1)


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def state_of(process: int) -> str:
    """As ps shows it: T is stopped."""
    run = subprocess.run(["ps", "-o", "state=", "-p", str(process)], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_a_program_that_was_stopped_takes_the_terminal_again(start: Callable[..., Terminal], tmp_path: Path) -> None:
    number = tmp_path / "number"
    program = f"exec {shlex.quote(sys.executable)} -m aoinspect tui -q {SAMPLES / 'rotation.pcap'}"
    terminal = start("", before=f"cd {shlex.quote(str(PROJECT_ROOT))}; sh -c 'echo $$ >{number}; {program}'; true || ")
    terminal.wait_for("62 packets")
    process = int(number.read_text(encoding="utf-8"))
    os.kill(process, signal.SIGSTOP)
    terminal.wait_until(lambda _: state_of(process) == "T", "the stop")
    # The terminal is still as the program had it, and hands on a return as what it is.
    terminal.keys("fg", "C-j")
    terminal.wait_until(lambda _: state_of(process) != "T", "the program")
    terminal.keys("3")
    terminal.wait_for("AO 1/101")
    terminal.keys("q")
    terminal.wait_until(lambda screen: "AO 1/101" not in screen, "the end")
