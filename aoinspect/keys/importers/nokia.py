"""Nokia SR OS, MD-CLI and classic CLI: keychains, and the BGP and LDP sessions that use them.

An entry's number is the KeyID of its direction, so an MKT is a send entry and the receive entry with the same key and
algorithm, or a bidirectional entry, whose number counts both ways. `tcp-option-number` tells TCP-AO from the older
TCP Enhanced Authentication Option (draft-bonica-tcp-auth), which is the default and no TCP-AO. Only the parts of the
schema that lead to keys are known here; a block that is not among them is passed over. The same schema reads the whole
configuration in braces, lines that begin with the full path (`/configure system ...`), the classic CLI's indented lines
(`direction`, `uni`, `bi`, `key`, `auth-keychain`), and all mixed. Where a session's log says in which context `info`
was given, what it printed begins there. Source: Nokia's System Management guide and its command references.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aoinspect.ao.algorithms import Algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.keys.importers.braced import Statement, read_braced
from aoinspect.keys.importers.model import (
    BGP_PORT,
    LDP_PORT,
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
from aoinspect.keys.importers.moments import LOCAL_TIME, SECOND_NS, has_offset, iso_nanoseconds, span, widened
from aoinspect.keys.importers.neighbours import neighbour_network
from aoinspect.keys.importers.sessions import ENHANCED_AUTHENTICATION, ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "Nokia SR OS"
_WORDS = own_words(
    "configure /configure system security keychains keychain tcp-option-number receive send bidirectional entry tcp-ao",
    "enhanced-auth authentication-key algorithm begin-time end-time tolerance forever router service vprn bgp group",
    "neighbor authentication-keychain local-address hash hash2 custom option admin-state enable disable ldp",
    "tcp-session-parameters peer-transport direction uni bi auth-keychain exit info",
)
_DRAFT_BONICA = f"is for {ENHANCED_AUTHENTICATION}: its tcp-option-number does not say tcp-ao"


@dataclass(frozen=True, slots=True)
class _Node:
    """One word of the schema that opens a context."""

    has_name: bool = False
    """Whether a name or number follows it (a list), or none (a container)."""
    inner: Mapping[str, _Node] = field(default_factory=dict)
    leaves: frozenset[str] = frozenset()


_ENTRY = _Node(
    has_name=True,
    leaves=own_words("authentication-key algorithm begin-time end-time tolerance option admin-state"),
)
_DIRECTION = _Node(inner={"entry": _ENTRY})
_SAME = {"key": "authentication-key", "auth-keychain": "authentication-keychain", "bi": "bidirectional"}
"""Words of the classic CLI -> those of MD-CLI for the same thing."""
_CLASSIC_ONLY = ("direction", "uni")
"""Contexts of the classic CLI that MD-CLI has not."""
_KEYCHAIN = _Node(
    has_name=True,
    inner={
        "receive": _DIRECTION,
        "send": _DIRECTION,
        "bidirectional": _DIRECTION,
        "tcp-option-number": _Node(leaves=own_words("receive send")),
    },
)
_SESSION_LEAVES = own_words("authentication-keychain authentication-key local-address group admin-state")
_BGP = _Node(
    inner={
        "group": _Node(
            has_name=True,
            inner={"neighbor": _Node(has_name=True, leaves=_SESSION_LEAVES - {"group"})},
            leaves=_SESSION_LEAVES,
        ),
        "neighbor": _Node(has_name=True, leaves=_SESSION_LEAVES),
    },
    leaves=_SESSION_LEAVES - {"group"},
)
_LDP = _Node(
    inner={
        "tcp-session-parameters": _Node(
            inner={"peer-transport": _Node(has_name=True, leaves=_SESSION_LEAVES - {"group"})}
        )
    }
)
_ROUTER = _Node(has_name=True, inner={"bgp": _BGP, "ldp": _LDP})
_PARTS: dict[str, _Node] = {
    "keychains": _Node(inner={"keychain": _KEYCHAIN}),
    "keychain": _KEYCHAIN,
    "router": _ROUTER,
    "vprn": _ROUTER,
    "bgp": _BGP,
    "ldp": _LDP,
}
_SECURITY = _Node(inner={"keychains": _PARTS["keychains"], "keychain": _KEYCHAIN})
_PARTS["security"] = _SECURITY
_PARTS["system"] = _Node(inner={"security": _SECURITY})
_PARTS["service"] = _Node(inner={"vprn": _ROUTER})
_CONFIGURE = _Node(inner=_PARTS)
_ROOT = _Node(inner={"configure": _CONFIGURE, "/configure": _CONFIGURE, **_PARTS})
"""A fragment may begin anywhere on the way to a key."""
_CONTEXT = re.compile(r"(?:\((?:gl|ex|pr|ro)\)\[|\[(?:(?:gl|ex|pr|ro):)?(?=[/\]]))/?")
"""How the line before a prompt of MD-CLI says where the session is: `[gl:/configure router "Base" bgp]`."""
_PROMPT = re.compile(r"[*!]*[A-Z]:\S+[#$>]|[*!]*[A-Z]:\S+>\S+")
_DATE = re.compile(r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}")
_AFTER_DATE = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?|UTC", re.IGNORECASE)
_AFTER_SECRET = ("hash", "hash2", "custom")
_Path = tuple[tuple[str, str], ...]
"""The contexts from the root, each with its name, which is empty for a container."""


@dataclass(slots=True)
class _Context:
    """One place of the configuration where leaves were found."""

    at: Word
    leaves: dict[str, Word] = field(default_factory=dict)
    secret_form: str | None = None
    """`hash`, `hash2` or `custom` where that stands after the secret."""


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    return _Configuration(Draft(_TITLE, Source(text, path), context, _WORDS)).read()


class _Configuration:
    """One configuration being read: contexts by their path, in the order found."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.sessions = Sessions(draft, "keychain")
        self.contexts: dict[_Path, _Context] = {}
        self.paths_below: dict[_Path, list[_Path]] = {}
        braced = read_braced(draft.source.text, line_ends=True)
        for start, end, message in braced.mistakes:
            draft.mistake((start, end), message)
        self.visit_session(braced.statements)

    def visit_session(self, statements: Sequence[Statement]) -> None:
        """Reads a whole text, in which prompts may say where what follows them begins."""
        first = 0
        node = _ROOT
        path: _Path = ()
        for position, statement in enumerate(statements):
            where = None if statement.block is not None else _context_of(statement.words)
            if where is not None:
                self.visit(statements[first:position], node, path)
                first = position + 1
                node, path, _ = self.follow(where, _ROOT, ())
        self.visit(statements[first:], node, path)

    def visit(self, statements: Sequence[Statement], node: _Node, path: _Path) -> None:
        """Reads what stands in a block; a line that only opens a context is followed by those indented below it."""
        position = 0
        while position < len(statements):
            statement = statements[position]
            position += 1
            inner_node, inner_path, is_open = self.follow(statement.words, node, path)
            if statement.block is not None:
                if is_open:
                    self.visit(statement.block, inner_node, inner_path)
                continue
            if inner_path == path and (is_open or not path or _PROMPT.fullmatch(statement.words[0].text)):
                continue
            # Without braces, what is indented more belongs to it: also to what is not known here, and is passed over.
            first = position
            column = self.column(statement)
            while position < len(statements) and self.column(statements[position]) > column:
                position += 1
            if inner_path != path:
                self.visit(statements[first:position], inner_node, inner_path)

    def column(self, statement: Statement) -> int:
        return self.draft.source.line_and_column(statement.start)[1]

    def follow(self, words: Sequence[Word], node: _Node, path: _Path) -> tuple[_Node, _Path, bool]:
        """Where the words of one statement lead, with its leaves noted; False where they leave the known schema."""
        position = 0
        while position < len(words):
            word = words[position]
            word = word if word.is_quoted else word._replace(text=_SAME.get(word.text, word.text))
            if word.text in _CLASSIC_ONLY and path and path[-1][0] == "keychain":
                position += 1
                continue
            inner = node.inner.get(word.text)
            value = words[position + 1] if position + 1 < len(words) else None
            if inner is not None and not (word.text in node.leaves and value is not None):
                name = value.text if inner.has_name and value is not None else ""
                path = (*path, (word.text, name))
                if path not in self.contexts:
                    self.contexts[path] = _Context(word)
                    self.paths_below.setdefault(path[:-1], []).append(path)
                node = inner
                position += 2 if inner.has_name else 1
            elif word.text in node.leaves and value is not None:
                context = self.contexts.setdefault(path, _Context(word))
                position += 2
                if _DATE.fullmatch(value.text):
                    end = position
                    while end < len(words) and _AFTER_DATE.fullmatch(words[end].text):
                        end += 1
                    value = _moment([value, *words[position:end]])
                    position = end
                context.leaves[word.text] = value
                if position < len(words) and words[position].text in _AFTER_SECRET:
                    context.secret_form = words[position].text
                    position += 1
            else:
                return node, path, False
        return node, path, True

    def read(self) -> KeyStore:
        for path, context in self.contexts.items():
            if path[-1][0] == "keychain":
                self.read_keychain(path, context)
        for path, context in self.contexts.items():
            if path[-1][0] in ("neighbor", "peer-transport"):
                self.read_session(path, context)
        self.sessions.close()
        return self.draft.finish()

    def read_keychain(self, path: _Path, context: _Context) -> None:
        name = path[-1][1]
        options = self.contexts.get((*path, ("tcp-option-number", "")))
        kinds = set() if options is None else {word.text for word in options.leaves.values()}
        if "tcp-ao" not in kinds:
            self.sessions.hidden_chains[name] = _DRAFT_BONICA
            self.draft.warn(context.at, f"this keychain {_DRAFT_BONICA}")
            return
        both = self.entries((*path, ("bidirectional", "")))
        sends, receives = self.entries((*path, ("send", ""))), self.entries((*path, ("receive", "")))
        mkts = [self.mkt(name, entry, entry) for entry in both]
        for send in sends:
            receive = _partner(send, receives)
            if receive is None:
                message = "no receive entry has the same key and algorithm; its number is taken for both directions"
                self.draft.warn(send.context.at, message)
            else:
                receives.remove(receive)
            mkts.append(self.mkt(name, send, receive or send))
        for receive in receives:
            message = "no send entry has the same key and algorithm; its number is taken for both directions"
            self.draft.warn(receive.context.at, message)
            mkts.append(self.mkt(name, receive, receive))
        self.sessions.add_chain(name, mkts, context.at.start)

    def entries(self, path: _Path) -> list[_Entry]:
        """The entries of one direction that could be read."""
        entries = []
        for entry_path in self.paths_below.get(path, ()):
            context = self.contexts[entry_path]
            at = Word(entry_path[-1][1], context.at.start, context.at.end)
            number = self.draft.number(at, "an entry's number", 0, 255)
            if "algorithm" not in context.leaves:
                self.draft.mistake(context.at, "this entry has no algorithm")
                continue
            algorithm = self.draft.algorithm(context.leaves["algorithm"])
            if number is not None and algorithm is not None:
                entries.append(_Entry(number, algorithm, self.secret(context), context))
        return entries

    def secret(self, context: _Context) -> Secret:
        word = context.leaves.get("authentication-key")
        if word is None:
            return Secret(None)
        # MD-CLI prints the form inside the quotes, and the classic CLI behind them.
        inner = word.text.rpartition(" ")[2]
        form = context.secret_form or (
            inner if word.is_quoted and " " in word.text and inner in _AFTER_SECRET else None
        )
        if form is not None:
            return Secret.unreadable(f"Nokia {form}", word.start)
        return Secret.of_text(word.text)

    def mkt(self, keychain: str, send: _Entry, receive: _Entry) -> MasterKeyTuple:
        numbers = str(send.number) if send is receive else f"{send.number}/{receive.number}"
        return self.draft.key(
            send.context.at.start,
            send.secret,
            send.algorithm,
            send_id=send.number,
            recv_id=receive.number,
            name=f"{keychain} {numbers}",
            send_lifetime=self.lifetime(send.context),
            accept_lifetime=widened(self.lifetime(receive.context), self.tolerance_ns(receive.context)),
        )

    def lifetime(self, context: _Context) -> Lifetime | None:
        ends: list[int | None] = []
        for name in ("begin-time", "end-time"):
            word = context.leaves.get(name)
            moment = None if word is None or word.text == "forever" else iso_nanoseconds(word.text)
            if word is not None and moment is None and word.text != "forever":
                self.draft.mistake(word, "no time that can be read; write it like 2020-01-06T22:35:59.0Z")
            elif word is not None and moment is not None and not has_offset(word.text):
                self.draft.warn(word, LOCAL_TIME, is_told_once=True)
            ends.append(moment)
        return span(self.draft, (context.at.start, context.at.end), *ends)

    def tolerance_ns(self, context: _Context) -> int | None:
        word = context.leaves.get("tolerance")
        if word is None or word.text == "forever":
            return None
        seconds = self.draft.number(word, "tolerance", 0, 0xFFFF_FFFF)
        return None if seconds is None else seconds * SECOND_NS

    def read_session(self, path: _Path, context: _Context) -> None:
        remote = neighbour_network(path[-1][1])
        if remote is None:
            self.draft.mistake(context.at, "is not followed by an address")
            return
        levels = [context]
        group = context.leaves.get("group")
        if path[-2][0] == "group":
            levels.append(self.contexts[path[:-1]])
            path = (*path[:-2], path[-1])
        elif group is not None and (above := self.contexts.get((*path[:-1], ("group", group.text)))) is not None:
            levels.append(above)
        if (whole := self.contexts.get(path[:-1])) is not None:
            levels.append(whole)
        leaves: dict[str, Word] = {}
        for level in levels:
            for name, word in level.leaves.items():
                leaves.setdefault(name, word)
        settings = Settings()
        if "local-address" in leaves:
            settings.local = neighbour_network(leaves["local-address"].text)
        for level in levels:
            if "authentication-keychain" in level.leaves:
                settings.keys = ChainUse(level.leaves["authentication-keychain"])
                break
            if "authentication-key" in level.leaves:
                settings.keys = Password(level.leaves["authentication-key"].start, self.secret(level))
                break
        vrf = next((name for kind, name in path if kind == "vprn"), None)
        vrf = vrf or next((name for kind, name in path if kind == "router" and name != "Base"), None)
        port = LDP_PORT if path[-1][0] == "peer-transport" else BGP_PORT
        self.sessions.add(remote, context.at.start, settings, port=port, vrf=vrf)


