"""Captures explained in this process."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address
from pathlib import Path

from aoinspect.capture.reader import open_capture
from aoinspect.engine.explain import EXPLAIN_BUDGET, Account, Budget, explain_failures
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.results import connection_results
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What `aoinspect explain` would be given."""

    capture: bytes
    key_file: str


def analysed(path: Path, store: KeyStore, batch_frames: int | None = None) -> Analyzer:
    """The capture at `path` read with these keys, as `verify` reads it: without a table."""
    analyzer = Analyzer(store, Registry(use_entry_points=False), keep_table=False)
    with open_capture(path) if batch_frames is None else open_capture(path, batch_frames=batch_frames) as reader:
        analyse([reader], analyzer)
    return analyzer


def accounts_of(path: Path, store: KeyStore, budget: Budget = EXPLAIN_BUDGET) -> list[Account]:
    """What is said of the capture's connections."""
    analyzer = analysed(path, store)
    return explain_failures(analyzer, connection_results(analyzer), dataclasses.replace(budget), every=True)


def accounts_of_told(told: Told, folder: Path, budget: Budget = EXPLAIN_BUDGET) -> list[Account]:
    path, key_file = folder / "told.pcap", folder / "told.toml"
    path.write_bytes(told.capture)
    key_file.write_text(told.key_file)
    return accounts_of(path, load_keys([str(key_file)]), budget)


def keys_of_end(key_file: Path, address: str) -> KeyStore:
    """Those of a key file's peers whose local end is `address`."""
    store = load_keys([str(key_file)])
    peers = tuple(peer for peer in store.peers if peer.local is not None and ip_address(address) in peer.local)
    return dataclasses.replace(store, peers=peers)
