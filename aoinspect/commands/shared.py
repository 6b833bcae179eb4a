"""What several commands take from the command line in the same way: filters, and the search for missing ISNs."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.engine.filtering import Filter
    from aoinspect.engine.limits import Limits
    from aoinspect.engine.locate import LocateCounts, Mask
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.recovery import Recovery
    from aoinspect.engine.table import Rows
    from aoinspect.engine.workers import Workers
    from aoinspect.keys.model import KeyStore, Network
    from aoinspect.progress import ProgressBar
    from dissectors.registry import Registry

Commands = argparse._SubParsersAction  # argparse has no public name for what `add_subparsers` gives.

RECOVERY_DEFAULT = 1_000_000
"""As `aoinspect.engine.recovery.DEFAULT_CANDIDATES`, which is not loaded for it; a test holds that they are equal."""

DEDUPE_DEFAULT_NS = 10_000_000
"""As `aoinspect.engine.duplicates.DEFAULT_WINDOW_NS`; a test holds that they are equal."""
_MOST_PROCESSES = 1_024
"""Where processes are forked, all of them are at once."""
_MOST_MILLISECONDS = 3_600_000


def _tell_plainly(line: str) -> None:
    print(f"aoinspect: {line}", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What every command takes from the command line in the same way."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Adds --keys, --local, --strict, --decode-as, --dissector and -q."""
    load_keys: Callable[[argparse.Namespace], KeyStore]
    load_registry: Callable[[argparse.Namespace], Registry]
    open_console: Callable[[], Console]
    tell: Callable[[str], None] = _tell_plainly
    """Prints one line of narration on stderr."""


def read_keys(paths: Sequence[str], options: argparse.Namespace) -> KeyStore:
    """What the key files and configurations at `paths`, those of --keys, say. KeyFileError, UsageError."""
    from aoinspect.keys import load_keys

    return load_keys(paths, devices_of(options, len(paths)), is_strict=options.strict_keys)


def read_more_keys(paths: Sequence[str], options: argparse.Namespace) -> KeyStore:
    """The same for files beside those of --keys: of several --local none is theirs."""
    from aoinspect.keys import load_keys

    devices = devices_of(options, len(options.local or ()))
    return load_keys(paths, devices[0] if len(devices) == 1 else None, is_strict=options.strict_keys)


def devices_of(options: argparse.Namespace, number: int) -> tuple[Network, ...]:
    """What --local says: the devices whose configurations are read, one for all or one for each of `number` files."""
    texts: Sequence[str] = options.local or ()
    if len(texts) > 1 and len(texts) != number:
        raise UsageError(f"--local: {len(texts)} addresses and {number} --keys: give one for all, or one for each")
    from aoinspect.keys.addresses import parse_prefix

    try:
        return tuple(map(parse_prefix, texts))
    except ValueError as error:
        raise UsageError(f"--local: {error}") from None


