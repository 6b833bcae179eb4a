"""The terminal interface on a large capture, as somebody at a terminal has it: when it is there, how soon keys answer.

    python benchmarks/tui.py [--segments 10000000] [--directory DIR]
    python benchmarks/tui.py --capture FILE --keys FILE

It runs `aoinspect tui` on a pseudo-terminal of 120 by 40, presses keys while the capture is read and afterwards, and
takes the time from a key's octets to the lines that it changes coming back. Without --capture it makes one of
`make_captures.py`'s BGP profile (about 210 octets a segment), and removes it again.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import resource
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from make_captures import PROFILES, make_capture
from processes import MAXRSS_OCTETS

COLUMNS, ROWS = 120, 40
LIST_ROWS = range(2, 19)
"""Rows of the packet list; the status line is below, and a column at the right is the scrollbar's."""
PLACED = re.compile(rb"\x1b\[(\d+);(\d+)H")
PAGE_DOWN = b"\x1b[6~"
PATIENCE_SECONDS = 900


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self.started = time.perf_counter()
        self._process, self._descriptor = pty.fork()
        if not self._process:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(command[0], command)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.octets = 0
        """Octets that the program has written so far."""
        self.last = b""
        """Those that it wrote since the last key."""
        self.awaited = b""
        self.has_come = False
        """Whether the awaited words have been written, at whatever time."""

    def wait(self, condition: Callable[[bytes], bool], seconds: float = PATIENCE_SECONDS) -> bool:
        """Reads until what came since the last key fulfils a condition; whether it did."""
        deadline = time.perf_counter() + seconds
        while not condition(self.last):
            left = deadline - time.perf_counter()
            if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
                return False
            try:
                came = os.read(self._descriptor, 1 << 16)
            except OSError:
                return False  # It has ended.
            self.octets += len(came)
            self.last += came
            self.has_come |= bool(self.awaited) and self.awaited in self.last[-len(came) - len(self.awaited) :]
        return True

    def rest(self, seconds: float) -> None:
        """Reads what comes for a while."""
        self.wait(lambda _: False, seconds)

    def answer_time(self, key: bytes, condition: Callable[[bytes], bool]) -> float | None:
        """Seconds until what a key does is seen."""
        self.last = b""
        pressed = time.perf_counter()
        os.write(self._descriptor, key)
        return time.perf_counter() - pressed if self.wait(condition, 30) else None

    def close(self) -> resource.struct_rusage:
        """Ends the program; what it used."""
        os.write(self._descriptor, b"q")
        self.rest(2)
        usage = os.wait4(self._process, 0)[2]
        os.close(self._descriptor)
        return usage


def has_list_lines(octets: bytes) -> bool:
    """Whether lines of the packet list were drawn."""
    return any(int(row) in LIST_ROWS and int(column) < COLUMNS - 1 for row, column in PLACED.findall(octets))


def has_words(words: bytes) -> Callable[[bytes], bool]:
    return lambda octets: words in octets


PROBES: tuple[tuple[str, bytes, Callable[[bytes], bool]], ...] = (
    *((("line down", b"j", has_list_lines),) * 6),
    ("page down", PAGE_DOWN, has_list_lines),
    ("last packet", b"G", has_list_lines),
    ("first packet", b"g", has_list_lines),
    ("timeline view", b"2", has_words(b"window ")),
    ("packets view", b"3", has_words(b"verdict")),
)
"""What is pressed in the packets view, in turn, and how it is known that it was done."""


def press_all(terminal: Terminal, taken: dict[str, list[float]]) -> None:
    """Presses every probe's key once."""
    for name, key, condition in PROBES:
        seconds = terminal.answer_time(key, condition)
        if seconds is not None:
            taken.setdefault(name, []).append(seconds)
        terminal.rest(0.15)


def measure(capture: str, keys: str, segments: int) -> None:
    """Opens, presses, prints a table in Markdown."""
    terminal = Terminal([sys.executable, "-m", "aoinspect", "tui", "-q", capture, "--keys", keys])
    terminal.awaited = f"{segments} packets of".encode()
    rows: list[tuple[str, str]] = []
    terminal.wait(has_words(b"Connections"))
    rows.append(("first screen, from the command on", f"{time.perf_counter() - terminal.started:.2f} s"))
    terminal.wait(lambda octets: b"packets of" in octets and b" 0 packets of" not in octets)
    rows.append(("first packets", f"{time.perf_counter() - terminal.started:.2f} s"))
    terminal.answer_time(b"3", has_words(b"verdict"))
    while_reading: dict[str, list[float]] = {}
    while not terminal.has_come and time.perf_counter() - terminal.started < PATIENCE_SECONDS:
        press_all(terminal, while_reading)
        terminal.wait(lambda _: terminal.has_come, 1.5)
    rows.append(("all read and checked", f"{time.perf_counter() - terminal.started:.0f} s"))
    rows += list(_told("while reading: ", while_reading))
    terminal.rest(3)
    afterwards: dict[str, list[float]] = {}
    for _ in range(5):
        press_all(terminal, afterwards)
    rows += list(_told("afterwards: ", afterwards))
    before = terminal.octets
    terminal.rest(3)
    rows.append(("octets sent in 3 s without a key", str(terminal.octets - before)))
    peak = terminal.close().ru_maxrss * MAXRSS_OCTETS
    rows.append(("peak memory", f"{peak / 1e6:.0f} MB, {peak / segments:.0f} octets a segment"))
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg()[:2])
    print(f"\n{segments:,} segments, {os.cpu_count()} processors, load {load}\n\n| | |\n|---|---|")
    for label, value in rows:
        print(f"| {label} | {value} |")


def _told(lead: str, taken: dict[str, list[float]]) -> Iterator[tuple[str, str]]:
    everything = sorted(seconds for those in taken.values() for seconds in those)
    for name, those in {**taken, "all keys": everything}.items():
        ordered = sorted(those)
        if ordered:
            middle, late = ordered[len(ordered) // 2], ordered[int((len(ordered) - 1) * 0.95)]
            words = f"{middle * 1e3:.0f} ms, 19 of 20 within {late * 1e3:.0f} ms, slowest {ordered[-1] * 1e3:.0f} ms"
            yield f"{lead}{name} ({len(ordered)})", words


@contextmanager
def made(segments: int, directory: str | None) -> Iterator[tuple[str, str]]:
    """A capture of so many segments and its keys, for as long as they are needed."""
    profile = PROFILES[0]
    with tempfile.TemporaryDirectory(prefix="aoinspect-", dir=directory) as folder:
        capture = make_capture(profile, Path(folder), segments / profile.segments, seed=1)
        yield str(capture.capture), str(capture.toml_keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=10_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--directory", help="where the capture is made (default: that of temporary files)")
    parser.add_argument("--capture", help="this one, which has --segments packets, and not one that is made")
    parser.add_argument("--keys", help="its key file")
    options = parser.parse_args()
    if options.capture:
        measure(options.capture, options.keys, options.segments)
    else:
        with made(options.segments, options.directory) as (capture, keys):
            measure(capture, keys, options.segments)


if __name__ == "__main__":
    main()
