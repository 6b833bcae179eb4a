"""Secrets that no file tells, asked for on a terminal without showing them.

The prompt names the key, the place that it was read from and why there is no secret. What is typed goes nowhere but
into the key; an empty line leaves the gap as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.keys.importers.model import printable
from aoinspect.keys.model import KeyStore

Ask = Callable[[str], str]
"""Shows the prompt and gives what was typed."""


def can_ask() -> bool:
    """Whether somebody sits at a terminal: secrets are typed on stdin, and the prompt is shown on stderr."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def fill_gaps(store: KeyStore, ask: Ask | None = None) -> KeyStore:
    """`store` with the secrets that the user types for its gaps; each gap is asked for once.

    `ask` is getpass's by default. EOF and an empty line leave a gap; KeyboardInterrupt goes through. A secret whose
    length the algorithm does not take is asked for again.
    """
    if ask is None:
        # Imported when first used: hardly any run asks.
        from getpass import getpass

        ask = getpass
    told: dict[tuple[Origin, str], bytes | None] = {}

    def filled(mkt: MasterKeyTuple) -> MasterKeyTuple:
        if mkt.is_keyed:
            return mkt
        place = (mkt.origin, mkt.name)
        if place not in told:
            told[place] = _ask_for(mkt, ask)
        secret = told[place]
        return mkt if secret is None else replace(mkt, secret=secret, gap=None)

    return replace(
        store,
        peers=tuple(replace(peer, mkts=tuple(map(filled, peer.mkts))) for peer in store.peers),
        keychains=tuple(replace(chain, mkts=tuple(map(filled, chain.mkts))) for chain in store.keychains),
    )


def _ask_for(mkt: MasterKeyTuple, ask: Ask) -> bytes | None:
    lengths = mkt.algorithm.master_key_lengths
    why = f" ({mkt.gap})" if mkt.gap else ""
    prompt = f'secret of the key "{printable(mkt.name)}" of {mkt.origin}{why}; empty: leave it out: '
    while True:
        try:
            secret = ask(prompt).encode("utf-8", "surrogateescape")
        except EOFError:
            return None
        if not secret:
            return None
        if lengths is None or len(secret) in lengths:
            return secret
        choices = ", ".join(map(str, lengths))
        prompt = f"{mkt.algorithm.name} takes {choices} octets; once more, or empty to leave it out: "
