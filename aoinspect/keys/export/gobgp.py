"""GoBGP (TOML): key chains, neighbours, and a peer group for every range."""

from __future__ import annotations

import base64

from aoinspect.ao.mkt import TcpOptions
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
from aoinspect.keys.model import KeyStore

ABILITIES = Abilities(
    title="GoBGP",
    algorithms={
        "hmac-sha-1-96": "hmac_sha_1_96",
        "aes-128-cmac-96": "aes_128_cmac_96",
        "hmac-sha-256-96": "hmac_sha_256_96",
        "hmac-sha-256-128": "hmac_sha_256_128",
    },
    flags=frozenset({TcpOptions.INCLUDE, TcpOptions.EXCLUDE}),
    has_unique_ids=True,
    longest_secret=LONGEST_LINUX_SECRET,
)
_HEADER = "# What authenticates the sessions: merge it into the configuration, which needs AS numbers as well."


def write_gobgp(store: KeyStore) -> str:
    """The configuration of `store`'s peers. KeyFileError with all that GoBGP cannot express."""
    planned = plan(store, ABILITIES)
    _refuse_odd_passwords(planned.sessions)
    blocks = [_HEADER]
    for chain in planned.chains:
        lines = ["[[keychains]]", "  [keychains.config]", f'    name = "{chain.name}"']
        for mkt in chain.mkts:
            lines += [
                "  [[keychains.keys]]",
                "    [keychains.keys.config]",
                f"      key-id = {mkt.send_id}",
                f"      receive-id = {mkt.recv_id}",
                f'      crypto-algorithm = "{written_algorithm(mkt, ABILITIES)}"',
                f'      secret-key = "{base64.b64encode(secret_of(mkt)).decode("ascii")}"',
            ]
            if mkt.tcp_options is TcpOptions.EXCLUDE:
                lines.append("      exclude-tcp-options = true")
        blocks.append("\n".join(lines))
    for number, session in enumerate(planned.sessions, 1):
        blocks.append("\n".join(_range_lines(session, f"range-{number}") if session.is_range else _neighbour(session)))
    return "\n\n".join(blocks) + "\n"


def _neighbour(session: Session) -> list[str]:
    config = [f'    neighbor-address = "{session.remote_text}"', *_vrf(session)]
    note = ["# A link-local address needs its interface as well: fe80::2%eth0"] if session.is_link_local else []
    return [*note, "[[neighbors]]", "  [neighbors.config]", *config, *_keys(session, "neighbors")]


def _range_lines(session: Session, group: str) -> list[str]:
    return [
        "[[peer-groups]]",
        "  [peer-groups.config]",
        f'    peer-group-name = "{group}"',
        *_keys(session, "peer-groups"),
        "",
        "[[dynamic-neighbors]]",
        "  [dynamic-neighbors.config]",
        f'    prefix = "{session.remote}"',
        f'    peer-group = "{group}"',
        *_vrf(session),
    ]


def _vrf(session: Session) -> list[str]:
    return [] if session.vrf is None else [f"    vrf = {_basic_string(session.vrf)}"]


def _keys(session: Session, table: str) -> list[str]:
    lines = []
    if session.is_md5:
        lines.append(f"    auth-password = {_basic_string(secret_of(session.mkts[0]).decode('utf-8'))}")
    if session.local is not None:
        lines += [f"  [{table}.transport.config]", f'    local-address = "{address_text(session.local)}"']
    if not session.is_md5:
        lines += [
            f"  [{table}.tcp-ao.config]",
            f'    keychain = "{session.chain}"',
            f"    preferred-send-id = {session.mkts[0].send_id}",
        ]
    return lines


def _basic_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_text(secret: bytes) -> bool:
    try:
        return secret.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _refuse_odd_passwords(sessions: tuple[Session, ...]) -> None:
    refuse(
        ABILITIES.title,
        [
            (mkt.origin, f'the octets of the TCP-MD5 password "{mkt.name}", which are no printable text')
            for session in sessions
            if session.is_md5
            for mkt in session.mkts
            if not _is_text(secret_of(mkt))
        ],
    )
