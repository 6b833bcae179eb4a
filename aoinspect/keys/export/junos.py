"""Junos: key chains, and a BGP group per session.

A Junos key has a start and no end: it lasts until the next one starts, and is accepted a `tolerance` longer at either
side. Lifetimes of any other shape cannot be written. The start is mandatory, so that several keys that are always valid
cannot be told; where one key has no beginning, the year 2000 stands for it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, Origin, TcpOptions
from aoinspect.keys.export.plan import (
    SECOND_NS,
    Abilities,
    Session,
    address_text,
    is_in_seconds,
    plain_text,
    plan,
    refuse,
    secret_of,
    written_algorithm,
)
from aoinspect.keys.importers.junos import ALWAYS_NS
from aoinspect.keys.model import KeyChain, KeyStore
from aoinspect.keys.obfuscation import disguise_junos9

ABILITIES = Abilities(
    title="Junos",
    algorithms={"hmac-sha-1-96": "hmac-sha-1-96", "aes-128-cmac-96": "aes-128-cmac-96"},
    flags=frozenset(TcpOptions),
    has_lifetimes=True,
    longest_secret=126,
)
_HEADER = "# What authenticates the sessions: the groups need types and AS numbers as well."
_FLAGS = {TcpOptions.INCLUDE: "enabled", TcpOptions.EXCLUDE: "disabled"}
_MOST_KEYS = 64


def write_junos(store: KeyStore) -> str:
    """The configuration of `store`'s peers. KeyFileError with all that Junos cannot express."""
    planned = plan(store, ABILITIES)
    refuse(
        ABILITIES.title,
        [problem for chain in planned.chains for problem in _odd_lifetimes(chain)]
        + [
            (session.origin, "the VRF's name")
            for session in planned.sessions
            if session.vrf is not None and plain_text(session.vrf.encode("utf-8", "replace")) is None
        ],
    )
    lines = [_HEADER]
    if planned.chains:
        lines += ["security {", "    authentication-key-chains {"]
        for chain in planned.chains:
            lines += ["        " + line for line in _chain_lines(chain)]
        lines += ["    }", "}"]
    numbered = list(enumerate(planned.sessions, 1))
    for vrf in dict.fromkeys(session.vrf for session in planned.sessions):
        inside = [line for number, session in numbered if session.vrf == vrf for line in _group_lines(session, number)]
        block = ["protocols {", "    bgp {", *("        " + line for line in inside), "    }", "}"]
        if vrf is not None:
            block = [
                "routing-instances {",
                f"    {_word(vrf)} {{",
                *("        " + line for line in block),
                "    }",
                "}",
            ]
        lines += block
    return "\n".join(lines) + "\n"


def _chain_lines(chain: KeyChain) -> list[str]:
    lines = [f"key-chain {_word(chain.name)} {{"]
    tolerance = _tolerance_ns(chain.mkts)
    if tolerance:
        lines.append(f"    tolerance {tolerance // SECOND_NS};")
    for number, mkt in enumerate(chain.mkts):
        lines += [f"    key {number} {{", f"        secret {_secret(secret_of(mkt))};"]
        start = datetime.fromtimestamp(_start_ns(mkt) // SECOND_NS, UTC)
        told = f"{start.year}-{start.month}-{start.day}.{start:%H:%M:%S} +0000"
        lines.append(f'        start-time "{told}";')
        lines += ["        algorithm ao;", "        ao-attribute {"]
        lines += [f"            send-id {mkt.send_id};", f"            recv-id {mkt.recv_id};"]
        if mkt.tcp_options in _FLAGS:
            lines.append(f"            tcp-ao-option {_FLAGS[mkt.tcp_options]};")
        lines.append(f"            cryptographic-algorithm {written_algorithm(mkt, ABILITIES)};")
        lines += ["        }", "    }"]
    return [*lines, "}"]


def _group_lines(session: Session, number: int) -> list[str]:
    lines = [f"group AO-{number} {{"]
    if session.local is not None:
        lines.append(f"    local-address {address_text(session.local)};")
    if session.is_md5:
        lines.append(f"    authentication-key {_secret(secret_of(session.mkts[0]))};")
    else:
        lines += ["    authentication-algorithm ao;", f"    authentication-key-chain {_word(session.chain)};"]
    lines.append(f"    {'allow' if session.is_range else 'neighbor'} {session.remote_text};")
    return [*lines, "}"]


def _secret(secret: bytes) -> str:
    """As routers print it, which every octet survives."""
    return f'"{disguise_junos9(secret)}"'


def _word(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").replace(".", "").isalnum() else f'"{name}"'


def _start_ns(mkt: MasterKeyTuple) -> int:
    send = mkt.send_lifetime
    return ALWAYS_NS if send is None or send.from_ns is None else send.from_ns


def _tolerance_ns(mkts: tuple[MasterKeyTuple, ...]) -> int:
    """By how much the first key that has both lifetimes is accepted before it is sent."""
    for mkt in mkts:
        send, accept = mkt.send_lifetime, mkt.accept_lifetime
        if send is not None and accept is not None and send.from_ns is not None and accept.from_ns is not None:
            return send.from_ns - accept.from_ns
    return 0


def _odd_lifetimes(chain: KeyChain) -> list[tuple[Origin, str]]:
    found: list[tuple[Origin, str]] = []
    if len(chain.mkts) > _MOST_KEYS:
        found.append((chain.origin, f'more than {_MOST_KEYS} keys, in the key chain "{chain.name}"'))
    starts = [_start_ns(mkt) for mkt in chain.mkts]
    tolerance = _tolerance_ns(chain.mkts)
    for mkt in chain.mkts:
        send = mkt.send_lifetime or Lifetime(None, None)
        start = _start_ns(mkt)
        accept = mkt.accept_lifetime or Lifetime(None, None)
        if starts.count(start) > 1:
            message = "keys that start at the same time, or are always valid"
        elif send.from_ns is not None and start <= ALWAYS_NS:
            message = "a lifetime that begins before the year 2000"
        elif send.until_ns != min((later for later in starts if later > start), default=None):
            message = "a key that does not last until the next one starts"
        elif accept != _widened(send, tolerance) or tolerance < 0 or tolerance % SECOND_NS:
            message = "an accept-lifetime that is not the send-lifetime widened by one tolerance"
        elif not is_in_seconds(send):
            message = "a lifetime that is not in whole seconds"
        else:
            continue
        found.append((mkt.origin, f'{message}, in the key "{mkt.name}"'))
    return found


def _widened(lifetime: Lifetime, tolerance: int) -> Lifetime:
    return Lifetime(
        None if lifetime.from_ns is None else lifetime.from_ns - tolerance,
        None if lifetime.until_ns is None else lifetime.until_ns + tolerance,
    )
