"""Short forms for the tests of importers: one text in, and what was read of it."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.errors import KeyFileError
from aoinspect.keys.addresses import parse_prefix
from aoinspect.keys.importers import IMPORTERS, ImportContext
from aoinspect.keys.model import KeyChain, KeyStore, Peer

PATH = "edge.cfg"
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
BY_NAME = {importer.name: importer for importer in IMPORTERS}
LONG_AGO = 1_609_459_200 * SECOND
"""2021-01-01T00:00:00Z."""


def read(system: str, text: str, local: str | None = None) -> KeyStore:
    """What that system's importer reads of the text."""
    return BY_NAME[system].read(text, PATH, ImportContext(None if local is None else parse_prefix(local)))


def error_of(system: str, text: str) -> str:
    with pytest.raises(KeyFileError) as caught:
        read(system, text)
    return str(caught.value)


def only_peer(store: KeyStore) -> Peer:
    (peer,) = store.peers
    return peer


def only_chain(store: KeyStore) -> KeyChain:
    (chain,) = store.keychains
    return chain


def only_key(store: KeyStore) -> MasterKeyTuple:
    """The one key of the one peer, or of the one key chain where there is no peer."""
    (mkt,) = only_peer(store).mkts if store.peers else only_chain(store).mkts
    return mkt


def peers_by_remote(store: KeyStore) -> dict[str, Peer]:
    return {str(peer.remote): peer for peer in store.peers}


def warnings_of(store: KeyStore) -> list[str]:
    """`line: first line of the message` of each warning."""
    return [f"{warning.origin.line}: {warning.message.splitlines()[0]}" for warning in store.warnings]


def lifetime(from_ns: int | None, until_ns: int | None = None) -> Lifetime:
    return Lifetime(from_ns, until_ns)


def line_of(text: str, fragment: str) -> int:
    """The line, from 1, on which the first `fragment` of the text begins."""
    return text[: text.index(fragment)].count("\n") + 1
