"""Reads a traffic-key log (see `traffic_key_log`) as the key store that it stands for.

All mistakes of a log are told at once, each with its line. No message repeats anything that stands in a log: it may be
a traffic key in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from aoinspect.ao.mkt import Lifetime, LoggedKeys, MasterKeyTuple, Origin, TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.model import KeyStore, KeyWarning, KnownConnection, Peer
from aoinspect.keys.toml_file import read_endpoint, read_selector
from aoinspect.keys.toml_key import read_algorithm, read_mac_length, read_tcp_options
from aoinspect.keys.toml_lines import Place
from aoinspect.keys.toml_table import Problems, Table
from aoinspect.keys.traffic_key_log import (
    CONNECTION_FIELDS,
    END_FIELDS,
    ENDS,
    ISN_WORDS,
    LIFETIME_FIELDS,
    MAGIC,
    MKT_FIELDS,
    OTHER_FIELDS,
    PEER_FIELDS,
    RECOVERED,
    SYN_FIELDS,
    TOLD,
    VERSION,
    LoggedConnection,
    LoggedTrafficKey,
    unquoted,
)

_MOST_TOLD = 50
"""More mistakes than this in one log say nothing that the first ones do not."""
_U32_MAX = 0xFFFF_FFFF
_MOST_MKTS = 1 << 24
_WORD = re.compile(r"[a-z]+(?=[ \t]|\Z)")
_PAIR = re.compile(r'[ \t]+([a-z][a-z-]*)=("(?:[^"\\]|\\["\\])*"|[^\s"]*)(?=[ \t]|\Z)')
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,10}")
_NUMBERS = frozenset(
    (
        *("port", "local-port", "remote-port", "vlan", "number", "secret", "send-id", "recv-id", "mac-length"),
        *("a-isn", "b-isn", "a-sne", "b-sne", "mkt", "source-isn", "destination-isn", "traffic-keys"),
    )
)
"""Fields whose values are numbers; all others are text."""


def parse_log(text: str, path: str, *, is_public: bool = False) -> KeyStore:
    """What the log with this text says; `path` is its name in messages.

    `is_public` says that every user of the machine can read it. Raises KeyFileError with one line per mistake.
    """
    reading = _Reading(path)
    reading.read(text.split("\n"))
    found = reading.problems.lines_of_text()
    if found:
        more = [f"{path}: … and {len(found) - _MOST_TOLD} more like these"] if len(found) > _MOST_TOLD else []
        raise KeyFileError("\n".join(found[:_MOST_TOLD] + more))
    message = "every user of this machine can read this file and its traffic keys (chmod o-r helps)"
    return KeyStore(
        peers=tuple(reading.peers()),
        connections=tuple(reading.known),
        offered=tuple(reading.offered),
        warnings=(KeyWarning(Origin(path, 1), message),) if is_public else (),
        paths=(path,),
    )


class _Reading:
    """One log being read, line by line."""

    def __init__(self, path: str) -> None:
        self.problems = Problems(path)
        self.known: list[KnownConnection] = []
        self.offered: list[KnownConnection] = []
        self._path = path
        self._peers: list[tuple[Peer, list[MasterKeyTuple]]] = []
        self._mkts: dict[int, MasterKeyTuple] = {}
        """The first MKT of each number."""
        self._contexts: dict[int, dict[bytes, bytes]] = {}
        """MKT's number -> KDF context -> traffic key; filled as lines are read."""
        self._connection: LoggedConnection | None = None
        self._connection_lines: dict[object, int] = {}
        self._key_count = 0
        self._end_line: int | None = None
        self._is_peer_open = False
        self._is_connection_open = False
        self._readers: dict[str, tuple[tuple[str, ...], Callable[[Table], None]]] = {
            "peer": (PEER_FIELDS, self._read_peer),
            "mkt": (MKT_FIELDS, self._read_mkt),
            "connection": (CONNECTION_FIELDS, self._read_connection),
            "syn": (SYN_FIELDS, self._read_syn),
            "other": (OTHER_FIELDS, self._read_other),
            "end": (END_FIELDS, self._read_end),
        }

    def peers(self) -> Iterator[Peer]:
        return (replace(peer, mkts=tuple(mkts)) for peer, mkts in self._peers)

    def read(self, lines: list[str]) -> None:
        if not self._has_known_version(lines[0]):
            # A log of another version means other things: nothing else can be said about it.
            return
        for number, line in enumerate(lines[1:], 2):
            stripped = line.rstrip(" \t\r")
            if stripped and not stripped.startswith("#"):
                self._read_line(number, stripped)
        if self._end_line is None:
            last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=1)
            self.problems.add(last, "the log ends here without its `end` line: it was cut; get it whole")

    def _has_known_version(self, line: str) -> bool:
        words = line.split()
        if words == [MAGIC, str(VERSION)]:
            return True
        is_other = len(words) == 2 and words[0] == MAGIC and words[1].isascii() and words[1].isdecimal()
        what = f"a log of another version than {VERSION}" if is_other else "not the first line of a log"
        self.problems.add(1, f"{what}: it must be `{MAGIC} {VERSION}`, the only version that this release reads")
        return False

    def _read_line(self, number: int, line: str) -> None:
        word = _WORD.match(line)
        reader = None if word is None else self._readers.get(word[0])
        if word is None or reader is None:
            self.problems.add(number, f"begins with none of the words {', '.join(self._readers)}")
            return
        if self._end_line is not None:
            self.problems.add(number, f"stands behind the `end` of line {self._end_line}: two logs are two files")
            return
        fields, read = reader
        title = f"a line `{word[0]}`"
        values: dict[str, object] = {}
        at = word.end()
        while at < len(line):
            pair = _PAIR.match(line, at)
            if pair is None:
                self.problems.add(number, f"{title} cannot be read from its column {at + 1} on: {_form(fields)}")
                return
            name, value = pair[1], pair[2]
            if name in values:
                told = f"{name} twice" if name in fields else "a field twice"
                self.problems.add(number, f"{title} has {told}")
                return
            values[name] = _value(name, value)
            at = pair.end()
        table = Table(title, values, Place(number), self.problems)
        table.only(fields)
        read(table)

    # Each kind of line.

    def _read_peer(self, table: Table) -> None:
        self._is_peer_open, self._is_connection_open = True, False
        self._peers.append((read_selector(table), []))

    def _read_mkt(self, table: Table) -> None:
        if not self._is_peer_open:
            table.wrong(None, f"{table.title} must stand below a line `peer`, among its MKTs")
            return
        mistakes_before = len(self.problems.found)
        algorithm = read_algorithm(table)
        is_md5 = algorithm is not None and algorithm.is_md5
        is_gap = "gap" in table
        needed = [] if is_md5 else ["send-id", "recv-id", "mac-length", "tcp-options"]
        needed += ["gap"] if is_md5 or is_gap else ["number", "secret"]
        for name in ("name", *needed):
            table.require(name, "a log tells it of every MKT" if name != "gap" else "no log holds a TCP-MD5 password")
        logged = self._logged(table)
        mkt = (
            None
            if algorithm is None
            else MasterKeyTuple(
                name=table.label("name") or "",
                send_id=table.number("send-id", 0, 255),
                recv_id=table.number("recv-id", 0, 255),
                algorithm=algorithm,
                secret=None,
                mac_length=read_mac_length(table, algorithm),
                tcp_options=TcpOptions.EXCLUDE if is_md5 else read_tcp_options(table),
                origin=table.origin(),
                send_lifetime=_lifetime(table, *LIFETIME_FIELDS[:2]),
                accept_lifetime=_lifetime(table, *LIFETIME_FIELDS[2:]),
                gap=table.label("gap"),
                logged=logged,
            )
        )
        if mkt is None or len(self.problems.found) > mistakes_before:
            if logged is not None:
                # So that the traffic keys below are not told to be nobody's.
                self._contexts.setdefault(logged.number, {})
            return
        if logged is not None:
            first = self._mkts.setdefault(logged.number, mkt)
            if not _is_same(first, mkt):
                table.wrong("number", f"is that of another MKT, at line {first.origin.line}")
            self._contexts.setdefault(logged.number, {})
        self._peers[-1][1].append(mkt)

    def _logged(self, table: Table) -> LoggedKeys | None:
        number, secret = table.number("number", 1, _MOST_MKTS), table.number("secret", 1, _MOST_MKTS)
        if number is None or secret is None:
            return None
        if "gap" in table:
            table.wrong("gap", "stands beside a number: an MKT without its secret has no traffic keys")
        return LoggedKeys(self._path, number, secret, self._contexts.setdefault(number, {}))

    def _read_connection(self, table: Table) -> None:
        self._is_peer_open, self._is_connection_open = False, True
        self._connection = None
        mistakes_before = len(self.problems.found)
        for name in (*ENDS, "isns"):
            table.require(name, f"one of {', '.join(ISN_WORDS)}" if name == "isns" else "address and port of an end")
        a, b = (read_endpoint(table, name) for name in ENDS)
        isns = (table.number("a-isn", 0, _U32_MAX), table.number("b-isn", 0, _U32_MAX))
        snes = (table.number("a-sne", 0, _U32_MAX), table.number("b-sne", 0, _U32_MAX))
        isn_word = table.text("isns")
        if isn_word is not None and isn_word not in ISN_WORDS:
            table.wrong("isns", f"must be one of {', '.join(ISN_WORDS)}")
        if a is not None and b is not None and (a[0].version != b[0].version or a == b):
            table.wrong("b", "must be another end than a, of the same IP version")
        if isn_word in (TOLD, RECOVERED) and None in isns:
            table.wrong("isns", f"is {isn_word}, and then both ISNs must be there")
        if len(self.problems.found) > mistakes_before or a is None or b is None or isn_word is None:
            return
        # One connection may be told twice with other SNEs: a key file may have such entries, which are tried in turn.
        first = self._connection_lines.setdefault((a, b, isns, snes, isn_word), table.line())
        if first != table.line():
            table.wrong(None, f"this connection is that of line {first} once more")
        self._connection = LoggedConnection((a, b), isns, snes, isn_word, ())
        if isns[0] is not None and isns[1] is not None:
            is_recovered = isn_word == RECOVERED
            known = KnownConnection(a, b, isns[0], isns[1], *snes, table.origin(), is_recovered=is_recovered)
            (self.known if isn_word in (TOLD, RECOVERED) else self.offered).append(known)

    def _read_syn(self, table: Table) -> None:
        self._read_key(table, SYN_FIELDS)

    def _read_other(self, table: Table) -> None:
        self._read_key(table, OTHER_FIELDS)

    def _read_key(self, table: Table, fields: tuple[str, ...]) -> None:
        self._key_count += 1
        if not self._is_connection_open:
            table.wrong(None, f"{table.title} must stand below the line `connection` that it belongs to")
            return
        mistakes_before = len(self.problems.found)
        for name in fields:
            table.require(name, "every traffic key needs it")
        mkt = table.number("mkt", 1, _MOST_MKTS)
        if mkt is not None and mkt not in self._contexts:
            table.wrong("mkt", "is the number of no MKT above")
        sender = table.text("from")
        if sender is not None and sender not in ENDS:
            table.wrong("from", "must be a or b, an end of the connection")
        source_isn = table.number("source-isn", 0, _U32_MAX)
        destination_isn = table.number("destination-isn", 0, _U32_MAX)
        key = _key(table, self._mkts.get(mkt) if mkt is not None else None)
        connection = self._connection
        if len(self.problems.found) > mistakes_before or connection is None or key is None:
            return
        if mkt is None or sender is None or source_isn is None:
            return
        told = LoggedTrafficKey(mkt, ENDS.index(sender), source_isn, destination_isn, key)
        context = told.context(connection.ends)
        if context in self._contexts[mkt]:
            table.wrong(None, "the traffic key of this MKT and these ISNs is there already")
        self._contexts[mkt][context] = key

    def _read_end(self, table: Table) -> None:
        self._end_line = table.line()
        table.require("traffic-keys", "how many there are")
        count = table.number("traffic-keys", 0, _U32_MAX)
        if count is not None and count != self._key_count:
            table.wrong("traffic-keys", f"is {count}, and {self._key_count} are there: lines are missing or too many")


