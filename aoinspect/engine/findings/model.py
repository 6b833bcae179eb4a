"""What a finding is, and what the functions that make findings are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from aoinspect.engine.key_plan import KeyPlan
from aoinspect.engine.observations import Occurrences
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, EndResult, KeyRun


class Severity(Enum):
    """How much a finding matters, worst first."""

    ERROR = "error"
    """Authentication fails, or a segment is dropped."""
    WARNING = "warning"
    """Nothing fails yet, or what was seen breaks a rule."""
    NOTE = "note"
    """Worth knowing."""


class Policy(Enum):
    """Whose expectations of key selection apply. The MAC verdicts never depend on it."""

    RFC = "rfc"
    """RFC 5925 to the letter: the peer's RNextKeyID must be respected (7.5), the current key must not vanish."""
    LINUX = "linux"
    """The same, and what Linux's own behaviour adds."""
    OBSERVE = "observe"
    """None: keys that change as they like, as with key lifetimes kept in the kernel."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `connection` and `frame` are None where it concerns the whole run."""

    ident: str
    severity: Severity
    connection: int | None
    capture: int | None
    frame: int | None
    message: str
    evidence: str
    remedy: str
    reference: str


class Scene:
    """One connection, with what a finder may ask of it. Made once per connection and asked by every finder."""

    __slots__ = ("_has_verified", "_runs", "a_side", "analyzer", "connection")

    def __init__(self, analyzer: Analyzer, connection: ConnectionResult, a_side: int | None = None) -> None:
        self.analyzer = analyzer
        self.connection = connection
        self.a_side = analyzer.connections.a_side(connection.index) if a_side is None else a_side
        """The side of the socket pair that is the Report's `a`."""
        self._runs: dict[tuple[str, bool], list[KeyRun]] = {}
        self._has_verified = bool(connection.verdicts["verified"])

    def end(self, direction: str) -> EndResult:
        """The end that sends in `direction`."""
        return self.connection.a if direction == DIRECTIONS[0] else self.connection.b

    def peer(self, direction: str) -> EndResult:
        """The end that receives in `direction`."""
        return self.connection.b if direction == DIRECTIONS[0] else self.connection.a

    def direction_of(self, side: int) -> str:
        """The direction in which `side` of the socket pair sends."""
        return DIRECTIONS[side ^ self.a_side]

    def side_of(self, direction: str) -> int:
        return DIRECTIONS.index(direction) ^ self.a_side

    def runs(self, direction: str, *, verified_only: bool = False) -> list[KeyRun]:
        """The key runs of `direction`, in capture order; not to be changed.

        `verified_only` leaves out runs in which nothing verified, where the connection has anything that did.
        """
        key = (direction, verified_only and self._has_verified)
        known = self._runs.get(key)
        if known is None:
            known = self._runs[key] = [
                run for run in self.connection.runs if run.direction == direction and (run.verified or not key[1])
            ]
        return known

    def plans(self, direction: str) -> tuple[KeyPlan, ...]:
        """What the key files' lifetimes plan for `direction`: the sender's plan, then the receiver's."""
        return tuple(plan for of_plan, plan in self.connection.plans if of_plan == direction)

    def knows_key(self, direction: str, key_id: int) -> bool:
        """Whether the end that sends in `direction` has a key with this KeyID, by its own keys where they are known."""
        keys = self.analyzer.pairs.keys[int(self.analyzer.connections.pairs[self.connection.index])]
        if keys is None:
            return False
        side = self.side_of(direction)
        own = keys.send_ids.get(side)
        return key_id in own if own is not None else bool(keys.lists.get((side, key_id)))

    def finding(
        self,
        ident: str,
        severity: Severity,
        place: tuple[int, int] | Occurrences | KeyRun,
        *,
        message: str,
        evidence: str,
        remedy: str,
        reference: str,
    ) -> Finding:
        """A finding on this connection at `place` (capture and frame)."""
        if isinstance(place, tuple):
            capture, frame = place
        else:
            capture, frame = place.first_capture, place.first_frame
        return Finding(ident, severity, self.connection.id, capture, frame, message, evidence, remedy, reference)


ConnectionFinder = Callable[[Scene], Iterator[Finding]]
RunFinder = Callable[[Analyzer, list[ConnectionResult]], Iterator[Finding]]


def times(count: int, thing: str) -> str:
    """ "1 segment", "3 segments"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def frames_of(seen: Occurrences | KeyRun) -> str:
    """ "frame 4", "frames 4 to 8"."""
    if (seen.first_capture, seen.first_frame) == (seen.last_capture, seen.last_frame):
        return f"frame {seen.first_frame}"
    return f"frames {seen.first_frame} to {seen.last_frame}"


def seconds(duration_ns: int) -> str:
    """A duration as a person reads it: "0.267 ms", "12.4 s"."""
    if duration_ns < 1_000_000_000:
        return f"{duration_ns / 1_000_000:.3f} ms"
    return f"{duration_ns / 1_000_000_000:.1f} s"


def interval(duration_ns: int) -> str:
    """A long duration as a person reads it, rounded: "12.4 s", "3 min 20 s", "2 h", "5 days 3 h"."""
    if duration_ns < 60_000_000_000:
        return seconds(duration_ns)
    whole = duration_ns // 1_000_000_000
    small, size, names = next(step for step in _STEPS if whole >= step[1])
    count, rest = divmod((whole + small // 2) // small, size // small)
    large, little = (times(count, "day") if names[0] == "day" else f"{count} {names[0]}"), f"{rest} {names[1]}"
    return f"{large} {little}" if rest else large


_STEPS = ((3_600, 86_400, ("day", "h")), (60, 3_600, ("h", "min")), (1, 60, ("min", "s")))
"""Seconds of the smaller and of the larger unit, and what they are called."""
