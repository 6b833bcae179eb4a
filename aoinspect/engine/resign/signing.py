"""Puts MACs into segments: the inputs and the MACs are those that verifying computes, and only the last step differs.

Nothing here assembles what a MAC covers (`engine.macs` does) or derives a traffic key (`engine.check` does).
"""

from __future__ import annotations

import numpy as np

from aoinspect.ao.algorithms import KeyedMac
from aoinspect.capture.frames import I64, U8
from aoinspect.engine.check import Checker, key_stretches
from aoinspect.engine.keyring import Keyring
from aoinspect.engine.macs import Layout, MacInputs, MacPlaces, compute_macs, windows
from aoinspect.engine.pairs import PairTable
from aoinspect.engine.resign.plan import Plan
from aoinspect.engine.segments import Segments
from aoinspect.engine.verdicts import Method

_SPOILED_BITS = 0xA5
"""Inverted in the first octet of a MAC that is to be wrong."""


class Signer:
    """Signs with the keys of one keyring, on the socket pairs of one analysis."""

    def __init__(self, keyring: Keyring, pairs: PairTable) -> None:
        self._checker = Checker(keyring, pairs)

    def sign(self, segments: Segments, rows: I64, plan: Plan, planned: I64) -> None:
        """Writes the MACs of `rows` of `segments` into their octets, as the rows `planned` of `plan` say.

        The options must be in place: kind, length and ids as planned, and the MAC as long as `segments` says.
        """
        # Segments of one traffic key together, so that its keyed MAC is fetched once.
        order = np.lexsort((plan.mkts[planned], plan.contexts.connections[planned] * 2 + plan.contexts.sides[planned]))
        rows, planned = rows[order], planned[order]
        inputs = MacInputs(MacPlaces.of(segments))
        digest_lengths = self._checker.digest_lengths[plan.mkts[planned]]
        layouts = plan.layouts[planned].astype(np.int64)
        for layout in np.flatnonzero(np.bincount(layouts)).tolist():
            for length in np.unique(digest_lengths[layouts == layout]).tolist():
                chosen = np.flatnonzero((layouts == layout) & (digest_lengths == length))
                self._sign_alike(inputs, Layout(layout), rows[chosen], plan, planned[chosen])

    def _sign_alike(self, inputs: MacInputs, layout: Layout, rows: I64, plan: Plan, planned: I64) -> None:
        """Signs segments of one layout and one digest length."""
        contexts = plan.contexts.select(planned)
        view, starts, ends = inputs.arrange(layout, rows, contexts.snes)
        keyed, counts = self._keyed_macs(layout, plan, planned)
        digests = np.frombuffer(compute_macs(view, starts, ends, keyed, counts), dtype=np.uint8)
        digests = digests.reshape(len(rows), -1).copy()
        digests[plan.is_spoiled[planned], 0] ^= np.uint8(_SPOILED_BITS)
        _write_macs(inputs.places, rows, digests)

    def _keyed_macs(self, layout: Layout, plan: Plan, planned: I64) -> tuple[list[KeyedMac], list[int]]:
        """The keyed MAC of each run of segments under one traffic key, and how many segments the run has."""
        contexts = plan.contexts.select(planned)
        isns = (contexts.source_isns, contexts.destination_isns)
        if layout is Layout.MD5:
            # No traffic key, so no ISNs: one keyed MAC serves the pair.
            isns = (np.zeros_like(isns[0]), np.zeros_like(isns[1]))
        keys, counts = key_stretches(plan.mkts[planned], contexts.pairs, contexts.sides, *isns)
        return [self._checker.keyed_mac(*key) for key in keys], counts


def _write_macs(places: MacPlaces, rows: I64, digests: U8) -> None:
    """Puts the first octets of `digests` (n, digest length) into the options, zeros behind them where they end."""
    octets = places.octets
    heads = np.where(places.methods[rows] == Method.AO, 4, 2)
    lengths = places.mac_lengths[rows]
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        if not length:
            continue
        chosen = np.flatnonzero(lengths == length)
        macs = np.zeros((len(chosen), length), dtype=np.uint8)
        macs[:, : digests.shape[1]] = digests[chosen, :length]
        at = places.option_starts[rows[chosen]] + heads[chosen]
        windows(octets, length)[at] = macs.view(f"V{length}").reshape(-1)
