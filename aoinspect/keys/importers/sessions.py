"""Who uses which keys: what neighbours, groups and templates say, and what a neighbour gets of it in the end.

Every router lets a neighbour take its settings from groups, and lets the nearest setting win. TCP-AO and TCP-MD5
exclude one another, so one of them on the neighbour hides the other of its group. The TCP option flag, and in Arista's
case the algorithm, belong to the neighbour; a key chain here takes over what all its neighbours agree on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.keys.importers.model import Draft, Secret, Word, printable
from aoinspect.keys.model import KeyChain, Network, Peer

ENHANCED_AUTHENTICATION = (
    "the older TCP Enhanced Authentication Option (draft-bonica-tcp-auth, kind 253 or 254), which is no TCP-AO"
)


@dataclass(frozen=True, slots=True)
class ChainUse:
    """A key chain that signs a session with TCP-AO."""

    name: Word
    tcp_options: TcpOptions | None = None
    """What keys take that do not say it themselves."""


@dataclass(frozen=True, slots=True)
class Password:
    """A TCP-MD5 password; it stands at the offset `at`."""

    at: int
    secret: Secret


class NoKeys(Enum):
    """Said explicitly, so that nothing is inherited."""

    NO_KEYS = auto()


@dataclass(slots=True)
class Settings:
    """What one neighbour, group or template says about its sessions."""

    keys: ChainUse | Password | NoKeys | None = None
    local: Network | None = None
    source: Word | None = None
    """The interface whose address the session uses."""
    port: int | None = None
    parents: list[str] = field(default_factory=list)
    """Names of groups and templates, the nearest first."""

    def over(self, groups: Mapping[str, Settings]) -> Settings:
        """These settings, with those of its groups (and of theirs) where it has none. Loops end."""
        merged = Settings(self.keys, self.local, self.source, self.port)
        seen: set[str] = set()
        waiting = list(self.parents)
        while waiting:
            name = waiting.pop(0)
            group = groups.get(name)
            if name in seen or group is None:
                continue
            seen.add(name)
            merged.fill(group)
            waiting[:0] = group.parents
        return merged

    def fill(self, other: Settings) -> None:
        """Takes from `other` what is not set here."""
        if self.keys is None:
            self.keys = other.keys
        if self.local is None and self.source is None:
            self.local, self.source = other.local, other.source
        if self.port is None:
            self.port = other.port


class Sessions:
    """The key chains and sessions of one configuration, until `close` gives them to the draft."""

    def __init__(self, draft: Draft, chain_word: str = "key chain") -> None:
        self.draft = draft
        self.chain_word = chain_word
        """What this system calls a key chain."""
        self.chains: dict[str, KeyChain] = {}
        self.hidden_chains: dict[str, str] = {}
        """Key chains that are none of TCP-AO -> why, in words that follow "names a key chain that"."""
        self._used: dict[tuple[str, TcpOptions | None], tuple[KeyChain, tuple[MasterKeyTuple, ...]]] = {}
        """Key chain and options flag of a session -> its keys, while the chain is this one: many sessions share it."""

    def add_chain(self, name: str, mkts: Sequence[MasterKeyTuple], at: int, shown_name: str | None = None) -> None:
        """A key chain with its keys; where the name is there already, they join it.

        Sessions name it by `name`; `shown_name` is what outputs call it where that is another.
        """
        known = self.chains.get(name)
        origin = self.draft.source.origin(at)
        if known is not None:
            self.chains[name] = replace(known, mkts=(*known.mkts, *mkts))
        else:
            self.chains[name] = KeyChain(printable(shown_name or name), tuple(mkts), origin)

    def add(
        self, remote: Network | None, at: int, settings: Settings, *, port: int | None, vrf: str | None = None
    ) -> None:
        """A session with `remote` (None: any) that begins at offset `at`; nothing where it has no keys."""
        keys = settings.keys
        if isinstance(keys, ChainUse):
            chain = self.chains.get(keys.name.text)
            if chain is None:
                self._tell_missing(keys.name)
                return
            mkts = self._keys_of(keys.name.text, chain, keys.tcp_options)
            chain_name: str | None = chain.name
        elif isinstance(keys, Password):
            mkts = (self.draft.md5_key(keys.at, keys.secret),)
            chain_name = None
        else:
            return
        if not mkts:
            self.draft.warn(at, "this session has no key that could be read")
            return
        self.draft.peers.append(
            Peer(
                local=self._local(settings, remote),
                remote=remote,
                mkts=mkts,
                keychain=chain_name,
                origin=self.draft.source.origin(at),
                port=settings.port or port,
                vrf=None if vrf is None else printable(vrf),
            )
        )

    def _keys_of(self, name: str, chain: KeyChain, flag: TcpOptions | None) -> tuple[MasterKeyTuple, ...]:
        known = self._used.get((name, flag))
        if known is None or known[0] is not chain:
            known = self._used[name, flag] = chain, tuple(_with_options(mkt, flag) for mkt in chain.mkts)
        return known[1]

    def _local(self, settings: Settings, remote: Network | None) -> Network | None:
        """The device's address: its configuration's, or else the caller's where that is of the same kind.

        A configuration with a session to the caller's device is that of another one.
        """
        told = self.draft.context.local
        for local in (settings.local, None if told == remote else told):
            if local is not None and (remote is None or local.version == remote.version):
                return local
        return None

    def _tell_missing(self, name: Word) -> None:
        reason = self.hidden_chains.get(name.text)
        if reason is not None:
            self.draft.mistake(name, f"this {self.chain_word} {reason}")
            return
        known = ", ".join(f'"{chain.name}"' for chain in self.chains.values()) or "none"
        self.draft.mistake(name, f"no {self.chain_word} of this file has that name; it has: {known}")

    def close(self) -> None:
        """Gives the key chains to the draft, with the flags and algorithms that their sessions agree on."""
        draft = self.draft
        used: dict[str, set[tuple[MasterKeyTuple, ...]]] = {}
        for peer in draft.peers:
            if peer.keychain is not None:
                used.setdefault(peer.keychain, set()).add(peer.mkts)
        for chain in self.chains.values():
            versions = used.get(chain.name, set())
            mkts = next(iter(versions)) if len(versions) == 1 else chain.mkts
            if mkts:
                draft.keychains.append(replace(chain, mkts=mkts))
        if draft.peers or draft.context.local is None:
            return
        # A fragment without neighbours: its key chains are those of the device that the caller has named.
        for chain in draft.keychains:
            draft.peers.append(
                Peer(
                    local=draft.context.local,
                    remote=None,
                    mkts=chain.mkts,
                    keychain=chain.name,
                    origin=chain.origin,
                )
            )


def _with_options(mkt: MasterKeyTuple, flag: TcpOptions | None) -> MasterKeyTuple:
    if flag is None or mkt.tcp_options is not TcpOptions.AUTO:
        return mkt
    return replace(mkt, tcp_options=flag)
