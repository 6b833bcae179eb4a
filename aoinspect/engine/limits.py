"""How much a run keeps at most, so that no capture makes it grow without end.

What is over a limit is counted, told (`limit-reached`), and not looked at further; the limits are options of the
command line. Captures of the field do not reach them: a route reflector has a few thousand sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

CONNECTIONS = 100_000
"""Socket pairs, and connections, that are followed; each takes some 2.5 KB."""
KEY_RUNS = 4_096
"""Key runs of one direction of a connection; each takes some 200 octets, and 1 KB in the Report."""
KEY_RUNS_PER_RUN = 64
"""So many times `KEY_RUNS` are kept over all connections."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run."""

    connections: int = CONNECTIONS
    key_runs: int = KEY_RUNS

    @property
    def all_key_runs(self) -> int:
        """Key runs of all connections together."""
        return self.key_runs * KEY_RUNS_PER_RUN


@dataclass(slots=True)
class Excess:
    """What was over a limit; counts."""

    untracked_segments: int = 0
    """Segments of socket pairs that would be protected and are not followed."""
    first_untracked: tuple[int, int] | None = None
    """Capture and frame of the first."""
    shared_connections: int = 0
    """Handshakes that opened no connection of their own: their segments count for an earlier one of the pair."""
    folded_runs: int = 0
    """Key runs that were counted into the run before them."""

    def __bool__(self) -> bool:
        return bool(self.untracked_segments or self.shared_connections or self.folded_runs)
