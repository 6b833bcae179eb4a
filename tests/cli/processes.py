"""`aoinspect` as a process of its own: with pipes, signals and terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from aoinspect.cli import DEBUG_VARIABLE, KEYS_VARIABLE

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SAMPLES = PROJECT_ROOT / "samples" / "pcaps"
PATIENCE_SECONDS = 30.0

_CHANGES_OUTPUT = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", KEYS_VARIABLE, DEBUG_VARIABLE)


def environment(**changes: str) -> dict[str, str]:
    """The variables of a process: those here without what changes the output, and `changes`."""
    kept = {name: value for name, value in os.environ.items() if name not in _CHANGES_OUTPUT}
    return kept | {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONIOENCODING": "utf-8"} | changes


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "aoinspect", *map(str, arguments)]


def with_keys(name: str) -> tuple[str | Path, ...]:
    """Arguments that verify a sample with its keys."""
    return "verify", SAMPLES / f"{name}.pcap", "--keys", SAMPLES / f"{name}.toml"


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def octets_waiting(descriptor: int) -> int:
    """Octets in a pipe that nobody has read yet."""
    answer = bytearray(4)
    fcntl.ioctl(descriptor, termios.FIONREAD, answer)
    return int.from_bytes(answer, sys.byteorder)


def wait_until_idle(process: subprocess.Popen[bytes]) -> None:
    """Waits until the process waits for something itself, and has done so for a while."""
    statistics = Path(f"/proc/{process.pid}/stat")
    if not statistics.exists():
        time.sleep(3)
        return

    def is_idle() -> bool:
        before = statistics.read_text().rpartition(")")[2].split()
        time.sleep(0.3)
        after = statistics.read_text().rpartition(")")[2].split()
        # The state, and the clock ticks spent in and for the process.
        return before[0] == after[0] == "S" and before[11:13] == after[11:13]

    wait_until(is_idle)


class Terminal:
    """A pseudo-terminal for a process to write to."""

    def __init__(self, columns: int = 80) -> None:
        self._own, self.descriptor = pty.openpty()
        termios.tcsetwinsize(self.descriptor, (24, columns))
        self.shown = ""

    def read(self, process: subprocess.Popen[bytes]) -> str:
        """Everything that is shown until `process` has ended."""
        while True:
            has_ended = process.poll() is not None
            ready, _, _ = select.select([self._own], [], [], 0.05)
            if ready:
                self.shown += os.read(self._own, 1 << 16).decode()
            elif has_ended:
                return self.shown

    def close(self) -> None:
        os.close(self._own)
        os.close(self.descriptor)
