"""Hypotheses without any computation: facts that verdicts, key runs and findings hold already (H4, H17, H18, H25 to
H30).

A fact explains why a session does not come up or loses segments though no MAC is in doubt. Most are told by a finding;
here they stand beside the computed explanations, with the same parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aoinspect.engine.explain.case import Case, Subject
from aoinspect.engine.explain.company import Company
from aoinspect.engine.explain.model import Confidence, Explanation, Knob
from aoinspect.engine.explain.table import BY_IDENT
from aoinspect.engine.findings import lifetimes as lifetime_findings
from aoinspect.engine.findings import linux as linux_findings
from aoinspect.engine.findings import segments as segment_findings
from aoinspect.engine.findings import selection as selection_findings
from aoinspect.engine.findings.model import Finding, Scene, Severity, times
from aoinspect.engine.key_plan import PlannedKey
from aoinspect.engine.observations import Kind
from aoinspect.engine.results import DIRECTIONS
from aoinspect.engine.verdicts import Reason, Verdict

_COUNTED = frozenset(
    {
        Kind.UNSIGNED,
        Kind.UNSIGNED_RST,
        Kind.UNSIGNED_AFTER_CLOSE,
        Kind.AO_AND_MD5,
        Kind.TRUNCATED,
        Kind.OFFLOADED,
    }
)
"""A segment is of one of these kinds at most."""
_QUARTER_NS = 15 * 60 * 1_000_000_000
_FARTHEST_ZONE = 14 * 4
"""Quarters of an hour: the zones of the world reach to +14:00."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One connection, the failing segments that no MAC explains, and the run's other connections."""

    scene: Scene
    case: Case
    unexplained: tuple[Subject, ...]
    company: Company
    tried: int
    failing: int


def state_facts(facts: Facts) -> Iterator[Explanation]:
    """All facts of one connection, in the order of the table."""
    for state in (
        _unknown_key_id,
        _old_key_alive,
        _handshake_missing,
        _outside_lifetime,
        _unsigned,
        _unanswered_rnext,
        _rnext_not_followed,
        _cut,
        _offloaded,
    ):
        yield from state(facts)


def _fact(
    facts: Facts,
    ident: str,
    summary: str,
    *,
    origin: str,
    device_remedy: str,
    file_remedy: str = "",
    count: int = 0,
    frames: Iterable[tuple[int, int]] = (),
    senders: tuple[str, ...] = (),
    knob: Knob | None = None,
    confidence: Confidence = Confidence.FACT,
) -> Explanation:
    return Explanation(
        idents=(ident,),
        hypothesis=BY_IDENT[ident],
        confidence=confidence,
        summary=summary,
        changed="",
        origin=origin,
        matched=count,
        tried=facts.tried,
        failing=facts.failing,
        bits=0,
        frames=tuple(frames),
        senders=senders,
        key=None,
        key_origin=None,
        file_remedy=file_remedy,
        device_remedy=device_remedy,
        knob=knob,
    )


def _of_finding(facts: Facts, ident: str, finding: Finding, count: int) -> Explanation:
    place = () if finding.frame is None else ((finding.capture or 0, finding.frame),)
    return _fact(
        facts,
        ident,
        finding.message,
        origin=finding.evidence,
        device_remedy=finding.remedy,
        count=count,
        frames=place,
    )


def _count_of(scene: Scene, finding: Finding) -> int:
    """How many segments a finding on observed segments is about."""
    place = finding.capture, finding.frame
    found = scene.analyzer.observations.found.get(scene.connection.index, {})
    return next(
        (
            seen.count
            for (kind, _), seen in found.items()
            if kind in _COUNTED and (seen.first_capture, seen.first_frame) == place
        ),
        0,
    )


def _unknown_key_id(facts: Facts) -> Iterator[Explanation]:
    """H4: no key has the KeyID; the nearest MKT of that peer is named."""
    groups: dict[tuple[int, int], list[Subject]] = {}
    for subject in facts.unexplained:
        key_id = subject.reading.key_id
        if subject.segment.verdict is Verdict.NO_KEY and key_id is not None:
            groups.setdefault((subject.segment.side, key_id), []).append(subject)
    for (side, key_id), subjects in groups.items():
        sender = facts.scene.end(facts.scene.direction_of(side)).address
        yield _fact(
            facts,
            "H4",
            f"{sender} signs with KeyID {key_id}, {_nearest(facts.case, side, key_id)}",
            origin="the key files",
            file_remedy=f"add the key that {sender} sends under KeyID {key_id}",
            device_remedy=f"on {sender}, sign with a key that the other end has",
            count=len(subjects),
            frames=((subject.segment.capture, subject.segment.frame) for subject in subjects),
            senders=(sender,),
            knob=Knob.IDS,
        )


