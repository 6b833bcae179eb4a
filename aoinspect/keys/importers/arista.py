"""Arista EOS 4.28.2 and later: `session shared-secret profile`, and the neighbours that use one.

One number after `secret` is both SendID and ReceiveID, and the algorithm stands on the neighbour, so a profile is a key
chain only together with a neighbour's algorithm. What EOS writes after `7` is its own encryption (`$1c$...` or
base64), not Cisco's type 7, and cannot be read; nor can `8a`. Source: Arista's TOI "BGP TCP-AO" and the EOS manual.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.keys.importers.indented import Line, read_lines
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
from aoinspect.keys.importers.moments import LOCAL_TIME, MOMENT_WORDS, MomentReader, nanoseconds, span
from aoinspect.keys.importers.neighbours import InterfaceAddresses, Neighbours, on_interface, take_shared_setting
from aoinspect.keys.importers.sessions import ChainUse, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "Arista EOS"
_WORDS = MOMENT_WORDS | own_words(
    "management security session shared-secret profile secret receive-lifetime transmit-lifetime local-time",
    "router bgp neighbor password algorithm peer group peer-group vrf remote-as update-source 8a lifetime",
)
_UNREADABLE_TYPES = {"7": "Arista type 7", "8a": "Arista type 8a"}
_LIFETIMES = ("receive-lifetime", "transmit-lifetime", "lifetime", "local-time")
_AMERICAN_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    return _Configuration(text, path, context).read()


class _Configuration:
    """One configuration being read."""

    def __init__(self, text: str, path: str, context: ImportContext) -> None:
        self.draft = Draft(_TITLE, Source(text, path), context, _WORDS)
        self.root = read_lines(text)
        self.sessions = Sessions(self.draft, "shared-secret profile")
        self.profiles: dict[str, Line] = {}

    def read(self) -> KeyStore:
        for security in self.root.under("management security"):
            for profile in security.under("session shared-secret profile"):
                if len(profile.words) > 3:
                    self.profiles[profile.words[3].text] = profile
        addresses = InterfaceAddresses(self.root, self.draft)
        for bgp in self.root.under("router bgp"):
            neighbours = Neighbours(addresses)
            self.read_bgp(bgp, None, neighbours)
            neighbours.close(self.sessions, BGP_PORT)
        self.sessions.close()
        if not self.draft.keychains:
            for profile in self.profiles.values():
                self.draft.mistake(
                    profile.place, "no neighbour uses this profile, and only a neighbour says its algorithm"
                )
        return self.draft.finish()

    def read_bgp(self, block: Line, vrf: str | None, neighbours: Neighbours) -> None:
        for line in block.children:
            words = line.words
            texts = [word.text.lower() for word in words]
            if texts[:2] == ["neighbor", "interface"] and len(words) > 3:
                self.take(neighbours.settings(vrf, on_interface(words[2].text), line.start), words[3:5], line)
            elif texts[0] == "neighbor" and len(words) > 1:
                self.take(neighbours.settings(vrf, words[1].text, line.start), words[2:], line)
            elif texts[:3] == ["bgp", "listen", "range"] and len(words) > 5:
                group = words[6] if texts[4:6] == ["peer", "group"] and len(words) > 6 else words[5]
                neighbours.settings(vrf, words[3].text, line.start).parents.append(group.text)
            elif texts[0] == "vrf" and len(words) > 1:
                self.read_bgp(line, words[1].text, neighbours)

    def take(self, settings: Settings, words: Sequence[Word], line: Line) -> None:
        texts = [word.text.lower() for word in words]
        if take_shared_setting(settings, words) or texts[0] != "password" or len(words) < 2:
            return
        if texts[1:3] != ["shared-secret", "profile"]:
            settings.keys = Password(line.start, self.secret(words[1:], line.end)[0])
        elif len(words) < 6 or texts[4] != "algorithm":
            self.draft.mistake(line.place, "needs `profile NAME algorithm NAME`")
        else:
            chain = self.chain(words[3], words[5])
            if chain is not None:
                settings.keys = ChainUse(chain)

    def chain(self, profile_word: Word, algorithm_word: Word) -> Word | None:
        """The key chain that is the profile with that algorithm, by the name that it has among the sessions."""
        algorithm = self.draft.algorithm(algorithm_word)
        profile = self.profiles.get(profile_word.text)
        if algorithm is None:
            return None
        if profile is None:
            return profile_word
        name = f"{profile_word.text} {algorithm.name}"
        if name not in self.sessions.chains:
            mkts = [
                mkt for line in profile.under("secret") if (mkt := self.key(line, profile_word.text, algorithm_word))
            ]
            self.sessions.add_chain(name, mkts, profile.start, profile_word.text)
        return profile_word._replace(text=name)

    def key(self, line: Line, profile: str, algorithm_word: Word) -> MasterKeyTuple | None:
        """The key of `secret ID [0|7|8a] SECRET [receive-lifetime ...] [transmit-lifetime ...] [local-time]`."""
        draft = self.draft
        words = line.words
        key_id = draft.number(words[1] if len(words) > 1 else None, "the id of a secret for TCP-AO", 0, 255)
        algorithm = draft.algorithm(algorithm_word)
        if key_id is None or algorithm is None:
            return None
        secret, rest = self.secret(words[2:], line.end)
        lifetimes: dict[str, Lifetime | None] = {}
        reader = MomentReader(draft, rest)
        while (word := reader.word()) is not None:
            reader.position += 1
            if word.text == "local-time":
                draft.warn(word, LOCAL_TIME, is_told_once=True)
            elif word.text in _LIFETIMES:
                lifetimes[word.text] = self.lifetime(reader)
            else:
                draft.mistake(word, "neither a lifetime nor local-time")
                break
        both = lifetimes.get("lifetime")
        return draft.key(
            line.start,
            secret,
            algorithm,
            send_id=key_id,
            recv_id=key_id,
            name=f"{profile} {key_id}",
            send_lifetime=lifetimes.get("transmit-lifetime", both),
            accept_lifetime=lifetimes.get("receive-lifetime", both),
        )

    def secret(self, words: Sequence[Word], line_end: int) -> tuple[Secret, Sequence[Word]]:
        """The secret of `[TYPE] SECRET`, and the words after it."""
        if not words:
            return Secret(None), words
        kind = words[0].text.lower()
        has_type = len(words) > 1 and words[1].text not in _LIFETIMES and kind in ("0", *_UNREADABLE_TYPES)
        if not has_type:
            return Secret.of_text(words[0].text), words[1:]
        if kind in _UNREADABLE_TYPES:
            return Secret.unreadable(_UNREADABLE_TYPES[kind], words[1].start), words[2:]
        return Secret.of_text(words[1].text), words[2:]

    def lifetime(self, reader: MomentReader) -> Lifetime | None:
        """`infinite`, or a start and an end, the end a moment or `infinite`."""
        if reader.takes("infinite"):
            return None
        first = reader.position
        from_ns = _moment(reader)
        until_ns = None if from_ns is None or reader.takes("infinite") else _moment(reader)
        place = (reader.words[first - 1].start, reader.words[min(reader.position, len(reader.words)) - 1].end)
        if from_ns is None or (until_ns is None and reader.words[reader.position - 1].text != "infinite"):
            self.draft.mistake(place, "no lifetime that can be read; it is left out, so that the key is always valid")
            return None
        return span(self.draft, place, from_ns, until_ns)


def _moment(reader: MomentReader) -> int | None:
    """`2023-01-01 00:00:00` or `01/31/2023 00:00:00`."""
    word = reader.word()
    if word is None:
        return None
    iso, american = _ISO_DATE.fullmatch(word.text), _AMERICAN_DATE.fullmatch(word.text)
    if iso is not None:
        year, month, day = (int(part) for part in iso.groups())
    elif american is not None:
        month, day, year = (int(part) for part in american.groups())
    else:
        return None
    reader.position += 1
    clock = reader.clock()
    try:
        return None if clock is None else nanoseconds(year, month, day, *clock)
    except ValueError:
        return None


_MARKS = (
    Mark("shared-secret profile ", r"\s+session shared-secret profile ", 20),
    Mark("shared-secret profile ", r"\s+neighbor \S+ password shared-secret profile ", 20),
    Mark("! device: ", r"! device: .*EOS", 20),
    Mark("service routing protocols model ", r"service routing protocols model ", 15),
    Mark("! boot system flash:", r"! boot system flash:", 10),
    Mark("management ", r"management (?:api|security|console)\b", 10),
    Mark(" peer group ", r"\s+neighbor \S+ peer group ", 6),
    Mark(" password ", r"\s+neighbor \S+ password (?:7|8a) ", 2),
    Mark("router bgp ", r"router bgp ", 1),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


ARISTA_EOS = Importer("eos", _TITLE, _recognises, _read, is_printed=True)
