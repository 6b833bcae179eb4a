"""The master key tuple (RFC 5925 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from aoinspect.ao.algorithms import Algorithm


class TcpOptions(Enum):
    """Whether the MAC covers TCP options other than AO (RFC 5925 3.1, "TCP option flag")."""

    INCLUDE = "include"
    EXCLUDE = "exclude"
    AUTO = "auto"
    """Not known: both are tried on every segment that can tell."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something was read: every message about it can point there."""

    path: str
    line: int
    """From 1."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Nanoseconds since 1970 (UTC); `from_ns` inclusive, `until_ns` exclusive, None: open."""

    from_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LoggedKeys:
    """The traffic keys of one MKT as a traffic-key log tells them, in place of its master key.

    Equal where they are the same MKT of the same log.
    """

    path: str
    """The log."""
    number: int
    """The MKT's in it."""
    secret_number: int
    """MKTs of one log with the same number here have the same master key."""
    by_context: Mapping[bytes, bytes] = field(repr=False, compare=False)
    """KDF context (RFC 5925 5.2) -> traffic key."""


@dataclass(frozen=True, slots=True)
class MasterKeyTuple:
    """One MKT as the end sees it whose `send_id` and `recv_id` these are. Built by `aoinspect.keys`, which
    validates.

    A TCP-MD5 key has the algorithm `tcp-md5` and no ids.
    """

    name: str
    """The label that every output uses; names may repeat."""
    send_id: int | None
    """0..255; None for TCP-MD5."""
    recv_id: int | None
    algorithm: Algorithm
    secret: bytes | None = field(repr=False)
    """The master key; None where it is a gap that the user must fill in, and where a log tells traffic keys."""
    mac_length: int
    """Octets of the MAC on the wire."""
    tcp_options: TcpOptions
    origin: Origin
    send_lifetime: Lifetime | None = None
    accept_lifetime: Lifetime | None = None
    gap: str | None = None
    """Why there is no secret: "Cisco type 6 cannot be read", and what to do."""
    logged: LoggedKeys | None = None
    """The traffic keys that are known in place of the secret."""

    @property
    def is_keyed(self) -> bool:
        """Whether there is a secret, or traffic keys in its place; without either it is a gap."""
        return self.secret is not None or self.logged is not None

    def has_secret_of(self, other: MasterKeyTuple) -> bool | None:
        """Whether both have the same master key; None where that cannot be told."""
        if self.secret is not None and other.secret is not None:
            return self.secret == other.secret
        if self.logged is None or other.logged is None or self.logged.path != other.logged.path:
            return None
        return self.logged.secret_number == other.logged.secret_number
