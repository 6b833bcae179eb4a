"""One `[[keychain.key]]` or `[[peer.key]]` of a TOML key file -> a master key tuple (RFC 5925 3.1).

The limits of every field stand here, and the defaults.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from aoinspect.ao.algorithms import ALGORITHMS, Algorithm, find_algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
from aoinspect.ao.option import AO_OVERHEAD, MAX_OPTIONS_LENGTH
from aoinspect.keys.model import KeyWarning
from aoinspect.keys.secret_sources import INLINE_SECRET_SOURCES, SECRET_SOURCES
from aoinspect.keys.text_file import is_readable_by_all
from aoinspect.keys.toml_table import Table

LONGEST_MAC = MAX_OPTIONS_LENGTH - AO_OVERHEAD
"""Octets of MAC that leave room for the AO option's other fields, and for no other option (RFC 5925 2.2)."""

_AO_ONLY = ("send-id", "recv-id", "mac-length", "tcp-options")
_GAP = "gap"
_FIELDS = ("name", "send-id", "recv-id", "algorithm", *SECRET_SOURCES, _GAP, "mac-length", "tcp-options")
_KEY_FIELDS = (*_FIELDS, "send-lifetime", "accept-lifetime")
_SECRET_CHOICES = ", ".join(SECRET_SOURCES)


