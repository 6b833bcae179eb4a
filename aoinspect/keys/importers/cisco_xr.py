"""Cisco IOS-XR 7.0.2 and later: key chains, their ids in `tcp ao`, and who uses them.

`key N` in a key chain is a local handle; SendID and ReceiveID stand under `tcp ao`, and a key chain that is not there
is another protocol's. The TCP option flag belongs to the neighbour (`ao K include-tcp-options enable`). A neighbour's
`keychain K` is the older TCP Enhanced Authentication Option (draft-bonica-tcp-auth), which is no TCP-AO: it is told
and left out. Source: Cisco's System Security and BGP command references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.keys.importers.cisco import CISCO_WORDS, cisco_secret
from aoinspect.keys.importers.indented import Line, read_lines
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
    score,
)
from aoinspect.keys.importers.moments import LOCAL_TIME, SECOND_NS, cisco_lifetime, widened
from aoinspect.keys.importers.neighbours import InterfaceAddresses, Neighbours, take_shared_setting, template_name
from aoinspect.keys.importers.sessions import ENHANCED_AUTHENTICATION, ChainUse, NoKeys, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "Cisco IOS-XR"
_NO_AO = "has no SendID and ReceiveID under `tcp ao`, so TCP-AO cannot use it"
_FLAGS = {"enable": TcpOptions.INCLUDE, "disable": TcpOptions.EXCLUDE}
_LSR = re.compile(r"([0-9.]+)(?::[0-9]+)?")
_FORMAL = {
    "key chain": (3, ("key",)),
    "tcp ao": (2, ("keychain",)),
    "router bgp": (3, ("instance", "vrf", "neighbor", "session-group", "neighbor-group")),
    "router msdp": (2, ("peer",)),
    "mpls ldp": (2, ("vrf", "neighbor")),
    "interface": (2, ()),
}
"""How a block at the margin begins, how many words that is, and which blocks inside lead to keys: a word and a name."""
_IN_GROUPS = ("ao", "password", "key-string", "key chain", "neighbor", "use neighbor-group")
_GROUPS = (
    "apply-group is not followed, and its group has keys or neighbors: give what "
    "`show running-config inheritance` prints"
)
_CLOCK_ZONE = re.compile(r"^clock timezone \S+ (?!0\b)\S", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Key:
    """One `key N` of a key chain, without its ids."""

    line: Line
    lines: dict[str, Line]
    """By the setting's first word."""


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, CISCO_WORDS)
    root = _nested(read_lines(text))
    _tell_of_groups(root, draft)
    sessions = Sessions(draft)
    _read_chains(root, draft, sessions)
    addresses = InterfaceAddresses(root, draft)
    for bgp in root.under("router bgp"):
        neighbours = Neighbours(addresses)
        _read_bgp(bgp, None, neighbours, draft)
        neighbours.close(sessions, BGP_PORT)
    _read_ldp(root, draft, sessions)
    for msdp in root.under("router msdp"):
        neighbours = Neighbours(addresses)
        _read_blocks(msdp, None, neighbours, draft, "peer")
        neighbours.close(sessions, MSDP_PORT)
    sessions.close()
    return draft.finish()


def _nested(root: Line) -> Line:
    """The lines as blocks, also where `show running-config formal` printed each with its whole path."""
    nested = Line("", 0, -1)
    blocks: dict[tuple[str, ...], Line] = {}
    for line in root.children:
        parts = [] if line.children else _formal_parts(line)
        if len(parts) < 2:
            nested.children.append(line)
            continue
        path: tuple[str, ...] = ()
        above = nested
        for part in parts:
            path = (*path, part.text)
            if path not in blocks:
                blocks[path] = part
                above.children.append(part)
            above = blocks[path]
    return nested


