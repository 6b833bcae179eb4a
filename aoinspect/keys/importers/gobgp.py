"""GoBGP 4.x in TOML, YAML or JSON: `keychains`, and the neighbours and peer groups that use them.

`key-id` is the SendID and `receive-id` the ReceiveID; `secret-key` is base64; the other options are covered unless
`exclude-tcp-options` says otherwise. `auth-password` is a TCP-MD5 password. A neighbour's own setting goes before its
peer group's. Source: GoBGP's documentation of TCP-AO and of its configuration.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
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
from aoinspect.keys.importers.neighbours import LINK_LOCAL
from aoinspect.keys.importers.ports import add_session
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore, Network

_TITLE = "GoBGP"
_WORDS = own_words(
    "keychains keychains.config keychains.keys keychains.keys.config config name keys key-id receive-id true false",
    "crypto-algorithm secret-key exclude-tcp-options neighbors neighbors.config neighbor-address peer-as auth-password",
    "peer-group peer-groups peer-group-name tcp-ao keychain preferred-send-id transport local-address remote-port",
    "dynamic-neighbors prefix vrf global port neighbor-interface",
)
_WORDS |= {f"{word}:" for word in _WORDS} | {f'"{word}"' for word in _WORDS} | {":"}


def base64_secret(draft: Draft, word: Word | None) -> Secret:
    """The octets that `word` writes in base64; a mistake and a gap where it is none."""
    if word is None:
        return Secret(None)
    try:
        return Secret(base64.b64decode(word.text.encode("ascii"), validate=True))
    except (binascii.Error, UnicodeEncodeError):
        draft.mistake(word, "is not base64: A-Z a-z 0-9 + / in groups of four, with = at the end; the secret is a gap")
        return Secret.unreadable("this text, which is no base64,", word.start)


@dataclass(slots=True)
class _Configuration:
    """One configuration being read."""

    draft: Draft
    root: Node
    sessions: Sessions
    groups: dict[str, Settings] = field(default_factory=dict)

    def read(self) -> None:
        for chain in self.lists("keychains"):
            name = chain.word("config", "name") or chain.word("name")
            if name is None:
                self.draft.mistake((chain.start, chain.end), "this key chain has no name")
                continue
            keys = chain.get("keys")
            mkts = [mkt for key in ([] if keys is None else keys.items) if (mkt := self.key(key)) is not None]
            self.sessions.add_chain(name.text, mkts, chain.start)
        remote_ports: dict[str, int | None] = {}
        for group in self.lists("peer-groups"):
            name = group.word("config", "peer-group-name")
            if name is not None:
                self.groups[name.text] = self.settings(group)
                remote_ports[name.text] = self.remote_port(group)
        for kind, address in (("neighbors", "neighbor-address"), ("dynamic-neighbors", "prefix")):
            for neighbour in self.lists(kind):
                remote = self.remote(neighbour.word("config", address) or neighbour.word(address))
                if remote is None and (interface := neighbour.word("config", "neighbor-interface")) is not None:
                    # An unnumbered peer, whose link-local address GoBGP finds on that interface.
                    remote = self.remote(interface._replace(text=LINK_LOCAL))
                if remote is None:
                    continue
                parent = neighbour.word("config", "peer-group")
                vrf = neighbour.word("config", "vrf")
                add_session(
                    self.sessions,
                    remote,
                    neighbour.start,
                    self.settings(neighbour).over(self.groups),
                    listens_on=self.listening_port(),
                    connects_to=self.remote_port(neighbour) or remote_ports.get("" if parent is None else parent.text),
                    vrf=None if vrf is None else vrf.text or None,
                )
        self.sessions.close()

    def lists(self, name: str) -> list[Node]:
        """The items of a list at the top level; GoBGP knows no other place for them."""
        node = self.root.get(name)
        return [] if node is None or node.value == "" else node.items

    def key(self, key: Node) -> MasterKeyTuple | None:
        config = key.get("config") or key
        draft = self.draft
        ids = []
        for name in ("key-id", "receive-id"):
            word = config.word(name)
            if word is None:
                draft.mistake((config.start, config.end), f"this key has no {name}")
            ids.append(draft.number(word, name, 0, 255))
        algorithm_word = config.word("crypto-algorithm")
        if algorithm_word is None:
            draft.mistake((config.start, config.end), "this key has no crypto-algorithm")
            return None
        algorithm = draft.algorithm(algorithm_word)
        secret = base64_secret(draft, config.word("secret-key"))
        send_id, recv_id = ids
        if algorithm is None or send_id is None or recv_id is None:
            return None
        exclude = config.word("exclude-tcp-options")
        is_excluded = exclude is not None and exclude.text.lower() == "true"
        return draft.key(
            config.start,
            secret,
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            tcp_options=TcpOptions.EXCLUDE if is_excluded else TcpOptions.INCLUDE,
        )

    def settings(self, node: Node) -> Settings:
        """What a neighbour or a group says, and the name of the group that it belongs to."""
        settings = Settings()
        chain = node.word("tcp-ao", "config", "keychain")
        password = node.word("config", "auth-password")
        if chain is not None and chain.text:
            settings.keys = ChainUse(chain)
        elif password is not None and password.text:
            settings.keys = Password(password.start, Secret.of_text(password.text))
        local = node.word("transport", "config", "local-address")
        # An address of zeros stands for whichever the kernel takes.
        if local is not None and local.text not in ("", "0.0.0.0", "::"):
            settings.local = self.remote(local)
        group = node.word("config", "peer-group")
        if group is not None and group.text:
            settings.parents.append(group.text)
        return settings

    def remote(self, word: Word | None) -> Network | None:
        if word is None or not word.text:
            return None
        return self.draft.network(word)

    def remote_port(self, node: Node) -> int | None:
        return self.draft.number(node.word("transport", "config", "remote-port"), "remote-port", 0, 0xFFFF) or None

    def listening_port(self) -> int:
        """Of the daemon; a number below 1 says that it does not listen."""
        word = self.root.word("global", "config", "port")
        if word is None or not word.text.isdecimal() or not 0 < int(word.text) <= 0xFFFF:
            return BGP_PORT
        return int(word.text)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, _WORDS)
    _Configuration(draft, read_document(draft), Sessions(draft)).read()
    return draft.finish()


_MARKS = (
    Mark("[keychains.", r"\s*\[keychains\.(?:config|keys\.config)\]", 15),
    Mark("keychains]]", r"\s*\[\[keychains\]\]", 10),
    Mark("neighbors.config]", r"\s*\[neighbors\.config\]", 12),
    Mark("neighbor-address", r"\s*(?:- )?neighbor-address\s*[:=]", 10),
    Mark("neighbor-interface", r"\s*(?:- )?neighbor-interface\s*[:=]", 10),
    Mark("neighbors.tcp-ao", r"\s*\[neighbors\.tcp-ao\.config\]", 12),
    Mark("preferred-send-id", r".*\"?preferred-send-id\"?\s*[:=]", 15),
    Mark("receive-id", r".*\"?\breceive-id\"?\s*[:=]", 12),
    Mark("secret-key", r".*\"?\bsecret-key\"?\s*[:=]", 3),
    Mark("auth-password", r".*\"?\bauth-password\"?\s*[:=]", 5),
    Mark('"neighbors"', r'.*"neighbors"\s*:\s*\[', 10),
    Mark('"keychains"', r'.*"keychains"\s*:\s*\[', 10),
    Mark("keychains:", r"keychains:\s*$", 6),
    Mark("neighbors:", r"neighbors:\s*$", 5),
    Mark("global.config]", r"\s*\[global\.config\]", 5),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


GOBGP = Importer("gobgp", _TITLE, _recognises, _read)
