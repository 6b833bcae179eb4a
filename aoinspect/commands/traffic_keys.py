"""`aoinspect keys traffic-keys CAPTURE... -o LOG`: the traffic keys of a capture's connections, without master keys.

Whoever gets LOG verifies the capture with `--keys LOG` and never sees a secret. LOG is a file of mode 0600 that was not
there before, and none of the captures or key files. What was left out is told on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands.shared import (
    Commands,
    SharedParts,
    add_recovery_argument,
    can_be_read_again,
    demand_one_stdin,
    tell_what_is_not_searched,
    write_secrets,
)
from aoinspect.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from aoinspect.engine.key_log import KeyLogger
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.keys.model import KeyStore
    from aoinspect.keys.traffic_key_log import TrafficKeyLog
    from dissectors.registry import Registry

_INTERRUPTED = 130


def add(subcommands: Commands[argparse.ArgumentParser], shared: SharedParts) -> None:
    """Adds the subcommand to those of `keys`."""
    parser = subcommands.add_parser(
        "traffic-keys",
        help="write the traffic keys of a capture's connections, to verify it without master keys",
        description=(
            "Write LOG, which holds the traffic keys of the connections in CAPTURE and no master key. Every command "
            "takes it in place of a key file (--keys LOG), and CAPTURE has the same verdicts under it."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    shared.add_arguments(parser)
    add_recovery_argument(parser)
    parser.add_argument(
        "-o", dest="output", metavar="LOG", required=True, help="file to write, of mode 0600; - is stdout"
    )
    parser.add_argument("--force", action="store_true", help="replace LOG where it is there already")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also the traffic keys of MKTs that a connection could have used and did not, for other captures of it",
    )
    parser.set_defaults(run=partial(run, shared=shared))


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once written, 130 when interrupted.

    UsageError where LOG must not be written, there are no keys, or no segment takes a traffic key.
    """
    demand_one_stdin(options.captures)
    store = shared.load_keys(options)
    if not store.peers:
        raise UsageError("traffic keys come of master keys: name a key file with --keys")
    _refuse_target(options.output, [*options.captures, *store.paths])
    if os.path.lexists(options.output) and options.output != "-" and not options.force:
        raise UsageError(f"{options.output}: is there already, and may hold secrets; --force replaces it")
    registry = shared.load_registry(options)

    from aoinspect.keys.traffic_key_log import write_log

    logger, analyzer = _read(options, store, registry)
    if options.recover_isn and can_be_read_again(options.captures) and not analyzer.totals.is_interrupted:
        from aoinspect.engine.recovery import recover_isns

        recovery = recover_isns(analyzer, options.recover_isn)
        if recovery.found:
            logger, analyzer = _read(options, recovery.extend(store), registry)
    if analyzer.totals.is_interrupted:
        return _INTERRUPTED
    tell_what_is_not_searched(analyzer, options, shared.tell)
    log = logger.log(holds_all=options.all)
    _demand_keys(log, analyzer, options.captures)
    write_secrets(write_log(log), options.output, replaces=options.force)
    if not options.quiet:
        _tell(log, analyzer, options, shared)
    return 0


def _refuse_target(output: str, sources: Sequence[str]) -> None:
    """UsageError where the log would replace a capture or a key file."""
    for source in sources:
        try:
            is_same = output != "-" and os.path.samefile(output, source)
        except (OSError, ValueError):
            continue
        if is_same:
            raise UsageError(f"{output}: this is the file that is read; name another one for the log")


def _read(options: argparse.Namespace, store: KeyStore, registry: Registry) -> tuple[KeyLogger, Analyzer]:
    from aoinspect.engine.key_log import KeyLogger
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.reading import analyse, openable
    from aoinspect.progress import ProgressBar

    analyzer = Analyzer(store, registry, keep_table=False)
    logger = KeyLogger(analyzer)
    with ExitStack() as opened, ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as bar:
        analyse(openable(options.captures, opened), analyzer, on_rows=logger.note, progress=bar.update)
    return logger, analyzer


def _demand_keys(log: TrafficKeyLog, analyzer: Analyzer, captures: Sequence[str]) -> None:
    """CaptureError where nothing could be read, UsageError where there is nothing to log."""
    damaged = [capture for capture in analyzer.captures if capture.damage is not None and not capture.frames]
    if len(damaged) == len(analyzer.captures):
        raise CaptureError("\n".join(f"{capture.path}: nothing can be read of it" for capture in damaged))
    if log.key_count:
        return
    totals = analyzer.totals
    why = "no segment's KeyID selects a TCP-AO key of the key files, on a connection whose ISNs are known"
    if totals.md5_segments and not totals.ao_segments:
        why = "its segments are signed with TCP-MD5, whose password is the key itself: no log can hold that"
    elif not totals.ao_segments:
        why = "no segment of a protected connection has a TCP-AO option"
    raise UsageError(f"{', '.join(captures)}: there is no traffic key to log: {why}")


def _tell(log: TrafficKeyLog, analyzer: Analyzer, options: argparse.Namespace, shared: SharedParts) -> None:
    """What is in the log, and what is not, on stderr."""
    from aoinspect.engine.verdicts import Verdict

    connections = sum(bool(connection.keys) for connection in log.connections)
    counts = ((log.key_count, "traffic key"), (connections, "connection"))
    keys, of = (f"{number} {name}{'' if number == 1 else 's'}" for number, name in counts)
    target = "written to stdout" if options.output == "-" else "readable by you alone"
    shared.tell(f"{options.output}: {keys} of {of}, {target}; they can forge segments while a connection lives")
    totals = analyzer.totals
    failed = int(totals.verdicts[[Verdict.MISMATCH, Verdict.NO_KEY]].sum()) + totals.refused
    if failed and not options.all:
        shared.tell(f"{options.output}: {failed} segments fail; --all adds what `explain` may ask for other keys")
    if totals.md5_segments:
        shared.tell(
            f"{options.output}: warning: TCP-MD5 is left out ({totals.md5_segments} segments): its password "
            "is the key itself; under the log these segments are unverifiable, for want of a secret"
        )
    gaps = {mkt.name: None for peer in log.peers for mkt in peer.mkts if mkt.gap and not mkt.algorithm.is_md5}
    for name in gaps:
        shared.tell(f"{options.output}: warning: key {name!r} has no secret, so the log has none of its traffic keys")
    for capture in analyzer.captures:
        if capture.damage is not None:
            damage = capture.damage
            shared.tell(f"{capture.path}: warning: damaged at octet {damage.offset}: {damage.message}")
