"""rustbgpd (TOML): `tcp_ao` and `md5_password` of neighbours, dynamic ranges and peer groups.

`tcp_ao` is one key, or a list of keys; its text is the secret's octets, and algorithms go by Linux's names. A
neighbour's own setting goes before its peer group's. Source: rustbgpd's configuration reference and its tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.keys.importers.documents import Node, read_document
from aoinspect.keys.importers.model import Draft, ImportContext, Importer, Mark, Secret, Source, Word, own_words, score
from aoinspect.keys.importers.ports import add_session
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "rustbgpd"
_WORDS = own_words(
    "neighbors neighbors.tcp_ao dynamic_neighbors peer_groups tcp_ao key send_id recv_id algorithm address prefix",
    "remote_asn md5_password peer_group local_address global listen_port port keys true false",
)
_ID_NAMES = ("send_id", "recv_id")


@dataclass(slots=True)
class _Configuration:
    """One configuration being read."""

    draft: Draft
    root: Node
    sessions: Sessions
    groups: dict[str, Settings] = field(default_factory=dict)

    def read(self) -> None:
        groups = self.root.get("peer_groups")
        for name, group in ({} if groups is None else groups.members).items():
            self.groups[name] = self.settings(group, f"peer group {name}")
        for kind, address in (("neighbors", "address"), ("dynamic_neighbors", "prefix")):
            entries = self.root.get(kind)
            for entry in [] if entries is None else entries.items:
                word = entry.word(address)
                if word is None or not word.text:
                    continue
                remote = self.draft.network(word)
                settings = self.settings(entry, word.text).over(self.groups)
                if remote is not None:
                    add_session(
                        self.sessions,
                        remote,
                        entry.start,
                        settings,
                        listens_on=self.port(self.root, "global", "listen_port"),
                        connects_to=self.port(entry, "remote_port"),
                    )
        self.sessions.close()

    def port(self, node: Node, *path: str) -> int | None:
        return self.draft.number(node.word(*path), path[-1], 1, 0xFFFF)

    def settings(self, node: Node, owner: str) -> Settings:
        """What a neighbour, range or group says; its keys become a key chain that goes by the owner's name."""
        settings = Settings()
        keys = node.get("tcp_ao")
        password = node.word("md5_password")
        if keys is not None:
            items = (keys.get("keys") or keys).items
            mkts = [mkt for item in items if (mkt := self.key(item)) is not None]
            if mkts:
                self.sessions.add_chain(owner, mkts, keys.start)
                settings.keys = ChainUse(Word(owner, keys.start, keys.end))
        elif password is not None and password.text:
            settings.keys = Password(password.start, Secret.of_text(password.text))
        local = node.word("local_address")
        if local is not None and local.text:
            settings.local = self.draft.network(local)
        group = node.word("peer_group")
        if group is not None:
            settings.parents.append(group.text)
        return settings

    def key(self, key: Node) -> MasterKeyTuple | None:
        draft = self.draft
        for name in (*_ID_NAMES, "algorithm"):
            if key.word(name) is None:
                draft.mistake((key.start, key.end), f"this key has no {name}")
        send_id, recv_id = (draft.number(key.word(name), name, 0, 255) for name in _ID_NAMES)
        algorithm_word = key.word("algorithm")
        algorithm = None if algorithm_word is None else draft.algorithm(algorithm_word)
        if algorithm is None or send_id is None or recv_id is None:
            return None
        text = key.word("key") or key.word("secret")
        secret = Secret(None) if text is None else Secret.of_text(text.text)
        return draft.key(key.start, secret, algorithm, send_id=send_id, recv_id=recv_id)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, _WORDS)
    _Configuration(draft, read_document(draft), Sessions(draft)).read()
    return draft.finish()


_MARKS = (
    Mark("tcp_ao", r"\s*(?:\[\[?[A-Za-z_.\"-]*\.tcp_ao(?:\.keys)?\]\]?|tcp_ao\s*=\s*[\[{])", 16),
    Mark("md5_password", r"\s*md5_password\s*=", 8),
    Mark("remote_asn", r"\s*remote_asn\s*=", 8),
    Mark("[[neighbors]]", r"\s*\[\[neighbors\]\]", 2),
    Mark("[[dynamic_neighbors]]", r"\s*\[\[dynamic_neighbors\]\]", 5),
    Mark("[peer_groups.", r"\s*\[peer_groups\.", 5),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


RUSTBGPD = Importer("rustbgpd", _TITLE, _recognises, _read)