def _nearest(case: Case, side: int, key_id: int) -> str:
    if case.pair_keys is None:
        return "and no [[peer]] of the key files covers this socket pair"
    known = {listed: keys for (sender, listed), keys in case.pair_keys.lists.items() if sender == side and listed < 256}
    if not known:
        return "and the key files have no key for what it sends"
    nearest = min(known, key=lambda listed: (abs(listed - key_id), listed))
    mkt = case.mkts[known[nearest][0].mkt]
    return f"which no key has; the nearest is KeyID {nearest}, key {mkt.name!r} ({mkt.origin}), which did not sign it"


def _old_key_alive(facts: Facts) -> Iterator[Explanation]:
    """H17: connections from the other end, or opened later, verify under the KeyID with which this one fails."""
    scene, connection = facts.scene, facts.scene.connection
    sound = facts.company.sound_beside(connection)
    if not sound:
        return
    if _is_unanswered(scene) and connection.verdicts["verified"] and not connection.refused:
        opener, listener = connection.a.address, connection.b.address
        # A listener that had opened a session before was up by then, with its keys.
        is_up = any(of_key.first_time_ns < connection.first_time_ns for of_key in sound)
        if is_up and all(of_key.openers == {listener} for of_key in sound):
            first = min(of_key.connections[0].id for of_key in sound)
            yield _fact(
                facts,
                "H17",
                f"connections that {listener} opens verify, and signed SYNs to it go unanswered: its listener may "
                "still have an older secret under this KeyID",
                origin=f"connection {first} was opened by {listener}; this one by {opener}",
                device_remedy=f"on {listener}, restart the listener or set the key again",
                senders=(opener,),
                knob=Knob.SECRET,
                confidence=Confidence.LIKELY,
            )
        return
    after = (of_key.first_after(connection.first_time_ns) for of_key in sound)
    later = min((other for other in after if other is not None), key=lambda other: other.id, default=None)
    counts = connection.verdicts
    is_whole = all(run.verdicts["mismatch"] == run.segments for run in connection.runs) and len(
        {run.direction for run in connection.runs}
    ) == len(DIRECTIONS)
    if later is not None and is_whole and counts["mismatch"] and facts.unexplained:
        yield _fact(
            facts,
            "H17",
            "every segment of this connection fails, and a connection of the same ends that was opened later verifies "
            "under the same KeyID: this one still has an older secret",
            origin=f"connection {later.id}, from frame {later.first_frame} on",
            file_remedy="add the older secret as a further key with the same ids and a send-lifetime that ended",
            device_remedy="nothing, or reset the session so that it takes the new key",
            count=counts["mismatch"],
            frames=((subject.segment.capture, subject.segment.frame) for subject in facts.unexplained),
            knob=Knob.SECRET,
            confidence=Confidence.LIKELY,
        )


def _is_unanswered(scene: Scene) -> bool:
    return any(True for _ in segment_findings.syn_unanswered(scene))


def _handshake_missing(facts: Facts) -> Iterator[Explanation]:
    """H25."""
    for finding in segment_findings.isn_unknown(facts.scene):
        count = facts.scene.connection.reasons.get(Reason.ISN_UNKNOWN.word, 0)
        yield _of_finding(facts, "H25", finding, count)


def _outside_lifetime(facts: Facts) -> Iterator[Explanation]:
    """H18, with the offset of clock or zone that would put the use inside."""
    scene = facts.scene
    for finding in lifetime_findings.key_outside_lifetime(scene):
        explanation = _of_finding(facts, "H18", finding, 0)
        offset = _zone_offset(scene, finding)
        if offset is None:
            yield explanation
            continue
        hours, minutes = divmod(abs(offset) * 15, 60)
        sign = "-" if offset < 0 else "+"
        yield _fact(
            facts,
            "H18",
            f"{finding.message}; an offset of {sign}{hours:02d}:{minutes:02d} (a time zone) would put it inside",
            origin=finding.evidence,
            file_remedy="write lifetimes with their offset from UTC",
            device_remedy=finding.remedy,
            frames=explanation.frames,
            confidence=Confidence.LIKELY,
        )


