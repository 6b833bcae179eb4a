"""What an importer is, and what every importer shares: places in the text, mistakes with a caret, finished keys.

An importer turns the text of a router's configuration into the types of `aoinspect.keys.model`; the engine never
learns which system wrote it. This file alone decides what a message may show of a configuration. A line is never
quoted as it is: words that the importer's grammar knows, small numbers, addresses and times are shown, everything
else is `***`, and so is all that follows a word after which secrets stand.

A running configuration was accepted by its router, so what cannot be understood is a warning at its place, and the
rest counts; where nothing at all could be read, it is an error.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aoinspect.ao.algorithms import ALGORITHMS, TCP_MD5, Algorithm, find_algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, Origin, TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.addresses import parse_address, parse_prefix
from aoinspect.keys.model import KeyChain, KeyStore, KeyWarning, Network, Peer

BGP_PORT = 179
LDP_PORT = 646
MSDP_PORT = 639

SECRET_FOLLOWS = frozenset(
    (
        *("key-string", "key", "secret", "password", "password6", "authentication-key", "auth-password", "md5"),
        *("cipher", "clear", "encrypted", "simple", "plain", "hash", "hash2", "custom", "secret-key", "auth-key"),
        *("keystring", "hexadecimal-string", "plain-text", "md5-password", "md5_password", "tcp-md5-password"),
        "key_hex",
    )
)
"""Words after which the rest of a line is never shown; `key` only where no small number follows it."""
_ALGORITHM_WORDS = frozenset(name for row in ALGORITHMS for name in (row.name, *row.aliases))
_SHOWN_VALUE = re.compile(
    r"[0-9]{1,3}|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"|[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?"
)
_PART_OF_LINE = re.compile(r"""(\s+|[{}\[\];,=]+)|("[^"]*"?|'[^']*'?|[^\s{}\[\];,="']+)""")
_MASK = "***"
_LONGEST_SHOWN = 500
"""Characters of a line that a message may show."""
ASSUMED_LENGTH = (
    "how long the MAC of HMAC-SHA-256 is, this system does not say: 12 octets are assumed; where the capture has 16, "
    "write a key file with `aoinspect keys import` and set mac-length = 16 in it"
)
"""RFC 5926 has no HMAC-SHA-256; Linux and others cut it to 96 bits or to 128."""
_MOST_TOLD = 50
"""More mistakes than this in one file say nothing that the first ones do not."""


@dataclass(frozen=True, slots=True)
class ImportContext:
    """What the caller knows and the text does not say."""

    local: Network | None = None
    """The device's own address (`--local`), for neighbours whose configuration does not name it; None: any."""
    is_public: bool = False
    """Whether every user of the machine can read the file."""


@dataclass(frozen=True, slots=True)
class Importer:
    """One system whose configurations can be read: one row of the table in `registry`."""

    name: str
    """What stands before the colon of `--keys NAME:FILE`: lower case, no colon."""
    title: str
    """What messages call it."""
    recognises: Callable[[str], int]
    """Text -> how much of it is this system's own: 0 where nothing is; see `score`."""
    read: Callable[[str, str, ImportContext], KeyStore]
    """(text, path, context) -> keys. Raises KeyFileError where nothing can be read, and nothing else."""
    is_printed: bool = False
    """Whether its text is what a device prints, so that a terminal session may have left something in it."""


class Mark(NamedTuple):
    """Something that tells one system's configurations from others': a line that holds `literal` and matches."""

    literal: str
    """Every such line holds it as it stands here; looking for it costs next to nothing."""
    pattern: str
    """Matched from the beginning of the line, its indentation included; compiled only where the literal occurs."""
    points: int


def score(text: str, marks: Iterable[Mark]) -> int:
    """The points of those `marks` that occur in `text`, each counted once.

    By convention 10 points are enough to be sure where no other system has more, a line that several systems write is
    worth 1 or 2, and a mark that no other system has 10 or more.
    """
    return sum(one.points for one in marks if _occurs(one, text))


def _occurs(one: Mark, text: str) -> bool:
    at = text.find(one.literal)
    pattern = None
    while at >= 0:
        pattern = pattern or re.compile(one.pattern)
        line_start = text.rfind("\n", 0, at) + 1
        line_end = text.find("\n", at)
        line_end = len(text) if line_end < 0 else line_end
        if pattern.match(text[line_start:line_end].rstrip("\r")) is not None:
            return True
        at = text.find(one.literal, line_end)
    return False


class Word(NamedTuple):
    """A word of a configuration and where it stands: offsets in the text, in characters."""

    text: str
    """Without the quotes."""
    start: int
    end: int
    """Exclusive; with the quotes."""
    is_quoted: bool = False

    def __repr__(self) -> str:
        return f"Word(start={self.start}, end={self.end})"


class Piece(NamedTuple):
    """A part of a text that was put together of several files."""

    start: int
    """Offset in the text."""
    path: str
    line: int
    """Of that file, from 1, where the part begins."""