def _formal_parts(line: Line) -> list[Line]:
    """The blocks that the line's path names, and what it sets in the last of them."""
    known = next((known for phrase, known in _FORMAL.items() if line.begins(phrase)), None)
    if known is None:
        return []
    words = line.words
    length, inner = known
    starts = [0]
    while starts[-1] + length < len(words):
        starts.append(starts[-1] + length)
        if words[starts[-1]].text.lower() not in inner:
            break
        length = 2
    ends = [words[start - 1].end for start in starts[1:]] + [line.end]
    return [
        Line(line.text[words[start].start - line.start : end - line.start], words[start].start, depth)
        for depth, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _tell_of_groups(root: Line, draft: Draft) -> None:
    """What `apply-group` adds is not followed; it matters where a group has keys."""
    names = {
        line.words[1].text: line
        for line in root.under("group")
        if len(line.words) > 1 and any(inner.begins(word) for inner in line.descendants() for word in _IN_GROUPS)
    }
    for line in root.descendants() if names else ():
        if line.begins("apply-group") and any(word.text in names for word in line.words[1:]):
            draft.warn(line.start, _GROUPS, is_told_once=True)


def _read_chains(root: Line, draft: Draft, sessions: Sessions) -> None:
    chains: dict[str, tuple[Line, dict[str, _Key]]] = {}
    for line in root.under("key chain"):
        words = line.words[2:]
        if words and not (len(words) > 1 and words[1].text.lower() == "macsec"):
            keys = {
                key.words[1].text: _Key(key, {setting.words[0].text.lower(): setting for setting in key.children})
                for key in line.under("key")
                if len(key.words) > 1
            }
            chains.setdefault(words[0].text, (line, {}))[1].update(keys)
            sessions.hidden_chains[words[0].text] = _NO_AO
    for mapping in (keychain for ao in root.under("tcp ao") for keychain in ao.under("keychain")):
        words = mapping.words
        if len(words) < 2:
            draft.mistake(mapping.place, "keychain needs a name")
            continue
        known = chains.get(words[1].text)
        if known is None:
            draft.mistake(words[1], "no key chain of this file has that name: the file may be only a part")
            continue
        chain, keys = known
        mkts = [mkt for key in mapping.under("key") if (mkt := _mkt(key, chain, keys, words[1].text, draft))]
        sessions.add_chain(words[1].text, mkts, chain.start)


def _mkt(ids: Line, chain: Line, keys: dict[str, _Key], chain_name: str, draft: Draft) -> MasterKeyTuple | None:
    """The MKT of `key N SendID n ReceiveID n` and of key N in the key chain."""
    words = ids.words
    texts = [word.text.lower() for word in words]
    if len(words) < 6 or texts[2] != "sendid" or texts[4] != "receiveid":
        draft.mistake(ids.place, "must be `key N SendID n ReceiveID n`")
        return None
    send_id = draft.number(words[3], "SendID", 0, 255)
    recv_id = draft.number(words[5], "ReceiveID", 0, 255)
    key = keys.get(words[1].text)
    if key is None:
        draft.mistake(words[1], "the key chain has no key of that number")
        return None
    algorithm_line = key.lines.get("cryptographic-algorithm")
    algorithm_word = None if algorithm_line is None else next(iter(algorithm_line.words[1:]), None)
    if algorithm_word is None:
        draft.mistake(key.line.place, "this key has no cryptographic-algorithm, so TCP-AO cannot use it")
        return None
    algorithm = draft.algorithm(algorithm_word, has_vendors_length=True)
    if algorithm is None or send_id is None or recv_id is None:
        return None
    secret_line = key.lines.get("key-string")
    secret = Secret(None) if secret_line is None else _secret(draft, secret_line)
    accept, send = (_lifetime_words(key, name) for name in ("accept-lifetime", "send-lifetime"))
    _warn_of_local_time(chain, accept or send, draft)
    return draft.key(
        key.line.start,
        secret,
        algorithm,
        send_id=send_id,
        recv_id=recv_id,
        name=f"{chain_name} {words[1].text}",
        send_lifetime=cisco_lifetime(draft, send),
        accept_lifetime=widened(cisco_lifetime(draft, accept), _tolerance_ns(chain, draft)),
    )


def _secret(draft: Draft, line: Line) -> Secret:
    return cisco_secret(draft, line, line.words[1:], has_named_types=True)


def _lifetime_words(key: _Key, name: str) -> list[Word]:
    line = key.lines.get(name)
    return [] if line is None else line.words[1:]


def _tolerance_ns(chain: Line, draft: Draft) -> int | None:
    for line in chain.under("accept-tolerance"):
        words = line.words[1:]
        if words and words[0].text.lower() != "infinite":
            seconds = draft.number(words[0], "accept-tolerance", 1, 8_640_000)
            return None if seconds is None else seconds * SECOND_NS
    return None


def _warn_of_local_time(chain: Line, lifetime: list[Word], draft: Draft) -> None:
    """Key chains are in local time here unless they say otherwise; it matters where the clock is not UTC."""
    is_gmt = any(line.begins("timezone gmt") for line in chain.under("timezone"))
    if lifetime and not is_gmt and _CLOCK_ZONE.search(draft.source.text):
        draft.warn(lifetime[0], LOCAL_TIME, is_told_once=True)


def _read_bgp(block: Line, vrf: str | None, neighbours: Neighbours, draft: Draft) -> None:
    for kind in ("session-group", "neighbor-group"):
        for group in block.under(kind):
            if len(group.words) > 1:
                settings = neighbours.settings(vrf, template_name(kind, group.words[1].text), group.start)
                _read_settings(group.children, settings, draft)
    _read_blocks(block, vrf, neighbours, draft, "neighbor")
    for inner in block.under("instance"):
        _read_bgp(inner, vrf, neighbours, draft)
    for inner in block.under("vrf"):
        if len(inner.words) > 1:
            _read_bgp(inner, inner.words[1].text, neighbours, draft)


def _read_blocks(block: Line, vrf: str | None, neighbours: Neighbours, draft: Draft, word: str) -> None:
    for line in block.under(word):
        words = line.words
        if len(words) > 1:
            settings = neighbours.settings(vrf, words[1].text, line.start)
            _take(settings, words[2:], line, draft)
            _read_settings(line.children, settings, draft)


def _read_settings(lines: list[Line], settings: Settings, draft: Draft) -> None:
    for line in lines:
        _take(settings, line.words, line, draft)


def _take(settings: Settings, words: Sequence[Word], line: Line, draft: Draft) -> None:
    texts = [word.text.lower() for word in words]
    if take_shared_setting(settings, words) or len(texts) < 2:
        return
    if texts[0] == "ao":
        if texts[1] == "inheritance-disable":
            settings.keys = NoKeys.NO_KEYS
            return
        flag = None
        if "include-tcp-options" in texts[2:]:
            position = texts.index("include-tcp-options") + 1
            flag = _FLAGS.get(texts[position]) if position < len(texts) else None
        settings.keys = ChainUse(words[1], flag)
    elif texts[0] == "password":
        if texts[1] in ("inheritance-disable", "disable"):
            settings.keys = NoKeys.NO_KEYS
        else:
            settings.keys = Password(line.start, cisco_secret(draft, line, words[1:], has_named_types=True))
    elif texts[0] == "keychain":
        settings.keys = NoKeys.NO_KEYS
        if texts[1] != "inheritance-disable":
            draft.warn(words[0], f"this neighbour's keychain is for {ENHANCED_AUTHENTICATION}: not read")
    elif texts[0] == "use" and len(texts) > 2:
        name = template_name(texts[1], words[2].text)
        # A session-group's settings go before those of a neighbor-group.
        settings.parents.insert(0 if texts[1] == "session-group" else len(settings.parents), name)
    elif texts[:2] == ["local", "address"] and len(words) > 2 and texts[2] != "subnet":
        settings.local = draft.network(words[2])


def _read_ldp(root: Line, draft: Draft, sessions: Sessions) -> None:
    """`mpls ldp / neighbor / [LSR:0] password ...`; without an LSR it is for all that have none of their own."""
    for ldp in root.under("mpls ldp"):
        for vrf, words, line in _ldp_neighbours(ldp, None):
            lsr = _LSR.fullmatch(words[0].text) if words else None
            settings = Settings()
            _take(settings, words[1:] if lsr else words, line, draft)
            if settings.keys is None or (lsr is None and words[0].text.lower() not in ("password", "ao")):
                continue
            address = None if lsr is None else Word(lsr[1], words[0].start, words[0].end)
            remote = None if address is None else draft.network(address)
            if address is None or remote is not None:
                sessions.add(remote, line.start, settings, port=LDP_PORT, vrf=vrf)


def _ldp_neighbours(block: Line, vrf: str | None) -> Iterator[tuple[str | None, list[Word], Line]]:
    for line in block.under("neighbor"):
        if len(line.words) > 1:
            yield vrf, line.words[1:], line
        for child in line.children:
            yield vrf, line.words[1:] + child.words, child
    for line in block.under("vrf"):
        if len(line.words) > 1:
            yield from _ldp_neighbours(line, line.words[1].text)


_MARKS = (
    Mark("eceiveID ", r".*\b[Ss]endID [0-9]+ [Rr]eceiveID [0-9]", 20),
    Mark("tcp ao", r"tcp ao\s*$", 12),
    Mark("!! IOS XR", r"!! IOS XR", 20),
    Mark(" include-tcp-options ", r"\s+ao \S+ include-tcp-options (?:enable|disable)", 15),
    Mark(" neighbor ", r"router bgp \S+ (?:vrf \S+ )?neighbor ", 12),
    Mark("key-string password", r"\s+key-string password6? ", 10),
    Mark(" password ", r"\s+(?:\S+ )?password (?:encrypted|clear) ", 9),
    Mark("cryptographic-algorithm ", r"\s+cryptographic-algorithm (?:HMAC-SHA1-|AES-128-CMAC-96|HMAC-MD5)", 6),
    Mark("-group ", r"\s+(?:neighbor|session)-group ", 4),
    Mark("route-policy ", r"route-policy ", 4),
    Mark("interface ", r"interface \S+/[0-9]+/[0-9]+/[0-9]+", 2),
    Mark("remote-as ", r"\s+remote-as [0-9.]+\s*$", 1),
    Mark("router bgp ", r"router bgp ", 1),
    Mark("key chain ", r"key chain ", 1),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


IOS_XR = Importer("ios-xr", _TITLE, _recognises, _read, is_printed=True)
