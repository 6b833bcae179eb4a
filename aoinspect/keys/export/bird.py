"""BIRD: one protocol per session, with what authenticates it and nothing else."""

from __future__ import annotations

import re

from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.keys.export.plan import (
    LONGEST_LINUX_SECRET,
    Abilities,
    Session,
    address_text,
    plan,
    refuse,
    secret_of,
    written_algorithm,
)
from aoinspect.keys.importers.model import BGP_PORT
from aoinspect.keys.model import KeyStore

ABILITIES = Abilities(
    title="BIRD",
    algorithms={
        "hmac-sha-1-96": "hmac sha1",
        "hmac-sha-256-96": "hmac sha256",
        "aes-128-cmac-96": "cmac aes128",
        "hmac(md5)": "hmac md5",
        "hmac(sha224)": "hmac sha224",
        "hmac(sha384)": "hmac sha384",
        "hmac(sha512)": "hmac sha512",
    },
    flags=frozenset({TcpOptions.INCLUDE}),
    has_ports=True,
    has_unique_ids=True,
    longest_secret=LONGEST_LINUX_SECRET,
    name_pattern="[A-Za-z0-9_]",
)
_MAY_BE_KEYWORD = re.compile(r"[a-z0-9_]+")
"""BIRD takes no word of its grammar as a name, even in apostrophes; all of these are lower case."""
_HEADER = (
    "# What authenticates the sessions: merge it into their protocols, which need AS numbers and channels as well."
)


def write_bird(store: KeyStore) -> str:
    """The protocols of `store`'s peers. KeyFileError with all that BIRD cannot express."""
    planned = plan(store, ABILITIES)
    _refuse_what_quotes_cannot_hold(planned.sessions)
    names: dict[str, int] = {}
    blocks = [_HEADER]
    for session in planned.sessions:
        number = names[session.chain] = names.get(session.chain, 0) + 1
        name = session.chain if _MAY_BE_KEYWORD.fullmatch(session.chain) is None else f"ao_{session.chain}"
        blocks.append(_protocol(session, name if number == 1 else f"{name}_{number}"))
    return "\n\n".join(blocks) + "\n"


def _protocol(session: Session, name: str) -> str:
    lines = [f"protocol bgp {name} {{"]
    if session.vrf is not None:
        lines.append(f'  vrf "{session.vrf}";')
    local_port = session.local_port if session.port is None else session.port
    remote_port = session.remote_port if session.port is None else session.port
    if session.local is not None or local_port not in (None, BGP_PORT):
        local = "" if session.local is None else f" {address_text(session.local)}"
        lines.append(f"  local{local}{_port(local_port)};")
    if session.is_link_local:
        lines.append("  # A link-local neighbor needs its interface as well.")
    lines.append(f"  neighbor {'range ' if session.is_range else ''}{session.remote_text}{_port(remote_port)};")
    if session.is_md5:
        lines += ["  authentication md5;", f"  password {_quoted(secret_of(session.mkts[0]))};"]
    else:
        lines += ["  authentication ao;", "  keys {", *(f"    {_key(mkt)}" for mkt in session.mkts), "  };"]
    return "\n".join([*lines, "}"])


def _port(port: int | None) -> str:
    return "" if port in (None, BGP_PORT) else f" port {port}"


def _key(mkt: MasterKeyTuple) -> str:
    secret = secret_of(mkt)
    ids = f"send id {mkt.send_id}; recv id {mkt.recv_id};"
    written = _quoted(secret) if _can_be_quoted(secret) else f"hex:{secret.hex()}"
    return f"key {{ {ids} secret {written}; algorithm {written_algorithm(mkt, ABILITIES)}; }};"


def _can_be_quoted(secret: bytes) -> bool:
    """Text in quotes has no escapes, so neither quotes nor ends of lines can be in it."""
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.isprintable() and '"' not in text and "\\" not in text


def _quoted(secret: bytes) -> str:
    return f'"{secret.decode("utf-8")}"'


def _refuse_what_quotes_cannot_hold(sessions: tuple[Session, ...]) -> None:
    refuse(
        ABILITIES.title,
        [
            (mkt.origin, f'the octets of the TCP-MD5 password "{mkt.name}", which are no text that quotes can hold')
            for session in sessions
            if session.is_md5
            for mkt in session.mkts
            if not _can_be_quoted(secret_of(mkt))
        ]
        + [
            (session.origin, "the VRF's name")
            for session in sessions
            if session.vrf is not None and not _can_be_quoted(session.vrf.encode("utf-8", "replace"))
        ],
    )
