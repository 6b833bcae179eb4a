"""Sessions of daemons that may listen on one port and connect to another.

Routers listen on 179 and connect to 179, so either end of a session has that port. A daemon may be told otherwise on
either side; its sessions then have one port or the other, which is two peers here: one for each way of opening them.
"""

from __future__ import annotations

from dataclasses import replace

from aoinspect.keys.importers.model import BGP_PORT
from aoinspect.keys.importers.sessions import Sessions, Settings
from aoinspect.keys.model import Network


def add_session(
    sessions: Sessions,
    remote: Network | None,
    at: int,
    settings: Settings,
    *,
    listens_on: int | None = None,
    connects_to: int | None = None,
    vrf: str | None = None,
) -> None:
    """A session with `remote`; either port is BGP's where it is None."""
    local_port = listens_on or BGP_PORT
    remote_port = connects_to or BGP_PORT
    if local_port == remote_port:
        sessions.add(remote, at, settings, port=local_port, vrf=vrf)
        return
    peers = sessions.draft.peers
    added_from = len(peers)
    sessions.add(remote, at, settings, port=None, vrf=vrf)
    for peer in peers[added_from:]:
        peers[added_from:] = [replace(peer, remote_port=remote_port), replace(peer, local_port=local_port)]
