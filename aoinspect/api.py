"""Verifying captures from Python: what `aoinspect verify` does between its arguments and its output.

    import aoinspect
    report = aoinspect.verify("session.pcap", "keys.toml")
    assert not report.is_wrong

docs/api.md describes it. Nothing is printed, and warnings are in what is returned.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field

from aoinspect.engine.filtering import Filter, FilterContext, parse_filter
from aoinspect.engine.findings import Policy
from aoinspect.engine.limits import Limits
from aoinspect.engine.locate import Mask
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse, openable
from aoinspect.engine.recovery import DEFAULT_CANDIDATES, Recovery, recover_isns
from aoinspect.engine.table import Rows
from aoinspect.engine.workers import Workers
from aoinspect.errors import CaptureError, DissectorError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.model import Report, build_report
from dissectors.registry import Registry

PathName = str | os.PathLike[str]
RowsListener = Callable[[Analyzer, Rows], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """How captures are read; the defaults are those of `aoinspect verify`."""

    where: str | None = None
    """A filter (docs/filter.md): only these segments count."""
    policy: Policy = Policy.RFC
    recover_isn: int = DEFAULT_CANDIDATES
    """Candidates to try for the ISNs of connections whose handshake is missing; 0: none."""
    decode_as: tuple[str, ...] = ()
    """As tshark's -d: "udp.port==8472,vxlan"."""
    dissectors: tuple[str, ...] = ()
    """Python files with further dissectors; they are run."""
    jobs: int | None = 1
    """Processes that check MACs, this one included; None: one for each processor."""
    dedupe_ns: int | None = None
    """Copies of segments that come within so many nanoseconds are left out."""
    limits: Limits = field(default_factory=Limits)
    """How much is kept at most."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """What came of reading captures."""

    report: Report
    analyzer: Analyzer
    problems: tuple[str, ...]
    """What is wrong with dissectors from outside."""


def verify(
    captures: PathName | Sequence[PathName],
    keys: KeyStore | PathName | Sequence[PathName] | None = None,
    *,
    where: str | None = None,
    policy: Policy | str = Policy.RFC,
    recover_isn: int = DEFAULT_CANDIDATES,
    decode_as: Sequence[str] = (),
    dissectors: Sequence[PathName] = (),
    jobs: int | None = 1,
    executor: Executor | None = None,
) -> Report:
    """The Report of `captures`, which are read as one logical capture in the order of time, as `aoinspect verify` does.

    `keys` are key files or router configurations, as `--keys` takes them, or a KeyStore that was loaded before; without
    any, connections and KeyIDs are told and nothing is verified. `where` is a filter, `policy` is "rfc", "linux" or
    "observe", `recover_isn` counts candidates for missing ISNs (0: none are sought), `decode_as` and `dissectors` are
    as on the command line. `jobs` processes check MACs (1: this one alone; None: one for each processor), or any
    `executor`, which is sent octets and traffic keys; the outcome is the same.

    CaptureError where a capture cannot be opened or nothing of any can be read, KeyFileError for key files,
    UsageError (FilterError among them) and DissectorError for the rest.
    """
    reading = Reading(
        where=where,
        policy=_policy(policy),
        recover_isn=recover_isn,
        decode_as=tuple(decode_as),
        dissectors=tuple(os.fspath(path) for path in dissectors),
        jobs=jobs,
    )
    return analyse_captures(_paths(captures), load_store(keys), reading, executor=executor).report


def load_store(keys: KeyStore | PathName | Sequence[PathName] | None) -> KeyStore:
    """The keys that `keys` means, in the words of `verify`."""
    if isinstance(keys, KeyStore):
        return keys
    paths = [] if keys is None else _paths(keys)
    return load_keys(paths) if paths else KeyStore()


def analyse_captures(
    captures: Sequence[str],
    store: KeyStore,
    reading: Reading | None = None,
    *,
    on_rows: RowsListener | None = None,
    executor: Executor | None = None,
    search_executor: Executor | None = None,
) -> Analysed:
    """Reads `captures` as one run, and once more where ISNs were missing and have been found.

    `on_rows` is given each batch's rows with the analyser that judged them; where the captures are read again, it is
    given the rows of another analyser. `executor` checks MACs and searches for ISNs;
    `search_executor` does the latter alone. Errors are those of `verify`.
    """
    if not captures:
        raise UsageError("no capture is named")
    reading = reading or Reading()
    chosen = None if reading.where is None else parse_filter(reading.where)
    registry = _registry(reading)
    with Workers(reading.jobs, executor) as workers:
        analyzer = _read(captures, store, registry, chosen, on_rows, workers, reading)
        recovery: Recovery | None = None
        is_wanted = store.peers and reading.recover_isn and analyzer.unplaced.by_connection
        if is_wanted and not analyzer.totals.is_interrupted and all(map(_is_regular, captures)):
            recovery = recover_isns(analyzer, reading.recover_isn, executor=search_executor or executor)
            if recovery.found:
                analyzer = _read(captures, recovery.extend(store), registry, chosen, on_rows, workers, reading)
    report = build_report(analyzer, reading.policy, recovery)
    if report.unread_captures == report.captures and not report.is_interrupted:
        raise CaptureError(
            "\n".join(
                f"{capture.path}: nothing can be read: damaged at octet {capture.damage.offset}: "
                f"{capture.damage.message}"
                for capture in report.captures
                if capture.damage is not None
            )
        )
    return Analysed(report, analyzer, tuple(str(problem) for problem in registry.problems))


def _read(
    captures: Sequence[str],
    store: KeyStore,
    registry: Registry,
    chosen: Filter | None,
    on_rows: RowsListener | None,
    workers: Workers,
    reading: Reading,
) -> Analyzer:
    analyzer = Analyzer(
        store,
        registry,
        keep_table=False,
        make_rows=on_rows is not None,
        count_streams=chosen is not None and chosen.names_stream,
        workers=workers,
        dedupe_ns=reading.dedupe_ns,
        limits=reading.limits,
    )
    if chosen is not None:
        context = FilterContext(analyzer)
        wanted = chosen

        def choose(rows: Rows) -> Mask:
            context.refresh()
            return wanted.mask(rows, context)

        analyzer.choose_rows = choose
    with ExitStack() as opened:
        readers = openable(captures, opened)
        analyse(readers, analyzer, on_rows=None if on_rows is None else lambda rows: on_rows(analyzer, rows))
    return analyzer


def _is_regular(path: str) -> bool:
    """Whether the capture can be read once more."""
    try:
        return path != "-" and stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _registry(reading: Reading) -> Registry:
    registry = Registry()
    for path in reading.dissectors:
        try:
            registry.load_file(path)
        except ValueError as error:
            raise DissectorError(str(error)) from None
        except SystemExit:
            raise DissectorError(f"{path}: it ends the program instead of defining a dissector") from None
    for rule in reading.decode_as:
        try:
            registry.decode_as(rule)
        except ValueError as error:
            raise UsageError(f"decode_as: {error}") from None
    return registry


def _policy(policy: Policy | str) -> Policy:
    try:
        return Policy(policy)
    except ValueError:
        raise UsageError(f"policy {policy!r} is none of {', '.join(one.value for one in Policy)}") from None


def _paths(paths: PathName | Sequence[PathName]) -> list[str]:
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]
