"""The traffic-key log: the traffic keys of a capture's connections in place of master keys, as lines of text.

This file alone knows what a log may hold; docs/traffic-keys.md describes it. `traffic_key_reader` reads one. A log says
what a key file says of peers and MKTs, without any secret, then each connection with its ISNs and traffic keys. A line
is a word and `field=value` pairs, and the last line counts the traffic keys, so that a log that was cut is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.ao.traffic_keys import kdf_context
from aoinspect.errors import KeyFileError
from aoinspect.keys.lifetimes import moment_text
from aoinspect.keys.model import Address, Peer

MAGIC = "aoinspect-traffic-keys"
"""The first word of a log; the version follows."""
VERSION = 1
"""The only version of the format so far."""

PEER_FIELDS = ("local", "remote", "port", "local-port", "remote-port", "vrf", "interface", "vlan")
LIFETIME_FIELDS = ("send-from", "send-until", "accept-from", "accept-until")
MKT_FIELDS = (
    *("number", "secret", "name", "send-id", "recv-id", "algorithm", "mac-length", "tcp-options", "gap"),
    *LIFETIME_FIELDS,
)
CONNECTION_FIELDS = ("a", "b", "a-isn", "b-isn", "a-sne", "b-sne", "isns")
SYN_FIELDS = ("mkt", "from", "source-isn", "key")
OTHER_FIELDS = ("mkt", "from", "source-isn", "destination-isn", "key")
END_FIELDS = ("traffic-keys",)

ENDS = ("a", "b")
TOLD, RECOVERED = "told", "recovered"
"""ISNs that the capture does not tell: those of a `[[connection]]`, and those that a search found."""
ISN_WORDS = ("handshake", "inferred", TOLD, RECOVERED, "unknown")

_HEAD = f"""\
{MAGIC} {VERSION}
# Whoever has these keys can check, and forge, segments of the connections below, and of no other.
# They are secret while a connection lives. No master key can be computed from them.
"""

_End = tuple[Address, int]


@dataclass(frozen=True, slots=True)
class LoggedTrafficKey:
    """One traffic key of a connection."""

    mkt: int
    """The MKT's number in the log."""
    sender: int
    """0: what the connection's first end sends is signed with it; 1: what the second sends."""
    source_isn: int
    """The sender's, as it enters the KDF context."""
    destination_isn: int | None
    """None in the key of a SYN without ACK, whose context has 0 (RFC 5925 5.2)."""
    key: bytes = field(repr=False)

    def context(self, ends: tuple[_End, _End]) -> bytes:
        """The KDF context (RFC 5925 5.2)."""
        (source, source_port), (destination, port) = ends[self.sender], ends[1 - self.sender]
        isns = (self.source_isn, self.destination_isn or 0)
        return kdf_context(source.packed, destination.packed, source_port, port, *isns)


@dataclass(frozen=True, slots=True)
class LoggedConnection:
    """One connection: its socket pair, what is known of its ISNs, and its traffic keys."""

    ends: tuple[_End, _End]
    isns: tuple[int | None, int | None]
    snes: tuple[int | None, int | None]
    """Of the first segment seen from each end, where a `[[connection]]` told it."""
    isn_word: str
    """One of `ISN_WORDS`."""
    keys: tuple[LoggedTrafficKey, ...]


@dataclass(frozen=True, slots=True)
class TrafficKeyLog:
    """All that a log holds."""

    peers: tuple[Peer, ...]
    """Their MKTs have no secret: each is logged (with the keys of no context), or a gap."""
    connections: tuple[LoggedConnection, ...]

    @property
    def key_count(self) -> int:
        return sum(len(connection.keys) for connection in self.connections)


def write_log(log: TrafficKeyLog) -> str:
    """The text of a log. It holds secrets. KeyFileError for a lifetime in a year that no calendar has."""
    return _HEAD + "".join(f"{line}\n" for line in _lines(log))


