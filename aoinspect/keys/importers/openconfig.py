"""OpenConfig (JSON): `keychains`, and the neighbours and peer groups that name one or hold a password.

The model has no SendID and ReceiveID. Where a vendor's augmentation adds them they are read; otherwise `key-id` is
taken for both, as targets with one number do, and a warning says so: a capture soon shows whether it is right. Nor has
it a flag for TCP options, which is `auto` then. Source: openconfig-keychain 0.6.0 and openconfig-bgp.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.keys.importers.documents import Node, read_document
from aoinspect.keys.importers.model import (
    BGP_PORT,
    Draft,
    ImportContext,
    Importer,
    Mark,
    Secret,
    Source,
    Word,
    own_words,
    score,
)
from aoinspect.keys.importers.moments import SECOND_NS, span, widened
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "OpenConfig"
_WORDS = own_words(
    "keychains keychain keys key key-id config name tolerance secret-key crypto-algorithm send-id receive-id recv-id",
    "send-lifetime receive-lifetime start-time end-time send-and-receive neighbors neighbor neighbor-address",
    "peer-groups peer-group peer-group-name auth-password transport local-address network-instance true false forever",
    "openconfig-keychain:keychains",
)
_WORDS |= {f'"{word}"' for word in _WORDS} | {":"}
_ONE_NUMBER = "OpenConfig's key chain has no send and receive ids: key-id is taken for both"
_U64_MAX = (1 << 64) - 1
_DEFAULT_INSTANCE = "default"


def _without_modules(node: Node) -> Node:
    """The tree with members by their bare names (`openconfig-keychain:keychains` is `keychains`)."""
    if isinstance(node.value, dict):
        members = {name.rpartition(":")[2]: _without_modules(member) for name, member in node.value.items()}
        return replace(node, value=members)
    if isinstance(node.value, list):
        return replace(node, value=[_without_modules(item) for item in node.value])
    return node


@dataclass(slots=True)
class _Configuration:
    """One document being read."""

    draft: Draft
    sessions: Sessions
    groups: dict[str, Settings] = field(default_factory=dict)

    def read(self, root: Node) -> None:
        for chains in root.named("keychains"):
            for chain in chains.named("keychain"):
                name = chain.word("name") or chain.word("config", "name")
                if name is None:
                    self.draft.mistake((chain.start, chain.start + 1), "this key chain has no name")
                    continue
                tolerance = chain.word("config", "tolerance")
                keys = [key for inside in chain.named("keys") for key in inside.named("key")]
                mkts = [mkt for key in keys if (mkt := self.key(key, name.text, tolerance)) is not None]
                self.sessions.add_chain(name.text, mkts, chain.start)
        instances = list(root.named("network-instance"))
        for instance in instances or [root]:
            name = instance.word("name") or instance.word("config", "name")
            is_default = name is None or name.text.lower() == _DEFAULT_INSTANCE
            self.read_sessions(instance, None if is_default or name is None else name.text)
        self.sessions.close()

    def read_sessions(self, instance: Node, vrf: str | None) -> None:
        groups: dict[str, Settings] = {}
        for inside in instance.named("peer-groups"):
            for group in inside.named("peer-group"):
                name = group.word("peer-group-name") or group.word("config", "peer-group-name")
                if name is not None:
                    groups[name.text] = self.settings(group)
        for inside in instance.named("neighbors"):
            for neighbour in inside.named("neighbor"):
                word = neighbour.word("neighbor-address") or neighbour.word("config", "neighbor-address")
                remote = None if word is None else self.draft.network(word)
                if remote is not None:
                    settings = self.settings(neighbour).over(groups)
                    self.sessions.add(remote, neighbour.start, settings, port=BGP_PORT, vrf=vrf)

    def settings(self, node: Node) -> Settings:
        settings = Settings()
        chain = next(node.named("keychain", "key-chain"), None)
        password = node.word("config", "auth-password")
        if chain is not None and isinstance(chain.value, str) and chain.value:
            settings.keys = ChainUse(Word(chain.value, chain.start, chain.end))
        elif password is not None and password.text:
            settings.keys = Password(password.start, Secret.of_text(password.text))
        local = node.word("transport", "config", "local-address")
        if local is not None and local.text:
            settings.local = self.draft.network(local)
        group = node.word("config", "peer-group")
        if group is not None:
            settings.parents.append(group.text)
        return settings

    def key(self, key: Node, chain: str, tolerance: Word | None) -> MasterKeyTuple | None:
        draft = self.draft
        config = key.get("config") or key
        name = config.word("key-id") or key.word("key-id")
        send_word = config.word("send-id")
        recv_word = config.word("receive-id") or config.word("recv-id")
        if send_word is None and recv_word is None:
            draft.warn(key.start, _ONE_NUMBER, is_told_once=True)
        send_id, recv_id = (draft.number(word or name, "key-id", 0, 255) for word in (send_word, recv_word))
        algorithm_word = config.word("crypto-algorithm")
        if name is None or algorithm_word is None:
            missing = "key-id" if name is None else "crypto-algorithm"
            draft.mistake((key.start, key.start + 1), f"this key has no {missing}")
            return None
        algorithm = draft.algorithm(algorithm_word._replace(text=algorithm_word.text.rpartition(":")[2]))
        if algorithm is None or send_id is None or recv_id is None:
            return None
        text = config.word("secret-key")
        send, accept = self.lifetimes(key)
        return draft.key(
            key.start,
            Secret(None) if text is None else Secret.of_text(text.text),
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            name=f"{chain} {name.text}",
            send_lifetime=send,
            accept_lifetime=self.tolerant(accept, tolerance),
        )

    def lifetimes(self, key: Node) -> tuple[Lifetime | None, Lifetime | None]:
        """Of sending and of accepting; `send-and-receive`, which is the default, makes one of both."""
        send = self.lifetime(key, "send-lifetime")
        symmetry = key.word("send-lifetime", "config", "send-and-receive")
        if symmetry is None or symmetry.text == "true":
            return send, send
        return send, self.lifetime(key, "receive-lifetime")

    def lifetime(self, key: Node, name: str) -> Lifetime | None:
        words = [key.word(name, "config", which) for which in ("start-time", "end-time")]
        start, end = (self.nanoseconds(word) for word in words)
        place = next(((word.start, word.end) for word in words if word is not None), (key.start, key.start + 1))
        return span(self.draft, place, start, end)

    def nanoseconds(self, word: Word | None) -> int | None:
        """Nanoseconds since 1970; 0 leaves this end open."""
        if word is None:
            return None
        if not (word.text.isascii() and word.text.isdecimal()) or len(word.text) > 20 or int(word.text) > _U64_MAX:
            self.draft.mistake(word, "must be nanoseconds since 1970; this end of the lifetime is left open")
            return None
        return int(word.text) or None

    def tolerant(self, lifetime: Lifetime | None, tolerance: Word | None) -> Lifetime | None:
        if lifetime is None or tolerance is None:
            return lifetime
        if tolerance.text.upper() == "FOREVER":
            return Lifetime(lifetime.from_ns, None)
        seconds = self.draft.number(tolerance, "tolerance", 0, 4_294_967_295)
        return widened(lifetime, (seconds or 0) * SECOND_NS)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, _WORDS)
    _Configuration(draft, Sessions(draft)).read(_without_modules(read_document(draft)))
    return draft.finish()


_MARKS = (
    Mark("openconfig-", r'.*"openconfig-[a-z-]+:', 25),
    Mark('"keychain"', r'.*"keychain"\s*:\s*\[', 15),
    Mark('"neighbor"', r'.*"neighbor"\s*:\s*\[', 10),
    Mark('"secret-key"', r'.*"secret-key"\s*:', 4),
    Mark('"crypto-algorithm"', r'.*"crypto-algorithm"\s*:\s*"(?:[a-z-]+:)?[A-Z]', 4),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


OPENCONFIG = Importer("openconfig", _TITLE, _recognises, _read)
