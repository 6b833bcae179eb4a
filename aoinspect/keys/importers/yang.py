"""RFC 8177 key chains with the ids of RFC 9648 (JSON), and zebra-rs, whose configuration is of the same model.

The forms differ and the paths agree: JSON, YAML, blocks in braces and `set` lines all say `key-chains key-chain NAME
key N send-id 1` in their own way. So each form becomes leaves, a path and a value, and only paths are read. An entry
of a list goes by its key (name, key-id, address, prefix); names of modules (`ietf-tcp:`) are dropped.

In a key chain `key N` is a local handle, and the ids stand in the key. The TCP option flag is the key's in RFC 9648
and the neighbour's in zebra-rs; by default the other options are covered. A key with `md5` in place of `ao` is a
TCP-MD5 password. Sources: RFC 8177, RFC 9648, zebra-rs's YANG modules and documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
from aoinspect.keys.importers.braced import Statement, read_braced
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
from aoinspect.keys.importers.moments import SECOND_NS, iso_nanoseconds, span, widened
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_WORDS = own_words(
    "set router bgp vrf key-chains key-chain key key-id name crypto-algorithm send-id recv-id include-tcp-options",
    "key-string keystring hexadecimal-string lifetime send-accept-lifetime send-lifetime accept-lifetime always",
    "start-date-time end-date-time no-end-time duration accept-tolerance forever authentication ao md5 tcp-ao tcp-md5",
    "password encoding clear encrypted neighbor neighbors neighbor-group remote-address remote-as peer-as",
    "local-address listen-range prefix true false ietf-key-chain:key-chains ietf-tcp:authentication aes-key-wrap",
    "enable",
)
_WORDS |= {f"{word}:" for word in _WORDS} | {f'"{word}"' for word in _WORDS} | {":"}
_LIST_KEYS = ("name", "key-id", "remote-address", "neighbor-address", "address", "prefix", "id")
_ALGORITHMS = {"aes-128": "aes-128-cmac-96"}
"""RFC 9648's own identity; those of RFC 8177 are among the aliases."""
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2})*)?")
_SESSION_LISTS = ("neighbor", "listen-range", "neighbor-group")
_MD5 = ("md5", "tcp-md5")

Leaf = tuple[tuple[str, ...], Word]
"""A path and the value at its end."""