def _lines(log: TrafficKeyLog) -> Iterator[str]:
    for peer in log.peers:
        yield ""
        yield _line("peer", _peer_values(peer))
        for mkt in peer.mkts:
            yield _line("mkt", _mkt_values(mkt))
    for connection in log.connections:
        yield ""
        yield from _connection_lines(connection)
    yield ""
    yield _line("end", {"traffic-keys": str(log.key_count)})


def _peer_values(peer: Peer) -> dict[str, str | None]:
    numbers = {
        "port": peer.port,
        "local-port": peer.local_port,
        "remote-port": peer.remote_port,
        "vlan": peer.vlan,
    }
    labels = {"vrf": peer.vrf, "interface": peer.interface}
    return {
        "local": None if peer.local is None else str(peer.local),
        "remote": None if peer.remote is None else str(peer.remote),
        **{name: None if number is None else str(number) for name, number in numbers.items()},
        **{name: None if label is None else _quoted(label) for name, label in labels.items()},
    }


def _mkt_values(mkt: MasterKeyTuple) -> dict[str, str | None]:
    is_ao = not mkt.algorithm.is_md5
    lifetimes = zip(LIFETIME_FIELDS, _moments(mkt), strict=True)
    return {
        "number": None if mkt.logged is None else str(mkt.logged.number),
        "secret": None if mkt.logged is None else str(mkt.logged.secret_number),
        "name": _quoted(mkt.name),
        "send-id": str(mkt.send_id) if is_ao else None,
        "recv-id": str(mkt.recv_id) if is_ao else None,
        "algorithm": mkt.algorithm.name,
        "mac-length": str(mkt.mac_length) if is_ao else None,
        "tcp-options": mkt.tcp_options.value if is_ao else None,
        "gap": None if mkt.gap is None else _quoted(mkt.gap),
        **dict(lifetimes),
    }


def _moments(mkt: MasterKeyTuple) -> Iterator[str | None]:
    for lifetime in (mkt.send_lifetime, mkt.accept_lifetime):
        for time_ns in _ends_of(lifetime):
            text = None if time_ns is None else moment_text(time_ns)
            if text is not None and not text.endswith("Z"):
                raise KeyFileError(f'{mkt.origin}: a lifetime of the key "{mkt.name}" is in no year from 1 to 9999')
            yield text


def _ends_of(lifetime: Lifetime | None) -> tuple[int | None, int | None]:
    return (None, None) if lifetime is None else (lifetime.from_ns, lifetime.until_ns)


def _connection_lines(connection: LoggedConnection) -> Iterator[str]:
    values: dict[str, str | None] = {
        **{name: _endpoint(end) for name, end in zip(ENDS, connection.ends, strict=True)},
        **{f"{name}-isn": _isn(isn) for name, isn in zip(ENDS, connection.isns, strict=True)},
        **{f"{name}-sne": None if sne is None else str(sne) for name, sne in zip(ENDS, connection.snes, strict=True)},
        "isns": connection.isn_word,
    }
    yield _line("connection", values)
    for known in connection.keys:
        yield _line(
            "syn" if known.destination_isn is None else "other",
            {
                "mkt": str(known.mkt),
                "from": ENDS[known.sender],
                "source-isn": _isn(known.source_isn),
                "destination-isn": _isn(known.destination_isn),
                "key": known.key.hex(),
            },
        )


def _line(word: str, values: Mapping[str, str | None]) -> str:
    return " ".join([word, *(f"{name}={value}" for name, value in values.items() if value is not None)])


def _endpoint(end: _End) -> str:
    address, port = end
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _isn(isn: int | None) -> str | None:
    return None if isn is None else f"{isn:#010x}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(quoted: str) -> str:
    """What `_quoted` wrote, without its quotes and backslashes."""
    pieces: Iterable[str] = quoted[1:-1].split("\\\\")
    return "\\".join(piece.replace('\\"', '"') for piece in pieces)
