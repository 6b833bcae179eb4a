"""Captures that real kernels and daemons made, against the facts that their hosts wrote down.

The facts come from the hosts' own keys and sockets and from an independent program (see tests/recorded_facts.py), so
where the product and they agree, two computations agree. What no rule derives from the facts stands in a table here,
with the rule of the design that it follows.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from itertools import pairwise

import pytest

from aoinspect.keys.model import KeyStore
from aoinspect.report.model import ExitCode
from tests.recorded import (
    LARGER,
    OWN_CAPTURES,
    SHARED,
    Outcome,
    RecordedCapture,
    SegmentLine,
    by_direction,
    captures_in,
    judge,
    keys_of_host,
    larger_capture,
    outcome,
    parameters,
)
from tests.recorded_facts import Facts, InstalledKey, KeyChange, KnownConnection

every_capture = pytest.mark.parametrize("capture", parameters())

UNSIGNED_ELSEWHERE = {"mixed": 15, "offload-on-plain": 46}
"""Unsigned segments of socket pairs that no key covers and that never sign: plain TCP, which is only counted."""

CUT_SHORT = {"snap60": 37}
"""Segments of covered socket pairs that the snap length cut inside their TCP options."""

MISMATCH = ("mismatch", None)
MAC_LENGTH = ("mismatch", "mac-length")

NOT_RIGHT: dict[str, dict[int, tuple[str, str | None]]] = {
    "inject": {
        17: MISMATCH,  # Random MAC.
        18: ("no-key", None),  # KeyID 33 is no MKT's, and a MAC under another KeyID's MKT proves nothing.
        19: MISMATCH,  # Another key.
        20: MAC_LENGTH,  # Its 10 octets agree; the MKT's MAC has 12.
        21: MISMATCH,  # A payload bit was flipped.
        22: MISMATCH,  # The window was changed.
        23: MISMATCH,  # SNE 1 where the connection has 0.
        24: MISMATCH,  # The SYN's traffic key on a segment that is none.
        25: MISMATCH,  # The other direction's traffic key.
        30: ("malformed", "ao-and-md5"),  # "AO and MD5 together"; its MAC is not looked at.
        31: ("malformed", "two-ao"),
        32: ("malformed", "ao-length"),  # "A length below 4".
        33: MAC_LENGTH,  # Length 4 is a whole option with a MAC of no octets.
    },
    # RSTs of a listener: the other direction's traffic key, which no receiver takes.
    "listener-rst-sameid-linux6.18": {14: MISMATCH, 20: MISMATCH, 22: MISMATCH, 25: MISMATCH},
    "synrecv-rst-sameid": {12: MISMATCH},
    # A RST under an all-zero traffic key; and a RST that refuses the SYN, signed with the ISNs (0, the client's). Its
    # own end's ISN is nowhere in the capture, so that nothing there proves the MAC wrong.
    "synsent-bad-synack": {5: MISMATCH, 12: ("unverifiable", "isn-unknown")},
    "synsent-bad-synack-linux6.18": {7: MISMATCH, 11: ("unverifiable", "isn-unknown")},
    # Injected into TIME_WAIT with random MACs, under a KeyID that is known.
    "timewait": {28: MISMATCH, 30: MISMATCH, 32: MISMATCH},
    # The path changed what the MAC covers: an option, and an address.
    "mss-clamp-B": {3: MISMATCH, 4: MISMATCH},
    "nat-outside": {3: MISMATCH, 4: MISMATCH, 5: MISMATCH},
}
"""Every signed segment that is not right: frame -> verdict and reason."""

REFUSED_BY_THE_OTHER_END = {
    "alg-mismatch": 3,
    "bird-wrongsecret": 20,
    "exopt-mismatch": 3,
    "maclen-mismatch": 3,
    "port-reuse": 2,
    "wrong-key": 3,
    "wrong-key-linux6.18": 3,
    "wrong-keyid": 3,
}
"""The captures whose ends had different keys, and how many right segments the receiving end dropped for it."""

NO_TRANSITIONS = {
    # 42 and 53 begin new connections of the socket pair: each of them starts with its own ids and changes none.
    "port-reuse": (42, 43, 53, 56),
    # The AO option of 32 is malformed. It has no RNextKeyID, and what follows changes nothing back.
    "inject": (32, 33),
}
"""Frames whose change of ids is the facts' (a walk over each socket pair) and not a transition of a connection."""

CHECKS_NOTHING = ("snap60", "offload-on-plain")
"""Nothing is wrong and nothing is verified: every segment is cut; no segment is signed."""