def add_filter_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --filter."""
    parser.add_argument(
        "--filter",
        metavar="EXPR",
        help="only these segments, for example 'ao.verdict == mismatch and tcp.port == 179' (docs/filter.md)",
    )


def filter_of(options: argparse.Namespace) -> Filter | None:
    """The filter that --filter says. FilterError, with a caret under the place, where it cannot be read."""
    if options.filter is None:
        return None
    from aoinspect.engine.filtering import parse_filter

    return parse_filter(options.filter)


def apply_filter(chosen: Filter | None, analyzer: Analyzer) -> None:
    """Makes `analyzer` count and return only what `chosen` selects. It must count streams if the filter names them."""
    if chosen is None:
        return
    from aoinspect.engine.filtering import FilterContext

    context = FilterContext(analyzer)

    def choose(rows: Rows) -> Mask:
        context.refresh()
        return chosen.mask(rows, context)

    analyzer.choose_rows = choose


def read_captures(
    options: argparse.Namespace, store: KeyStore, registry: Registry, chosen: Filter | None, parts: SharedParts
) -> Analyzer:
    """All captures of the command line through one analyser that keeps no rows, with a bar on a terminal.

    CaptureError where one cannot be opened.
    """
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.reading import analyse, openable
    from aoinspect.engine.workers import Workers
    from aoinspect.progress import ProgressBar

    with ExitStack() as opened:
        workers = opened.enter_context(Workers(options.jobs))
        names_stream = chosen is not None and chosen.names_stream
        analyzer = Analyzer(
            store,
            registry,
            keep_table=False,
            make_rows=False,
            count_streams=names_stream,
            workers=workers,
            dedupe_ns=options.dedupe_ns,
            limits=limits_of(options),
        )
        apply_filter(chosen, analyzer)
        captures = openable(options.captures, opened)
        bar = opened.enter_context(ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()))
        analyse(captures, analyzer, progress=bar.update)
    tell_of_workers(workers, options, parts.tell)
    return analyzer


def tell_of_workers(workers: Workers, options: argparse.Namespace, tell: Callable[[str], None]) -> None:
    """The warning that workers could not be used to the end; nothing with -q."""
    if workers.problem is not None and not options.quiet:
        tell(f"warning: {workers.problem}")


def read_and_recover(
    options: argparse.Namespace, store: KeyStore, registry: Registry, chosen: Filter | None, parts: SharedParts
) -> tuple[Analyzer, Recovery | None]:
    """The same, and once more where ISNs were missing and have been found; the search, where there was one."""
    analyzer = read_captures(options, store, registry, chosen, parts)
    is_searched = store.peers and options.recover_isn and can_be_read_again(options.captures)
    if not is_searched or not analyzer.unplaced.by_connection or analyzer.totals.is_interrupted:
        return analyzer, None
    from aoinspect.engine.recovery import recover_isns
    from aoinspect.progress import SearchBar

    with SearchBar(is_wanted=not options.quiet and sys.stderr.isatty()) as bar:
        recovery = recover_isns(analyzer, options.recover_isn, progress=bar.update)
    if recovery.found:
        analyzer = read_captures(options, recovery.extend(store), registry, chosen, parts)
    return analyzer, recovery


def isn_finder(
    options: argparse.Namespace, store: KeyStore, progress: ProgressBar
) -> Callable[[Analyzer], Recovery] | None:
    """The search for missing ISNs within --recover-isn, for commands that write a capture; None where there is none.

    It raises KeyboardInterrupt where it is broken off: nothing is written then.
    """
    if not store.peers or not options.recover_isn:
        return None

    def find(analyzer: Analyzer) -> Recovery:
        from aoinspect.engine.recovery import recover_isns
        from aoinspect.progress import SearchBar

        progress.stop()
        with SearchBar(is_wanted=not options.quiet and sys.stderr.isatty()) as bar:
            recovery = recover_isns(analyzer, options.recover_isn, progress=bar.update)
        if recovery.is_interrupted:
            raise KeyboardInterrupt
        return recovery

    return find


def add_recovery_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --recover-isn."""
    parser.add_argument(
        "--recover-isn",
        metavar="CANDIDATES",
        type=recovery_budget,
        default=RECOVERY_DEFAULT,
        help="candidates to try for the ISNs of connections whose handshake is missing, or off "
        f"(default: {RECOVERY_DEFAULT}: both ends together had sent under 1,400 octets; some seconds)",
    )


def add_jobs_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --jobs."""
    parser.add_argument(
        "-j",
        "--jobs",
        type=process_count,
        metavar="N",
        help="processes that check MACs, this one included; 1 starts none (default: one for each processor)",
    )


def add_dedupe_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --dedupe."""
    parser.add_argument(
        "--dedupe",
        dest="dedupe_ns",
        nargs="?",
        type=milliseconds,
        const=DEDUPE_DEFAULT_NS,
        metavar="MS",
        help="leave out copies of a segment, as mirror ports and several interfaces give them, that come within MS "
        f"milliseconds (default: {DEDUPE_DEFAULT_NS // 1_000_000}; put it behind the captures)",
    )