class KeyReader:
    """Reads the keys of one file, and gathers what is odd about their secrets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        """Where relative paths of `secret-file` start."""
        self.warnings: list[KeyWarning] = []
        self.has_inline_secret = False

    def read(self, table: Table) -> MasterKeyTuple | None:
        """The key of `table`; None where a mistake has been noted."""
        mistakes_before = len(table.problems.found)
        table.only(_KEY_FIELDS)
        algorithm = read_algorithm(table)
        is_md5 = algorithm is not None and algorithm.is_md5
        send_id = table.number("send-id", 0, 255)
        recv_id = table.number("recv-id", 0, 255)
        if is_md5:
            for key in _AO_ONLY:
                if key in table:
                    table.wrong(key, "is not for tcp-md5, which has none: remove it, or name another algorithm")
        else:
            table.require("send-id", "the KeyID in segments from `local`, 0 to 255")
            table.require("recv-id", "the KeyID in segments from `remote`, 0 to 255")
        name = table.label("name")
        mac_length = read_mac_length(table, algorithm)
        tcp_options = read_tcp_options(table)
        send_lifetime = _lifetime(table, "send-lifetime")
        accept_lifetime = _lifetime(table, "accept-lifetime")
        gap = _gap(table)
        secret = None if gap is not None else self._secret(table, algorithm)
        if len(table.problems.found) > mistakes_before or algorithm is None or (secret is None and gap is None):
            return None
        return MasterKeyTuple(
            name=name or ("tcp-md5" if is_md5 else f"{send_id}/{recv_id}"),
            send_id=send_id,
            recv_id=recv_id,
            algorithm=algorithm,
            secret=secret,
            mac_length=mac_length,
            # The digest of RFC 2385 2.0 covers no option at all.
            tcp_options=TcpOptions.EXCLUDE if is_md5 else tcp_options,
            origin=table.origin(),
            send_lifetime=send_lifetime,
            accept_lifetime=accept_lifetime,
            gap=gap,
        )

    def _secret(self, table: Table, algorithm: Algorithm | None) -> bytes | None:
        given = [key for key in SECRET_SOURCES if key in table]
        if table.lacks(*SECRET_SOURCES):
            table.wrong(None, f"{table.title} has no secret: give exactly one of {_SECRET_CHOICES}")
        if not given:
            return None
        if len(given) > 1:
            table.wrong(given[1], f"is a second secret beside {given[0]}: keep exactly one of them")
            return None
        (source,) = given
        self.has_inline_secret |= source in INLINE_SECRET_SOURCES
        written = table.text(source)
        if written is None:
            return None
        try:
            secret = SECRET_SOURCES[source](written, self.directory)
        except ValueError as error:
            table.wrong(source, str(error))
            return None
        if not secret:
            table.wrong(source, "is empty; a master key has at least one octet")
            return None
        lengths = None if algorithm is None else algorithm.master_key_lengths
        if algorithm is not None and lengths is not None and len(secret) not in lengths:
            choices = ", ".join(map(str, lengths[:-1])) + f" or {lengths[-1]}"
            table.wrong(source, f"has a length that {algorithm.name} does not take: it must be {choices} octets")
            return None
        if source == "secret-file":
            self._inspect_secret_file(table, secret, self.directory / written)
        return secret

    def _inspect_secret_file(self, table: Table, secret: bytes, path: Path) -> None:
        if secret != secret.strip():
            self._warn(table, "white space at the start or end of the file is part of the secret; is it meant?")
        if is_readable_by_all(str(path)):
            self._warn(table, "every user of this machine can read the file (chmod o-r helps)")

    def _warn(self, table: Table, message: str) -> None:
        origin = table.origin()
        self.warnings.append(
            KeyWarning(type(origin)(origin.path, table.line("secret-file")), f"secret-file: {message}")
        )


def _gap(table: Table) -> str | None:
    """Why there is no secret yet, and where to fill it in; None where there is to be one."""
    if _GAP not in table:
        return None
    reason = table.label(_GAP)
    if not table.lacks(*SECRET_SOURCES):
        table.wrong(_GAP, "stands beside a secret: remove it, now that the secret is there")
    return None if reason is None else f"{reason}: fill in the secret (line {table.line(_GAP)})"


def read_algorithm(table: Table) -> Algorithm | None:
    """The algorithm; None where it is not there or unknown, which is noted."""
    known = ", ".join(row.name for row in ALGORITHMS)
    table.require("algorithm", f"one of {known}")
    name = table.text("algorithm")
    if name is None:
        return None
    try:
        return find_algorithm(name)
    except ValueError:
        # Its text quotes the name, which may be a secret in the wrong place.
        spellings = {spelling: row.name for row in ALGORITHMS for spelling in (row.name, *row.aliases)}
        close = get_close_matches(name.lower(), spellings, 1, 0.7)
        suggestion = f"; did you mean {spellings[close[0]]}?" if close else ""
        table.wrong("algorithm", f"is unknown{suggestion} (known: {known})")
        return None


def read_mac_length(table: Table, algorithm: Algorithm | None) -> int:
    """Octets of the MAC, the algorithm's where it is not told; a mistake is noted."""
    highest = LONGEST_MAC if algorithm is None else min(algorithm.digest_length, LONGEST_MAC)
    given = table.value("mac-length")
    if algorithm is not None and isinstance(given, int) and given > highest:
        limit = "its digest has no more" if highest < LONGEST_MAC else "the option has no room for more"
        table.wrong("mac-length", f"must be from 1 to {highest} for {algorithm.name}: {limit}")
        return highest
    mac_length = table.number("mac-length", 1, highest)
    if mac_length is not None:
        return mac_length
    return 0 if algorithm is None else algorithm.mac_length


def read_tcp_options(table: Table) -> TcpOptions:
    """The options flag, "include" where it is not told; a mistake is noted."""
    text = table.text("tcp-options")
    if text is None:
        return TcpOptions.INCLUDE
    try:
        return TcpOptions(text)
    except ValueError:
        table.wrong("tcp-options", 'must be "include" (the default), "exclude" or "auto"')
        return TcpOptions.INCLUDE


def _lifetime(table: Table, key: str) -> Lifetime | None:
    span = table.table(key)
    if span is None:
        return None
    span.only(("from", "until"))
    if not span.values:
        table.wrong(key, "is empty: give from, until or both, or leave it out")
        return None
    lifetime = Lifetime(span.time_ns("from"), span.time_ns("until"))
    if lifetime.from_ns is not None and lifetime.until_ns is not None and lifetime.until_ns <= lifetime.from_ns:
        span.wrong("until", f"of {key} must be after from")
    return lifetime
