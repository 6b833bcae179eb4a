"""Recovers the ISNs of connections whose handshake is not in the capture, within a budget that counts candidates.

The budget serves the whole run, and it is spent in rounds: every connection is searched for young sessions before any
is searched for older ones. It counts candidates and never seconds, so the outcome is the same on every machine; all
processors share the work. What is found becomes a `[[connection]]`, and the captures are read again with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, replace
from ipaddress import ip_address

from aoinspect.ao.isn_search import SearchTask, matches, search
from aoinspect.ao.mkt import Origin
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.unplaced import UnplacedSegment
from aoinspect.engine.verdicts import Method
from aoinspect.engine.workers import process_pool, processors
from aoinspect.keys.model import KeyStore, KnownConnection

DEFAULT_CANDIDATES = 1_000_000
"""Two ends that together had sent under 1,400 octets, once; some two seconds on two processors."""

ROUNDS = (64, 256, 700, 1_414)
"""Bounds of the octets that both ends had sent together, round by round; each later round doubles the bound."""

CHUNK_CANDIDATES = 16_384
"""What one worker is given at a time."""

PROOF_BITS = 64


@dataclass(frozen=True, slots=True)
class Recovered:
    """One connection whose ISNs were found."""

    connection: int
    """Its number in the Report."""
    known: KnownConnection
    key: str
    """Name of the key that verified."""
    octets_sent: int
    """By both ends together before the segment that was searched with."""


@dataclass(frozen=True, slots=True)
class Unrecovered:
    """One connection whose ISNs were not found."""

    connection: int
    """Its number in the Report."""
    searched_below: int
    """Octets sent by both ends together below which everything was tried; 0: the budget never came to it."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The outcome of a search."""

    found: tuple[Recovered, ...]
    missing: tuple[Unrecovered, ...]
    candidates: int
    """Candidates that were counted against the budget."""
    budget: int
    is_interrupted: bool = False

    def extend(self, store: KeyStore) -> KeyStore:
        """`store` with what was found, for reading the captures again."""
        return replace(store, connections=(*store.connections, *(found.known for found in self.found)))


Progress = Callable[[int, int], None]
"""(candidates tried, budget)."""