class Source:
    """A text whose offsets can be told as files, lines and columns."""

    __slots__ = ("_line_starts", "path", "pieces", "text")

    def __init__(self, text: str, path: str, pieces: Sequence[Piece] = ()) -> None:
        self.text = text
        self.path = path
        self.pieces = pieces
        """In order, the first at 0; none where all of the text is of `path`."""
        self._line_starts: list[int] = []

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Line from 1, in the whole text, and column from 0 of a character."""
        if not self._line_starts:
            self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1]

    def origin(self, offset: int) -> Origin:
        """File and line from 1 of a character."""
        line, _ = self.line_and_column(offset)
        if not self.pieces:
            return Origin(self.path, line)
        piece = self.pieces[bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1]
        return Origin(piece.path, line - self.line_and_column(piece.start)[0] + piece.line)

    def line_text(self, line: int) -> str:
        start = self._line_starts[line - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Secret:
    """The octets of a secret, or why there are none."""

    octets: bytes | None = field(repr=False)
    gap: str | None = None
    at: int | None = None
    """Offset in the text where the secret stands, which the gap's message then tells as a line."""

    @staticmethod
    def of_text(text: str) -> Secret:
        """A secret that stands in the configuration as it is; octets that are not UTF-8 are kept."""
        return Secret(text.encode("utf-8", "surrogateescape"))

    @staticmethod
    def unreadable(scheme: str, at: int | None = None) -> Secret:
        """A gap: `scheme` is what cannot be read, like "Cisco type 6"; `at` is where it stands."""
        return Secret(None, f"{scheme} cannot be read: fill in the secret", at)


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something at one place that could not be understood."""

    start: int
    end: int
    message: str


class Draft:
    """What has been read of one configuration so far: the importer adds to it, and `finish` makes the KeyStore.

    `words` are the grammar's own words (lower case), which messages may show.
    """

    def __init__(self, title: str, source: Source, context: ImportContext, words: frozenset[str]) -> None:
        self.title = title
        self.source = source
        self.context = context
        self.words = words
        self.keychains: list[KeyChain] = []
        self.peers: list[Peer] = []
        self.mistakes: list[Mistake] = []
        self._warnings: dict[KeyWarning, None] = {}
        self._told_once: set[str] = set()

    def mistake(self, place: Word | tuple[int, int], message: str) -> None:
        """Notes what could not be understood at a word or at (start, end); `message` repeats none of the text."""
        start, end = (place.start, place.end) if isinstance(place, Word) else place
        mistake = Mistake(start, max(end, start + 1), message)
        if mistake not in self.mistakes[-4:]:
            self.mistakes.append(mistake)

    def warn(self, place: Word | int | Origin, message: str, *, is_told_once: bool = False) -> None:
        """Notes what is understood and worth knowing; `is_told_once`: only at its first place in the file."""
        if is_told_once and message in self._told_once:
            return
        self._told_once.add(message)
        if not isinstance(place, Origin):
            place = self.source.origin(place.start if isinstance(place, Word) else place)
        self._warnings[KeyWarning(place, message)] = None

    def algorithm(self, word: Word, *, has_vendors_length: bool = False) -> Algorithm | None:
        """The algorithm that `word` names; a mistake is noted where it is none.

        `has_vendors_length` is for systems that do not say how long their MAC of HMAC-SHA-256 is: that is told.
        """
        try:
            algorithm = find_algorithm(word.text)
        except ValueError:
            algorithm = TCP_MD5
        if algorithm.is_md5:
            self.mistake(word, "no algorithm of TCP-AO that is known here")
            return None
        if has_vendors_length and algorithm.name == "hmac-sha-256-96" and "96" not in word.text:
            self.warn(word, ASSUMED_LENGTH, is_told_once=True)
        return algorithm

    def number(self, word: Word | None, what: str, lowest: int, highest: int) -> int | None:
        if word is None:
            return None
        if re.fullmatch(r"[0-9]{1,10}", word.text) is None or not lowest <= int(word.text) <= highest:
            self.mistake(word, f"{what} must be a number from {lowest} to {highest}")
            return None
        return int(word.text)

    def network(self, word: Word) -> Network | None:
        """The address or prefix that `word` writes, without a zone (%); a mistake is noted where it is none."""
        try:
            return parse_prefix(word.text.partition("%")[0])
        except ValueError as error:
            self.mistake(word, str(error))
            return None

    def key(
        self,
        at: int,
        secret: Secret,
        algorithm: Algorithm,
        *,
        send_id: int | None,
        recv_id: int | None,
        name: str | None = None,
        mac_length: int | None = None,
        tcp_options: TcpOptions = TcpOptions.AUTO,
        send_lifetime: Lifetime | None = None,
        accept_lifetime: Lifetime | None = None,
    ) -> MasterKeyTuple:
        """A TCP-AO key that begins at offset `at`; without a name it goes by `send-id/recv-id`."""
        return MasterKeyTuple(
            name=printable(name) if name else f"{send_id}/{recv_id}",
            send_id=send_id,
            recv_id=recv_id,
            algorithm=algorithm,
            secret=secret.octets or None,
            mac_length=mac_length or algorithm.mac_length,
            tcp_options=tcp_options,
            origin=self.source.origin(at),
            send_lifetime=send_lifetime,
            accept_lifetime=accept_lifetime,
            gap=self._gap(secret, at),
        )

    def _gap(self, secret: Secret, at: int) -> str | None:
        if secret.octets:
            return None
        place = self.source.origin(at if secret.at is None else secret.at)
        where = f"line {place.line}" if place.path == self.source.origin(at).path else str(place)
        return f"{secret.gap or 'there is no secret: fill it in'} ({where})"

    def md5_key(self, at: int, secret: Secret) -> MasterKeyTuple:
        """A TCP-MD5 password (RFC 2385), which covers no option and has no ids."""
        return self.key(at, secret, TCP_MD5, send_id=None, recv_id=None, name="tcp-md5", tcp_options=TcpOptions.EXCLUDE)

    def finish(self) -> KeyStore:
        """All that was read; raises KeyFileError with every mistake where there is neither key chain nor peer."""
        ordered = sorted(self.mistakes, key=lambda mistake: mistake.start)
        if not self.keychains and not self.peers:
            lines = [f"{self._told_place(mistake)}: {self._told(mistake)}" for mistake in ordered[:_MOST_TOLD]]
            if not lines:
                lines = [f"{self.source.path}: {self.title}: no keys of TCP-AO or TCP-MD5 in this file"]
                lines += [f"{warning.origin}: {warning.message}" for warning in list(self._warnings)[:_MOST_TOLD]]
            raise KeyFileError("\n".join(lines))
        told = [KeyWarning(self.source.origin(mistake.start), self._told(mistake)) for mistake in ordered[:_MOST_TOLD]]
        if len(ordered) > _MOST_TOLD:
            origin = self.source.origin(ordered[_MOST_TOLD].start)
            told.append(KeyWarning(origin, f"{len(ordered) - _MOST_TOLD} more mistakes from here on"))
        return KeyStore(
            peers=tuple(self.peers),
            keychains=tuple(self.keychains),
            warnings=tuple(sorted((*self._warnings, *told), key=self._order)),
            paths=tuple(dict.fromkeys((self.source.path, *(piece.path for piece in self.source.pieces)))),
            is_configuration=True,
        )

    def _order(self, warning: KeyWarning) -> tuple[bool, str, int]:
        """The configuration's own first, each file's by line."""
        return warning.origin.path != self.source.path, warning.origin.path, warning.origin.line

    def _told_place(self, mistake: Mistake) -> str:
        return f"{self.source.origin(mistake.start)}:{self.source.line_and_column(mistake.start)[1] + 1}"

    def _told(self, mistake: Mistake) -> str:
        line, column = self.source.line_and_column(mistake.start)
        text = self.source.line_text(line)
        shown, caret_start, caret_end = shown_line(text, column, column + mistake.end - mistake.start, self.words)
        carets = " " * caret_start + "^" * max(1, caret_end - caret_start)
        return f"{mistake.message}\n    {shown}\n    {carets}"


def printable(name: str) -> str:
    """A name that outputs can show: what would disturb a terminal or cannot be encoded is a question mark."""
    return "".join(character if character.isprintable() else "?" for character in name)


def shown_line(line: str, start: int, end: int, words: frozenset[str]) -> tuple[str, int, int]:
    """What a message may show of `line`, without its indentation, and where columns `start` to `end` went."""
    if len(line) > _LONGEST_SHOWN:
        return _MASK, 0, len(_MASK)
    indentation = len(line) - len(line.lstrip())
    shown = ""
    caret: tuple[int, int] | None = None
    is_secret = False
    for match in _PART_OF_LINE.finditer(line, indentation):
        is_blank = match[1] is not None
        part_end = len(line) if is_secret and not is_blank else match.end()
        if is_blank:
            part = re.sub(r"\s+", " ", match[1])
        else:
            part = match[2] if not is_secret and _may_be_shown(match[2], words) else _MASK
        if match.start() < max(end, start + 1) and start < part_end and part.strip():
            caret = (len(shown) if caret is None else caret[0], len(shown) + len(part))
        shown += part
        if is_blank:
            continue
        if is_secret:
            break
        # YAML writes a colon right after the word.
        bare = match[2].strip("\"':").lower()
        if bare in SECRET_FOLLOWS:
            is_secret = _is_before_secret(bare, line[match.end() :])
    shown = shown.rstrip()
    if caret is None:
        caret = (max(len(shown) - 1, 0), max(len(shown), 1))
    return shown, *caret


def _is_before_secret(word: str, rest: str) -> bool:
    return word != "key" or re.match(r"\s+(?:[0-9]{1,3}|chain)\b", rest) is None


def _may_be_shown(part: str, words: frozenset[str]) -> bool:
    part = part.strip("\"'")
    lower = part.lower()
    if lower in words or lower in _ALGORITHM_WORDS or _SHOWN_VALUE.fullmatch(part):
        return True
    if ":" not in part:
        return False
    try:
        parse_address(part)
    except ValueError:
        return False
    return True


def own_words(*phrases: str) -> frozenset[str]:
    """The words of the phrases: a convenient way to write a grammar's vocabulary."""
    return frozenset(word.lower() for phrase in phrases for word in phrase.split())
