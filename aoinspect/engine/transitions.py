"""What prompted each change of KeyID: key runs of one connection -> key transitions.

The ids of both directions are laid side by side. A change of KeyID is prompted by an RNextKeyID that the other end sent
(RFC 5925 7.5 (2e)), and such a request passes every capture point before what it prompts. Without a request two things
look alike, a sender that goes back to an older key and the network that delivers late what was sent before the change
("backing up", RFC 5925 6.1). They are told apart by what a late segment cannot hide:

* a sender's acknowledgements never go back: a segment that acknowledges less than the one before it was sent earlier;
* what was sent before the change lies below everything that the direction had reached, and a sender that goes back
  goes on with new octets;
* where the request for the older key was overtaken by the one for the newer, the sender follows both as they arrive,
  and goes back within the time of one hand-over.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from aoinspect.engine.verdicts import Method

DIRECTIONS = ("a>b", "b>a")

Moment = int
"""Where a segment stands among all of a run, which may be of several captures."""

FIRST = "first"
PEER_RNEXT = "peer-rnext"
REORDERING = "reordering"
UNPROMPTED = "unprompted"

OVERTAKEN_AT_MOST_NS = 500_000_000
"""An older request arrives no later than this after the newer one that overtook it."""


@dataclass(frozen=True, slots=True)
class KeyRun:
    """A stretch of one direction's signed segments under the same KeyID, RNextKeyID and MKT."""

    direction: str
    method: Method
    key_id: int | None
    """None for TCP-MD5."""
    rnext_key_id: int | None
    mkt: str | None
    """Name of the MKT that verified it; None where none did."""
    order: Moment
    first_capture: int
    first_frame: int
    last_capture: int
    last_frame: int
    first_time_ns: int
    last_time_ns: int
    segments: int
    verdicts: dict[str, int]
    tcp_options: str
    """`include`, `exclude`, `undetermined`, or `both`."""
    mkt_index: int | None
    """Index of that MKT among the key file's different ones."""
    starts_behind: bool
    """Its first segment lies below the highest position that the direction had reached."""
    is_behind: bool = False
    """All of its segments do."""
    starts_with_older_ack: bool = False
    """Its first segment acknowledges less than the segment before it in this direction."""

    @property
    def verified(self) -> int:
        return self.verdicts["verified"]

    @property
    def start(self) -> tuple[int, int]:
        """Capture and frame of its first segment."""
        return self.first_capture, self.first_frame


@dataclass(frozen=True, slots=True)
class KeyTransition:
    """A change of KeyID or RNextKeyID in one direction."""

    order: Moment
    capture: int
    frame: int
    time_ns: int
    direction: str
    field: str
    """`key_id` or `rnext_key_id`."""
    old: int | None
    """None for a direction's first KeyID."""
    new: int
    trigger: str | None
    """`first`, `peer-rnext` (the other end had asked for it), `reordering`, `unprompted`; None for an RNextKeyID."""
    latency_ns: int | None = None
    """From the first segment that asked for the key to the first under it, or from where the sender had left the key
    while it was asked for; None without a request."""


def transitions_of(runs: tuple[KeyRun, ...]) -> tuple[KeyTransition, ...]:
    """The changes of KeyID and RNextKeyID between the AO runs of each direction, in capture order."""
    by_direction = {
        direction: sorted(
            (run for run in runs if run.direction == direction and run.method is Method.AO),
            key=lambda run: run.order,
        )
        for direction in DIRECTIONS
    }
    transitions = []
    for direction, own_runs in by_direction.items():
        sender = _Sender(own_runs, _Requests(by_direction[DIRECTIONS[1 - DIRECTIONS.index(direction)]]))
        before: KeyRun | None = None
        for run in own_runs:
            assert run.key_id is not None
            assert run.rnext_key_id is not None
            trigger, latency_ns = sender.follow(run)
            if before is None or before.key_id != run.key_id:
                old = None if before is None else before.key_id
                transitions.append(_transition(run, "key_id", old, run.key_id, trigger, latency_ns))
            if before is not None and before.rnext_key_id != run.rnext_key_id:
                transitions.append(_transition(run, "rnext_key_id", before.rnext_key_id, run.rnext_key_id, None, None))
            before = run
    return tuple(sorted(transitions, key=lambda transition: transition.order))


def _transition(
    run: KeyRun, field: str, old: int | None, new: int, trigger: str | None, latency_ns: int | None
) -> KeyTransition:
    return KeyTransition(
        run.order,
        run.first_capture,
        run.first_frame,
        run.first_time_ns,
        run.direction,
        field,
        old,
        new,
        trigger,
        latency_ns,
    )