def recover_isns(
    analyzer: Analyzer,
    budget: int = DEFAULT_CANDIDATES,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Recovery:
    """Searches the ISNs of every connection that `analyzer` could not place.

    `executor` runs the search; by default a pool of as many processes as there are processors, started only if there
    is anything to search. KeyboardInterrupt ends the search and keeps what was found. Where workers die, or cannot be
    started, the search goes on in this process with the same outcome.
    """
    searches = [
        _Search(analyzer, connection, segments)
        for connection, segments in sorted(analyzer.unplaced.by_connection.items())
        if not analyzer.connections.has_isn[connection].all()
    ]
    for one in searches:
        one.try_offered()
    offered = tuple(search.found for search in searches if search.found is not None)
    unsearched = tuple(Unrecovered(search.connection, 0) for search in searches if search.is_without_segments)
    searches = [search for search in searches if search.tasks and search.found is None]
    if not searches or budget <= 0:
        missing = tuple(Unrecovered(search.connection, 0) for search in searches)
        return Recovery(offered, (*unsearched, *missing), 0, budget)
    spending = _Spending(budget, progress)
    own_executor = None if executor is not None else process_pool(processors())
    is_interrupted = False
    try:
        _run_rounds(searches, spending, _Workers(executor or own_executor))
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        if own_executor is not None:
            own_executor.shutdown(wait=not is_interrupted, cancel_futures=True)
    return Recovery(
        (*offered, *(search.found for search in searches if search.found is not None)),
        (
            *(Unrecovered(search.connection, search.bound) for search in searches if search.found is None),
            *unsearched,
        ),
        spending.spent,
        budget,
        is_interrupted,
    )


class _Spending:
    """The budget."""

    def __init__(self, budget: int, progress: Progress | None) -> None:
        self.budget = budget
        self.spent = 0
        self._progress = progress

    def take(self, cost: int) -> bool:
        """Whether `cost` candidates more can be tried; counts them if so."""
        if self.spent + cost > self.budget:
            return False
        self.spent += cost
        if self._progress is not None:
            self._progress(self.spent, self.budget)
        return True


Isns = tuple[int, int]
"""Own and peer's."""


class _Workers:
    """Whoever does the searching: an executor, and this process once the executor has broken."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor

    def submit(self, task: SearchTask, first: int, last: int) -> Future[Isns | None] | None:
        """The search under way; None where it waits for `result`."""
        if self._executor is None:
            return None
        try:
            return self._executor.submit(search, task, first, last)
        except (BrokenExecutor, OSError):
            # A worker was killed, or the machine has no room for another process.
            self._executor = None
            return None

    def result(self, future: Future[Isns | None] | None, task: SearchTask, first: int, last: int) -> Isns | None:
        """What the search came to; it is done here and now where nobody else does it."""
        if future is not None:
            try:
                return future.result()
            except BrokenExecutor:
                self._executor = None
        return search(task, first, last)


class _Search:
    """The search on one connection."""

    def __init__(self, analyzer: Analyzer, connection: int, segments: list[UnplacedSegment]) -> None:
        self.connection = int(analyzer.tallies.column("number")[connection])
        self.is_without_segments = not segments
        self.bound = 0
        self.found: Recovered | None = None
        self._analyzer = analyzer
        self._index = connection
        self._segments = segments
        self.tasks = [
            (segment, name, task)
            for segment in segments[:1]
            for name, task in self._tasks_of(segment)
            if task.secret is not None
        ]

    def _tasks_of(self, segment: UnplacedSegment) -> Iterator[tuple[str, SearchTask]]:
        """The segment under every key that its KeyID may select."""
        analyzer = self._analyzer
        keys = analyzer.pairs.keys[segment.pair]
        if keys is None:
            return
        ends = analyzer.pairs.ends[segment.pair]
        isns, has_isn = analyzer.connections.isns[self._index], analyzer.connections.has_isn[self._index]
        own, peer = segment.side, 1 - segment.side
        for candidate in keys.candidates(segment.side, Method.AO, segment.key_id):
            mkt = analyzer.keyring.mkts[candidate.mkt]
            if not mkt.is_keyed or mkt.mac_length != len(segment.mac):
                continue
            yield (
                mkt.name,
                SearchTask(
                    algorithm=mkt.algorithm,
                    secret=mkt.secret,
                    include_options=candidate.include_options,
                    source=ends[own].address,
                    destination=ends[peer].address,
                    segment=segment.segment,
                    mac=segment.mac,
                    own_isn=int(isns[own]) if has_isn[own] else None,
                    peer_isn=int(isns[peer]) if has_isn[peer] else None,
                    traffic_keys=None if mkt.logged is None else mkt.logged.by_context,
                ),
            )

    def try_offered(self) -> None:
        """Takes the ISNs that a log tells of a connection of these ends, if the segments agree; that costs nothing."""
        offered = self._analyzer.keyring.store.offered
        for segment in self._segments[:1] if offered else ():
            ends = self._analyzer.pairs.ends[segment.pair]
            source, destination = (
                (ip_address(ends[side].address), ends[side].port) for side in (segment.side, 1 - segment.side)
            )
            for known in offered:
                isns = {
                    (known.local, known.remote): (known.local_isn, known.remote_isn),
                    (known.remote, known.local): (known.remote_isn, known.local_isn),
                }
                told = isns.get((source, destination))
                if self.found is None and told is not None:
                    any(self.confirm(segment, name, told) for name, _ in self._tasks_of(segment))

    def confirm(self, segment: UnplacedSegment, name: str, isns: tuple[int, int]) -> bool:
        """Takes the ISNs if other segments agree, as far as a short MAC needs them to."""
        by_side = {segment.side: isns[0], 1 - segment.side: isns[1]}
        bits = 0
        for other in self._segments:
            agrees = any(
                other_name == name and matches(task, by_side[other.side], by_side[1 - other.side])
                for other_name, task in self._tasks_of(other)
            )
            if agrees:
                bits += 8 * len(other.mac)
        if bits < PROOF_BITS:
            return False
        ends = self._analyzer.pairs.ends[segment.pair]
        local, remote = ends[segment.side], ends[1 - segment.side]
        seq = int.from_bytes(segment.segment[4:8], "big")
        ack = int.from_bytes(segment.segment[8:12], "big")
        sent = ((seq - 1 - isns[0]) & 0xFFFFFFFF) + ((ack - 1 - isns[1]) & 0xFFFFFFFF)
        self.found = Recovered(
            self.connection,
            KnownConnection(
                local=(ip_address(local.address), local.port),
                remote=(ip_address(remote.address), remote.port),
                local_isn=isns[0],
                remote_isn=isns[1],
                local_sne=None,
                remote_sne=None,
                origin=Origin("recovered", 1),
                is_recovered=True,
            ),
            name,
            sent,
        )
        return True


def _run_rounds(searches: list[_Search], spending: _Spending, workers: _Workers) -> None:
    bounds = iter(_bounds())
    open_searches = list(searches)
    while open_searches:
        bound = next(bounds)
        still_open = []
        for position, one in enumerate(open_searches):
            # What is left is shared alike among those whose turn is still to come.
            allowance = (spending.budget - spending.spent) // (len(open_searches) - position)
            affordable = _affordable_bound(one, bound, allowance)
            if affordable > one.bound:
                _search_up_to(one, affordable, spending, workers)
            if one.found is None and affordable == bound:
                still_open.append(one)
        open_searches = still_open


def _bounds() -> Iterator[int]:
    yield from ROUNDS
    bound = ROUNDS[-1]
    while True:
        bound *= 2
        yield bound


def _affordable_bound(one: _Search, bound: int, allowance: int) -> int:
    """How far up to `bound` the search can go with `allowance` candidates."""
    low, high = one.bound, bound
    while low < high:
        middle = (low + high + 1) // 2
        if sum(task.cost(one.bound, middle) for _, _, task in one.tasks) <= allowance:
            low = middle
        else:
            high = middle - 1
    return low


def _search_up_to(one: _Search, bound: int, spending: _Spending, workers: _Workers) -> None:
    """Searches sums from where the search stands up to `bound`. The whole stretch is paid for, found early or not."""
    for segment, name, task in one.tasks:
        if not spending.take(task.cost(one.bound, bound)):
            return
        pending = [(workers.submit(task, first, last), first, last) for first, last in _chunks(task, one.bound, bound)]
        # In the order of the chunks, so that the answer does not depend on which worker is quick.
        for position, (future, first, last) in enumerate(pending):
            isns = workers.result(future, task, first, last)
            if isns is not None and one.confirm(segment, name, isns):
                for later, _, _ in pending[position + 1 :]:
                    if later is not None:
                        later.cancel()
                return
    one.bound = bound


def _chunks(task: SearchTask, first: int, last: int) -> Iterator[tuple[int, int]]:
    while first < last:
        end = first + 1
        while end < last and task.cost(first, end) < CHUNK_CANDIDATES:
            end += 1
        yield first, end
        first = end