class SendersKeys:
    """Names of the MKTs that the hosts of a capture sign a segment with, by the facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._towards: dict[str, list[InstalledKey]] = {}

    def of(self, line: SegmentLine, hosts: frozenset[str]) -> set[str]:
        """The MKTs that the sender has for the segment's KeyID and that the receiver shares.

        The receiver's alone where a test program sent it, and the sender's alone where the receiver lacks it or drops
        it. `hosts` are the connection's own where the facts name them: hosts of two VRFs have the same address.
        """
        source, destination = (end.rpartition(":")[0].strip("[]") for end in (line.src, line.dst))
        senders = self._on_host(source, destination, hosts, line.key_id, is_sender=True)
        receivers = self._on_host(destination, source, hosts, line.key_id, is_sender=False)
        return senders - receivers if line.ends_disagree else senders & receivers or senders or receivers

    def _on_host(self, own: str, peer: str, hosts: frozenset[str], key_id: int | None, *, is_sender: bool) -> set[str]:
        facts = self._facts
        if peer not in self._towards:
            address = ip_address(peer)
            self._towards[peer] = [key for key in facts.installed if address in key.peer]
        own_hosts = facts.hosts_of(own) & (hosts or facts.addresses.keys())
        return {
            key.mkt
            for key in self._towards[peer]
            if key.host in own_hosts and key_id == (key.send_id if is_sender else key.recv_id)
        }


def connection_of(facts: Facts, found: Outcome, number: int) -> KnownConnection | None:
    """The facts' connection that is the report's with this id, found by its ISNs."""
    connection = found.report.connections[number]
    isns = {str(end): end.isn for end in (connection.a, connection.b)}
    return next((known for known in facts.connections if known.isns == isns), None)


def is_in_capture(capture: RecordedCapture, known: KnownConnection) -> bool:
    """Whether the capture point saw `known`: a VRF's own interface does not see the other VRF."""
    seen = {"vrf-vred0": "red", "vrf-vrfdev-red": "red", "vrf-vblu0": "blue"}
    return known.vrf is None or known.vrf == seen.get(capture.name, known.vrf)


def walk(lines: list[SegmentLine], src: str, dst: str) -> list[KeyChange]:
    """Changes of the ids from one segment to the next of one direction."""
    changes = []
    for before, line in pairwise(lines):
        for field in ("key_id", "rnext_key_id"):
            old, new = getattr(before, field), getattr(line, field)
            if old != new:
                changes.append(KeyChange(line.frame, f"{src}>{dst}", field, old, new))
    return changes


def test_every_capture_that_lies_beside_the_project_is_judged_here() -> None:
    if not SHARED.exists():
        pytest.skip("shared captures are not beside the project")
    own = [capture.name for capture in OWN_CAPTURES]
    assert len(own) == len(set(own))
    assert sorted(own + list(LARGER)) == [capture.name for capture in captures_in(SHARED)]


@every_capture
def test_frames_and_signed_segments_are_as_many_as_the_facts_say(capture: RecordedCapture) -> None:
    counts, totals = capture.facts.counts, outcome(capture).report.totals
    assert totals.frames == counts["frames"]
    assert totals.tcp_segments == counts["tcp"]
    assert totals.ao_segments == counts["ao"]
    assert totals.md5_segments == counts["md5"]
    assert outcome(capture).report.captures[0].damage is None


@every_capture
def test_verdicts_are_as_many_as_the_facts_say(capture: RecordedCapture) -> None:
    facts = capture.facts
    not_right = Counter(verdict for verdict, _ in NOT_RIGHT.get(capture.name, {}).values())
    assert sum(not_right.values()) == facts.counts["ao-odd"] + facts.counts["ao-invalid"]
    assert outcome(capture).report.totals.verdicts == {
        "verified": facts.counts["ao-valid"] + facts.counts["md5-valid"],
        "mismatch": not_right["mismatch"],
        "no_key": not_right["no-key"],
        "unsigned": facts.counts["unsigned"] - UNSIGNED_ELSEWHERE.get(capture.name, 0),
        "malformed": not_right["malformed"],
        "unverifiable": not_right["unverifiable"] + facts.counts["tcp-header-truncated"],
    }


@every_capture
def test_each_segment_has_the_verdict_that_the_facts_give_it(capture: RecordedCapture) -> None:
    facts, found = capture.facts, outcome(capture)
    told_apart = NOT_RIGHT.get(capture.name, {})
    assert told_apart.keys() == facts.not_right.keys()
    for line in found.lines:
        if facts.not_valid.get(line.frame) == "unsigned":
            expected: tuple[str, str | None] = ("unsigned", None)
        elif capture.name in CUT_SHORT:
            expected = ("unverifiable", "truncated")
        else:
            expected = told_apart.get(line.frame, ("verified", None))
        assert (line.verdict, line.reason) == expected, f"frame {line.frame}"
    without_line = facts.not_valid.keys() - {line.frame for line in found.lines}
    assert len(without_line) == UNSIGNED_ELSEWHERE.get(capture.name, 0)
    assert len(found.lines) == sum(found.report.totals.verdicts.values())