def milliseconds(text: str) -> int:
    """The nanoseconds that MS is; argparse's error otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < _MOST_MILLISECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of milliseconds above 0 and below {_MOST_MILLISECONDS:,}; captures stand before "
            "this option"
        )
    return int(value * 1_000_000)


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --max-connections and --max-key-runs."""
    parser.add_argument(
        "--max-connections",
        type=positive_number,
        metavar="N",
        help="socket pairs and connections that are followed (default: 100,000); what is over is counted and told",
    )
    parser.add_argument(
        "--max-key-runs",
        type=positive_number,
        metavar="N",
        help="key runs kept of each direction of a connection (default: 4,096)",
    )


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that the command line says."""
    from aoinspect.engine.limits import CONNECTIONS, KEY_RUNS, Limits

    return Limits(options.max_connections or CONNECTIONS, options.max_key_runs or KEY_RUNS)


def positive_number(text: str) -> int:
    """The number from 1 that N is; argparse's error otherwise."""
    digits = text.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal() and int(digits) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(digits)


def process_count(text: str) -> int:
    """The number from 1 that N is; argparse's error otherwise."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _MOST_PROCESSES):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_PROCESSES:,}")
    return int(text)


def recovery_budget(text: str) -> int:
    """The budget that CANDIDATES is, 0 for off; argparse's error otherwise."""
    if text == "off":
        return 0
    digits = text.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of candidates nor off")
    return int(digits)


def can_be_read_again(paths: list[str]) -> bool:
    """Whether all captures are files: a search for ISNs ends with reading them once more."""
    try:
        return all(path != "-" and stat.S_ISREG(os.stat(path).st_mode) for path in paths)
    except OSError:
        return False


def tell_what_is_not_searched(analyzer: Analyzer, options: argparse.Namespace, tell: Callable[[str], None]) -> None:
    """Says that missing ISNs are not searched for where a capture comes from a pipe and can be read only once."""
    is_wanted = options.recover_isn and not options.quiet and analyzer.unplaced.by_connection
    if is_wanted and analyzer.keyring.mkts and not can_be_read_again(options.captures):
        tell(
            "missing ISNs are not searched for, since that takes reading a capture twice: name a file instead of a "
            "pipe, or say --recover-isn off"
        )


def what_was_not_read(capture: str, located: LocateCounts, segments: int, *, has_keys: bool) -> Iterator[str]:
    """Why a capture that is written again stays as it is: frames that nobody looked into, and nothing to act on.

    `segments` are those of protected connections.
    """
    from aoinspect.capture.linktypes import link_type_name

    for number, count in sorted(located.unknown_link_types.items()):
        yield f"{capture}: {count} frames of link type {number} ({link_type_name(number)}) were not read: no dissector"
    if located.cut:
        yield f"{capture}: {located.cut} frames are cut before the TCP ports"
    if not segments:
        uncovered = ", and no [[peer]] covers one" if has_keys else ""
        yield f"{capture}: nothing here is protected: no segment carries an AO or MD5 option{uncovered}"


def demand_one_stdin(paths: list[str]) -> None:
    """UsageError where standard input is named twice."""
    if paths.count("-") > 1:
        raise UsageError("-: standard input can be read only once")


def write_secrets(text: str, output: str, *, replaces: bool) -> None:
    """Writes what may hold secrets: to stdout (`-`), or to a file that only its owner can read.

    UsageError where the file is there already and `replaces` is not set, and where it cannot be written.
    """
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output)
    octets = text.encode("utf-8", "surrogateescape")
    try:
        _put(path, octets, replaces=replaces)
    except FileExistsError:
        raise UsageError(f"{path}: is there already, and may hold secrets; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or type(error).__name__}") from None


def _put(path: Path, octets: bytes, *, replaces: bool) -> None:
    """The file is there whole, or all is as it was; mkstemp gives it mode 0600.

    FileExistsError where a file of this name is there and `replaces` is not set.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".aoinspect-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
        if replaces:
            os.replace(draft, path)
        else:
            _name(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _name(draft: str, path: Path) -> None:
    """Gives a file its name, which nobody else may have taken meanwhile: FileExistsError."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no hard links.
        if os.path.lexists(path):
            raise FileExistsError from None
        os.replace(draft, path)
