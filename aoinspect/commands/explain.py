"""`aoinspect explain CAPTURE [OTHER]`: why segments fail, at which end, and what to change there.

With the capture from the other side of the path, segments are paired instead, and what differs is named.

The capture is read once, and once more where missing ISNs were found; the failing segments that are looked at are kept
while it is read, so it may be a pipe. A corrected key file is written only where none is, and never printed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands.shared import Commands, SharedParts, add_recovery_argument, write_secrets
from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from aoinspect.capture.reader import CaptureReader
    from aoinspect.engine.explain import Account
    from aoinspect.engine.failures import FailingSegment
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.results import ConnectionResult
    from aoinspect.engine.single_frame import CaptureSource
    from aoinspect.keys.model import KeyStore
    from dissectors.registry import Registry

_INTERRUPTED = 130


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "explain",
        help="say why segments fail, at which end, and what to change",
        description=(
            "Change one assumption at a time (options covered or not, another key, another form of the secret, a "
            "rewritten MSS, ...), compute the MACs of failing segments again, and tell what then matches."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("capture", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    parser.add_argument(
        "other",
        metavar="OTHER",
        nargs="?",
        help="the same traffic captured on the other side of the path: say what was rewritten on the way",
    )
    shared.add_arguments(parser)
    add_recovery_argument(parser)
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--connection", type=_number_from(0), metavar="N", help="this connection only (as verify numbers it, from 0)"
    )
    place.add_argument("--frame", type=_number_from(1), metavar="N", help="this segment only")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--write", metavar="FILE", help="write the corrected key file, readable by you alone")
    parser.add_argument("--force", action="store_true", help="--write: replace a file that exists")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def _number_from(first: int) -> Callable[[str], int]:
    """What makes a number of an argument, `first` being the lowest; argparse's error otherwise."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < first:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {first} on")
        return int(text)

    return number


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once explained as far as that goes, 130 when interrupted."""
    from aoinspect.engine.results import connection_results
    from aoinspect.engine.single_frame import CaptureSource

    if options.force and options.write is None:
        raise UsageError("--force belongs to --write")
    if options.write is not None and os.path.lexists(options.write) and not options.force:
        raise UsageError(f"{options.write}: it exists; name another file, or add --force to replace it")
    if options.other is not None:
        return _compare(options, shared)
    store = shared.load_keys(options)
    if not store.peers:
        raise UsageError("explaining needs the keys as they are thought to be: --keys FILE")
    registry = shared.load_registry(options)
    with CaptureSource(options.capture) as source:
        analyzer, reader = _read(source, store, registry, options)
        if analyzer.totals.is_interrupted:
            return _INTERRUPTED
        connections = connection_results(analyzer)
        accounts = _accounts(analyzer, connections, options, source, reader, registry)
    _print(accounts, connections, options, shared)
    if options.write is not None:
        _write_keys(analyzer, accounts, options, shared)
    for problem in registry.problems:
        shared.tell(f"warning: {problem}")
    if reader.damage is not None and not options.quiet:
        shared.tell(f"{options.capture}: warning: damaged at octet {reader.damage.offset}: {reader.damage.message}")
    return 0


def _compare(options: argparse.Namespace, shared: SharedParts) -> int:
    """What the path between two captures rewrites. Works without keys, and then says nothing of verdicts."""
    from aoinspect.engine.comparison import compare_captures
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.reading import analyse
    from aoinspect.engine.single_frame import CaptureSource
    from aoinspect.progress import ProgressBar

    for option, value in (("--frame", options.frame), ("--connection", options.connection), ("--write", options.write)):
        if value is not None:
            raise UsageError(f"{option} belongs to one capture: leave out either it or OTHER")
    store = shared.load_keys(options)
    registry = shared.load_registry(options)

    def read(source: CaptureSource) -> Analyzer:
        analyzer = Analyzer(store, registry)
        with ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as bar:
            analyse([source.open()], analyzer, progress=bar.update)
        return analyzer

    with CaptureSource(options.capture) as source, CaptureSource(options.other) as other:
        analyzer, other_analyzer = read(source), read(other)
        if analyzer.totals.is_interrupted or other_analyzer.totals.is_interrupted:
            return _INTERRUPTED
        comparison = compare_captures(analyzer, other_analyzer, source, other)
    if options.format == "json":
        from aoinspect.report.comparison_json import comparison_json

        print(comparison_json(comparison))
    else:
        from aoinspect.report.comparison_text import print_comparison

        print_comparison(comparison, shared.open_console())
    return 0


def _read(
    source: CaptureSource, store: KeyStore, registry: Registry, options: argparse.Namespace
) -> tuple[Analyzer, CaptureReader]:
    """The capture through an analyser; twice where missing ISNs were found."""
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.reading import analyse
    from aoinspect.progress import ProgressBar

    def once(keys: KeyStore) -> tuple[Analyzer, CaptureReader]:
        reader = source.open()
        analyzer = Analyzer(keys, registry, keep_table=options.frame is not None, make_rows=False)
        with ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as bar:
            analyse([reader], analyzer, progress=bar.update)
        return analyzer, reader

    analyzer, reader = once(store)
    if not options.recover_isn or not analyzer.unplaced.by_connection or analyzer.totals.is_interrupted:
        return analyzer, reader
    from aoinspect.engine.recovery import recover_isns
    from aoinspect.progress import SearchBar

    with SearchBar(is_wanted=not options.quiet and sys.stderr.isatty()) as search_bar:
        recovery = recover_isns(analyzer, options.recover_isn, progress=search_bar.update)
    return once(recovery.extend(store)) if recovery.found else (analyzer, reader)


def _accounts(
    analyzer: Analyzer,
    connections: Sequence[ConnectionResult],
    options: argparse.Namespace,
    source: CaptureSource,
    reader: CaptureReader,
    registry: Registry,
) -> list[Account]:
    from aoinspect.engine.explain import EXPLAIN_BUDGET, explain_connection, explain_failures

    if options.frame is not None:
        connection, segment = _segment_of(analyzer, connections, options.frame, source, reader, registry)
        return [explain_connection(analyzer, connection, connections=connections, segments=[segment])]
    if options.connection is None:
        return explain_failures(analyzer, connections, replace(EXPLAIN_BUDGET), every=True)
    chosen = [connection for connection in connections if connection.id == options.connection]
    if not chosen:
        have = {0: "none is protected", 1: "only 0"}.get(len(connections), f"0 to {len(connections) - 1}")
        raise UsageError(f"--connection {options.connection}: there is no such connection ({have})")
    account = explain_connection(analyzer, chosen[0], replace(EXPLAIN_BUDGET), connections=connections)
    return [account] if account.failing or account.explanations else []


def _segment_of(
    analyzer: Analyzer,
    connections: Sequence[ConnectionResult],
    number: int,
    source: CaptureSource,
    reader: CaptureReader,
    registry: Registry,
) -> tuple[ConnectionResult, FailingSegment]:
    """The connection of one frame, and its segment read again. UsageError where it is none that fails."""
    from aoinspect.engine.explain.reread import failing_segment
    from aoinspect.engine.single_frame import (
        datagram_of,
        frame_of,
        is_fragment,
        place_in_datagram,
        place_in_frame,
        row_of,
    )

    row = row_of(analyzer, number)
    frame = frame_of(source, number) if row is None else None
    if frame is None:
        assert analyzer.table is not None
        frame = reader.frame_at(int(analyzer.table.rows.offset[row]))
    datagram = datagram_of(source, number, registry) if is_fragment(registry, frame) else None
    if datagram is not None:
        row = row_of(analyzer, datagram.row_frame)
        place = place_in_datagram(registry, datagram, frame.interface)
    else:
        place = place_in_frame(registry, frame)
    if row is None or place is None:
        raise UsageError(f"frame {number} is no TCP segment of a protected connection")
    segment = failing_segment(analyzer, row, place, frame.time_ns)
    assert analyzer.table is not None
    connection = int(analyzer.table.rows.connection[row])
    if segment is None:
        raise UsageError(f"frame {number} does not fail: `aoinspect show` tells its verdict and why")
    return next(one for one in connections if one.id == connection), segment


def _print(
    accounts: Sequence[Account],
    connections: Sequence[ConnectionResult],
    options: argparse.Namespace,
    shared: SharedParts,
) -> None:
    by_id = {connection.id: connection for connection in connections}
    if options.format == "json":
        from aoinspect.report.explain_json import accounts_json

        print(accounts_json(accounts, by_id, [options.capture]))
        return
    from aoinspect.report.explain_text import print_accounts

    print_accounts(accounts, by_id, shared.open_console(), [options.capture])


def _write_keys(
    analyzer: Analyzer, accounts: Sequence[Account], options: argparse.Namespace, shared: SharedParts
) -> None:
    """Writes the corrected key file, with mode 0600 from its first octet on."""
    from aoinspect.engine.explain.key_file import correct_keys, key_file_text
    from aoinspect.keys.logged_keys import refuse_logs

    refuse_logs(analyzer.keyring.store, "--write cannot correct it")
    explanations = [explanation for account in accounts for explanation in account.explanations]
    corrected = correct_keys(analyzer.keyring.store, analyzer.keyring.mkts, explanations)
    if not corrected.corrected:
        shared.tell(f"{options.write}: not written: no explanation changes anything in the key file")
        return
    write_secrets(key_file_text(corrected), options.write, replaces=options.force)
    for mkt in corrected.gaps:
        shared.tell(f"{options.write}: warning: key {mkt.name!r} ({mkt.origin}) is left out: its secret is not known")
    if not options.quiet:
        keys = "1 correction" if corrected.corrected == 1 else f"{corrected.corrected} corrections"
        shared.tell(f"{options.write}: written, with {keys}; it holds secrets and is readable by you alone")
