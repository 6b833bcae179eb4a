"""All key files of a run as one store.

This file decides what is one thing told twice: keys and peers that are equal in everything but their labels
and the place that they came from. What two ends of a session say of one MKT, with the ids crossed, stays two
here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.errors import KeyFileError
from aoinspect.keys.model import KeyChain, KeyStore, KeyWarning, KnownConnection, Network, Peer
from aoinspect.keys.overlaps import warn_of_overlaps
from aoinspect.keys.public_files import refuse_public_files
from aoinspect.keys.text_file import MOST_OCTETS, decode_text, is_readable_by_all, read_octets
from aoinspect.keys.toml_file import parse_key_file
from aoinspect.keys.two_devices import with_ends_told_apart

_VERSION = re.compile(rb"^[ \t]*version[ \t]*=", re.MULTILINE)
_OWN_TABLE = re.compile(rb"^[ \t]*\[\[[ \t]*(?:keychain|peer|connection)[ \t]*\]\]", re.MULTILINE)
_LOG_MAGIC = b"aoinspect-traffic-keys"
"""As `traffic_key_log.MAGIC`, which is not loaded for it; a test holds that they are equal."""
_NOWHERE = Origin("", 0)
_selector_of = attrgetter(*(field.name for field in fields(Peer) if field.name not in ("mkts", "keychain", "origin")))
"""Peer -> which socket pairs it is for."""


def load_keys(
    paths: Sequence[str], local: Network | Sequence[Network] | None = None, *, is_strict: bool = False
) -> KeyStore:
    """What the key files at `paths` say together; equal peers, keys and connections are one, the first.

    Each path is a key file or the configuration of any system in `importers.registry`, or `NAME:FILE` with such a
    system's name. `local` is the address of the device where a configuration does not name it: one for all paths, or
    one for each in their order (other numbers of them than 1 or `len(paths)` are none). `is_strict` refuses
    files with secrets that every user of the machine can read. Raises KeyFileError with one line per mistake of all
    the files.
    """
    stores: list[KeyStore] = []
    mistakes: list[str] = []
    for path, device in dict(zip(paths, _devices(local, len(paths)), strict=True)).items():
        try:
            stores.append(_read(path, device))
        except KeyFileError as error:
            mistakes.append(str(error))
    if mistakes:
        raise KeyFileError("\n".join(mistakes))
    store = _combined(with_ends_told_apart(stores))
    if is_strict:
        refuse_public_files(store)
    return store


def _devices(local: Network | Sequence[Network] | None, number: int) -> list[Network | None]:
    if not isinstance(local, Sequence):
        return [local] * number
    if len(local) == number:
        return list(local)
    return [local[0] if len(local) == 1 else None] * number


def _read(argument: str, local: Network | None) -> KeyStore:
    """What one file says. The importers are loaded only for files that are plainly not our own."""
    if ":" in argument:
        from aoinspect.keys.importers.registry import import_file, split_system

        system, path = split_system(argument)
        return import_file(path, system, local)
    octets = read_octets(argument, MOST_OCTETS)
    if octets.startswith(_LOG_MAGIC):
        from aoinspect.keys.traffic_key_reader import parse_log

        return parse_log(decode_text(octets, argument), argument, is_public=is_readable_by_all(argument))
    if _VERSION.search(octets) and _OWN_TABLE.search(octets):
        return parse_key_file(decode_text(octets, argument), argument, is_public=is_readable_by_all(argument))
    from aoinspect.keys.importers.model import ImportContext
    from aoinspect.keys.importers.registry import import_octets

    return import_octets(octets, argument, None, ImportContext(local, is_readable_by_all(argument)))


def _combined(stores: Sequence[KeyStore]) -> KeyStore:
    peers = _distinct_peers([peer for store in stores for peer in store.peers])
    chains: dict[tuple[str, tuple[MasterKeyTuple, ...]], KeyChain] = {}
    connections: dict[KnownConnection, KnownConnection] = {}
    for store in stores:
        for chain in store.keychains:
            mkts = _distinct_mkts(chain.mkts)
            identity = (chain.name, tuple(map(_without_label, mkts)))
            chains.setdefault(identity, replace(chain, mkts=mkts))
        for connection in store.connections:
            connections.setdefault(replace(connection, origin=_NOWHERE), connection)
    warnings = [warning for store in stores for warning in store.warnings]
    if stores and not peers:
        message = "no key file holds a [[peer]], so there is nothing that its keys could verify"
        if any(store.keychains for store in stores):
            message += "; of a fragment of a configuration, --local ADDR says whose keys they are"
        warnings.append(KeyWarning(Origin(stores[0].paths[0], 1), message))
    return KeyStore(
        peers=peers,
        keychains=tuple(chains.values()),
        connections=tuple(connections.values()),
        offered=tuple(known for store in stores for known in store.offered),
        warnings=(*warnings, *warn_of_overlaps(peers)),
        paths=tuple(path for store in stores for path in store.paths),
        is_configuration=len(stores) == 1 and stores[0].is_configuration,
    )


def _distinct_peers(peers: Sequence[Peer]) -> tuple[Peer, ...]:
    """The peers without those that say nothing new.

    Where two have the same socket pairs, a key of the later that equals one of the earlier becomes the
    earlier's, so that it goes by one name.
    """
    numbers = _Numbers()
    by_selector: dict[object, dict[int, MasterKeyTuple]] = {}
    distinct: list[Peer] = []
    for peer in peers:
        firsts = by_selector.setdefault(_selector_of(peer), {})
        own = [numbers.of(mkt) for mkt in peer.mkts]
        if all(number in firsts for number in own):
            continue
        first = {number: firsts.setdefault(number, mkt) for number, mkt in zip(own, peer.mkts, strict=True)}
        mkts = tuple(first.values())
        distinct.append(peer if mkts == peer.mkts else replace(peer, mkts=mkts))
    return tuple(distinct)


class _Numbers:
    """One number for all keys that are equal but for their labels. A thousand peers of one key chain ask a thousand
    times about the same objects, so these are known by themselves."""

    def __init__(self) -> None:
        self._by_value: dict[MasterKeyTuple, int] = {}
        self._by_object: dict[int, tuple[MasterKeyTuple, int]] = {}

    def of(self, mkt: MasterKeyTuple) -> int:
        known = self._by_object.get(id(mkt))
        if known is None:
            number = self._by_value.setdefault(_without_label(mkt), len(self._by_value))
            # Held on to, so that no other object gets its id.
            known = self._by_object[id(mkt)] = mkt, number
        return known[1]


def _distinct_mkts(mkts: Sequence[MasterKeyTuple]) -> tuple[MasterKeyTuple, ...]:
    first_mkts: dict[MasterKeyTuple, MasterKeyTuple] = {}
    for mkt in mkts:
        first_mkts.setdefault(_without_label(mkt), mkt)
    return tuple(first_mkts.values())


def _without_label(mkt: MasterKeyTuple) -> MasterKeyTuple:
    return replace(mkt, name="", origin=_NOWHERE)
