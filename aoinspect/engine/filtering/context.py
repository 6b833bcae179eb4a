"""What a filter needs beside the table's rows: the ends of every connection, ISNs, key names, and first times.

Connections are columns here, two entries each: entry `connection * 2 + direction` is the flow that one end sends. They
are taken from the engine once each; `refresh` takes those that came since, and costs nothing where none did.
"""

from __future__ import annotations

from itertools import islice
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.columns import Columns
from aoinspect.engine.connections import U64
from aoinspect.engine.locate import Mask
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.table import Rows
from aoinspect.errors import UsageError

_LOW = (1 << 64) - 1

_PER_CONNECTION = {
    "is_ipv6": (np.bool_, False, (2,)),
    "highs": (np.uint64, 0, (2,)),
    "lows": (np.uint64, 0, (2,)),
    "ports": (np.uint16, 0, (2,)),
    "indices": (np.int64, 0, ()),
    "sides": (np.int64, 0, (2,)),
}


class FilterContext:
    """An analysis as filters see it. Entries of all arrays by flow, in the order of `connection * 2 + direction`."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._connections = Columns(_PER_CONNECTION)
        self._long_mac_keys: U64 = np.zeros(0, dtype=np.uint64)
        self._long_macs: list[bytes] = []
        self._long_mac_entries = analyzer.long_macs
        self.refresh()

    def __len__(self) -> int:
        """Number of connections."""
        return len(self._connections)

    def refresh(self) -> None:
        """Takes the connections that came since the last call."""
        analyzer = self._analyzer
        known = len(self._connections)
        if analyzer.tallies.connection_count == known:
            return
        numbers = analyzer.tallies.column("number")
        fresh = np.flatnonzero(numbers >= known)
        fresh = fresh[np.argsort(numbers[fresh])]
        self._connections.add(len(fresh))
        a_sides = analyzer.connections.a_sides()[fresh].astype(np.int64)
        self._column("indices")[known:] = fresh
        self._column("sides")[known:] = np.stack([a_sides, 1 - a_sides], axis=1)
        pairs = analyzer.connections.pairs[fresh].tolist()
        ends = [
            analyzer.pairs.ends[pair][side ^ direction]
            for pair, side in zip(pairs, a_sides.tolist(), strict=True)
            for direction in (0, 1)
        ]
        numbers_of_ends = [int.from_bytes(end.address) for end in ends]
        for name, values in (
            ("is_ipv6", [len(end.address) == 16 for end in ends]),
            ("highs", [number >> 64 for number in numbers_of_ends]),
            ("lows", [number & _LOW for number in numbers_of_ends]),
            ("ports", [end.port for end in ends]),
        ):
            column = self._column(name)
            column[known:] = np.array(values, dtype=column.dtype).reshape(-1, 2)

    def _column(self, name: str) -> npt.NDArray[np.generic]:
        return self._connections[name]

    def _by_flow(self, name: str, *, of_destination: bool = False) -> npt.NDArray[np.generic]:
        """A column of the flows' sources, or of their destinations."""
        column = self._column(name)
        return (column[:, ::-1] if of_destination else column).reshape(-1)

    def is_ipv6(self) -> Mask:
        return cast(Mask, self._by_flow("is_ipv6"))

    def addresses(self, *, of_destination: bool) -> tuple[U64, U64]:
        """The upper and lower 64 bits of addresses; the upper ones of IPv4 are 0."""
        highs = self._by_flow("highs", of_destination=of_destination)
        lows = self._by_flow("lows", of_destination=of_destination)
        return cast(U64, highs), cast(U64, lows)

    def ports(self, *, of_destination: bool) -> npt.NDArray[np.generic]:
        return self._by_flow("ports", of_destination=of_destination)

    def isns(self, *, of_destination: bool) -> tuple[U32, Mask]:
        """ISNs as far as they are known by now, and whether they are."""
        connections = self._analyzer.connections
        indices = np.repeat(cast(I64, self._column("indices")), 2)
        sides = cast(I64, self._by_flow("sides", of_destination=of_destination))
        return connections.isns[indices, sides], connections.has_isn[indices, sides]

    def key_names(self) -> list[str]:
        """Names of the MKTs, by the number in the table's `mkt` column."""
        return [mkt.name for mkt in self._analyzer.keyring.mkts]

    def first_times_ns(self) -> I64:
        """The time of each capture's first frame."""
        return np.array([capture.first_time_ns or 0 for capture in self._analyzer.captures], dtype=np.int64)

    @property
    def has_streams(self) -> bool:
        """Whether the analysis counts Wireshark's streams (`Analyzer(count_streams=True)`)."""
        return self._analyzer.streams is not None

    def streams(self, rows: Rows) -> U32:
        """Wireshark's stream index of each row, NO_STREAM without one."""
        streams = self._analyzer.streams
        if streams is None:
            raise UsageError("tcp.stream needs a run that counts streams: read the capture again with this filter")
        return streams.of_rows(rows.capture, rows.frame)

    def long_macs(self, rows: Rows, wanted: npt.NDArray[np.intp], width: int) -> U8:
        """The MACs of `wanted` rows, which the table's column is too short for: shape (n, width), zero behind each."""
        entries = self._analyzer.long_macs
        if entries is not self._long_mac_entries:  # The analyzer has forgotten what it had.
            self._long_mac_entries, self._long_macs = entries, []
            self._long_mac_keys = self._long_mac_keys[:0]
        known = len(self._long_macs)
        if len(entries) > known:
            added = list(islice(entries.items(), known, None))
            keys = np.array([capture << 48 | frame for (capture, frame), _ in added], dtype=np.uint64)
            self._long_mac_keys = np.concatenate([self._long_mac_keys, keys])
            self._long_macs += [mac for _, mac in added]
        lines = np.frombuffer(b"".join(mac.ljust(width, b"\0")[:width] for mac in self._long_macs), dtype=np.uint8)
        order = np.argsort(self._long_mac_keys)
        keys = rows.capture[wanted].astype(np.uint64) << np.uint64(48) | rows.frame[wanted]
        places = np.searchsorted(self._long_mac_keys, keys, sorter=order)
        return lines.reshape(-1, width)[order[places]]
