"""`aoinspect show CAPTURE [FRAME]`: the list of packets, or one packet with the proof of its MAC.

A frame is shown after the whole capture was read, since what a MAC rests on (ISNs, SNE) comes from other frames. The
list is written while the capture is read. What other commands share (keys, dissectors, the console) is handed in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands.shared import Commands, SharedParts, add_filter_argument, apply_filter, filter_of
from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from aoinspect.capture.reader import CaptureReader
    from aoinspect.engine.filtering import Filter
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.table import Rows
    from aoinspect.keys.model import KeyStore
    from dissectors.registry import Registry

LIST_SCHEMA = "aoinspect.packets/1"
_INTERRUPTED = 130


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
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
    add_filter_argument(parser)
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
    parser.set_defaults(run=partial(run, shared=shared))
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


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once shown, 130 when interrupted."""
    if options.reveal and options.frame is None:
        raise UsageError("--reveal belongs to one packet: name a FRAME")
    chosen = filter_of(options)
    if chosen is not None and options.frame is not None:
        raise UsageError("--filter belongs to the list: leave out either it or FRAME")
    store = shared.load_keys(options)
    registry = shared.load_registry(options)
    if options.frame is not None:
        status = _show_frame(options, store, registry, shared)
    else:
        status = _list_packets(options, store, registry, shared, chosen)
    for problem in registry.problems:
        shared.tell(f"warning: {problem}")
    return status


def _show_frame(options: argparse.Namespace, store: KeyStore, registry: Registry, shared: SharedParts) -> int:
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.reading import analyse
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
        _warn_of_damage(reader, options, shared)
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
    chosen: Filter | None,
) -> int:
    from aoinspect.capture.reader import open_capture
    from aoinspect.engine.pipeline import Analyzer

    names_stream = chosen is not None and chosen.names_stream
    analyzer = Analyzer(store, registry, keep_table=False, count_streams=names_stream)
    apply_filter(chosen, analyzer)
    with open_capture(options.capture) as reader:
        write = {"text": _write_text, "json": _write_json, "jsonl": _write_json_lines}[options.format]
        try:
            listed = write(analyzer, _row_batches(reader, analyzer), options, shared)
        except KeyboardInterrupt:
            sys.stdout.flush()
            return _INTERRUPTED
        _warn_of_damage(reader, options, shared)
    frames = analyzer.totals.frames
    if not options.quiet and listed < frames:
        others = "hold no whole segment of a protected connection" + (
            ", or are filtered out" if chosen is not None else ""
        )
        shared.tell(f"{listed} of {frames} frames listed; the others {others}")
    return 0


def _row_batches(reader: CaptureReader, analyzer: Analyzer) -> Iterator[tuple[Rows, int]]:
    """The table's rows batch by batch, each with the time of the capture's first frame."""
    analyzer.begin_capture(reader.path, reader.interfaces)
    first_time_ns: int | None = None
    for batch in reader.batches():
        if first_time_ns is None:
            first_time_ns = int(batch.times_ns[0])
        yield analyzer.feed(batch), first_time_ns
    yield analyzer.finish_capture(), first_time_ns or 0


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
    import json

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


def _warn_of_damage(reader: CaptureReader, options: argparse.Namespace, shared: SharedParts) -> None:
    if reader.damage is not None and not options.quiet:
        damage = f"damaged at octet {reader.damage.offset}: {reader.damage.message}"
        shared.tell(f"{options.capture}: warning: {damage}")