@every_capture
def test_ids_and_mac_lengths_are_used_as_often_as_the_facts_say(capture: RecordedCapture) -> None:
    found = Counter(
        f"{line.src}->{line.dst} keyid={line.key_id} rnext={line.rnext_key_id} maclen={len(line.mac or '') // 2}"
        for line in outcome(capture).lines
        if line.method == "ao" and line.reason != "ao-length"
    )
    # The facts read an RNextKeyID and a MAC of -1 octets off the option whose length is 3.
    expected = Counter({use: count for use, count in capture.facts.key_use.items() if "maclen=-1" not in use})
    if capture.name == "rr-1000-start":
        # The facts name the first 60 of its 2,000 uses.
        assert len(expected) == 60
        found = Counter({use: found[use] for use in expected})
    assert found == expected


@every_capture
def test_the_key_that_verifies_is_the_one_that_the_sender_had(capture: RecordedCapture) -> None:
    facts, found = capture.facts, outcome(capture)
    keys = SendersKeys(facts)
    signed = [line for line in found.lines if line.method == "ao"]
    assert all(line.mkt is None for line in signed if line.verdict != "verified")
    for lines in by_direction(line for line in signed if line.verdict == "verified").values():
        known = connection_of(facts, found, lines[0].connection)
        hosts = known.hosts if known else frozenset()
        # One look-up for all segments that are alike.
        alike = {(line.key_id, line.mkt, line.ends_disagree): line for line in lines}
        for line in alike.values():
            assert {line.mkt} == keys.of(line, hosts), f"frame {line.frame}"


@every_capture
def test_both_isns_are_those_of_the_hosts_sockets(capture: RecordedCapture) -> None:
    found = [
        {str(end): end.isn for end in (connection.a, connection.b)}
        for connection in outcome(capture).report.connections
    ]
    for known in capture.facts.connections:
        if capture.name in CUT_SHORT:
            # Its SYNs are cut before their options end: nothing of the handshake is taken from them.
            assert dict.fromkeys(known.isns) in found
        elif is_in_capture(capture, known):
            assert known.isns in found


def snes_of_sockets(capture: RecordedCapture) -> list[tuple[int, int, int]]:
    """What can be compared: (the sender's ISN, SNE by our segments up to then, SNE by the socket's state)."""
    facts, found = capture.facts, outcome(capture)
    verified = (line for line in found.lines if line.method == "ao" and line.verdict == "verified")
    directions = by_direction(verified)
    comparisons = []
    for state in facts.states:
        isns = {state.local: state.local_isn, state.remote: state.remote_isn}
        for (number, src, _), lines in directions.items():
            known = connection_of(facts, found, number)
            behind = [line.position_behind for line in lines if line.time_ns <= state.time_ns]
            if known is None or known.isns != isns or not behind:
                continue
            told = state.send_sne if src == state.local else state.receive_sne
            # SNE is a counter of 32 bits.
            sne = max(behind) >> 32 & 0xFFFFFFFF
            if src == state.remote and isns[src] == 0xFFFFFFFF:
                # The octet after an ISN of 0xffffffff has SNE 1. Linux's receiver expects 0 there, and drops it all.
                assert told == 0
                told = 1
            comparisons.append((isns[src], sne, told))
    return comparisons


@every_capture
def test_snes_are_those_of_the_hosts_sockets_at_that_moment(capture: RecordedCapture) -> None:
    assert [sne for _, sne, _ in snes_of_sockets(capture)] == [told for _, _, told in snes_of_sockets(capture)]


@pytest.mark.parametrize(
    "name, highest",
    [("isn-fffffffe", 1), ("isn-ffffffff", 1), ("wrap-at-fin", 1), ("wrap-lossy-B", 1), ("mid-sne-high", 0x01020305)],
)
def test_sockets_of_connections_that_wrapped_are_among_those_compared(name: str, highest: int) -> None:
    capture = next((capture for capture in OWN_CAPTURES if capture.name == name), larger_capture(name))
    if not capture.path.exists():
        pytest.skip("shared captures are not beside the project")
    assert max(sne for _, sne, _ in snes_of_sockets(capture)) == highest


@every_capture
def test_the_ids_change_where_the_facts_say(capture: RecordedCapture) -> None:
    by_pair: dict[tuple[str, str], list[SegmentLine]] = {}
    for line in outcome(capture).lines:
        if line.method == "ao" and line.reason != "ao-length":
            by_pair.setdefault((line.src, line.dst), []).append(line)
    found = sorted(change for (src, dst), lines in by_pair.items() for change in walk(lines, src, dst))
    is_odd = {32, 33} if capture.name == "inject" else set()
    assert found == [change for change in capture.facts.key_changes if change.frame not in is_odd]


