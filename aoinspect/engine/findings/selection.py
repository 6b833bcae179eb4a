"""Findings on key selection: what an end asked for by RNextKeyID, and what the other signed with."""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.engine.findings.model import Finding, Scene, Severity, seconds, times
from aoinspect.engine.observations import Kind
from aoinspect.engine.results import DIRECTIONS, KeyRun, KeyTransition
from aoinspect.engine.verdicts import Method

GRACE_NS = 1_000_000_000
"""Nanoseconds after a request in which segments under the old key may still be on their way."""


def rnext_not_followed(scene: Scene) -> Iterator[Finding]:
    """An end goes on signing with another key than the one it is asked to use, and that it has."""
    for direction in DIRECTIONS:
        asking = DIRECTIONS[1 - DIRECTIONS.index(direction)]
        for request, until_ns in _requests(scene.runs(asking, verified_only=True)):
            assert request.rnext_key_id is not None
            if scene.connection.is_covered and not scene.knows_key(direction, request.rnext_key_id):
                continue  # `unknown-rnext` tells that.
            current = _run_at(scene.runs(direction, verified_only=True), request)
            if current is None or current.key_id in (None, request.rnext_key_id):
                continue
            waited_ns = min(current.last_time_ns, until_ns) - request.first_time_ns
            if waited_ns <= GRACE_NS or _ends_with_syn_ack(scene, direction, current):
                continue
            followed = any(
                run.key_id == request.rnext_key_id and run.first_time_ns >= request.first_time_ns
                for run in scene.runs(direction, verified_only=True)
            )
            sender, receiver = scene.end(direction), scene.peer(direction)
            yield scene.finding(
                "rnext-not-followed",
                Severity.NOTE if followed else Severity.WARNING,
                request,
                message=f"{receiver.address} asks for KeyID {request.rnext_key_id}, and {sender.address} goes on "
                f"with {current.key_id}" + (f" for {seconds(waited_ns)}" if followed else ""),
                evidence=f"asked from frame {request.first_frame} on; KeyID {current.key_id} until frame "
                f"{current.last_frame}, {seconds(waited_ns)} later",
                remedy=f"check that {sender.address} has the key and may use it (send lifetime); a stack that "
                "ignores RNextKeyID breaks hitless key changes",
                reference="RFC 5925 7.5 (2e)",
            )


def _run_at(runs: list[KeyRun], request: KeyRun) -> KeyRun | None:
    """The AO run among `runs` (of the other direction) whose KeyID was in use when `request` began: the last of it."""
    begun = [run for run in runs if run.method is Method.AO and run.order < request.order]
    if not begun:
        return None
    current = begun[-1]
    for run in runs[runs.index(current) + 1 :]:
        if run.key_id != current.key_id:
            break
        current = run
    return current


def _ends_with_syn_ack(scene: Scene, direction: str, run: KeyRun) -> bool:
    """Whether the run's last segment is a SYN-ACK again: its retransmission keeps the ids of the first one."""
    return any(
        scene.direction_of(side) == direction and seen.last_frame == run.last_frame
        for side, seen in scene.analyzer.observations.of(scene.connection.index, Kind.SYN_ACK)
    )


def _requests(runs: list[KeyRun]) -> Iterator[tuple[KeyRun, int]]:
    """Each change of RNextKeyID: the run that begins it, and when the request ends."""
    ao_runs = [run for run in runs if run.method is Method.AO]
    position = 0
    while position < len(ao_runs):
        first = ao_runs[position]
        last = first
        while position < len(ao_runs) and ao_runs[position].rnext_key_id == first.rnext_key_id:
            last = ao_runs[position]
            position += 1
        following = ao_runs[position].first_time_ns if position < len(ao_runs) else None
        yield first, max(last.last_time_ns, following or 0) if following else 1 << 63


def _unprompted(scene: Scene) -> Iterator[tuple[KeyTransition, KeyRun, bool]]:
    """Key changes that nobody asked for, the run that they begin, and whether the old key was still asked for."""
    for transition in scene.connection.transitions:
        if transition.trigger != "unprompted" or transition.old is None:
            continue
        runs = scene.runs(transition.direction, verified_only=True)
        run = next((run for run in runs if run.order == transition.order), None)
        if run is None:
            continue  # A change that no MAC confirms is somebody else's doing.
        asking = DIRECTIONS[1 - DIRECTIONS.index(transition.direction)]
        asked = [request for request in scene.runs(asking, verified_only=True) if request.order < transition.order]
        still_asked = bool(asked) and asked[-1].rnext_key_id == transition.old
        comes_back = any(later.key_id == transition.old and later.order > transition.order for later in runs)
        yield transition, run, still_asked and not comes_back