class _Sender:
    """Which key one end is on, followed over its runs in capture order.

    A run that came late, or that nothing verifies while others are verified, does not tell what the sender is on.
    """

    def __init__(self, runs: list[KeyRun], requests: _Requests) -> None:
        self._requests = requests
        self._has_verified = any(run.verified for run in runs)
        self._previous: tuple[int | None, str] = (None, FIRST)
        """KeyID and trigger of the run before, in capture order."""
        self._key_id: int | None = None
        """What the sender is on."""
        self._since: Moment = 0
        self._since_ns = 0
        self._older_key_id: int | None = None
        """What it was on before."""
        self._latency_ns: int | None = None
        """Of the change to the key that the sender is on, if that was asked for."""
        self._left_ns: dict[int, int] = {}
        """KeyID -> when the sender last went from it to another."""

    def follow(self, run: KeyRun) -> tuple[str, int | None]:
        """What prompted the KeyID of `run`, the direction's next, and how long after the request it came."""
        assert run.key_id is not None
        if run.key_id == self._previous[0]:
            # Only the RNextKeyID or the MKT is another.
            return self._previous[1], None
        trigger, latency_ns = self._trigger(run, run.key_id)
        self._previous = (run.key_id, trigger)
        return trigger, latency_ns

    def _trigger(self, run: KeyRun, key_id: int) -> tuple[str, int | None]:
        if self._key_id is None:
            self._go_to(run, key_id, None)
            return FIRST, None
        requested_ns = self._requests.since(key_id, self._since, run.order)
        if key_id == self._key_id:
            # Back to what the sender never left: behind late segments, or behind a stranger's.
            if self._previous[1] == REORDERING:
                return REORDERING, None
            return (UNPROMPTED if requested_ns is None else PEER_RNEXT), None
        is_known = key_id in self._left_ns
        if is_known and run.starts_with_older_ack:
            return REORDERING, None
        if requested_ns is not None:
            latency_ns = max(0, run.first_time_ns - max(requested_ns, self._left_ns.get(key_id, requested_ns)))
            self._go_to(run, key_id, latency_ns)
            return PEER_RNEXT, latency_ns
        if self._has_verified and not run.verified:
            return UNPROMPTED, None
        if is_known and (run.is_behind or self._is_overtaken_request(run, key_id)):
            return REORDERING, None
        self._go_to(run, key_id, None)
        return UNPROMPTED, None

    def _is_overtaken_request(self, run: KeyRun, key_id: int) -> bool:
        """Whether the sender goes back right behind a hand-over, as an older request that came late makes it do."""
        if self._latency_ns is None or key_id != self._older_key_id:
            return False
        if not self._requests.has_asked(key_id, self._since):
            return False
        return run.first_time_ns - self._since_ns <= min(self._latency_ns, OVERTAKEN_AT_MOST_NS)

    def _go_to(self, run: KeyRun, key_id: int, latency_ns: int | None) -> None:
        if self._key_id is not None:
            self._left_ns[self._key_id] = run.first_time_ns
        self._older_key_id, self._key_id = self._key_id, key_id
        self._since, self._since_ns = run.order, run.first_time_ns
        self._latency_ns = latency_ns


class _Requests:
    """What one end asked the other to sign with, over time: its RNextKeyIDs, from verified runs where there are any."""

    def __init__(self, runs: list[KeyRun]) -> None:
        trusted = [run for run in runs if run.verified] or runs
        # A late segment asks for nothing that its sender still wants.
        self._runs: list[KeyRun] = []
        for run in trusted:
            is_late = run.starts_with_older_ack and run.is_behind
            if not is_late and not (self._runs and self._runs[-1].rnext_key_id == run.rnext_key_id):
                self._runs.append(run)
        self._starts = [run.order for run in self._runs]

    def has_asked(self, key_id: int, before: Moment) -> bool:
        """Whether the end ever asked for `key_id` before a moment."""
        return any(run.rnext_key_id == key_id for run in self._runs[: bisect_left(self._starts, before)])

    def since(self, key_id: int, after: Moment, before: Moment) -> int | None:
        """When the end began to ask for `key_id`, in ns since 1970, if it did so at any time between two moments."""
        position = bisect_left(self._starts, before) - 1
        while position >= 0:
            if self._runs[position].rnext_key_id == key_id:
                return self._runs[position].first_time_ns
            if self._starts[position] <= after:
                return None
            position -= 1
        return None
