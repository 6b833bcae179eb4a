"""BIRD 2.17 and later, and 3: `keys { key { ... }; }` and `password` of BGP, and `password` of RPKI.

A protocol takes from its template what it does not say itself; a `keys` block is taken or replaced as a whole. BIRD's
MAC is always 12 octets, and the kernel's default, which BIRD leaves as it is, covers the other options. Text in quotes
has no escapes; without quotes a secret is octets (`hex:...`, or 16 and more with or without colons) or the name of a
`define`. Names may stand in apostrophes. Source: BIRD's user's guide and its grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from aoinspect.ao.algorithms import Algorithm, find_algorithm
from aoinspect.ao.mkt import MasterKeyTuple, Origin, TcpOptions
from aoinspect.keys.importers.bird_includes import with_includes
from aoinspect.keys.importers.braced import Statement, read_braced
from aoinspect.keys.importers.model import (
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
from aoinspect.keys.importers.ports import add_session
from aoinspect.keys.importers.sessions import ChainUse, NoKeys, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore, KeyWarning, Network
from aoinspect.keys.text_file import READABLE_BY_ALL, is_readable_by_all

_TITLE = "BIRD"
_WORDS = own_words(
    "protocol template bgp rpki from local neighbor range as port internal external authentication ao md5 none keys",
    "key id send recv secret algorithm hmac cmac aes128 sha1 sha224 sha256 sha384 sha512 preferred deprecated",
    "password vrf define include source address remote transport tcp interface role",
)
_OCTETS = re.compile(r"hex:[0-9a-f]{2}(?:[:. -]?[0-9a-f]{2})*|[0-9a-f]{2}(?::?[0-9a-f]{2}){15,}", re.IGNORECASE)
_DEFINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_RPKI_PORT = 323


@dataclass(slots=True)
class _Protocol:
    """What a protocol or template says."""

    start: int
    name: str
    parent: str | None = None
    local: Network | None = None
    remote: Network | None = None
    local_port: int | None = None
    remote_port: int | None = None
    authentication: str | None = None
    password: Password | None = None
    keys: list[MasterKeyTuple] | None = None
    vrf: str | None = None

    def fill(self, template: _Protocol) -> None:
        """Takes from its template what is not said here."""
        self.local = self.local or template.local
        self.remote = self.remote or template.remote
        self.local_port = self.local_port or template.local_port
        self.remote_port = self.remote_port or template.remote_port
        self.authentication = self.authentication or template.authentication
        self.password = self.password or template.password
        self.keys = template.keys if self.keys is None else self.keys
        self.vrf = self.vrf or template.vrf

    def settings(self) -> Settings:
        """Which of the keys the session uses: without `authentication`, a password is a TCP-MD5 one."""
        settings = Settings(local=self.local)
        if self.authentication == "ao":
            settings.keys = ChainUse(Word(self.name, self.start, self.start + len("protocol")))
        elif self.authentication == "none":
            settings.keys = NoKeys.NO_KEYS
        elif self.password is not None:
            settings.keys = self.password
        return settings


@dataclass(slots=True)
class _Configuration:
    """One configuration being read."""

    draft: Draft
    sessions: Sessions
    defines: dict[str, Word] = field(default_factory=dict)
    templates: dict[str, _Protocol] = field(default_factory=dict)
    unnamed: int = 0
    secret_paths: set[str] = field(default_factory=set)
    """The files in which secrets stand."""

    def read(self, statements: list[Statement]) -> None:
        protocols: list[_Protocol] = []
        for statement in statements:
            words = [word.text for word in statement.words]
            if words[0] == "define":
                self.define(statement)
            elif words[:2] == ["template", "bgp"]:
                template = self.protocol(statement)
                self.templates[template.name] = template
            elif words[:2] == ["protocol", "bgp"]:
                protocols.append(self.protocol(statement))
            elif words[:2] == ["protocol", "rpki"]:
                self.rpki(statement)
            elif words[0] in ("keys", "key") and statement.block is not None:
                # A fragment: keys without the protocol that they belong to.
                self.sessions.add_chain("keys", list(self.keys([statement])), statement.start)
        for protocol in protocols:
            self.session(protocol)
        self.sessions.close()

    def define(self, statement: Statement) -> None:
        """`define NAME = VALUE;`, however it is spaced; only values of one word are kept."""
        words = [word for word in statement.words[1:] if word.text != "="]
        joined = _DEFINE.fullmatch(words[0].text) if words else None
        if joined is not None and joined[2]:
            start = words[0].end - len(joined[2])
            self.defines[joined[1]] = Word(joined[2], start, words[0].end)
        elif len(words) == 2:
            self.defines[words[0].text.removesuffix("=")] = words[1]

    def value(self, word: Word) -> Word:
        """The word, or what a `define` says that it stands for."""
        return word if word.is_quoted else self.defines.get(word.text, word)

    def protocol(self, statement: Statement) -> _Protocol:
        words = [word.text.strip("'") for word in statement.words[2:]]
        name = words[0] if words and words[0] != "from" else ""
        if not name:
            self.unnamed += 1
            name = f"bgp{self.unnamed}"
        protocol = _Protocol(statement.start, name)
        if "from" in words[:-1]:
            protocol.parent = words[words.index("from") + 1]
        for item in statement.block or ():
            self.item(protocol, item)
        return protocol

    def item(self, protocol: _Protocol, item: Statement) -> None:
        words = [word.text for word in item.words]
        if words[0] == "local" and words[1:2] != ["role"]:
            protocol.local = self.address(item, 1) or protocol.local
            protocol.local_port = self.port(item) or protocol.local_port
        elif words[:2] == ["source", "address"]:
            protocol.local = self.address(item, 2)
        elif words[0] == "neighbor":
            protocol.remote = self.address(item, 2 if words[1:2] == ["range"] else 1)
            protocol.remote_port = self.port(item)
        elif words[0] == "password" and len(words) > 1:
            protocol.password = Password(item.start, self.secret(item.words[1]))
        elif words[0] == "authentication" and len(words) > 1:
            protocol.authentication = words[1]
        elif words[0] == "vrf" and len(words) > 1 and words[1] != "default":
            protocol.vrf = words[1]
        elif words[0] == "keys" and item.block is not None:
            protocol.keys = list(self.keys([item]))

    def address(self, item: Statement, position: int) -> Network | None:
        """The address or prefix at that word, without a zone; None where other options begin there."""
        word = item.value(position)
        if word is None or word.text in ("as", "port", "internal", "external"):
            return None
        return self.draft.network(self.value(word))

    def port(self, item: Statement) -> int | None:
        words = [word.text for word in item.words]
        if "port" not in words[:-1]:
            return None
        return self.draft.number(self.value(item.words[words.index("port") + 1]), "port", 1, 0xFFFF)

    def secret(self, word: Word) -> Secret:
        word = self.value(word)
        self.secret_paths.add(self.draft.source.origin(word.start).path)
        if word.is_quoted:
            # As it stands in the text: a backslash is itself here.
            return Secret.of_text(self.draft.source.text[word.start + 1 : word.end].removesuffix('"'))
        if _OCTETS.fullmatch(word.text):
            return Secret(bytes.fromhex(re.sub(r"[:. -]", "", word.text[4 if word.text[3:4] == ":" else 0 :])))
        self.draft.mistake(word, "no text in quotes, no octets, and no `define` of this file has that name")
        return Secret.unreadable("what stands here", word.start)

    def keys(self, statements: list[Statement]) -> Iterator[MasterKeyTuple]:
        for statement in statements:
            if statement.is_named("keys"):
                yield from self.keys(list(statement.under("key")))
            elif (mkt := self.key(statement)) is not None:
                yield mkt

    def key(self, statement: Statement) -> MasterKeyTuple | None:
        send_id = recv_id = None
        told: set[str] = set()
        secret = Secret(None)
        algorithm: Algorithm | None = find_algorithm("hmac sha1")
        for item in statement.block or ():
            words = [word.text for word in item.words]
            value = item.value(2 if words[0] in ("send", "recv") else 1)
            told |= {"send", "recv"} if words[0] == "id" else {words[0]}
            if words[0] == "id":
                send_id = recv_id = self.key_id(value)
            elif words[:2] == ["send", "id"]:
                send_id = self.key_id(value)
            elif words[:2] == ["recv", "id"]:
                recv_id = self.key_id(value)
            elif words[0] == "secret" and value is not None:
                secret = self.secret(value)
            elif words[0] == "algorithm" and value is not None:
                last = item.words[-1]
                algorithm = self.draft.algorithm(Word(" ".join(words[1:]), value.start, last.end))
        for which in ("send", "recv"):
            if which not in told:
                self.draft.mistake(statement.words[0], f"this key has no {which} id")
        if send_id is None or recv_id is None or algorithm is None:
            return None
        return self.draft.key(
            statement.start,
            secret,
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            mac_length=12,
            tcp_options=TcpOptions.INCLUDE,
        )

    def key_id(self, word: Word | None) -> int | None:
        word = None if word is None else self.value(word)
        if word is not None and re.fullmatch(r"0x[0-9A-Fa-f]{1,8}", word.text):
            word = word._replace(text=str(int(word.text, 16)))
        return self.draft.number(word, "id", 0, 255)

    def session(self, protocol: _Protocol) -> None:
        seen: set[str] = set()
        name = protocol.parent
        while name is not None and name not in seen:
            seen.add(name)
            template = self.templates.get(name)
            if template is not None:
                protocol.fill(template)
            name = None if template is None else template.parent
        settings = protocol.settings()
        if isinstance(settings.keys, ChainUse):
            if not protocol.keys:
                self.draft.warn(protocol.start, "this session has no key that could be read")
                return
            self.sessions.add_chain(protocol.name, protocol.keys, protocol.start)
        if protocol.remote is None:
            if settings.keys is not None:
                self.draft.warn(protocol.start, "this session has no neighbor that could be read")
            return
        add_session(
            self.sessions,
            protocol.remote,
            protocol.start,
            settings,
            listens_on=protocol.local_port,
            connects_to=protocol.remote_port,
            vrf=protocol.vrf,
        )

    def rpki(self, statement: Statement) -> None:
        remote: Network | None = None
        settings = Settings()
        port = _RPKI_PORT
        for item in statement.descendants():
            if item.is_named("remote"):
                value = item.value(1)
                remote = None if value is None or value.is_quoted else self.address(item, 1)
            if item.is_named("remote", "port"):
                port = self.port(item) or port
            elif item.is_named("local"):
                settings.local = self.address(item, 2 if item.words[1:2] and item.words[1].text == "address" else 1)
            elif item.is_named("password") and (value := item.value(1)) is not None:
                settings.keys = Password(item.start, self.secret(value))
        if remote is not None:
            self.sessions.add(remote, statement.start, settings, port=port)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    whole = with_includes(text, path)
    draft = Draft(_TITLE, Source(whole.text, path, whole.pieces), context, _WORDS)
    for place, trouble in whole.troubles:
        draft.warn(place, f"what is included here is not read: {trouble}")
    braced = read_braced(whole.text)
    for start, end, message in braced.mistakes:
        draft.mistake((start, end), message)
    configuration = _Configuration(draft, Sessions(draft, "keys block"))
    configuration.read(braced.statements)
    store = draft.finish()
    public = [known for known in whole.paths if known in configuration.secret_paths and is_readable_by_all(known)]
    warnings = [KeyWarning(Origin(known, 1), READABLE_BY_ALL) for known in public]
    return replace(store, warnings=(*warnings, *store.warnings))


_MARKS = (
    Mark("protocol bgp", r"\s*protocol bgp\b", 12),
    Mark("template bgp", r"\s*template bgp\b", 10),
    Mark("authentication ", r"\s*authentication (?:ao|md5|none)\s*;", 12),
    Mark("key", r"\s*(?:keys?\s*\{\s*)*key\s*\{\s*(?:(?:send|recv) )?id [0-9]", 14),
    Mark(" id ", r"\s*(?:send|recv) id [0-9]+\s*;", 6),
    Mark("protocol device", r"\s*protocol device\b", 5),
    Mark("protocol rpki", r"\s*protocol rpki\b", 10),
    Mark("router id ", r"\s*router id ", 3),
    Mark("neighbor ", r"\s*(?:local \S+ as \S+;\s*)?neighbor \S+ as \S+\s*;", 5),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


BIRD = Importer("bird", _TITLE, _recognises, _read)
