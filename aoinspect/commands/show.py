"""`aoinspect show CAPTURE [FRAME]`: the list of packets, or one packet with the proof of its MAC.

A frame is shown after the whole capture was read, since what a MAC rests on (ISNs, SNE) comes from other frames. The
list is written while the capture is read. What other commands share (keys, dissectors, the console) is handed in.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.capture.reader import CaptureReader
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.table import Rows
    from aoinspect.keys.model import KeyStore
    from dissectors.registry import Registry

LIST_SCHEMA = "aoinspect.packets/1"
_INTERRUPTED = 130

Commands = argparse._SubParsersAction  # argparse has no public name for what `add_subparsers` gives.
RowChoice = Callable[["Analyzer"], Callable[["Rows"], "Rows"]]
"""Given the run's analyser, what chooses the rows to list: a filter."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What every command takes from the command line in the same way."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Adds --keys, --decode-as, --dissector and -q."""
    load_keys: Callable[[argparse.Namespace], KeyStore]
    load_registry: Callable[[argparse.Namespace], Registry]
    open_console: Callable[[], Console]


def add(
    commands: Commands[argparse.ArgumentParser],
    shared: SharedParts,
    row_choice: Callable[[argparse.Namespace], RowChoice | None] = lambda options: None,
) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments.

    `row_choice` makes of the parsed arguments what chooses the rows that are listed (None: all of them).
    """
    parser = commands.add_parser(
        "show",
        help="list packets, or show one with the proof of its MAC",
        description=(
            "Without FRAME, list the segments of protected connections, one line each. With FRAME, show that packet: "
            "its fields, its octets, and every step from the key to the MAC."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("capture", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    parser.add_argument(
        "frame", metavar="FRAME", nargs="?", type=frame_number, help="a frame number as Wireshark counts, from 1"
    )
    shared.add_arguments(parser)
    parser.add_argument(
        "--reveal", action="store_true", help="FRAME: print the traffic key, and a TCP-MD5 key's password"
    )
    parser.add_argument(
        "-t",
        dest="time_format",
        choices=("a", "r", "e"),
        default="r",
        help="list: times absolute (UTC), relative to the first frame, or in seconds since 1970 (default: r)",
    )
    parser.add_argument("--format", choices=("text", "json", "jsonl"), default="text", help="default: text")
    parser.set_defaults(run=partial(run, shared=shared, row_choice=row_choice))
    parser.parse_known_args = partial(_parse, parser)  # type: ignore[assignment, method-assign]
    return parser


def _parse(
    parser: argparse.ArgumentParser,
    args: Sequence[str] | None = None,
    namespace: argparse.Namespace | None = None,
) -> tuple[argparse.Namespace, list[str]]:
    """As argparse has it, but a FRAME behind options is FRAME too: "show a.pcap --keys k.toml 17".

    argparse settles an optional positional together with the one before it, and calls what comes later unrecognized.
    """
    parsed, rest = type(parser).parse_known_args(parser, args, namespace)
    if rest and parsed.frame is None and not rest[0].startswith("-"):
        try:
            parsed.frame = frame_number(rest.pop(0))
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument FRAME: {error}")
    return parsed, rest


def frame_number(text: str) -> int:
    """The number that FRAME is; argparse's error otherwise."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no frame number; the first frame is 1")
    return int(text)


def run(
    options: argparse.Namespace,
    shared: SharedParts,
    row_choice: Callable[[argparse.Namespace], RowChoice | None] = lambda options: None,
) -> int:
    """Runs the command; the exit status: 0 once shown, 130 when interrupted."""
    if options.reveal and options.frame is None:
        raise UsageError("--reveal belongs to one packet: name a FRAME")
    choice = row_choice(options)
    if choice is not None and options.frame is not None:
        raise UsageError("a filter belongs to the list: leave out either it or FRAME")
    store = shared.load_keys(options)
    registry = shared.load_registry(options)
    if options.frame is not None:
        status = _show_frame(options, store, registry, shared)
    else:
        status = _list_packets(options, store, registry, shared, choice)
    for problem in registry.problems:
        print(f"aoinspect: warning: {problem}", file=sys.stderr)
    return status


