"""How a capture on standard input and a person at the terminal share one process.

Textual reads keys from descriptor 0. For `tui -` the pipe is there, so it is moved to another descriptor and the
terminal put in its place, before Textual starts.
"""

from __future__ import annotations

import os
import stat
import sys

from aoinspect.errors import CaptureError, UsageError

_NEED = "the terminal interface needs a terminal"


def move_pipe_aside() -> int:
    """The descriptor of what was standard input, which is the terminal from now on.

    UsageError where standard input is a terminal already, or there is none to take its place.
    """
    if os.isatty(0):
        raise UsageError("-: standard input is this terminal; pipe a capture into it (tcpdump -U -w - | ...)")
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError as error:
        raise UsageError(f"{_NEED}, and this process has none: {error.strerror}") from None
    pipe = os.dup(0)
    os.set_inheritable(pipe, False)
    os.dup2(terminal, 0)
    os.close(terminal)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    return pipe


def is_pipe(path: str) -> bool:
    """Whether `path` names a pipe, which cannot be read twice."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False  # Whoever opens it says what is wrong.


def open_pipe(path: str) -> int:
    """A descriptor of the pipe at `path`; waits for its writer. CaptureError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CaptureError(f"{path}: it cannot be opened: {error.strerror}") from None


def demand_terminal() -> None:
    """UsageError where keys cannot be read or nothing can be drawn."""
    if not os.isatty(0):
        raise UsageError(f"{_NEED} to read keys from; name a capture, or - to read it from a pipe")
    if not os.isatty(2) or not os.isatty(1):
        raise UsageError(f"{_NEED} to draw on; `aoinspect verify` and `show` write to files and pipes")
