"""Huawei VRP: `tcp ao NAME`, the keychain that it is bound to, and the peers that use it.

`key-id N` joins a key of the keychain to its send-id and receive-id under `tcp ao`. TCP options are covered. What
stands after `cipher` is encrypted under a key of the device and cannot be read. A peer's `keychain` without `tcp ao` is
the older TCP Enhanced Authentication Option (draft-bonica-tcp-auth), which is no TCP-AO: it is told and left out.
Source: Huawei's NetEngine command reference (tcp ao, keychain, peer tcp-ao).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
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
    own_words,
    score,
)
from aoinspect.keys.importers.moments import (
    LOCAL_TIME,
    MINUTE_NS,
    MOMENT_WORDS,
    SECOND_NS,
    MomentReader,
    iso_nanoseconds,
    span,
    widened,
)
from aoinspect.keys.importers.neighbours import InterfaceAddresses, Neighbours
from aoinspect.keys.importers.sessions import ENHANCED_AUTHENTICATION, ChainUse, NoKeys, Password, Sessions, Settings
from aoinspect.keys.model import KeyStore

_TITLE = "Huawei VRP"
_WORDS = MOMENT_WORDS | own_words(
    "keychain mode absolute periodic daily weekly monthly yearly key-id algorithm key-string cipher plain simple",
    "send-time receive-time receive-tolerance seconds tcp ao binding send-id receive-id bgp peer group tcp-ao policy",
    "password connect-interface vpn-instance msdp mpls ldp md5-password utc time lmt disable",
)


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    return _Configuration(text, path, context).read()


class _Configuration:
    """One configuration being read."""

    def __init__(self, text: str, path: str, context: ImportContext) -> None:
        self.draft = Draft(_TITLE, Source(text, path), context, _WORDS)
        self.root = read_lines(text)
        self.sessions = Sessions(self.draft, "tcp ao")
        self.keychains = {line.words[1].text: line for line in self.root.under("keychain") if len(line.words) > 1}

    def read(self) -> KeyStore:
        for line in self.root.under("tcp ao"):
            self.read_tcp_ao(line)
        addresses = InterfaceAddresses(self.root, self.draft)
        for phrase, port in (("bgp", BGP_PORT), ("msdp", MSDP_PORT)):
            for block in self.root.under(phrase):
                neighbours = Neighbours(addresses)
                words = block.words
                # `msdp vpn-instance red` is a block of its own.
                vrf = words[2].text if len(words) > 2 and words[1].text == "vpn-instance" else None
                self.read_peers(block, vrf, neighbours)
                neighbours.close(self.sessions, port)
        self.read_ldp()
        self.sessions.close()
        return self.draft.finish()

    def read_tcp_ao(self, line: Line) -> None:
        words = line.words
        if len(words) < 3:
            self.draft.mistake(line.place, "tcp ao needs a name")
            return
        keychain = None
        for binding in line.under("binding keychain"):
            if len(binding.words) > 2:
                keychain = self.keychains.get(binding.words[2].text)
                if keychain is None:
                    self.draft.mistake(binding.words[2], "no keychain of this file has that name")
        if keychain is None:
            self.draft.warn(line.start, "this `tcp ao` has no keychain in this file, so its keys cannot be read")
            return
        keys = {key.words[1].text: key for key in keychain.under("key-id") if len(key.words) > 1}
        mkts = []
        for ids in line.under("key-id"):
            key = keys.get(ids.words[1].text) if len(ids.words) > 1 else None
            if key is None:
                self.draft.mistake(ids.place, "the bound keychain has no key of that number")
                continue
            mkt = self.key(ids, key, keychain)
            if mkt is not None:
                mkts.append(mkt)
        self.sessions.add_chain(words[2].text, mkts, line.start)

    def key(self, ids: Line, key: Line, keychain: Line) -> MasterKeyTuple | None:
        draft = self.draft
        numbers: dict[str, int | None] = {}
        for line in ids.children:
            words = line.words
            for name, value in pairwise(words):
                if name.text in ("send-id", "receive-id"):
                    numbers[name.text] = draft.number(value, name.text, 0, 255)
        send_id, recv_id = numbers.get("send-id"), numbers.get("receive-id")
        settings = {line.words[0].text: line for line in key.children}
        values = {name: line.words[1:] for name, line in settings.items()}
        is_default = any(key.under("default send-key-id"))
        if not values.get("algorithm"):
            draft.mistake(key.place, "this key has no algorithm, so TCP-AO cannot use it")
            return None
        algorithm = draft.algorithm(values["algorithm"][0], has_vendors_length=True)
        if send_id is None or recv_id is None:
            if not numbers:
                draft.mistake(ids.place, "this key has no `send-id n receive-id n`")
            return None
        if algorithm is None:
            return None
        return draft.key(
            key.start,
            self.secret(values.get("key-string", []), settings.get("key-string")),
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            name=f"{keychain.words[1].text} {key.words[1].text}",
            tcp_options=TcpOptions.INCLUDE,
            # The default key is sent whenever no other one is active.
            send_lifetime=None if is_default else self.lifetime(values.get("send-time", []), keychain),
            accept_lifetime=self.accept_lifetime(values.get("receive-time", []), keychain),
        )

    def secret(self, words: Sequence[Word], line: Line | None) -> Secret:
        """The secret of `{plain | simple | cipher} SECRET`, the rest of its line."""
        if line is None or not words:
            return Secret(None)
        kind = words[0].text.lower()
        if kind == "cipher":
            return Secret.unreadable("Huawei cipher text", words[0].start)
        if kind in ("plain", "simple") and len(words) == 1:
            self.draft.mistake(words[0], "the secret after this word is missing")
            return Secret(None)
        first = words[1] if kind in ("plain", "simple") else words[0]
        return Secret.of_text(first.text if first.is_quoted else self.draft.source.text[first.start : line.end])

    def lifetime(self, words: Sequence[Word], keychain: Line) -> Lifetime | None:
        """`[utc] HH:MM YYYY-MM-DD {to HH:MM YYYY-MM-DD | duration {MINUTES | infinite}}`."""
        if not words:
            return None
        draft = self.draft
        if any(word.text == "periodic" for word in keychain.words):
            draft.warn(words[0], "a periodic lifetime; the key is taken to be always valid")
            return None
        if any(line.text.split()[-1] == "lmt" for line in keychain.under("time mode", "time-mode")):
            draft.warn(words[0], LOCAL_TIME, is_told_once=True)
        reader = MomentReader(draft, words)
        reader.takes("utc")
        from_ns = _moment(reader)
        until_ns = None
        is_readable = from_ns is not None
        if from_ns is not None and reader.takes("duration"):
            minutes = reader.seconds()
            until_ns = None if minutes is None else from_ns + minutes * MINUTE_NS
            is_readable = minutes is not None or reader.takes("infinite")
        elif from_ns is not None:
            until_ns = _moment(reader) if reader.takes("to") else None
            is_readable = until_ns is not None
        if not is_readable:
            reader.fail()
            return None
        return span(draft, reader.place, from_ns, until_ns)

    def accept_lifetime(self, words: Sequence[Word], keychain: Line) -> Lifetime | None:
        tolerance_ns = 0
        for line in keychain.under("receive-tolerance"):
            texts = [word.text for word in line.words[1:]]
            if texts[:1] == ["infinite"]:
                return None
            unit = SECOND_NS if texts[:1] == ["seconds"] else MINUTE_NS
            value = line.words[-1]
            tolerance_ns = unit * (self.draft.number(value, "receive-tolerance", 0, 14400 * 60) or 0)
        return widened(self.lifetime(words, keychain), tolerance_ns)

    def read_peers(self, block: Line, vrf: str | None, neighbours: Neighbours) -> None:
        for line in block.children:
            words = line.words
            texts = [word.text for word in words]
            if texts[0] == "peer" and len(words) > 2:
                self.take(neighbours.settings(vrf, words[1].text, line.start), words[2:], line)
            elif "vpn-instance" in texts[:-1]:
                self.read_peers(line, words[texts.index("vpn-instance") + 1].text, neighbours)
            elif texts[0].endswith("-family"):
                self.read_peers(line, vrf, neighbours)

    def take(self, settings: Settings, words: Sequence[Word], line: Line) -> None:
        texts = [word.text for word in words]
        if len(texts) < 2:
            return
        if texts[0] == "tcp-ao":
            name = words[2] if texts[1] == "policy" and len(words) > 2 else words[1]
            settings.keys = NoKeys.NO_KEYS if texts[1] == "disable" else ChainUse(name)
        elif texts[0] == "password":
            settings.keys = Password(line.start, self.secret(words[1:], line))
        elif texts[0] == "keychain":
            settings.keys = NoKeys.NO_KEYS
            if texts[1] != "disable":
                self.draft.warn(words[0], f"this peer's keychain is for {ENHANCED_AUTHENTICATION}: not read")
        elif texts[0] == "group":
            settings.parents.append(words[1].text)
        elif texts[0] == "connect-interface":
            settings.source = words[1]
            if len(words) > 2:
                settings.local = self.draft.network(words[2])

    def read_ldp(self) -> None:
        """`mpls ldp / md5-password {plain | cipher} LSR SECRET`."""
        for ldp in self.root.under("mpls ldp"):
            for line in ldp.under("md5-password"):
                words = line.words
                if len(words) < 4:
                    continue
                remote = self.draft.network(words[2])
                if remote is not None:
                    settings = Settings(keys=Password(line.start, self.secret([words[1], *words[3:]], line)))
                    self.sessions.add(remote, line.start, settings, port=LDP_PORT)


def _moment(reader: MomentReader) -> int | None:
    """`12:00 2019-12-10`."""
    clock = reader.clock()
    date = reader.word()
    if clock is None or date is None:
        return None
    reader.position += 1
    return iso_nanoseconds(f"{date.text}T{clock[0]:02}:{clock[1]:02}:{clock[2]:02}Z")


_MARKS = (
    Mark(" mode ", r"\s*keychain \S+ mode (?:absolute|periodic)", 20),
    Mark("binding keychain ", r"\s*binding keychain ", 12),
    Mark(" tcp-ao ", r"\s+peer \S+ tcp-ao ", 20),
    Mark(" receive-id ", r"\s+send-id [0-9]+ receive-id [0-9]", 15),
    Mark("tcp ao ", r"\s*tcp ao \S", 10),
    Mark(" password ", r"\s+peer \S+ password (?:cipher|simple|plain) ", 15),
    Mark("sysname ", r"\s*sysname ", 10),
    Mark("%#", r".*(?:%\^%#|%\+%#)", 10),
    Mark("%@%@", r".*%@%@", 10),
    Mark(" as-number ", r"\s+peer \S+ as-number ", 6),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


HUAWEI_VRP = Importer("vrp", _TITLE, _recognises, _read, is_printed=True)