def leaves_of_node(node: Node, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every scalar below `node`; an empty table is a leaf without text, since its presence may say something."""
    if isinstance(node.value, str):
        yield path, Word(node.value, node.start, node.end, node.is_quoted)
    elif isinstance(node.value, list):
        for item in node.value:
            keys = [key for name in _LIST_KEYS if (key := _member(item, name)) is not None]
            yield from leaves_of_node(item, (*path, keys[0]) if keys else path)
    elif not node.value:
        yield path, Word("", node.start, node.end)
    else:
        for name, member in node.value.items():
            yield from leaves_of_node(member, (*path, name.rpartition(":")[2]))


def _member(node: Node, name: str) -> str | None:
    for member_name, member in node.members.items():
        if member_name.rpartition(":")[2] == name and isinstance(member.value, str):
            return member.value
    return None


def leaves_of_statements(statements: Iterable[Statement], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every statement without a block: its last word is the value."""
    for statement in statements:
        names = tuple(word.text for word in statement.words)
        if statement.block is not None:
            yield from leaves_of_statements(statement.block, (*path, *names))
        else:
            yield (*path, *(names[:-1] if len(names) > 1 else names)), statement.words[-1]


def leaves(draft: Draft) -> list[Leaf]:
    """The leaves of the draft's text, in whichever form it is."""
    text = draft.source.text
    if re.search(r"^\s*(?:set )?[a-z][a-z-]*(?: [^\s:{}\"]+)* ?\{\s*$", text, re.MULTILINE):
        braced = read_braced(text)
        for start, end, message in braced.mistakes:
            draft.mistake((start, end), message)
        return list(leaves_of_statements(braced.statements))
    if re.search(r"^\s*set (?:key-chains|router) ", text, re.MULTILINE):
        statements = read_braced(text, line_ends=True).statements
        return [(path[1:], value) for path, value in leaves_of_statements(statements) if path[0] == "set"]
    return list(leaves_of_node(read_document(draft)))


@dataclass(slots=True)
class _Model:
    """What the leaves say, by key and by session."""

    draft: Draft
    sessions: Sessions
    default_options: TcpOptions
    """Of keys that say nothing."""
    keys: dict[tuple[str, str], dict[str, Word]] = field(default_factory=dict)
    """(key chain, key) -> what follows in the path -> value."""
    tolerances: dict[str, Word] = field(default_factory=dict)
    entries: dict[tuple[str | None, str, str], dict[str, Word]] = field(default_factory=dict)
    """(VRF, one of _SESSION_LISTS, name) -> what follows in the path -> value."""
    is_wrapped: bool = False
    """Whether secrets are encrypted with a key-encrypting key (RFC 8177 5)."""

    def read(self, found: Iterable[Leaf]) -> None:
        for path, value in found:
            self.sort(path, value)
        for (chain, name), said in self.keys.items():
            mkt = self.key(chain, name, said)
            if mkt is not None:
                first = min(said.values(), key=lambda word: word.start)
                self.sessions.add_chain(chain, [mkt], first.start)
        groups = {
            name: self.settings(values) for (_, kind, name), values in self.entries.items() if kind == "neighbor-group"
        }
        for (vrf, kind, name), values in self.entries.items():
            if kind == "neighbor-group":
                continue
            settings = self.settings(values).over(groups)
            if settings.keys is not None:
                first = min(values.values(), key=lambda word: word.start)
                remote = self.draft.network(first._replace(text=name))
                if remote is not None:
                    self.sessions.add(remote, first.start, settings, port=BGP_PORT, vrf=vrf)
        self.sessions.close()

    def sort(self, path: tuple[str, ...], value: Word) -> None:
        """Puts one leaf where it belongs; most leaves of a configuration belong nowhere here."""
        if path[-2:] == ("aes-key-wrap", "enable"):
            self.is_wrapped = value.text == "true"
        if "key-chain" in path[:-1]:
            at = path.index("key-chain")
            rest = path[at + 2 :]
            if rest[:1] == ("key",) and len(rest) > 2:
                self.keys.setdefault((path[at + 1], rest[1]), {})["/".join(rest[2:])] = value
            elif rest[:1] == ("accept-tolerance",):
                self.tolerances[path[at + 1]] = value
            return
        for kind in _SESSION_LISTS:
            if kind in path[:-1]:
                at = path.index(kind)
                vrf = path[path.index("vrf") + 1] if "vrf" in path[:at] else None
                if at + 2 < len(path):
                    self.entries.setdefault((vrf, kind, path[at + 1]), {})["/".join(path[at + 2 :])] = value
                return

    def key(self, chain: str, name: str, settings: dict[str, Word]) -> MasterKeyTuple | None:
        draft = self.draft
        by_last = {path.rpartition("/")[2]: word for path, word in settings.items()}
        first = min(settings.values(), key=lambda word: word.start)
        secret = self.secret(settings)
        algorithm_word = settings.get("crypto-algorithm")
        bare = None if algorithm_word is None else algorithm_word.text.rpartition(":")[2]
        if "md5" in by_last or (bare == "md5" and "send-id" not in by_last):
            return draft.md5_key(first.start, secret)
        for missing in ("send-id", "recv-id"):
            if missing not in by_last:
                draft.mistake(first, f"this key has no {missing}, so TCP-AO cannot use it")
        if algorithm_word is None or bare is None:
            draft.mistake(first, "this key has no crypto-algorithm")
            return None
        algorithm = draft.algorithm(algorithm_word._replace(text=_ALGORITHMS.get(bare, bare)))
        send_id, recv_id = (draft.number(by_last.get(end), end, 0, 255) for end in ("send-id", "recv-id"))
        if algorithm is None or send_id is None or recv_id is None:
            return None
        flag = by_last.get("include-tcp-options")
        options = self.default_options
        if flag is not None:
            options = TcpOptions.INCLUDE if flag.text == "true" else TcpOptions.EXCLUDE
        both = self.lifetime(settings, "send-accept-lifetime")
        return draft.key(
            first.start,
            secret,
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            name=f"{chain} {name}",
            tcp_options=options,
            send_lifetime=both or self.lifetime(settings, "send-lifetime"),
            accept_lifetime=self.tolerant(both or self.lifetime(settings, "accept-lifetime"), chain),
        )

    def secret(self, settings: dict[str, Word]) -> Secret:
        text = settings.get("key-string/keystring")
        digits = settings.get("key-string/hexadecimal-string")
        word = text or digits
        if word is None:
            return Secret(None)
        if self.is_wrapped:
            return Secret.unreadable("a secret under AES key wrap (RFC 5649)", word.start)
        if text is not None:
            return Secret.of_text(text.text)
        if not _HEX.fullmatch(word.text):
            self.draft.mistake(word, "must be hexadecimal digits, two for an octet; the secret is a gap")
            return Secret.unreadable("this damaged text", word.start)
        return Secret(bytes.fromhex(word.text.replace(":", "")))

    def lifetime(self, settings: dict[str, Word], name: str) -> Lifetime | None:
        """`start-date-time`, and `duration`, `end-date-time` or no end."""
        said = {path.rpartition("/")[2]: word for path, word in settings.items() if f"/{name}/" in f"/{path}"}
        start, end = (self.moment(said.get(f"{which}-date-time")) for which in ("start", "end"))
        duration = self.draft.number(said.get("duration"), "duration", 1, 4_294_967_295)
        if start is not None and duration is not None:
            end = start + duration * SECOND_NS
        place = next(((word.start, word.end) for word in said.values()), (0, 1))
        return span(self.draft, place, start, end)

    def moment(self, word: Word | None) -> int | None:
        if word is None:
            return None
        moment = iso_nanoseconds(word.text)
        if moment is None:
            self.draft.mistake(word, "no date and time of RFC 3339; this end of the lifetime is left open")
        return moment

    def tolerant(self, lifetime: Lifetime | None, chain: str) -> Lifetime | None:
        tolerance = self.tolerances.get(chain)
        if lifetime is None or tolerance is None:
            return lifetime
        if not tolerance.text.isdecimal():  # `forever`
            return Lifetime(lifetime.from_ns, None)
        seconds = self.draft.number(tolerance, "accept-tolerance", 0, 4_294_967_295)
        return widened(lifetime, (seconds or 0) * SECOND_NS)

    def settings(self, values: dict[str, Word]) -> Settings:
        settings = Settings()
        chain = values.get("tcp-ao/key-chain") or values.get("secure-session/ao/ao-keychain")
        flag = values.get("tcp-ao/include-tcp-options")
        password = values.get("tcp-md5/password")
        if chain is not None:
            is_included = flag is None or flag.text == "true"
            settings.keys = ChainUse(chain, TcpOptions.INCLUDE if is_included else TcpOptions.EXCLUDE)
        elif password is not None:
            encoding = values.get("tcp-md5/encoding")
            is_clear = encoding is None or encoding.text == "clear"
            unreadable = Secret.unreadable("a password in zebra-rs's encrypted form", password.start)
            settings.keys = Password(password.start, Secret.of_text(password.text) if is_clear else unreadable)
        for name in ("transport/local-address", "local-address"):
            if name in values and settings.local is None:
                settings.local = self.draft.network(values[name])
        if "neighbor-group" in values:
            settings.parents.append(values["neighbor-group"].text)
        return settings


def _reader(title: str, options: TcpOptions, text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(title, Source(text, path), context, _WORDS)
    _Model(draft, Sessions(draft), options).read(leaves(draft))
    return draft.finish()


_IETF_TITLE = "RFC 8177 key chains (JSON)"
_ZEBRA_TITLE = "zebra-rs"


def _read_ietf(text: str, path: str, context: ImportContext) -> KeyStore:
    return _reader(_IETF_TITLE, TcpOptions.INCLUDE, text, path, context)


def _read_zebra(text: str, path: str, context: ImportContext) -> KeyStore:
    return _reader(_ZEBRA_TITLE, TcpOptions.AUTO, text, path, context)


_IETF_MARKS = (
    Mark("ietf-key-chain:", r'.*"ietf-key-chain:key-chains?"', 25),
    Mark("ietf-tcp:", r'.*"ietf-tcp:', 15),
    Mark('"key-chains"', r'.*"key-chains"\s*:', 12),
    Mark('"crypto-algorithm"', r'.*"crypto-algorithm"\s*:\s*"(?:ietf-[a-z-]+:)?[a-z]', 4),
    Mark('"key-string"', r'.*"key-string"\s*:\s*\{', 6),
)
_ZEBRA_MARKS = (
    Mark("router bgp {", r"\s*router bgp \{", 15),
    Mark("key-chains", r"\s*(?:key-chains\s*[:{]|set key-chains key-chain )", 15),
    Mark("set router bgp", r"\s*set router bgp ", 12),
    Mark("tcp-ao", r"\s*tcp-ao\s*[:{]\s*$", 8),
    Mark("tcp-md5", r"\s*tcp-md5\s*[:{]\s*$", 12),
    Mark("remote-address:", r"\s*(?:- )?remote-address:", 6),
)


def _recognises_ietf(text: str) -> int:
    return score(text, _IETF_MARKS)


def _recognises_zebra(text: str) -> int:
    return score(text, _ZEBRA_MARKS)


IETF = Importer("ietf", _IETF_TITLE, _recognises_ietf, _read_ietf)
ZEBRA_RS = Importer("zebra-rs", _ZEBRA_TITLE, _recognises_zebra, _read_zebra)
