"""What is wrong or could not be proved, grouped for a person: what was expected, where it failed, what to try.

One key that is wrong on three hundred sessions is one problem with three hundred places. Problems come from the
verdicts and from the findings; where a finding tells the same of a connection as its verdicts do, and more, it alone is
shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from aoinspect.engine.findings import Finding, Severity
from aoinspect.engine.results import ConnectionResult, FailureSample, KeyRun
from aoinspect.engine.segments import SYN
from aoinspect.engine.verdicts import IsnSource, Method, Reason, Verdict
from aoinspect.report.json_form import flag_letters
from aoinspect.report.layout import printable
from aoinspect.report.model import Report


class Gravity(IntEnum):
    """How much a problem matters, worst first."""

    WRONG = 0
    """Verdicts that make the run fail."""
    ERROR = 1
    UNPROVEN = 2
    """Verdicts that say that the capture, or the keys, prove nothing."""
    WARNING = 3
    NOTE = 4


class Problem(NamedTuple):
    """One kind of failure: what all its places have in common."""

    gravity: Gravity
    verdict: Verdict
    """What it is sorted by beside `gravity`; VERIFIED for a finding."""
    title: str
    remedy: str
    """May be empty."""


Problems = dict[Problem, list[str]]
"""Problem -> where it was met, one sentence a place, in the order of connections."""

_Kind = tuple[Verdict, Reason]

_TOLD_BY_FINDING: dict[str, _Kind] = {
    "unsigned-segment": (Verdict.UNSIGNED, Reason.NONE),
    "unsigned-rst": (Verdict.UNSIGNED, Reason.NONE),
    "ao-stripped-mid-connection": (Verdict.UNSIGNED, Reason.NONE),
    "linux-timewait-unsigned-ack": (Verdict.UNSIGNED, Reason.NONE),
    "mac-length-changed": (Verdict.MISMATCH, Reason.MAC_LENGTH),
    "ao-and-md5-together": (Verdict.MALFORMED, Reason.AO_AND_MD5),
    "more-than-one-ao-option": (Verdict.MALFORMED, Reason.TWO_AO),
    "isn-unknown": (Verdict.UNVERIFIABLE, Reason.ISN_UNKNOWN),
    "capture-cut": (Verdict.UNVERIFIABLE, Reason.TRUNCATED),
    "segment-offloaded": (Verdict.UNVERIFIABLE, Reason.OFFLOADED),
}
"""Ident of a finding -> which of a connection's segments it tells of."""

_REASONS: dict[Verdict, tuple[Reason, ...]] = {
    Verdict.MISMATCH: (Reason.MAC_LENGTH,),
    Verdict.UNVERIFIABLE: (
        Reason.ISN_UNKNOWN,
        Reason.TRUNCATED,
        Reason.FRAGMENT,
        Reason.OFFLOADED,
        Reason.NO_SECRET,
    ),
    Verdict.MALFORMED: (
        Reason.AO_LENGTH,
        Reason.MD5_LENGTH,
        Reason.OPTION_LENGTH,
        Reason.TWO_AO,
        Reason.TWO_MD5,
        Reason.AO_AND_MD5,
        Reason.TCP_HEADER,
    ),
}

_MALFORMED = {
    Reason.AO_LENGTH: "the AO option is shorter than 4 octets",
    Reason.MD5_LENGTH: "the MD5 option does not have 18 octets",
    Reason.OPTION_LENGTH: "an option is shorter than 2 octets or reaches past the header",
    Reason.TWO_AO: "more than one AO option (RFC 5925 2.2)",
    Reason.TWO_MD5: "more than one MD5 option",
    Reason.AO_AND_MD5: "AO and MD5 in one segment (RFC 5925 2.2)",
    Reason.TCP_HEADER: "the TCP data offset is below 5 or points past the segment",
}

_UNVERIFIABLE = {
    Reason.ISN_UNKNOWN: (
        "the handshake is not in the capture, and the MAC depends on both ISNs",
        "add a [[connection]] with the ISNs that the router shows, or capture from the start of the connection",
    ),
    Reason.TRUNCATED: (
        "the snap length cut octets that the MAC covers",
        "capture whole packets (tcpdump -s 0)",
    ),
    Reason.FRAGMENT: ("a piece of an IP datagram is not in the capture", "capture where all pieces pass"),
    Reason.OFFLOADED: (
        "larger than the peer's MSS: captured before segmentation or after coalescing",
        "capture on the wire, or switch tso, gso, gro and lro off on the capturing host (ethtool -K)",
    ),
    Reason.NO_SECRET: ("the key file has this key without its secret", "fill in the secret"),
}

