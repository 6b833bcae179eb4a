"""The project's own key file (TOML): key chains, peers and known connections.

This file decides which tables there are and what each holds; `toml_key` does the same for one key. All
mistakes of a file are told at once, each with its line. A secret, or text that may be one in the wrong place,
is never repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.errors import KeyFileError
from aoinspect.keys.addresses import parse_endpoint, parse_prefix
from aoinspect.keys.model import Address, KeyChain, KeyStore, KeyWarning, KnownConnection, Network, Peer
from aoinspect.keys.text_file import READABLE_BY_ALL, is_readable_by_all, read_text
from aoinspect.keys.toml_key import KeyReader
from aoinspect.keys.toml_lines import scan
from aoinspect.keys.toml_syntax import parse_toml
from aoinspect.keys.toml_table import Problems, Table

VERSION = 1
"""The only version of the format so far."""

_ROOT_KEYS = ("version", "keychain", "peer", "connection")
_KEYCHAIN_KEYS = ("name", "key")
_PEER_KEYS = (
    *("local", "remote", "port", "local-port", "remote-port"),
    *("vrf", "interface", "vlan", "keychain", "key"),
)
_CONNECTION_KEYS = ("local", "remote", "local-isn", "remote-isn", "local-sne", "remote-sne")
_U32_MAX = 0xFFFF_FFFF


def read_key_file(path: str) -> KeyStore:
    """What the key file at `path` (a file or a pipe) says.

    Raises KeyFileError with one line per mistake. Ids that overlap are not looked for here: see `load_keys`.
    """
    return _read(read_text(path), path, is_public=is_readable_by_all(path))


def parse_key_file(text: str, path: str, *, is_public: bool = False) -> KeyStore:
    """What a key file with this text says; `path` is its name in messages; `secret-file` starts beside it.

    `is_public` says that every user of the machine can read it. Raises KeyFileError with one line per mistake.
    """
    return _read(text, path, is_public=is_public)


def _read(text: str, path: str, *, is_public: bool) -> KeyStore:
    parsed = parse_toml(text)
    problems = Problems(path, frozenset(problem.line for problem in parsed.problems))
    for problem in parsed.problems:
        problems.add(problem.line, problem.message)
    store = KeyStore()
    if parsed.values is not None:
        document = Table("the key file", parsed.values, scan(parsed.text), problems)
        store = _Document(document, KeyReader(Path(path).parent)).read(is_public=is_public)
    if problems.found:
        raise KeyFileError("\n".join(problems.lines_of_text()))
    return store


@dataclass(slots=True)
class _ReadChain:
    """A key chain of the file, and whether a peer has named it."""

    mkts: tuple[MasterKeyTuple, ...]
    origin: Origin
    is_used: bool = False


class _Document:
    """One file being read: the tables, and the key chains that its peers may name."""

    def __init__(self, root: Table, keys: KeyReader) -> None:
        self.root = root
        self.keys = keys
        self.path = root.problems.path
        self.chains: dict[str, _ReadChain] = {}
        self.has_nameless_chain = False
        """Whether a mistake hides the name of a chain, which a peer may well use."""

    def read(self, *, is_public: bool) -> KeyStore:
        root = self.root
        if not self.has_known_version():
            # A file of another version means other things: nothing else can be said about it.
            return KeyStore()
        self.has_nameless_chain = not root.lacks("keychain") and "keychain" not in root
        for table in root.tables("keychain", "keychain"):
            self.read_chain(table)
        peers = [peer for table in root.tables("peer", "peer") if (peer := self.read_peer(table)) is not None]
        connections = [
            connection
            for table in root.tables("connection", "connection")
            if (connection := _connection(table)) is not None
        ]
        warnings = self.keys.warnings
        if is_public and self.keys.has_inline_secret:
            warnings.insert(0, KeyWarning(Origin(self.path, 1), READABLE_BY_ALL))
        warnings += [
            KeyWarning(chain.origin, f'no peer uses the key chain "{name}"')
            for name, chain in self.chains.items()
            if not chain.is_used
        ]
        return KeyStore(
            peers=tuple(peers),
            keychains=tuple(KeyChain(name, chain.mkts, chain.origin) for name, chain in self.chains.items()),
            connections=tuple(connections),
            warnings=tuple(sorted(warnings, key=lambda warning: warning.origin.line)),
            paths=(self.path,),
        )

    def has_known_version(self) -> bool:
        """Whether the rest is worth reading; a mistake is noted where not, and where no version is given."""
        root = self.root
        version = root.value("version")
        if version is not None and (version != VERSION or not isinstance(version, int) or version is True):
            root.wrong("version", f"must be {VERSION}, the only one that this release reads")
            return False
        root.only(_ROOT_KEYS)
        root.require("version", f"begin it with `version = {VERSION}`")
        return True

    def read_chain(self, table: Table) -> None:
        table.only(_KEYCHAIN_KEYS)
        table.require("name", "peers name the key chain by it")
        name = table.label("name")
        mkts = self.read_keys(table, "keychain.key")
        if table.lacks("key"):
            table.wrong(None, "[[keychain]] has no keys: add [[keychain.key]] below it")
        if name is None:
            self.has_nameless_chain = True
            return
        if name in self.chains:
            first = self.chains[name].origin.line
            table.wrong("name", f"is that of the key chain at line {first} already; choose another, or join the two")
            return
        self.chains[name] = _ReadChain(mkts, table.origin())

    def read_keys(self, table: Table, title: str) -> tuple[MasterKeyTuple, ...]:
        if table.value("key") == []:
            table.wrong("key", f"holds no keys: add [[{title}]]")
        read = [self.keys.read(key_table) for key_table in table.tables("key", title)]
        return tuple(mkt for mkt in read if mkt is not None)

    def read_peer(self, table: Table) -> Peer | None:
        mistakes_before = len(table.problems.found)
        table.only(_PEER_KEYS)
        keychain, mkts = self.read_keys_of_peer(table)
        peer = read_selector(table, keychain, mkts)
        return peer if len(table.problems.found) == mistakes_before else None

    def read_keys_of_peer(self, table: Table) -> tuple[str | None, tuple[MasterKeyTuple, ...]]:
        """Name of the peer's key chain, or None where it holds keys of its own, and the keys."""
        own_keys = self.read_keys(table, "peer.key")
        if "keychain" not in table:
            if table.lacks("key", "keychain"):
                table.wrong(None, '[[peer]] has no keys: add keychain = "NAME", or [[peer.key]] below it')
            return None, own_keys
        name = table.text("keychain")
        chain = None if name is None else self.chains.get(name)
        if chain is not None:
            chain.is_used = True
        elif name is not None and not self.has_nameless_chain:
            known = ", ".join(f'"{chain_name}"' for chain_name in self.chains) or "none"
            table.wrong("keychain", f"names no [[keychain]] of this file; it has: {known}")
        if "key" in table:
            table.wrong("keychain", "stands beside [[peer.key]]: keep one of the two")
        return name, () if chain is None else chain.mkts


