"""What `keys lint` and `keys compare` have found, as text and as JSON. Nothing here knows a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from aoinspect.keys.compare import Comparison, KeyPair
from aoinspect.keys.model import Network, Peer
from aoinspect.keys.remarks import Remark, Severity

LINT_SCHEMA = "aoinspect.keys-lint/1"
COMPARE_SCHEMA = "aoinspect.keys-compare/1"

JsonObject = dict[str, object]


def lint_text(remarks: Sequence[Remark]) -> str:
    """Two lines for each remark, and the counts."""
    lines = [line for remark in remarks for line in _remark_lines(remark, "")]
    counts = [
        f"{number} {severity.value}{'' if number == 1 else 's'}"
        for severity in Severity
        if (number := sum(remark.severity is severity for remark in remarks))
    ]
    return _shown([*lines, ", ".join(counts) or "nothing to remark"])


def lint_json(remarks: Sequence[Remark]) -> str:
    """An object with `schema` and `remarks`."""
    return _json({"schema": LINT_SCHEMA, "remarks": [_remark_object(remark) for remark in remarks]})


def comparison_text(comparison: Comparison) -> str:
    """Every session with its keys, and what is wrong with each; then the sessions that only one end tells."""
    lines: list[str] = []
    for session in comparison.sessions:
        lines.append(f"{_end_text(session.mine)} and {_end_text(session.theirs)}")
        for pair in session.keys:
            lines.append(f"  {_pair_text(pair)}")
            lines += [line for remark in pair.remarks for line in _remark_lines(remark, "    ")]
    for peers, end in ((comparison.only_mine, "first"), (comparison.only_theirs, "second")):
        lines += [f"{_end_text(peer)}: only in the {end} file" for peer in peers]
    if comparison.sessions and not comparison.remarks:
        lines.append("both ends agree")
    return _shown(lines)


def comparison_json(comparison: Comparison) -> str:
    """An object with `schema`, `sessions`, and the peers that only one end tells."""
    return _json(
        {
            "schema": COMPARE_SCHEMA,
            "sessions": [
                {
                    "a": _peer_object(session.mine),
                    "b": _peer_object(session.theirs),
                    "keys": [_pair_object(pair) for pair in session.keys],
                }
                for session in comparison.sessions
            ],
            "only_a": [_peer_object(peer) for peer in comparison.only_mine],
            "only_b": [_peer_object(peer) for peer in comparison.only_theirs],
        }
    )


def _remark_lines(remark: Remark, indentation: str) -> Iterator[str]:
    other = "" if remark.other_origin is None else f" (other end: {remark.other_origin})"
    yield f"{indentation}{remark.origin}: {remark.severity.value} [{remark.ident}]: {remark.message}{other}"
    yield f"{indentation}    {remark.remedy}. {remark.reference}"


def _shown(lines: Sequence[str]) -> str:
    """The lines, of characters that a terminal shows and does not obey."""
    return "\n".join(
        "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)
        for line in lines
    )


def _json(value: JsonObject) -> str:
    return json.dumps(value, indent=1)


def _remark_object(remark: Remark) -> JsonObject:
    other = remark.other_origin
    return {
        "ident": remark.ident,
        "severity": remark.severity.value,
        "path": remark.origin.path,
        "line": remark.origin.line,
        "message": remark.message,
        "remedy": remark.remedy,
        "reference": remark.reference,
        "other": None if other is None else {"path": other.path, "line": other.line},
    }


def _pair_text(pair: KeyPair) -> str:
    mkt = pair.mine or pair.theirs
    assert mkt is not None
    ids = "" if mkt.send_id is None else f" (send-id {mkt.send_id}, recv-id {mkt.recv_id})"
    if pair.mine is None or pair.theirs is None:
        return f"{mkt.name}{ids}: only on the {'second' if pair.mine is None else 'first'} end"
    secret = {True: "yes", False: "no", None: "not known"}[pair.is_secret_equal]
    return f"{mkt.name}{ids}: {mkt.algorithm.name}, secrets equal: {secret}"


def _pair_object(pair: KeyPair) -> JsonObject:
    return {
        "a": None if pair.mine is None else pair.mine.name,
        "b": None if pair.theirs is None else pair.theirs.name,
        "secrets_equal": pair.is_secret_equal,
        "remarks": [_remark_object(remark) for remark in pair.remarks],
    }


def _peer_object(peer: Peer) -> JsonObject:
    return {
        "local": None if peer.local is None else _address(peer.local),
        "remote": None if peer.remote is None else _address(peer.remote),
        "path": peer.origin.path,
        "line": peer.origin.line,
    }


def _end_text(peer: Peer) -> str:
    local, remote = (_address(network) for network in (peer.local, peer.remote))
    return f"{local} -> {remote} ({peer.origin})"


def _address(network: Network | None) -> str:
    if network is None:
        return "any"
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