@every_capture
def test_transitions_are_the_changes_within_a_connection(capture: RecordedCapture) -> None:
    found = []
    for connection in outcome(capture).report.connections:
        ends = {"a>b": f"{connection.a}>{connection.b}", "b>a": f"{connection.b}>{connection.a}"}
        found += [
            KeyChange(change.frame, ends[change.direction], change.field, change.old, change.new)
            for change in connection.transitions
            if change.old is not None
        ]
    left_out = NO_TRANSITIONS.get(capture.name, ())
    assert set(left_out) <= {change.frame for change in capture.facts.key_changes}
    assert sorted(found) == [change for change in capture.facts.key_changes if change.frame not in left_out]


@every_capture
def test_ends_disagree_where_the_hosts_had_different_keys_and_nowhere_else(capture: RecordedCapture) -> None:
    found = outcome(capture)
    expected = REFUSED_BY_THE_OTHER_END.get(capture.name, 0)
    told = [line for line in found.lines if line.ends_disagree]
    assert all(line.verdict == "verified" for line in told)
    assert found.report.totals.refused == len(told) == expected
    findings = [finding for finding in found.report.findings if finding.ident == "ends-disagree"]
    # One finding for each connection, at its first refused segment.
    first = {line.connection: line.frame for line in reversed(told)}
    assert {finding.connection: finding.frame for finding in findings} == first


@pytest.mark.parametrize("capture", parameters(lambda name: name in REFUSED_BY_THE_OTHER_END))
def test_the_hosts_counters_and_keys_bear_out_that_the_ends_disagree(capture: RecordedCapture) -> None:
    facts, expected = capture.facts, REFUSED_BY_THE_OTHER_END[capture.name]
    assert facts.dropped_by_kernels == expected
    assert sum(facts.counts["ao-valid"] - keys.valid for keys in facts.one_host.values()) == expected


@every_capture
def test_the_exit_status_is_what_the_facts_call_for(capture: RecordedCapture) -> None:
    unsigned = capture.facts.counts["unsigned"] - UNSIGNED_ELSEWHERE.get(capture.name, 0)
    if unsigned or capture.name in NOT_RIGHT or capture.name in REFUSED_BY_THE_OTHER_END:
        expected = ExitCode.WRONG
    else:
        expected = ExitCode.UNCHECKED if capture.name in CHECKS_NOTHING else ExitCode.OK
    assert outcome(capture).report.exit_code is expected


@pytest.mark.parametrize("capture", parameters(own_only=True))
def test_without_keys_everything_signed_is_no_key_and_the_status_is_0(capture: RecordedCapture) -> None:
    found = judge(capture.path, KeyStore())
    assert found.report.exit_code is ExitCode.OK
    assert found.report.totals.verdicts["verified"] == 0
    is_whole = [line for line in found.lines if line.method != "none" and line.verdict != "malformed"]
    assert {line.verdict for line in is_whole} <= {"no-key"}
    assert found.report.totals.ao_segments == capture.facts.counts["ao"]


WITH_ONE_HOSTS_KEYS = {
    ("maclen-mismatch", "B"): MAC_LENGTH,
    ("wrong-keyid", "B"): ("no-key", None),
    # Each host's key is for the other's address as that host sees it, and the NAT changes the one that B sees.
    ("nat-inside", "B"): ("no-key", None),
    ("nat-outside", "A"): ("no-key", None),
}
"""What other segments come to than those that are right, where that is no plain mismatch."""


@every_capture
def test_the_keys_of_one_host_verify_what_the_facts_say(capture: RecordedCapture) -> None:
    facts = capture.facts
    with_both = {line.frame: line for line in outcome(capture).lines if line.method == "ao"}
    for host, keys in facts.one_host.items():
        found = judge(capture.path, keys_of_host(capture, host))
        lines = {line.frame: line for line in found.lines if line.method == "ao"}
        verified = {frame for frame, line in lines.items() if line.verdict == "verified"}
        assert len(lines) == found.report.totals.ao_segments == keys.signed
        assert len(verified) == keys.valid, f"host {host}"
        assert not found.report.totals.refused
        elsewhere = WITH_ONE_HOSTS_KEYS.get((capture.name, host))
        for frame in lines.keys() - verified:
            both = with_both[frame].verdict, with_both[frame].reason
            expected = elsewhere or (MISMATCH if both[0] == "verified" else both)
            assert (lines[frame].verdict, lines[frame].reason) == expected, f"host {host}, frame {frame}"


def test_the_finding_names_the_end_that_drops_and_the_key() -> None:
    (capture,) = (capture for capture in OWN_CAPTURES if capture.name == "wrong-key")
    findings = outcome(capture).report.findings
    (finding,) = (finding for finding in findings if finding.ident == "ends-disagree")
    assert finding.message.startswith("10.0.0.2 drops what 10.0.0.1 signs with key 'kA'")
    assert finding.frame == 4