def read_selector(table: Table, keychain: str | None = None, mkts: tuple[MasterKeyTuple, ...] = ()) -> Peer:
    """The peer entry of `table` with these keys; what is wrong about its socket pairs is noted."""
    local, remote = _prefix(table, "local"), _prefix(table, "remote")
    if local is not None and remote is not None and local.version != remote.version:
        table.wrong("remote", f"is IPv{remote.version} and local is IPv{local.version}: both must be of one kind")
    return Peer(
        local=local,
        remote=remote,
        mkts=mkts,
        keychain=keychain,
        origin=table.origin(),
        port=table.number("port", 1, 0xFFFF),
        local_port=table.number("local-port", 1, 0xFFFF),
        remote_port=table.number("remote-port", 1, 0xFFFF),
        vrf=table.label("vrf"),
        interface=_interface(table),
        vlan=table.number("vlan", 1, 4094),
    )


def _prefix(table: Table, key: str) -> Network | None:
    text = table.text(key)
    if text is None:
        return None
    try:
        return parse_prefix(text)
    except ValueError as error:
        table.wrong(key, str(error))
        return None


def _interface(table: Table) -> str | None:
    if isinstance(table.value("interface"), int):
        number = table.number("interface", 0, _U32_MAX)
        return None if number is None else str(number)
    return table.label("interface")


def _connection(table: Table) -> KnownConnection | None:
    mistakes_before = len(table.problems.found)
    table.only(_CONNECTION_KEYS)
    for key in ("local", "remote"):
        table.require(key, 'address and port, like "10.0.0.1:179"')
    for key in ("local-isn", "remote-isn"):
        table.require(key, "the initial sequence number of that end, 0 to 0xffffffff")
    local, remote = read_endpoint(table, "local"), read_endpoint(table, "remote")
    local_isn, remote_isn = table.number("local-isn", 0, _U32_MAX), table.number("remote-isn", 0, _U32_MAX)
    local_sne, remote_sne = table.number("local-sne", 0, _U32_MAX), table.number("remote-sne", 0, _U32_MAX)
    if local is not None and remote is not None:
        if local[0].version != remote[0].version:
            table.wrong("remote", "is of another IP version than local: both must be of one kind")
        elif local == remote:
            table.wrong("remote", "is the same as local")
    if len(table.problems.found) > mistakes_before:
        return None
    if local is None or remote is None or local_isn is None or remote_isn is None:
        # A line whose syntax is wrong: told where the file was parsed.
        return None
    return KnownConnection(local, remote, local_isn, remote_isn, local_sne, remote_sne, table.origin())


def read_endpoint(table: Table, key: str) -> tuple[Address, int] | None:
    """Address and port of `key`; None where it is not there or wrong, which is noted."""
    text = table.text(key)
    if text is None:
        return None
    try:
        return parse_endpoint(text)
    except ValueError as error:
        table.wrong(key, str(error))
        return None