def _zone_offset(scene: Scene, finding: Finding) -> int | None:
    """The smallest number of quarters of an hour that moves the use of the finding's key into its lifetime."""
    for run in scene.connection.runs:
        if run.first_frame != finding.frame or run.first_capture != finding.capture or run.mkt_index is None:
            continue
        keys = [key for plan in scene.plans(run.direction) if (key := plan.key(run.mkt_index)) is not None]
        for quarters in sorted(
            range(-_FARTHEST_ZONE, _FARTHEST_ZONE + 1), key=lambda quarters: (abs(quarters), quarters)
        ):
            shift = quarters * _QUARTER_NS
            if all(_is_inside(key, run.first_time_ns + shift, run.last_time_ns + shift) for key in keys):
                return quarters or None
    return None


def _is_inside(key: PlannedKey, first_ns: int, last_ns: int) -> bool:
    current = key.span_at(first_ns)
    return current is not None and last_ns < current[1]


def _unsigned(facts: Facts) -> Iterator[Explanation]:
    """H28."""
    scene, counts = facts.scene, facts.scene.connection.verdicts
    if counts["unsigned"] and counts["unsigned"] == sum(counts.values()):
        if facts.scene.connection.is_covered:
            ends = f"{scene.connection.a.address} and {scene.connection.b.address}"
            yield _fact(
                facts,
                "H28",
                f"no segment of this connection is signed, and the key files cover {ends}: its opener has no key, or "
                "it is another application",
                origin=times(counts["unsigned"], "unsigned segment"),
                file_remedy="name the port in [[peer]] if this is another application",
                device_remedy=f"on {scene.connection.a.address}, give this peer the key",
                count=counts["unsigned"],
            )
        return
    for find in (
        segment_findings.ao_stripped_mid_connection,
        segment_findings.unsigned_segment,
        segment_findings.unsigned_rst,
        linux_findings.linux_timewait_unsigned_ack,
        segment_findings.ao_and_md5_together,
    ):
        for finding in find(scene):
            yield _of_finding(facts, "H28", finding, _count_of(scene, finding))


def _unanswered_rnext(facts: Facts) -> Iterator[Explanation]:
    """H29."""
    scene, connection = facts.scene, facts.scene.connection
    if connection.refused or connection.verdicts["mismatch"] or not connection.is_covered:
        return
    for finding in segment_findings.syn_unanswered(scene):
        asked = scene.runs(DIRECTIONS[0])[0].rnext_key_id
        if asked is not None and not scene.knows_key(DIRECTIONS[1], asked):
            own = sorted(_send_ids(scene))
            has = f"SendIDs of {connection.b.address}: {', '.join(map(str, own)) or 'none'}"
            explanation = _of_finding(facts, "H29", finding, 0)
            yield _fact(
                facts,
                "H29",
                f"{finding.message} ({has})",
                origin=explanation.origin,
                device_remedy=finding.remedy,
                frames=explanation.frames,
                senders=(connection.a.address,),
                knob=Knob.IDS,
            )


def _send_ids(scene: Scene) -> set[int]:
    """The KeyIDs with which the connection's responder can sign."""
    keys = scene.analyzer.pairs.keys[int(scene.analyzer.connections.pairs[scene.connection.index])]
    assert keys is not None
    side = scene.side_of(DIRECTIONS[1])
    own = keys.send_ids.get(side)
    return set(own) if own is not None else {listed for sender, listed in keys.lists if sender == side and listed < 256}


def _rnext_not_followed(facts: Facts) -> Iterator[Explanation]:
    """H30: a request that was never followed; one that was followed late explains nothing."""
    for finding in selection_findings.rnext_not_followed(facts.scene):
        if finding.severity is Severity.WARNING:
            yield _of_finding(facts, "H30", finding, 0)


def _cut(facts: Facts) -> Iterator[Explanation]:
    """H26."""
    reasons = facts.scene.connection.reasons
    for finding in segment_findings.capture_cut(facts.scene):
        yield _of_finding(facts, "H26", finding, _count_of(facts.scene, finding))
    fragments = reasons.get(Reason.FRAGMENT.word, 0)
    if fragments:
        yield _fact(
            facts,
            "H26",
            f"{times(fragments, 'segment')} cannot be checked: a piece of the IP datagram is not in the capture",
            origin="IP fragments that never became whole",
            device_remedy="capture where all pieces pass",
            count=fragments,
        )


def _offloaded(facts: Facts) -> Iterator[Explanation]:
    """H27."""
    for finding in segment_findings.segment_offloaded(facts.scene):
        yield _of_finding(facts, "H27", finding, _count_of(facts.scene, finding))