def _value(name: str, text: str) -> object:
    if text.startswith('"'):
        return unquoted(text)
    if name in _NUMBERS and _NUMBER.fullmatch(text):
        return int(text, 16 if text.startswith("0x") else 10)
    return text


def _form(fields: tuple[str, ...]) -> str:
    return f"it takes field=value pairs ({', '.join(fields)}), with blanks between them and quotes around text"


def _key(table: Table, mkt: MasterKeyTuple | None) -> bytes | None:
    text = table.text("key")
    if text is None:
        return None
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        odd = len(text) % 2 and re.fullmatch(r"[0-9a-fA-F]+", text)
        table.wrong("key", "has an odd number of hexadecimal digits: it was cut" if odd else "is not hexadecimal")
        return None
    key = bytes.fromhex(text)
    if mkt is not None and len(key) != mkt.algorithm.traffic_key_length:
        wanted = mkt.algorithm.traffic_key_length
        table.wrong("key", f"has {len(key)} octets, and a traffic key of {mkt.algorithm.name} has {wanted}")
        return None
    return key


def _lifetime(table: Table, since: str, until: str) -> Lifetime | None:
    from_ns, until_ns = table.time_ns(since), table.time_ns(until)
    if from_ns is None and until_ns is None:
        return None
    if from_ns is not None and until_ns is not None and until_ns <= from_ns:
        table.wrong(until, f"must be after {since}")
    return Lifetime(from_ns, until_ns)


def _is_same(mkt: MasterKeyTuple, other: MasterKeyTuple) -> bool:
    """Whether both are one MKT, perhaps as its two ends tell it."""
    return (
        mkt.algorithm == other.algorithm
        and (mkt.mac_length, mkt.tcp_options) == (other.mac_length, other.tcp_options)
        and (mkt.send_id, mkt.recv_id) in ((other.send_id, other.recv_id), (other.recv_id, other.send_id))
        and mkt.logged is not None
        and other.logged is not None
        and mkt.logged.secret_number == other.logged.secret_number
    )
