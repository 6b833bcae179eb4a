"""Cisco IOS-XR: `key chain`, the ids in `tcp ao`, and the neighbours."""

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
    title="Cisco IOS-XR",
    algorithms={
        "hmac-sha-1-96": "HMAC-SHA1-96",
        "aes-128-cmac-96": "AES-128-CMAC-96",
        "hmac-sha-256-96": "HMAC-SHA-256",
    },
    flags=frozenset({TcpOptions.INCLUDE, TcpOptions.EXCLUDE}),
    has_lifetimes=True,
    is_flag_of_session=True,
)
_HEADER = "!! What authenticates the sessions: the neighbors need remote-as and address families as well."


def write_ios_xr(store: KeyStore) -> str:
    """The configuration of `store`'s peers. KeyFileError with all that IOS-XR cannot express.

    Every key has both lifetimes: IOS-XR has no default for them.
    """
    planned = plan(store, ABILITIES)
    refuse(
        ABILITIES.title,
        [problem for chain in planned.chains for problem in odd_lifetimes(chain.mkts)]
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
        lines += [f"key chain {chain.name}", " timezone gmt"]
        for number, mkt in enumerate(chain.mkts):
            secret = written_secret(secret_of(mkt), "clear", "password")
            lines += [f" key {number}", f"  key-string {secret}"]
            lines += [f"  {line}" for line in lifetime_lines(mkt, is_always_written=True)]
            lines += [f"  cryptographic-algorithm {written_algorithm(mkt, ABILITIES)}", " !"]
        lines.append("!")
    if planned.chains:
        lines.append("tcp ao")
        for chain in planned.chains:
            lines.append(f" keychain {chain.name}")
            for number, mkt in enumerate(chain.mkts):
                lines.append(f"  key {number} SendID {mkt.send_id} ReceiveID {mkt.recv_id}")
            lines.append(" !")
        lines.append("!")
    return lines


def _session_lines(planned: Plan) -> list[str]:
    """The AS number of `router bgp` is not known here: 0 stands for it."""
    if not planned.sessions:
        return []
    lines = ["!! replace the AS number 0", "router bgp 0"]
    for vrf in dict.fromkeys(session.vrf for session in planned.sessions):
        indentation = " " if vrf is None else "  "
        if vrf is not None:
            lines.append(f" vrf {vrf}")
        for session in planned.sessions:
            if session.vrf == vrf:
                lines += [indentation + line for line in _neighbour_lines(session)]
        if vrf is not None:
            lines.append(" !")
    return [*lines, "!"]


def _neighbour_lines(session: Session) -> list[str]:
    lines = [f"neighbor {session.remote_text}"]
    if session.is_md5:
        lines.append(f" password {written_secret(secret_of(session.mkts[0]), 'clear', 'encrypted')}")
    else:
        flag = "enable" if session.flag is TcpOptions.INCLUDE else "disable"
        lines.append(f" ao {session.chain} include-tcp-options {flag}")
    if session.local is not None:
        lines.append(f" local address {address_text(session.local)}")
    return [*lines, "!"]