_SEVERITIES = {Severity.ERROR: Gravity.ERROR, Severity.WARNING: Gravity.WARNING, Severity.NOTE: Gravity.NOTE}


def problems_of(report: Report) -> Problems:
    """All problems of a run, the gravest first. Without keys nothing is expected of verdicts: findings alone."""
    found: Problems = {}
    by_id = {connection.id: connection for connection in report.connections}
    told = {
        (finding.connection, _TOLD_BY_FINDING[finding.ident])
        for finding in report.findings
        if finding.ident in _TOLD_BY_FINDING and not _is_never_signed_elsewhere(finding, by_id, report)
    }
    if report.has_keys:
        for connection in report.connections:
            for problem, kind, place in _of_verdicts(connection, report):
                if (connection.id, kind) not in told:
                    found.setdefault(problem, []).append(place)
    for finding in report.findings:
        if not _is_never_signed_elsewhere(finding, by_id, report):
            problem = Problem(
                _gravity_of(finding),
                Verdict.VERIFIED,
                f"{finding.severity.value}: {finding.ident}" + (f" ({finding.reference})" if finding.reference else ""),
                printable(finding.remedy),
            )
            found.setdefault(problem, []).append(_place_of(finding, by_id, report))
    return dict(sorted(found.items(), key=lambda item: item[0][:2]))


def _gravity_of(finding: Finding) -> Gravity:
    verdict, _ = _TOLD_BY_FINDING.get(finding.ident, (None, None))
    return Gravity.UNPROVEN if verdict is Verdict.UNVERIFIABLE else _SEVERITIES[finding.severity]


def _is_never_signed_elsewhere(finding: Finding, by_id: dict[int, ConnectionResult], report: Report) -> bool:
    """Whether the finding is on a connection that was never signed: all of those are one problem of their verdicts."""
    if not report.has_keys or finding.ident != "unsigned-segment" or finding.connection is None:
        return False
    return _is_never_signed(by_id[finding.connection])


def _is_never_signed(connection: ConnectionResult) -> bool:
    return connection.verdicts["unsigned"] == sum(connection.verdicts.values())


def _of_verdicts(connection: ConnectionResult, report: Report) -> Iterator[tuple[Problem, _Kind, str]]:
    """The problems of one connection by its verdicts and their reasons, and where each was met first."""
    for sample in connection.samples:
        verdict = sample.segment.verdict
        counts = {reason: connection.reasons.get(reason.word, 0) for reason in _REASONS.get(verdict, ())}
        counts[Reason.NONE] = connection.verdicts[verdict.member] - sum(counts.values())
        is_wrong = verdict is not Verdict.UNVERIFIABLE and (verdict is not Verdict.NO_KEY or connection.is_covered)
        for reason, count in counts.items():
            if not count:
                continue
            expected, remedy = expectation(verdict, reason, sample, connection)
            problem = Problem(
                Gravity.WRONG if is_wrong else Gravity.UNPROVEN, verdict, f"{verdict.word}: {expected}", remedy
            )
            first = sample if sample.segment.reason is reason else None
            yield problem, (verdict, reason), _first_met(connection, count, first, report)


def _first_met(connection: ConnectionResult, count: int, first: FailureSample | None, report: Report) -> str:
    segments = "1 segment" if count == 1 else f"{count} segments"
    if first is None:
        return f"{_label(connection)}: {segments}"
    segment = first.segment
    sender = connection.a if first.direction == "a>b" else connection.b
    which = "" if count == 1 else "the first is "
    return (
        f"{_label(connection)}, {_frame(segment.capture, segment.frame, report)}: {segments}, "
        f"{which}{flag_letters(segment.flags)} from {sender} with {_signature(first)}"
    )


def _place_of(finding: Finding, by_id: dict[int, ConnectionResult], report: Report) -> str:
    places = []
    if finding.connection is not None:
        places.append(_label(by_id[finding.connection]))
    if finding.frame is not None:
        places.append(_frame(finding.capture or 0, finding.frame, report))
    evidence = f" ({finding.evidence})" if finding.evidence else ""
    return printable(", ".join(places) + (": " if places else "") + finding.message + evidence)


def _label(connection: ConnectionResult) -> str:
    return f"#{connection.id} {connection.a} > {connection.b}"


