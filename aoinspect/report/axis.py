"""Where a segment lies on the timeline, and which part of the timeline is looked at: positions, windows, cells, ticks.

A position is a whole number: nanoseconds since 1970, or a frame's number counted over all captures of the run. A window
is a range of positions, and cells are what a face divides a window into: the columns of a terminal, for one. All of it
is whole numbers, so that every position of a window has a cell at any zoom.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_NS = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}
_SECOND = 10**9
_LONG_STEPS = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between ticks where powers of ten are no round times any more."""


class AxisUnit(Enum):
    """What the axis counts."""

    TIME = "time"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Window:
    """A range of positions, both ends in it."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def cells(self, start: int, end: int, count: int) -> range:
        """Which of `count` cells the positions from `start` to `end` touch; empty where they lie outside.

        Inside the window it is at least one cell, however far the window reaches.
        """
        start, end = max(start, self.first), min(end, self.last)
        if start > end:
            return range(0)
        first = (start - self.first) * count // self.size
        last = ((end + 1 - self.first) * count - 1) // self.size
        return range(first, last + 1)

    def position(self, cell: int, count: int) -> int:
        """The first position in `cell` of `count`."""
        return self.first + -(-cell * self.size // count)

    def zoomed(self, factor: float, around: int, limits: Window) -> Window:
        """`factor` times as wide (below 1: closer), `around` staying where it is, never wider than `limits`."""
        size = min(max(1, round(self.size * factor)), limits.size)
        share = (around - self.first) * size // self.size
        return Window(around - share, around - share + size - 1).within(limits)

    def panned(self, by: int, limits: Window) -> Window:
        """The same width, `by` positions on, stopping at the ends of `limits`."""
        return Window(self.first + by, self.last + by).within(limits)

    def within(self, limits: Window) -> Window:
        """Moved so that it lies in `limits`; all of `limits` where it is wider."""
        if self.size >= limits.size:
            return limits
        first = min(max(self.first, limits.first), limits.last - self.size + 1)
        return Window(first, first + self.size - 1)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on the axis."""

    position: int
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """All positions of one connection, and how they are counted."""

    unit: AxisUnit
    whole: Window
    origin_ns: int
    """Time of the connection's first segment, from which times are told."""
    frames_before: tuple[int, ...]
    """Frames in the captures before each one."""

    def place(self, capture: int, frame: int, time_ns: int) -> int:
        """The position of a segment."""
        return time_ns if self.unit is AxisUnit.TIME else self.frames_before[capture] + frame

    def ticks(self, window: Window, at_most: int) -> list[Tick]:
        """Up to `at_most` round positions in `window`, as far apart as that needs; at least one."""
        if self.unit is AxisUnit.FRAME:
            step = _round_step(window.size, at_most)
            positions = range(-(-window.first // step) * step, window.last + 1, step)
            return [Tick(position, str(position)) for position in positions] or [Tick(window.first, str(window.first))]
        step = _time_step(window.size, at_most)
        first = window.first - self.origin_ns
        reach = max(abs(first), abs(window.last - self.origin_ns))
        offsets = range(-(-first // step) * step, first + window.size, step)
        return [Tick(self.origin_ns + offset, time_label(offset, step, reach)) for offset in offsets] or [
            Tick(window.first, time_label(first, 1, reach))
        ]


def _round_step(size: int, at_most: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, … that gives no more than `at_most` ticks."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if size <= digit * power * at_most:
                return digit * power
        power *= 10


def _time_step(size_ns: int, at_most: int) -> int:
    if size_ns > 50 * _SECOND * at_most:
        for seconds in _LONG_STEPS:
            if size_ns <= seconds * _SECOND * at_most:
                return seconds * _SECOND
        return _round_step(-(-size_ns // (86400 * _SECOND)), at_most) * 86400 * _SECOND
    return _round_step(size_ns, at_most)


def time_label(offset_ns: int, step_ns: int, reach_ns: int) -> str:
    """A time on the axis: with as many digits as `step_ns` needs, in the unit that suits `reach_ns`.

    "0s", "2.5s", "250ms"; "1:30:00" from an hour on.
    """
    unit = next((unit for unit in ("s", "ms", "µs") if reach_ns >= _NS[unit]), "ns")
    digits = 0
    while _NS[unit] // 10**digits > 1 and step_ns % (_NS[unit] // 10**digits):
        digits += 1
    if reach_ns >= 3600 * _SECOND:
        minutes, rest_ns = divmod(abs(offset_ns), 60 * _SECOND)
        sign = "-" if offset_ns < 0 else ""
        seconds = _decimal(rest_ns, _SECOND, digits)
        return f"{sign}{minutes // 60}:{minutes % 60:02d}:{'0' if rest_ns < 10 * _SECOND else ''}{seconds}"
    return f"{_decimal(offset_ns, _NS[unit], digits)}{unit}"


def _decimal(amount: int, unit: int, digits: int) -> str:
    """`amount` / `unit` with `digits` behind the point, cut; exact where floating point would not be."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), unit)
    return f"{sign}{whole}" + (f".{rest * 10**digits // unit:0{digits}d}" if digits else "")


def duration_text(duration_ns: int) -> str:
    """A duration for a person, rounded to three digits: "0 ns", "312 µs", "103 ms", "2.86 s", "71.4 s", "2 h 5 min"."""
    if duration_ns >= 3600 * _SECOND:
        minutes = duration_ns // (60 * _SECOND)
        return f"{minutes // 60} h {minutes % 60} min"
    least = 10 ** max(0, len(str(duration_ns)) - 3)
    rounded = (duration_ns + least // 2) // least * least
    unit = next((unit for unit in ("s", "ms", "µs") if rounded >= _NS[unit]), "ns")
    digits = 0 if unit == "ns" else max(0, 3 - len(str(rounded // _NS[unit])))
    return f"{_decimal(rounded, _NS[unit], digits)} {unit}"
