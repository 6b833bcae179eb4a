"""The systems that keys can be written for: one row of one table each."""

from __future__ import annotations

from collections.abc import Callable

from aoinspect.errors import UsageError
from aoinspect.keys.export.bird import write_bird
from aoinspect.keys.export.gobgp import write_gobgp
from aoinspect.keys.export.half import one_device, peers_half
from aoinspect.keys.export.ios_xe import write_ios_xe
from aoinspect.keys.export.ios_xr import write_ios_xr
from aoinspect.keys.export.junos import write_junos
from aoinspect.keys.export.key_file import write_key_file
from aoinspect.keys.export.rfc9648 import write_rfc9648
from aoinspect.keys.model import KeyStore, Network

OURS = "aoinspect"
SYSTEMS: dict[str, Callable[[KeyStore], str]] = {
    OURS: write_key_file,
    "bird": write_bird,
    "gobgp": write_gobgp,
    "ios-xr": write_ios_xr,
    "ios-xe": write_ios_xe,
    "junos": write_junos,
    "ietf": write_rfc9648,
}
"""By the names that importers have for the same systems."""


def export(store: KeyStore, system: str, peer_half: bool = False, local: Network | None = None) -> str:
    """The configuration text of `system` that says what `store` does; it holds the secrets.

    `local` chooses one device where the store has several; `peer_half` writes what the other ends of its sessions
    have to say, with ids crossed and addresses exchanged. Raises UsageError for a system that is not known, and
    KeyFileError with all that the system cannot express.
    """
    write = SYSTEMS.get(system)
    if write is None:
        raise UsageError(f"no system has that name; keys can be written for {', '.join(SYSTEMS)}")
    if system != OURS or local is not None:
        store = one_device(store, local)
    return write(peers_half(store) if peer_half else store)