def _frame(capture: int, frame: int, report: Report) -> str:
    if len(report.captures) == 1:
        return f"frame {frame}"
    return f"{printable(report.captures[capture].path)} frame {frame}"


def _signature(sample: FailureSample) -> str:
    segment = sample.segment
    if segment.method is Method.AO:
        return f"KeyID {segment.key_id}, RNextKeyID {segment.rnext_key_id}, MAC of {segment.mac_length} octets"
    if segment.method is Method.MD5:
        return "TCP-MD5"
    return "no AO or MD5 option"


def expectation(
    verdict: Verdict, reason: Reason, sample: FailureSample, connection: ConnectionResult
) -> tuple[str, str]:
    """What was expected of the segments with `verdict` for `reason`, and what to try; the second may be empty.

    `sample` is the connection's first segment with the verdict, maybe for another reason.
    """
    if verdict is Verdict.MISMATCH:
        return _of_mismatch(reason, sample, connection)
    if verdict is Verdict.NO_KEY:
        return _of_no_key(sample, connection)
    if verdict is Verdict.UNSIGNED:
        if _is_never_signed(connection):
            return (
                "a [[peer]] covers these addresses, and no segment of the connection is signed; "
                "a [[peer]] without `port` covers all TCP between the hosts",
                "if this is another application, name the port in the [[peer]]; otherwise its ends lack the key",
            )
        return (
            "every segment of a protected connection must be signed (RFC 5925 7.5)",
            "a spoofed segment, or a stack that lost the key; the receiver drops it",
        )
    if verdict is Verdict.MALFORMED:
        return _MALFORMED.get(reason, "the option is broken"), "a receiver drops it; look at who sent it"
    if reason is Reason.NO_SECRET and sample.gaps:
        return _UNVERIFIABLE[reason][0], printable("; ".join(sample.gaps))
    return _UNVERIFIABLE.get(reason, ("the capture cannot prove it either way", ""))


def _of_mismatch(reason: Reason, sample: FailureSample, connection: ConnectionResult) -> tuple[str, str]:
    names = list(dict.fromkeys(repr(name) for name in sample.candidates))
    if reason is Reason.MAC_LENGTH:
        whose = f" ({' or '.join(names)})" if sample.segment.reason is reason and names else ""
        return f"the key of this KeyID{whose} has a MAC of another length", "compare mac-length on both ends"
    sender = connection.a if sample.direction == "a>b" else connection.b
    has_told_isns = connection.isn_source is IsnSource.KEY_FILE
    if names and any(_is_sound_company(run, sample) for run in connection.runs):
        remedy = (
            f"the key is right, for other segments of {sender.address} verify under it: look who sent these (compare "
            "TTL and link-layer addresses), or what changed them on the path"
        )
    else:
        remedy = (
            f"compare secret, algorithm and tcp-options with the configuration of {sender.address}; "
            "rewriting on the path (NAT, MSS) breaks the MAC as well"
            + ("; so do ISNs in [[connection]] that are another connection's" if has_told_isns else "")
        )
    if sample.segment.reason is not reason or not names:
        return "the MAC is not the one that the key of this KeyID gives", remedy
    if len(names) > 1:
        return f"the MAC is none of those that the keys {' and '.join(names)} give", remedy
    return f"the MAC is not the one that key {names[0]} gives", remedy


def _is_sound_company(run: KeyRun, sample: FailureSample) -> bool:
    """Whether the run's segments, of the same sender and KeyID, are verified; SYNs alone may have been rewritten."""
    is_alike = (run.direction, run.method, run.key_id or 0) == (
        sample.direction,
        sample.segment.method,
        sample.segment.key_id if sample.segment.method is Method.AO else 0,
    )
    return is_alike and run.verified > 0 and not sample.segment.flags & SYN


def _of_no_key(sample: FailureSample, connection: ConnectionResult) -> tuple[str, str]:
    if not connection.is_covered:
        return "no [[peer]] of the key files covers this connection", "add a [[peer]] with local and remote"
    if sample.segment.method is Method.MD5:
        return "the key files have no tcp-md5 key for this connection", 'add a key with algorithm = "tcp-md5"'
    sender = connection.a if sample.direction == "a>b" else connection.b
    return (
        f"no key of this connection has KeyID {sample.segment.key_id} for segments from {sender.address}",
        "check send-id and recv-id: from `local` the KeyID is send-id, the other way it is recv-id",
    )
