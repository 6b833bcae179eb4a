"""Findings on the keys themselves: lengths, algorithms, secrets shared by many peers."""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.engine.findings.model import Finding, Scene, Severity, times
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import ConnectionResult, KeyRun
from aoinspect.engine.verdicts import Method, Verdict

SHORT_MAC_OCTETS = 12
"""RFC 5926 3.2: both mandatory algorithms give 96 bits."""

MANY_PEERS = 3

WEAK_ALGORITHMS = {"hmac(md5)": "MD5 is broken (RFC 6151)"}

LINUX_ALGORITHMS = {"hmac-sha-1-96", "hmac-sha-256-96", "hmac-sha-256-128", "aes-128-cmac-96"}
"""What Linux takes from 7.2 on, under its own names for them."""


def short_mac(scene: Scene) -> Iterator[Finding]:
    """A MAC shorter than the 96 bits of RFC 5926."""
    for mkt, run in _used_keys(scene).items():
        length = scene.analyzer.keyring.mkts[mkt].mac_length
        if run.method is Method.AO and length < SHORT_MAC_OCTETS:
            yield scene.finding(
                "short-mac",
                Severity.WARNING,
                run,
                message=f"key {run.mkt!r} has a MAC of {length * 8} bits",
                evidence=f"first in frame {run.first_frame}",
                remedy="use at least 96 bits (mac-length 12)",
                reference="RFC 5926 3.2",
            )


def weak_algorithm(scene: Scene) -> Iterator[Finding]:
    """An algorithm that should not be used any more."""
    for mkt, run in _used_keys(scene).items():
        name = scene.analyzer.keyring.mkts[mkt].algorithm.name
        if name in WEAK_ALGORITHMS:
            yield scene.finding(
                "weak-algorithm",
                Severity.WARNING,
                run,
                message=f"key {run.mkt!r} uses {name}: {WEAK_ALGORITHMS[name]}",
                evidence=f"first in frame {run.first_frame}",
                remedy="use hmac-sha-1-96, aes-128-cmac-96 or hmac-sha-256-128",
                reference="RFC 5926 2.1",
            )


def linux_refuses_algorithm(scene: Scene) -> Iterator[Finding]:
    """An algorithm that Linux took up to 7.1 and refuses from 7.2 on."""
    for mkt, run in _used_keys(scene).items():
        name = scene.analyzer.keyring.mkts[mkt].algorithm.name
        if run.method is Method.AO and name.startswith(("hmac(", "cmac(")) and name not in LINUX_ALGORITHMS:
            secret = scene.analyzer.keyring.mkts[mkt].secret
            # A log does not say how long the master key is, and with one of 16 octets nothing is wrong.
            if name == "cmac(aes)" and (secret is None or len(secret) == 16):
                continue
            yield scene.finding(
                "linux-refuses-algorithm",
                Severity.NOTE,
                run,
                message=f"key {run.mkt!r} uses {name}, which Linux 7.2 and later refuse",
                evidence=f"first in frame {run.first_frame}",
                remedy="move to hmac(sha1), hmac(sha256) or cmac(aes128) before the kernel is upgraded",
                reference="Linux TCP_AO_ADD_KEY",
            )


def md5_in_use(scene: Scene) -> Iterator[Finding]:
    """TCP-MD5, which TCP-AO obsoletes."""
    runs = [run for run in scene.connection.runs if run.method is Method.MD5]
    if runs:
        yield scene.finding(
            "md5-in-use",
            Severity.NOTE,
            min(runs, key=lambda run: run.order),
            message="this connection uses TCP-MD5",
            evidence=times(sum(run.segments for run in runs), "segment"),
            remedy="plan its change to TCP-AO: RFC 2385 is obsolete",
            reference="RFC 5925 1",
        )


def _used_keys(scene: Scene) -> dict[int, KeyRun]:
    """Each key that verified something on the connection, with its first run."""
    used: dict[int, KeyRun] = {}
    for run in sorted(scene.connection.runs, key=lambda run: run.order):
        if run.mkt_index is not None and run.verdicts[Verdict.VERIFIED.member]:
            used.setdefault(run.mkt_index, run)
    return used


def same_secret_many_peers(analyzer: Analyzer, connections: list[ConnectionResult]) -> Iterator[Finding]:
    """One secret serves many socket pairs: whoever learns it at one peer can speak for all."""
    peers_of: dict[object, dict[tuple[str, ...], str]] = {}
    for peer in analyzer.keyring.store.peers:
        ends = tuple(sorted(str(end).split("/")[0] for end in (peer.local, peer.remote) if end is not None))
        for mkt in peer.mkts:
            if mkt.is_keyed:
                logged = mkt.logged
                secret = mkt.secret if logged is None else (logged.path, logged.secret_number)
                peers_of.setdefault(secret, {}).setdefault(ends, f"{mkt.name} ({mkt.origin})")
    for peers in peers_of.values():
        if len(peers) >= MANY_PEERS:
            names = list(dict.fromkeys(peers.values()))
            yield Finding(
                ident="same-secret-many-peers",
                severity=Severity.NOTE,
                connection=None,
                capture=None,
                frame=None,
                message=f"one secret serves {len(peers)} peers: {', '.join(names[:4])}"
                + (f" and {len(names) - 4} more" if len(names) > 4 else ""),
                evidence="compared octet by octet in the key files",
                remedy="give each peer a secret of its own",
                reference="RFC 5925 11; RFC 3562 3",
            )
