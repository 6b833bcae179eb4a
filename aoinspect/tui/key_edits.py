"""Keys that a person types: what the form holds becomes an MKT in the key store, by the rules of the key file.

What was typed is put into the words of the key file and read as one, so that both take the same and say the same of
mistakes. The text holds the secret and goes nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.errors import KeyFileError
from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file

TYPED = "typed here"
"""What stands for a file's name in the origin of such a key."""


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """What stands in the fields of the form, as typed."""

    name: str = ""
    send_id: str = ""
    recv_id: str = ""
    algorithm: str = "hmac-sha-1-96"
    secret: str = field(default="", repr=False)
    """Empty: the former one, where there is one. A text, or octets as `hex:0011…`."""
    mac_length: str = ""
    tcp_options: str = "include"
    local: str = ""
    """Address or prefix of the end that the ids are those of; for new keys only, like `remote`."""
    remote: str = ""


def draft_of(mkt: MasterKeyTuple) -> KeyDraft:
    """The form's contents for a key that is there; its secret stays out of them."""
    return KeyDraft(
        name=mkt.name,
        send_id="" if mkt.send_id is None else str(mkt.send_id),
        recv_id="" if mkt.recv_id is None else str(mkt.recv_id),
        algorithm=mkt.algorithm.name,
        mac_length=str(mkt.mac_length),
        tcp_options=mkt.tcp_options.value,
    )


def with_edited_key(store: KeyStore, old: MasterKeyTuple, draft: KeyDraft) -> KeyStore:
    """`store` with `draft` in place of `old`, wherever it is told, also from the other end. KeyFileError."""
    new = replace(
        _read(draft, old).peers[0].mkts[0],
        origin=old.origin,
        send_lifetime=old.send_lifetime,
        accept_lifetime=old.accept_lifetime,
    )

    if not any(_identity(mkt) == _identity(old) for peer in store.peers for mkt in peer.mkts):
        raise KeyFileError("this key is not among the keys any more: choose one again")

    def put(mkt: MasterKeyTuple) -> MasterKeyTuple:
        if _identity(mkt) != _identity(old):
            return mkt
        ids = (new.send_id, new.recv_id)
        if (mkt.send_id, mkt.recv_id) != (old.send_id, old.recv_id):
            ids = ids[::-1]
        return replace(
            mkt,
            name=new.name if mkt.name == old.name else mkt.name,
            send_id=ids[0],
            recv_id=ids[1],
            algorithm=new.algorithm,
            secret=new.secret,
            mac_length=new.mac_length,
            tcp_options=new.tcp_options,
            gap=None,
            logged=None,
        )

    return replace(
        store,
        peers=tuple(replace(peer, mkts=tuple(map(put, peer.mkts))) for peer in store.peers),
        keychains=tuple(replace(chain, mkts=tuple(map(put, chain.mkts))) for chain in store.keychains),
    )


def with_added_key(store: KeyStore, draft: KeyDraft) -> KeyStore:
    """`store` with a peer entry for `draft`. KeyFileError."""
    typed = _read(draft, None).peers[0]
    paths = store.paths if TYPED in store.paths else (*store.paths, TYPED)
    return replace(store, peers=(*store.peers, typed), paths=paths)


def joined(first: KeyStore, second: KeyStore) -> KeyStore:
    """Both; entries of both stay, and every candidate is tried."""
    return KeyStore(
        peers=tuple(dict.fromkeys((*first.peers, *second.peers))),
        keychains=tuple(dict.fromkeys((*first.keychains, *second.keychains))),
        connections=tuple(dict.fromkeys((*first.connections, *second.connections))),
        offered=tuple(dict.fromkeys((*first.offered, *second.offered))),
        warnings=(*first.warnings, *second.warnings),
        paths=tuple(dict.fromkeys((*first.paths, *second.paths))),
    )


def _identity(mkt: MasterKeyTuple) -> object:
    ids = () if mkt.send_id is None or mkt.recv_id is None else tuple(sorted((mkt.send_id, mkt.recv_id)))
    gap = None if mkt.is_keyed else (mkt.name, mkt.origin)
    return mkt.algorithm.name, mkt.secret, mkt.logged, mkt.mac_length, mkt.tcp_options, ids, gap


def _read(draft: KeyDraft, old: MasterKeyTuple | None) -> KeyStore:
    lines = ["version = 1", "[[peer]]"]
    lines += [
        f"{name} = {json.dumps(text.strip(), ensure_ascii=False)}"
        for name, text in (("local", draft.local), ("remote", draft.remote))
        if text.strip()
    ]
    lines.append("[[peer.key]]")
    for name, text in (("name", draft.name), ("algorithm", draft.algorithm)):
        if text.strip():
            lines.append(f"{name} = {json.dumps(text.strip(), ensure_ascii=False)}")
    lines.append(_secret_line(draft.secret, old))
    if draft.algorithm.strip() != "tcp-md5":
        for name, text in (("send-id", draft.send_id), ("recv-id", draft.recv_id), ("mac-length", draft.mac_length)):
            if text.strip():
                lines.append(f"{name} = {_number(name, text)}")
        lines.append(f"tcp-options = {json.dumps(draft.tcp_options.strip() or 'include', ensure_ascii=False)}")
    try:
        store = parse_key_file("\n".join(lines) + "\n", TYPED, is_public=False)
    except KeyFileError as error:
        # A line of a text that nobody sees tells nothing.
        raise KeyFileError(re.sub(rf"(?m)^{TYPED}:\d+: ", "", str(error))) from None
    origin = Origin(TYPED, 1)
    peers = tuple(
        replace(peer, origin=origin, mkts=tuple(replace(mkt, origin=origin) for mkt in peer.mkts))
        for peer in store.peers
    )
    return replace(store, peers=peers)


def _secret_line(typed: str, old: MasterKeyTuple | None) -> str:
    if not typed:
        if old is None or old.secret is None:
            raise KeyFileError("a secret is needed: a text, or octets as hex:0011…")
        return f'secret-hex = "{old.secret.hex()}"'
    if typed.startswith("hex:"):
        return f"secret-hex = {json.dumps(typed[4:].replace(' ', ''))}"
    return f"secret = {json.dumps(typed, ensure_ascii=False)}"


def _number(name: str, text: str) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdecimal()):
        raise KeyFileError(f"{name}: {stripped!r} is no number")
    return int(stripped)