def _context_of(words: Sequence[Word]) -> list[Word] | None:
    """The path in a prompt of MD-CLI; None for any other line."""
    begin = _CONTEXT.match(words[0].text)
    if begin is None or words[0].is_quoted or not words[-1].text.endswith("]"):
        return None
    first = words[0]._replace(text=words[0].text[begin.end() :])
    inside = [first, *words[1:]]
    inside[-1] = inside[-1]._replace(text=inside[-1].text.removesuffix("]"))
    return [word for word in inside if word.text]


def _moment(words: Sequence[Word]) -> Word:
    """`2020/01/06 22:35:59 UTC`, which the classic CLI writes, as one word in the form of ISO 8601."""
    text = " ".join(word.text for word in words).replace("/", "-")
    return Word(text, words[0].start, words[-1].end)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a keychain."""

    number: int
    algorithm: Algorithm
    secret: Secret
    context: _Context


def _partner(send: _Entry, receives: Sequence[_Entry]) -> _Entry | None:
    """The receive entry of the same MKT: the same key as it is written, and of several that with the same times."""
    candidates = [entry for entry in receives if _written_key(entry) == _written_key(send)]
    begin = _text(send, "begin-time")
    same_time = [entry for entry in candidates if _text(entry, "begin-time") == begin]
    if not candidates and send.secret.octets is None:
        # The same key may be encrypted to two texts; then the times must tell.
        same_time = [
            entry
            for entry in receives
            if entry.secret.octets is None and entry.algorithm == send.algorithm and _text(entry, "begin-time") == begin
        ]
        return same_time[0] if len(same_time) == 1 else None
    return next(iter((*same_time, *candidates)), None)


def _written_key(entry: _Entry) -> tuple[str | None, str | None, Algorithm]:
    return _text(entry, "authentication-key"), entry.context.secret_form, entry.algorithm


def _text(entry: _Entry, leaf: str) -> str | None:
    word = entry.context.leaves.get(leaf)
    return None if word is None else word.text


_MARKS = (
    Mark("tcp-option-number", r".*\btcp-option-number\b", 15),
    Mark("keychain ", r"\s*keychain \"[^\"]*\"\s*\{", 10),
    Mark("authentication-keychain ", r"\s*authentication-keychain (?:\"[^\"]*\"|[^\s{};]+)\s*$", 10),
    Mark("configure ", r"/?configure (?:\{|system|router|service|global)", 10),
    Mark("router ", r"\s*router \"[^\"]*\"\s*\{", 10),
    Mark("vprn ", r"\s*vprn \"[^\"]*\"\s*\{", 10),
    Mark("auth-keychain ", r"\s+auth-keychain (?:\"[^\"]*\"|\S+)\s*$", 10),
    Mark(":/configure ", r"\[(?:gl|ex|pr|ro):/configure ", 10),
    Mark("# TiMOS-", r"# TiMOS-", 20),
    Mark("authentication-key ", r".*\bauthentication-key \"[^\"]*\" hash2?\b", 10),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


NOKIA_SR_OS = Importer("sros", _TITLE, _recognises, _read, is_printed=True)
