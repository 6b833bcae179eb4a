"""Junos 20.3 and later, in braces or as `set` lines: authentication-key-chains, and the sessions that use them.

`key N` is a local handle; `ao-attribute` holds the ids, the TCP option flag and the algorithm (hmac-sha-1-96 where it
says none). A key has to say when it starts, and lasts until the next one of its key chain does. Either form becomes the
same paths of words, one per leaf, so that everything after that is written once, and `apply-groups` is followed on
them. A key chain with another algorithm than `ao` is the older TCP Enhanced Authentication Option, which is no TCP-AO.
Source: Juniper's Transport and Internet Protocols guide (TCP Authentication Option).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from aoinspect.ao.algorithms import find_algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
from aoinspect.keys.importers.braced import Statement, read_braced
from aoinspect.keys.importers.junos_groups import Inherited, Path, with_groups
from aoinspect.keys.importers.model import (
    BGP_PORT,
    LDP_PORT,
    MSDP_PORT,
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
from aoinspect.keys.importers.moments import LOCAL_TIME, SECOND_NS, has_offset, iso_nanoseconds, widened
from aoinspect.keys.importers.neighbours import neighbour_network
from aoinspect.keys.importers.sessions import ENHANCED_AUTHENTICATION, ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore
from aoinspect.keys.obfuscation import reveal_junos9

_TITLE = "Junos"
_WORDS = own_words(
    "set security authentication-key-chains key-chain key secret start-time algorithm ao ao-attribute send-id recv-id",
    "tcp-ao-option enabled disabled cryptographic-algorithm tolerance protocols bgp ldp msdp group neighbor session",
    "authentication-algorithm authentication-key-chain authentication-key local-address routing-instances allow",
    "logical-systems routing-options validation apply-groups groups peer",
)
ALWAYS_NS = 946_684_800 * SECOND_NS
"""2000-01-01T00:00:00Z: before there was TCP-AO, so that a key which starts no later has no beginning."""
_ROOTS = {
    "authentication-key-chains": ("security",),
    "key-chain": ("security", "authentication-key-chains"),
    "bgp": ("protocols",),
    "ldp": ("protocols",),
    "msdp": ("protocols",),
    "group": ("protocols", "bgp"),
}
"""What a fragment may begin with, and where in the configuration that stands."""
_KEPT = (
    *("security", "protocols", "routing-instances", "logical-systems", "routing-options", "groups", "apply-groups"),
    *_ROOTS,
)
"""Where keys, and those who use them, may stand; other parts of the configuration are not looked at."""
_SET_LINE = re.compile(r"^[ \t]*(?:set|deactivate)[ \t]+(?=\S)", re.MULTILINE)
_OF_INTEREST = re.compile(
    r"^[ \t]*(set|deactivate)[ \t]+([^\n]*(?:authentication-key-chains|protocols[ \t]+(?:bgp|ldp|msdp)|validation"
    r"|apply-groups)[^\n]*)",
    re.MULTILINE,
)
_SET_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"?|[^\s"]+')
_LEVEL_NAMES = ("group", "neighbor", "session", "session-group", "peer")
_LEAVES = (
    *("authentication-algorithm", "authentication-key-chain", "authentication-key", "local-address", "port"),
    "allow",
)
_KEY_LEAVES = (
    *("secret", "start-time", "algorithm", "send-id", "recv-id", "tcp-ao-option", "cryptographic-algorithm"),
    "options",
)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, _WORDS)
    inherited = with_groups(list(_paths(draft, text)), _VALUED)
    _tell_of_groups(draft, inherited)
    return _Configuration(draft, inherited.paths).read()


def _tell_of_groups(draft: Draft, inherited: Inherited) -> None:
    display = "give what `show configuration | display inheritance` prints"
    for name in inherited.missing:
        message = f"the group that is applied here is not in this file, and what it adds is not read: {display}"
        draft.warn(name, message, is_told_once=True)
    for name in inherited.nested:
        message = f"this group applies another one, which is not followed: {display}"
        draft.warn(name, message, is_told_once=True)
    if inherited.is_cut:
        draft.warn(0, f"groups add more to this configuration than is read: {display}")


def _paths(draft: Draft, text: str) -> Iterator[Path]:
    """The words from the root to each leaf, in either form; what is deactivated is left out."""
    if _SET_LINE.search(text) is not None and re.search(r"\{[ \t]*\r?$", text, re.MULTILINE) is None:
        return _paths_of_set_lines(text)
    braced = read_braced(text)
    for start, end, message in braced.mistakes:
        draft.mistake((start, end), message)
    kept = [statement for statement in braced.statements if statement.is_named(*_KEPT)]
    return map(_whole_path, _paths_of_statements(kept, []))


def _whole_path(path: Path) -> Path:
    """The path with the words before it that a fragment leaves out."""
    first = path[0]
    return [Word(text, first.start, first.end) for text in _ROOTS.get(first.text, ())] + path


def _paths_of_statements(statements: Sequence[Statement], above: Path) -> Iterator[Path]:
    for statement in statements:
        words = statement.words
        if words[0].text == "inactive:":
            continue
        if words[0].text in ("replace:", "protect:") and len(words) > 1:
            words = words[1:]
        path = above + words
        if statement.block:
            yield from _paths_of_statements(statement.block, path)
        else:
            yield path


def _paths_of_set_lines(text: str) -> Iterator[Path]:
    paths: list[Path] = []
    inactive: list[list[str]] = []
    for match in _OF_INTEREST.finditer(text):
        start = match.start(2)
        words = [
            Word(word[0] if word[1] is None else word[1], start + word.start(), start + word.end(), word[1] is not None)
            for word in _SET_WORD.finditer(match[2])
        ]
        if match[1] == "deactivate":
            inactive.append([word.text for word in words])
        else:
            paths.append(words)
    for path in paths:
        texts = [word.text for word in path]
        if not any(texts[: len(prefix)] == prefix for prefix in inactive):
            yield path


@dataclass(slots=True)
class _Key:
    """One `key N`, as far as its leaves have been seen."""

    at: Word
    leaves: dict[str, Word] = field(default_factory=dict)


@dataclass(slots=True)
class _Chain:
    """One key chain, as far as it has been seen."""

    name: Word
    keys: dict[str, _Key] = field(default_factory=dict)
    tolerance: Word | None = None


@dataclass(slots=True)
class _Level:
    """A group, a neighbour, or a whole protocol: what stands right there."""

    at: Word
    leaves: dict[str, Word] = field(default_factory=dict)
    allowed: list[Word] = field(default_factory=list)


_LevelName = tuple[str | None, str, tuple[tuple[str, str], ...]]
"""VRF, protocol, and the (kind, name) of each level below it."""


class _Configuration:
    """One configuration being read: its paths, sorted into key chains and levels."""

    def __init__(self, draft: Draft, paths: Sequence[Path]) -> None:
        self.draft = draft
        self.sessions = Sessions(draft, "key-chain")
        self.chains: dict[str, _Chain] = {}
        self.levels: dict[_LevelName, _Level] = {}
        for path in paths:
            vrf = None
            # A logical system may hold routing instances, and nothing holds more than that.
            for _ in range(2):
                if path[0].text in ("routing-instances", "logical-systems") and len(path) > 2:
                    vrf = path[1].text if vrf is None else f"{vrf}/{path[1].text}"
                    path = path[2:]
            self.sort(path, vrf)

    def read(self) -> KeyStore:
        for chain in self.chains.values():
            self.read_chain(chain)
        for name, level in self.levels.items():
            self.read_level(name, level)
        self.sessions.close()
        return self.draft.finish()

    def sort(self, path: Path, vrf: str | None) -> None:
        texts = [word.text for word in path]
        if texts[:2] == ["security", "authentication-key-chains"]:
            self.sort_key(path[2:])
        elif texts[:2] == ["routing-options", "validation"]:
            self.sort_session("validation", path[2:], path[1], vrf)
        elif texts[0] == "protocols" and texts[1:2] in (["bgp"], ["ldp"], ["msdp"]):
            self.sort_session(path[1].text, path[2:], path[1], vrf)

    def sort_key(self, path: Path) -> None:
        if len(path) < 3 or path[0].text != "key-chain":
            return
        chain = self.chains.setdefault(path[1].text, _Chain(path[1]))
        if path[2].text == "tolerance":
            chain.tolerance = path[3] if len(path) > 3 else None
        if path[2].text != "key" or len(path) < 4:
            return
        key = chain.keys.setdefault(path[3].text, _Key(path[2]))
        position = 4
        while position < len(path):
            name = path[position].text
            if name in _KEY_LEAVES and position + 1 < len(path):
                key.leaves[name] = path[position + 1]
                position += 1
            position += 1

    def sort_session(self, protocol: str, path: Path, at: Word, vrf: str | None) -> None:
        levels: list[tuple[str, str]] = []
        position = 0
        level = self.levels.setdefault((vrf, protocol, ()), _Level(at))
        while position < len(path):
            kind = path[position]
            if position + 1 < len(path) and kind.text in _LEVEL_NAMES:
                levels.append((kind.text, path[position + 1].text))
                level = self.levels.setdefault((vrf, protocol, tuple(levels)), _Level(kind))
            elif position + 1 < len(path) and kind.text in _LEAVES:
                level.leaves[kind.text] = path[position + 1]
                if kind.text == "allow":
                    level.allowed += [word for word in path[position + 1 :] if word.text not in ("[", "]")]
                    return
            else:
                # Some other statement: what follows are its words.
                return
            position += 2

    def read_chain(self, chain: _Chain) -> None:
        starts = {number: self.start_ns(key) for number, key in chain.keys.items()}
        tolerance_ns = None
        if chain.tolerance is not None:
            seconds = self.draft.number(chain.tolerance, "tolerance", 0, 999_999_999)
            tolerance_ns = None if seconds is None else seconds * SECOND_NS
        if chain.keys and not any(_is_ao(key) for key in chain.keys.values()):
            self.sessions.hidden_chains[chain.name.text] = f"is for {ENHANCED_AUTHENTICATION}"
            return
        mkts = []
        for number, key in chain.keys.items():
            lifetime = _lifetime(starts[number], starts.values())
            mkt = self.key(chain.name.text, number, key, lifetime, tolerance_ns)
            if mkt is not None:
                mkts.append(mkt)
        self.sessions.add_chain(chain.name.text, mkts, chain.name.start)

    def start_ns(self, key: _Key) -> int | None:
        word = key.leaves.get("start-time")
        if word is None:
            return None
        start = iso_nanoseconds(word.text)
        if start is None:
            self.draft.mistake(word, "no time that can be read; write it like 2020-6-16.01:00:00 +0530")
        elif not has_offset(word.text):
            self.draft.warn(word, LOCAL_TIME, is_told_once=True)
        return start

    def key(
        self, chain_name: str, number: str, key: _Key, lifetime: Lifetime | None, tolerance_ns: int | None
    ) -> MasterKeyTuple | None:
        draft, leaves = self.draft, key.leaves
        for name in ("send-id", "recv-id"):
            if name not in leaves:
                draft.mistake(key.at, f"this key has no {name} in an ao-attribute, so TCP-AO cannot use it")
                return None
        send_id = draft.number(leaves["send-id"], "send-id", 0, 255)
        recv_id = draft.number(leaves["recv-id"], "recv-id", 0, 255)
        written = leaves.get("cryptographic-algorithm")
        algorithm = find_algorithm("hmac-sha-1-96") if written is None else draft.algorithm(written)
        if send_id is None or recv_id is None or algorithm is None:
            return None
        flag = leaves.get("tcp-ao-option")
        flags = {"enabled": TcpOptions.INCLUDE, "disabled": TcpOptions.EXCLUDE}
        return draft.key(
            key.at.start,
            self.secret(leaves.get("secret")),
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            name=f"{chain_name} {number}",
            tcp_options=TcpOptions.AUTO if flag is None else flags.get(flag.text, TcpOptions.AUTO),
            send_lifetime=lifetime,
            accept_lifetime=widened(lifetime, tolerance_ns),
        )

    def secret(self, word: Word | None) -> Secret:
        if word is None:
            return Secret(None)
        if word.text.startswith("$8$"):
            return Secret.unreadable("Junos $8$", word.start)
        if not word.text.startswith("$9$"):
            return Secret.of_text(word.text)
        try:
            return Secret(reveal_junos9(word.text))
        except ValueError as error:
            self.draft.mistake(word, f"{error}; the secret is a gap")
            return Secret.unreadable("this damaged Junos $9$ text", word.start)

    def read_level(self, name: _LevelName, level: _Level) -> None:
        """Adds the sessions of a neighbour, or those that a group allows from whole prefixes."""
        vrf, protocol, levels = name
        port = {"bgp": BGP_PORT, "ldp": LDP_PORT, "msdp": MSDP_PORT}.get(protocol)
        remotes = list(level.allowed)
        if levels and levels[-1][0] != "group":
            remotes.append(Word(levels[-1][1], level.at.start, level.at.end))
        if not remotes:
            return
        inherited = [
            self.levels[vrf, protocol, levels[:depth]]
            for depth in range(len(levels), -1, -1)
            if (vrf, protocol, levels[:depth]) in self.levels
        ]
        settings = self.settings(inherited)
        for remote in remotes:
            network = neighbour_network(remote.text)
            if network is not None:
                self.sessions.add(network, level.at.start, settings, port=port, vrf=vrf)

    def settings(self, inherited: Sequence[_Level]) -> Settings:
        """What holds at the first of the levels, the nearest first."""
        settings = Settings()
        leaves: dict[str, Word] = {}
        for level in inherited:
            for name, word in level.leaves.items():
                leaves.setdefault(name, word)
        address = leaves.get("local-address")
        settings.local = None if address is None else neighbour_network(address.text)
        port = leaves.get("port")
        settings.port = None if port is None else self.draft.number(port, "port", 1, 0xFFFF)
        nearest = next(
            (level for level in inherited if level.leaves.keys() & {"authentication-key", "authentication-key-chain"}),
            None,
        )
        if nearest is None:
            return settings
        algorithm = leaves.get("authentication-algorithm")
        chain = nearest.leaves.get("authentication-key-chain")
        if chain is None:
            password = nearest.leaves["authentication-key"]
            settings.keys = Password(password.start, self.secret(password))
        elif algorithm is not None and algorithm.text != "ao":
            self.draft.warn(chain, f"this authentication-key-chain is for {ENHANCED_AUTHENTICATION}: not read")
        else:
            settings.keys = ChainUse(chain)
        return settings


def _lifetime(from_ns: int | None, starts: Collection[int | None]) -> Lifetime | None:
    """From a key's start to the next one's; None for a key without a start, or that is always valid."""
    if from_ns is None:
        return None
    until_ns = min((start for start in starts if start is not None and start > from_ns), default=None)
    if from_ns <= ALWAYS_NS:
        return None if until_ns is None else Lifetime(None, until_ns)
    return Lifetime(from_ns, until_ns)


def _is_ao(key: _Key) -> bool:
    algorithm = key.leaves.get("algorithm")
    return (algorithm is not None and algorithm.text == "ao") or "send-id" in key.leaves


_VALUED = frozenset(
    (*_LEVEL_NAMES, *_LEAVES, *_KEY_LEAVES, "key-chain", "key", "description", "routing-instances", "logical-systems")
)
"""Words that a name or a value follows, whatever it reads like."""

_MARKS = (
    Mark("authentication-key-chains", r".*\bauthentication-key-chains\s*\{", 20),
    Mark("set security authentication-key-chains ", r"\s*set security authentication-key-chains ", 25),
    Mark("ao-attribute", r".*\bao-attribute\s*(?:\{|send-id|recv-id|tcp-ao-option)", 12),
    Mark(" protocols ", r"\s*set (?:\S+ \S+ )?protocols (?:bgp|ldp|msdp) ", 12),
    Mark("set ", r"\s*set (?:version|system host-name|routing-instances) ", 8),
    Mark("## SECRET-DATA", r".*## SECRET-DATA", 12),
    Mark("authentication-key ", r".*\bauthentication-key \"\$[89]\$", 12),
    Mark("## Last ", r"## Last (?:commit|changed)", 15),
    Mark("routing-instances ", r"\s*routing-instances\s*\{", 6),
    Mark("protocols ", r"\s*protocols\s*\{", 5),
    Mark("bgp ", r"\s*(?:protocols\s*\{\s*)?bgp\s*\{", 3),
    Mark("authentication-", r"\s*(?:authentication-key-chain|authentication-algorithm) [^;{]+;", 8),
    Mark("authentication-key ", r"\s*authentication-key [^;{]+;", 4),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


JUNOS = Importer("junos", _TITLE, _recognises, _read, is_printed=True)
