"""Who used which key, from when to when, and how often; and the KeyIDs that no key has."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.engine.key_plan import outside
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, KeyRun
from aoinspect.engine.verdicts import Method
from aoinspect.report.layout import printable
from aoinspect.report.model import iso_time
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.cells import counted, frames_text


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One MKT with its use, or one KeyID of one sender that no MKT has."""

    mkt: MasterKeyTuple | None
    name: str
    ids: str
    words: str
    """Algorithm, and how often it was used."""
    connection: int | None
    """The first connection that used it."""
    first_frame: int | None
    segments: int
    """Verified under the MKT; for a KeyID without one, carrying it."""
    details: tuple[str, ...]
    """Everything else, in lines."""
    filter_text: str
    """The filter that selects its packets."""

    def is_same(self, other: KeyUse) -> bool:
        """Whether both are about one key, however often it was used by then."""
        mine, its = self.mkt, other.mkt
        if mine is None or its is None:
            return (mine, self.filter_text) == (its, other.filter_text)
        return (mine.name, mine.origin) == (its.name, its.origin)


def key_uses(analysis: Analysis) -> tuple[KeyUse, ...]:
    """The MKTs in the order of the key files, then the KeyIDs that no MKT has."""
    report = analysis.report
    connections = () if report is None else report.connections
    runs: dict[int, list[tuple[ConnectionResult, KeyRun]]] = defaultdict(list)
    unknown: dict[tuple[str, str, int], list[tuple[ConnectionResult, KeyRun]]] = defaultdict(list)
    for connection in connections:
        for run in connection.runs:
            if run.mkt_index is not None:
                runs[run.mkt_index].append((connection, run))
            elif run.key_id is not None and run.verdicts["no_key"]:
                ends = (connection.a.address, connection.b.address)
                sender, receiver = ends if run.direction == DIRECTIONS[0] else ends[::-1]
                unknown[sender, receiver, run.key_id].append((connection, run))
    uses = [_mkt_use(analysis, index, mkt, runs[index]) for index, mkt in enumerate(analysis.analyzer.keyring.mkts)]
    return (*uses, *(_unknown_use(*place, used) for place, used in sorted(unknown.items(), key=lambda item: item[0])))


def _mkt_use(
    analysis: Analysis, index: int, mkt: MasterKeyTuple, used: list[tuple[ConnectionResult, KeyRun]]
) -> KeyUse:
    ids = "MD5" if mkt.send_id is None else f"{mkt.send_id}/{mkt.recv_id}"
    segments = sum(run.verified for _, run in used)
    secret = "" if mkt.is_keyed else ", no secret"
    count = f"{segments} verified" if used else "never used"
    details = [f"{printable(str(mkt.origin))}: MAC of {mkt.mac_length} octets, tcp-options {mkt.tcp_options.value}"]
    if mkt.logged is not None:
        details.append("its traffic keys are told by a log, which does not hold its secret")
    elif mkt.secret is None:
        details.append(f"its secret is not known: {printable(mkt.gap or 'none given')}")
    details += [f"{name} lifetime {_lifetime(lifetime)}" for name, lifetime in _lifetimes_of(mkt) if lifetime]
    details += [_run_words(connection, run) for connection, run in used]
    details += _outside_lifetimes(index, used)
    first = used[0] if used else None
    return KeyUse(
        mkt,
        printable(mkt.name),
        ids,
        f"{mkt.algorithm.name:<20} {count}{secret}",
        None if first is None else first[0].id,
        None if first is None else first[1].first_frame,
        segments,
        tuple(details),
        f"ao.key == {json.dumps(mkt.name, ensure_ascii=False)}",
    )


def _lifetimes_of(mkt: MasterKeyTuple) -> tuple[tuple[str, Lifetime | None], ...]:
    return ("send", mkt.send_lifetime), ("accept", mkt.accept_lifetime)


def _lifetime(lifetime: Lifetime) -> str:
    start = "ever" if lifetime.from_ns is None else _moment(lifetime.from_ns)
    end = "ever" if lifetime.until_ns is None else _moment(lifetime.until_ns)
    return f"from {start} until {end}"


def _moment(time_ns: int) -> str:
    return iso_time(time_ns)[:19].replace("T", " ")


def _run_words(connection: ConnectionResult, run: KeyRun) -> str:
    a, b = (str(connection.a), str(connection.b))
    ends = f"{a} → {b}" if run.direction == DIRECTIONS[0] else f"{b} → {a}"
    key_id = "MD5" if run.method is Method.MD5 else f"KeyID {run.key_id}, next {run.rnext_key_id}"
    return (
        f"#{connection.id} {ends}: {key_id}, {counted(run.segments, 'segment')} in "
        f"{frames_text(run.first_frame, run.last_frame)}, "
        f"{_moment(run.first_time_ns)} to {_moment(run.last_time_ns)[11:]}"
    )


def _outside_lifetimes(index: int, used: list[tuple[ConnectionResult, KeyRun]]) -> list[str]:
    told = []
    for connection, run in used:
        for direction, plan in connection.plans:
            key = plan.key(index) if direction == run.direction else None
            off = None if key is None else outside(run, key)
            if key is not None and off is not None:
                frame = run.first_frame if off.where == "before" else run.last_frame
                told.append(
                    f"✗ frame {frame} comes {off.where} its {plan.what} lifetime ({printable(str(key.origin))})"
                )
    return told


def _unknown_use(sender: str, receiver: str, key_id: int, used: list[tuple[ConnectionResult, KeyRun]]) -> KeyUse:
    segments = sum(run.verdicts["no_key"] for _, run in used)
    words = f"from {sender} to {receiver}: {counted(segments, 'segment')}"
    details = tuple(_run_words(connection, run) for connection, run in used)
    family = "ipv6" if ":" in sender else "ip"
    chosen = f"ao.verdict == no-key and tcp.options.ao.keyid == {key_id} and {family}.src == {sender}"
    first = used[0]
    return KeyUse(None, "no key", str(key_id), words, first[0].id, first[1].first_frame, segments, details, chosen)
