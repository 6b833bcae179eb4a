"""Where traffic keys from a log stand in for master keys, and where nothing can be done with them."""

from __future__ import annotations

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.errors import UsageError
from aoinspect.keys.model import KeyStore


def logged_mkts(store: KeyStore) -> list[MasterKeyTuple]:
    """The MKTs of `store` that a traffic-key log tells."""
    return [mkt for peer in store.peers for mkt in peer.mkts if mkt.logged is not None]


def refuse_logs(store: KeyStore, purpose: str) -> None:
    """UsageError where some of the keys come from a traffic-key log: `purpose` takes master keys."""
    paths = dict.fromkeys(mkt.logged.path for mkt in logged_mkts(store) if mkt.logged is not None)
    if paths:
        raise UsageError(
            "\n".join(
                f"{path}: this is a traffic-key log, which holds the traffic keys of single connections and no master "
                f"key: {purpose}; give the key file that it was made with"
                for path in paths
            )
        )
