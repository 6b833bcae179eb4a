"""`aoinspect verify … --follow` as a process, fed and listened to piece by piece."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.cli.processes import PATIENCE_SECONDS, command, environment, wait_until_idle

JsonObject = dict[str, object]


class Follower:
    """The process; a context manager that leaves none behind."""

    def __init__(self, *arguments: str | Path, stdin: int | IO[bytes] = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            command("verify", *arguments, "--follow"),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()

    def write(self, octets: bytes) -> None:
        """Into its standard input."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), octets)

    def line(self) -> str:
        """The next line of stdout, once it is whole."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no line came, but {self._unread!r}"
            octets = os.read(self.process.stdout.fileno(), 1 << 16)
            assert octets, f"stdout has ended behind {self._unread!r}: {self.process.communicate()[1]!r}"
            self._unread += octets
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def object(self) -> JsonObject:
        """The next line as JSON."""
        told = json.loads(self.line())
        assert isinstance(told, dict)
        return told

    def object_of(self, kind: str) -> JsonObject:
        """The next object of this type."""
        while (told := self.object())["type"] != kind:
            pass
        return told

    def wait_until_idle(self) -> None:
        """Until everything that came is told and the process waits."""
        wait_until_idle(self.process)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> tuple[int, list[str], str]:
        """Status, the lines of stdout that were not read before, and stderr, after a signal."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, list[str], str]:
        """The same, when it ends by itself."""
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, (self._unread + out).decode().splitlines(), err.decode()