def key_changed_unprompted(scene: Scene) -> Iterator[Finding]:
    """An end changes to a key that the other end did not ask for."""
    for transition, _, vanished in _unprompted(scene):
        if vanished:
            continue
        sender = scene.end(transition.direction)
        yield scene.finding(
            "key-changed-unprompted",
            Severity.WARNING,
            (transition.capture, transition.frame),
            message=f"{sender.address} changes from KeyID {transition.old} to {transition.new} without being asked",
            evidence=f"the RNextKeyID that {scene.peer(transition.direction).address} was sending is another",
            remedy="announce the new key by RNextKeyID first; a current key that is forced by hand is brought back "
            "by the next segment of the peer",
            reference="RFC 5925 7.4, 7.5 (2e)",
        )


def current_key_vanished(scene: Scene) -> Iterator[Finding]:
    """Segments under a key stop although the other end still asks for it, and never come back."""
    for transition, _, vanished in _unprompted(scene):
        if not vanished:
            continue
        sender, receiver = scene.end(transition.direction), scene.peer(transition.direction)
        yield scene.finding(
            "current-key-vanished",
            Severity.ERROR,
            (transition.capture, transition.frame),
            message=f"{sender.address} stops using KeyID {transition.old} while {receiver.address} still asks for it",
            evidence=f"KeyID {transition.new} from frame {transition.frame} on, and KeyID {transition.old} never again",
            remedy=f"do not remove a key from {sender.address} that a live connection is using: change over by "
            "RNextKeyID, then remove it",
            reference="RFC 5925 7.5 (2e), 6.1",
        )


def unknown_rnext(scene: Scene) -> Iterator[Finding]:
    """An end asks for a key that no MKT of the key file is."""
    if not scene.connection.is_covered:
        return
    told: set[tuple[str, int]] = set()
    for run in scene.connection.runs:
        if run.method is not Method.AO or run.rnext_key_id is None or not run.verified:
            continue
        asked = DIRECTIONS[1 - DIRECTIONS.index(run.direction)]
        if scene.knows_key(asked, run.rnext_key_id) or (run.direction, run.rnext_key_id) in told:
            continue
        told.add((run.direction, run.rnext_key_id))
        sender, receiver = scene.end(run.direction), scene.peer(run.direction)
        yield scene.finding(
            "unknown-rnext",
            Severity.WARNING,
            run,
            message=f"{sender.address} asks {receiver.address} for KeyID {run.rnext_key_id}, which no key of the key "
            "file has",
            evidence=f"RNextKeyID {run.rnext_key_id} in {times(run.segments, 'segment')}",
            remedy=f"give {receiver.address} a key with send-id {run.rnext_key_id}, or correct the receive id on "
            f"{sender.address}",
            reference="RFC 5925 7.5 (2e)",
        )


def rnext_unused(scene: Scene) -> Iterator[Finding]:
    """A key was asked for, and nothing was ever signed with it."""
    for direction in DIRECTIONS:
        asking = DIRECTIONS[1 - DIRECTIONS.index(direction)]
        used = {run.key_id for run in scene.runs(direction, verified_only=True)}
        told: set[int] = set()
        for request, until_ns in _requests(scene.runs(asking, verified_only=True)):
            key_id = request.rnext_key_id
            assert key_id is not None
            if key_id in used or key_id in told or not used:
                continue
            if scene.connection.is_covered and not scene.knows_key(direction, key_id):
                continue
            after = [
                run
                for run in scene.runs(direction, verified_only=True)
                if run.last_time_ns > request.first_time_ns + GRACE_NS and run.first_time_ns < until_ns
            ]
            if after:
                continue  # Segments came under another key: `rnext-not-followed`.
            told.add(key_id)
            yield scene.finding(
                "rnext-unused",
                Severity.NOTE,
                request,
                message=f"{scene.end(asking).address} asks for KeyID {key_id}, which {scene.end(direction).address} "
                "never used",
                evidence=f"no segment from {scene.end(direction).address} followed in time to tell whether it would",
                remedy="none needed if the connection ended; otherwise send something under the new key before the "
                "old one is removed",
                reference="RFC 5925 7.4",
            )
