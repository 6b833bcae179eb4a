"""ExaBGP: `tcp-ao { keyid; algorithm; password; base64; }` and `md5-password` of neighbours and templates.

One number is both ids. Groups and templates give their neighbours what these do not say. Since ExaBGP 6 the end of a
line ends a statement as `;` does. Text stands in either quotes, and a backslash has JSON's meaning wherever it stands.
Source: ExaBGP's syntax reference, its tokeniser and its tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.keys.importers.braced import Statement, read_braced
from aoinspect.keys.importers.gobgp import base64_secret
from aoinspect.keys.importers.model import Draft, ImportContext, Importer, Mark, Secret, Source, Word, own_words, score
from aoinspect.keys.importers.ports import add_session
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "ExaBGP"
_WORDS = own_words(
    "neighbor group template inherit local-address peer-address local-as peer-as router-id tcp-ao keyid algorithm",
    "password base64 true false md5-password md5-base64 md5-ip connect listen auto passive",
)


_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class _Session:
    """What a neighbour, a group or a template says."""

    keys: list[Statement] = field(default_factory=list)
    values: dict[str, Word] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    """Statements without a value."""
    parents: list[str] = field(default_factory=list)

    def fill(self, other: _Session) -> None:
        """Takes from `other` what is not said here."""
        has_keys = bool(self.keys) or "md5-password" in self.values
        if not has_keys:
            self.keys = other.keys
        for name, value in other.values.items():
            if not (has_keys and name.startswith("md5-")):
                self.values.setdefault(name, value)
        self.flags |= other.flags


@dataclass(slots=True)
class _Configuration:
    """One configuration being read."""

    draft: Draft
    sessions: Sessions
    templates: dict[str, _Session] = field(default_factory=dict)

    def read(self, statements: list[Statement], outer: _Session) -> None:
        for template in (inner for one in statements if one.is_named("template") for inner in one.block or ()):
            name = template.value(1)
            if template.is_named("neighbor") and name is not None:
                self.templates[name.text] = self.session(template)
        for statement in statements:
            if statement.is_named("group"):
                group = self.session(statement)
                group.fill(outer)
                self.read(statement.block or [], group)
            elif statement.is_named("neighbor") and statement.block is not None:
                session = self.session(statement)
                _inherit(session, self.templates)
                session.fill(outer)
                self.add(statement, session)

    def session(self, statement: Statement) -> _Session:
        session = _Session()
        for item in statement.block or ():
            name, value = item.words[0].text, item.value()
            if name == "tcp-ao" and item.block is not None:
                session.keys.append(item)
            elif name == "inherit":
                session.parents += [name for word in item.words[1:] if (name := word.text.strip("[]"))]
            elif item.block is None and value is not None:
                session.values[name] = value
            elif item.block is None:
                session.flags.add(name)
        return session

    def add(self, statement: Statement, session: _Session) -> None:
        word = session.values.get("peer-address") or statement.value()
        if word is None:
            self.draft.mistake(statement.words[0], "neighbor needs an address")
            return
        remote = self.draft.network(word)
        settings = Settings()
        local = session.values.get("local-address") or session.values.get("md5-ip")
        if local is not None and local.text != "auto":
            settings.local = self.draft.network(local)
        password = session.values.get("md5-password")
        if session.keys:
            mkts = [mkt for keys in session.keys if (mkt := self.key(keys)) is not None]
            self.sessions.add_chain(word.text, mkts, statement.start)
            settings.keys = ChainUse(word)
        elif password is not None:
            settings.keys = Password(password.start, self.secret(password, session, "md5-base64"))
        if remote is not None:
            ports = [self.draft.number(session.values.get(name), name, 0, 0xFFFF) for name in ("listen", "connect")]
            add_session(
                self.sessions, remote, statement.start, settings, listens_on=ports[0], connects_to=ports[1] or ports[0]
            )

    def secret(self, word: Word, session: _Session, flag: str) -> Secret:
        said = session.values.get(flag)
        is_base64 = flag in session.flags if said is None else said.text.lower() in ("true", "enable", "1")
        if is_base64:
            return base64_secret(self.draft, word)
        written = self.draft.source.text[word.start : word.end]
        if word.is_quoted:
            written = written[1:].removesuffix(written[0])
        return Secret.of_text(_ESCAPE.sub(_unescaped, written))

    def key(self, keys: Statement) -> MasterKeyTuple | None:
        said = self.session(keys)
        if not said.values:
            return None  # `tcp-ao { }` stands for no keys.
        for name in ("keyid", "algorithm"):
            if name not in said.values:
                self.draft.mistake(keys.words[0], f"this key has no {name}")
        number = self.draft.number(said.values.get("keyid"), "keyid", 0, 255)
        word = said.values.get("algorithm")
        algorithm = None if word is None else self.draft.algorithm(word)
        if algorithm is None or number is None:
            return None
        text = said.values.get("password")
        secret = Secret(None) if text is None else self.secret(text, said, "base64")
        return self.draft.key(keys.start, secret, algorithm, send_id=number, recv_id=number)


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return _CONTROLS.get(escape[2], escape[2])
    character = chr(int(escape[1], 16))
    # Half of a surrogate pair is no character.
    return escape[0] if "\ud800" <= character <= "\udfff" else character


def _inherit(session: _Session, templates: Mapping[str, _Session]) -> None:
    seen: set[str] = set()
    waiting = list(session.parents)
    while waiting:
        name = waiting.pop(0)
        template = templates.get(name)
        if template is not None and name not in seen:
            seen.add(name)
            session.fill(template)
            waiting[:0] = template.parents


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, _WORDS)
    braced = read_braced(text, line_ends=True, has_apostrophes=True)
    for start, end, message in braced.mistakes:
        draft.mistake((start, end), message)
    configuration = _Configuration(draft, Sessions(draft, "tcp-ao block"))
    configuration.read(braced.statements, _Session())
    configuration.sessions.close()
    return draft.finish()


_MARKS = (
    Mark("md5-password", r"\s*(?:neighbor .*)?\bmd5-password ", 12),
    Mark("md5-base64", r".*\bmd5-base64\b", 8),
    Mark("tcp-ao", r".*\btcp-ao\s*\{", 6),
    Mark("keyid", r".*\bkeyid [0-9]+", 12),
    Mark("peer-as", r"\s*(?:neighbor .*)?\bpeer-as [0-9.]+;?", 1),
    Mark("local-as", r"\s*(?:neighbor .*)?\blocal-as [0-9.]+;?", 2),
    Mark("neighbor", r"\s*neighbor [0-9a-fA-F.:/]+ *\{", 2),
    Mark("process", r"\s*process \S+ *\{", 6),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


EXABGP = Importer("exabgp", _TITLE, _recognises, _read)
