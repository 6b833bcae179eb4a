"""Cisco IOS-XE: `key chain NAME tcp`, and the neighbours.

A neighbour names this end by an interface (`update-source`), which nothing here knows. So the address stands in a
comment, one for all sessions; reading the text back takes it from `--local`.
"""

from __future__ import annotations

from aoinspect.ao.mkt import TcpOptions
from aoinspect.keys.export.cisco import lifetime_lines, odd_lifetimes, written_secret
from aoinspect.keys.export.plan import (
    Abilities,
    Plan,
    Session,
    address_text,
    plan,
    refuse,
    secret_of,
    written_algorithm,
)
from aoinspect.keys.model import KeyStore

ABILITIES = Abilities(
    title="Cisco IOS-XE",
    algorithms={
        "hmac-sha-1-96": "hmac-sha-1",
        "aes-128-cmac-96": "aes-128-cmac",
        "hmac-sha-256-96": "hmac-sha-256",
    },
    flags=frozenset({TcpOptions.INCLUDE, TcpOptions.EXCLUDE}),
    has_lifetimes=True,
    is_flag_of_session=True,
)
_HEADER = "! What authenticates the sessions: the neighbors need remote-as and address families as well."


def write_ios_xe(store: KeyStore) -> str:
    """The configuration of `store`'s peers. KeyFileError with all that IOS-XE cannot express."""
    planned = plan(store, ABILITIES)
    locals_ = {session.local for session in planned.sessions}
    refuse(
        ABILITIES.title,
        [problem for chain in planned.chains for problem in odd_lifetimes(chain.mkts)]
        + [
            (session.origin, "several local addresses: it names interfaces in their place; choose one with --local")
            for session in planned.sessions[:1]
            if len(locals_) > 1
        ]
        + [
            (session.origin, "the VRF's name, which has blanks")
            for session in planned.sessions
            if session.vrf is not None and not (session.vrf.isprintable() and session.vrf.split() == [session.vrf])
        ],
    )
    lines = [_HEADER, *_chain_lines(planned), *_session_lines(planned)]
    return "\n".join(lines) + "\n"


def _chain_lines(planned: Plan) -> list[str]:
    lines = []
    for chain in planned.chains:
        lines.append(f"key chain {chain.name} tcp")
        for number, mkt in enumerate(chain.mkts):
            lines += [f" key {number}", f"  send-id {mkt.send_id}", f"  recv-id {mkt.recv_id}"]
            if mkt.tcp_options is TcpOptions.INCLUDE:
                lines.append("  include-tcp-options")
            lines.append(f"  cryptographic-algorithm {written_algorithm(mkt, ABILITIES)}")
            lines.append(f"  key-string {written_secret(secret_of(mkt), '0', '7')}")
            lines += [f"  {line}" for line in lifetime_lines(mkt)]
        lines.append("!")
    return lines


def _session_lines(planned: Plan) -> list[str]:
    """The AS number of `router bgp` is not known here: 0 stands for it."""
    if not planned.sessions:
        return []
    lines = ["! replace the AS number 0"]
    local = planned.sessions[0].local
    if local is not None:
        lines.append(f"! local address {address_text(local)}: give each neighbor the update-source that has it")
    lines.append("router bgp 0")
    number = 0
    for vrf in dict.fromkeys(session.vrf for session in planned.sessions):
        for family in (4, 6) if vrf is not None else (None,):
            chosen = [
                session
                for session in planned.sessions
                if session.vrf == vrf and (family is None or (session.remote and session.remote.version == family))
            ]
            if vrf is not None and chosen:
                lines.append(f" address-family ipv{family} vrf {vrf}")
            for session in chosen:
                number += 1
                indentation = " " if vrf is None else "  "
                lines += [indentation + line for line in _neighbour_lines(session, f"RANGE{number}")]
            if vrf is not None and chosen:
                lines.append(" exit-address-family")
    return [*lines, "!"]


def _neighbour_lines(session: Session, group: str) -> list[str]:
    lines = []
    name = session.remote_text
    if session.is_range:
        name = group
        lines += [f"neighbor {group} peer-group", f"bgp listen range {session.remote} peer-group {group}"]
    if session.is_md5:
        lines.append(f"neighbor {name} password {written_secret(secret_of(session.mkts[0]), '0', '7')}")
    else:
        # Releases that take the flag from the neighbour alone for BGP do not look at the keys'.
        is_covered = session.flag is TcpOptions.INCLUDE
        lines.append(f"neighbor {name} ao {session.chain}" + " include-tcp-options" * is_covered)
    return lines