def _show_frame(options: argparse.Namespace, store: KeyStore, registry: Registry, shared: SharedParts) -> int:
    from aoinspect.engine.pipeline import Analyzer, analyse
    from aoinspect.engine.single_frame import CaptureSource
    from aoinspect.progress import ProgressBar
    from aoinspect.report.frame_view import view_frame

    with CaptureSource(options.capture) as source:
        reader = source.open()
        analyzer = Analyzer(store, registry)
        with ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as progress:
            analyse([reader], analyzer, progress=progress.update)
        if analyzer.totals.is_interrupted:
            return _INTERRUPTED
        view = view_frame(analyzer, reader, source, options.frame)
        _warn_of_damage(reader, options)
    if options.format == "text":
        from aoinspect.report.show_text import print_frame

        print_frame(view, shared.open_console(), reveal=options.reveal)
    else:
        from aoinspect.report.show_json import frame_json

        print(frame_json(view, reveal=options.reveal, indent=1 if options.format == "json" else None))
    return 0


def _list_packets(
    options: argparse.Namespace,
    store: KeyStore,
    registry: Registry,
    shared: SharedParts,
    row_choice: RowChoice | None,
) -> int:
    from aoinspect.capture.reader import open_capture
    from aoinspect.engine.pipeline import Analyzer

    analyzer = Analyzer(store, registry, keep_table=False)
    choose = row_choice(analyzer) if row_choice is not None else _all_rows
    with open_capture(options.capture) as reader:
        write = {"text": _write_text, "json": _write_json, "jsonl": _write_json_lines}[options.format]
        try:
            listed = write(analyzer, _row_batches(reader, analyzer, choose), options, shared)
        except KeyboardInterrupt:
            sys.stdout.flush()
            return _INTERRUPTED
        _warn_of_damage(reader, options)
    frames = analyzer.totals.frames
    if not options.quiet and listed < frames:
        others = "hold no whole segment of a protected connection" + (", or are filtered out" if row_choice else "")
        print(f"aoinspect: {listed} of {frames} frames listed; the others {others}", file=sys.stderr)
    return 0


def _all_rows(rows: Rows) -> Rows:
    return rows


def _row_batches(
    reader: CaptureReader, analyzer: Analyzer, choose: Callable[[Rows], Rows]
) -> Iterator[tuple[Rows, int]]:
    """The table's rows batch by batch, each with the time of the capture's first frame."""
    analyzer.begin_capture(reader.path, reader.interfaces)
    first_time_ns: int | None = None
    for batch in reader.batches():
        if first_time_ns is None:
            first_time_ns = int(batch.times_ns[0])
        yield choose(analyzer.feed(batch)), first_time_ns
    yield choose(analyzer.finish_capture()), first_time_ns or 0


Batches = Iterator[tuple["Rows", int]]


def _write_text(analyzer: Analyzer, batches: Batches, options: argparse.Namespace, shared: SharedParts) -> int:
    from aoinspect.report.packet_lines import PacketLines, TimeFormat

    lines = PacketLines(analyzer, TimeFormat(options.time_format))
    console = shared.open_console()
    for rows, first_time_ns in batches:
        for line in lines.lines(rows, first_time_ns):
            if console.color_system is None:
                # Without colours there is nothing for rich to do, and a list may have millions of lines.
                console.file.write(line.plain + "\n")
            else:
                console.print(line, soft_wrap=True)
    return lines.count


def _write_json_lines(analyzer: Analyzer, batches: Batches, options: argparse.Namespace, shared: SharedParts) -> int:
    from aoinspect.report.json_form import SegmentLines

    lines = SegmentLines(analyzer)
    count = 0
    for rows, _ in batches:
        sys.stdout.writelines(line + "\n" for line in lines.lines(rows))
        sys.stdout.flush()
        count += len(rows.frame)
    return count


def _write_json(analyzer: Analyzer, batches: Batches, options: argparse.Namespace, shared: SharedParts) -> int:
    """One object, written as it grows: the packets are never held together."""
    from aoinspect.report.json_form import SegmentLines

    lines = SegmentLines(analyzer)
    count = 0
    head = json.dumps({"schema": LIST_SCHEMA, "capture": options.capture}, ensure_ascii=False)
    sys.stdout.write(head[:-1] + ', "packets": [')
    for rows, _ in batches:
        for line in lines.lines(rows):
            sys.stdout.write((",\n " if count else "\n ") + line)
            count += 1
    sys.stdout.write("\n]}\n")
    return count


def _warn_of_damage(reader: CaptureReader, options: argparse.Namespace) -> None:
    if reader.damage is not None and not options.quiet:
        damage = f"damaged at octet {reader.damage.offset}: {reader.damage.message}"
        print(f"aoinspect: {options.capture}: warning: {damage}", file=sys.stderr)
