"""What a finding is, and what the functions that make findings are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

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


@dataclass(frozen=True, slots=True)
class Scene:
    """One connection, with what a finder may ask of it."""

    analyzer: Analyzer
    connection: ConnectionResult

    def end(self, direction: str) -> EndResult:
        """The end that sends in `direction`."""
        return self.connection.a if direction == DIRECTIONS[0] else self.connection.b

    def peer(self, direction: str) -> EndResult:
        """The end that receives in `direction`."""
        return self.connection.b if direction == DIRECTIONS[0] else self.connection.a

    def direction_of(self, side: int) -> str:
        """The direction in which `side` of the socket pair sends."""
        return DIRECTIONS[side ^ self.a_side]

    @property
    def a_side(self) -> int:
        return int(self.analyzer.connections.a_sides()[self.connection.index])

    def side_of(self, direction: str) -> int:
        return DIRECTIONS.index(direction) ^ self.a_side

    def runs(self, direction: str, *, verified_only: bool = False) -> list[KeyRun]:
        """The key runs of `direction`, in capture order."""
        runs = [run for run in self.connection.runs if run.direction == direction]
        if verified_only and any(run.verified for run in self.connection.runs):
            runs = [run for run in runs if run.verified]
        return sorted(runs, key=lambda run: (run.first_capture, run.first_frame))

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


def seconds(duration_ns: int) -> str:
    """A duration as a person reads it: "0.267 ms", "12.4 s"."""
    if duration_ns < 1_000_000_000:
        return f"{duration_ns / 1_000_000:.3f} ms"
    return f"{duration_ns / 1_000_000_000:.1f} s"
