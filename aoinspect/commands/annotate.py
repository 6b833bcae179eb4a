"""`aoinspect annotate CAPTURE OUT.pcapng`: the capture again, with the verdict of each segment as a packet comment.

What was written goes to stdout, what could not be carried over to stderr. OUT appears when it is whole.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands.shared import Commands, SharedParts, add_recovery_argument, isn_finder, what_was_not_read

if TYPE_CHECKING:
    from aoinspect.engine.annotate import Annotated

_EPILOG = """\
comments:
  TCP-AO: OK key=NAME keyid=N rnext=N sne=N
  TCP-AO: FAIL reason=WHY ...
  TCP-AO: UNKNOWN reason=WHY ...         and TCP-MD5: ... likewise

`aoinspect wireshark install` gives Wireshark colours, columns and fields for them.

exit status: 0 once OUT is written, whatever the verdicts; 2 usage or key file; 3 the capture cannot be read, or OUT not
be written; 130 interrupted. OUT is untouched unless the status is 0.
"""


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "annotate",
        help="write a capture again with the verdicts as packet comments, for Wireshark",
        description=(
            "Write CAPTURE to OUT, a pcapng file, with the verdict of each segment as a packet comment. Comments of an "
            "earlier run are replaced; everything else of a pcapng stays octet for octet, and a pcap is converted."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("capture", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    parser.add_argument("out", metavar="OUT", help="pcapng, and not compressed unless its name ends in .gz")
    shared.add_arguments(parser)
    add_recovery_argument(parser)
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once written."""
    from aoinspect.capture.rewriting import WholeFile
    from aoinspect.engine.annotate import annotate
    from aoinspect.engine.resign.resign import RewritableSource
    from aoinspect.progress import ProgressBar

    store = shared.load_keys(options)
    registry = shared.load_registry(options)
    captures = [] if options.capture == "-" else [options.capture]
    output = WholeFile(options.out, captures, replaces=options.force, key_files=store.paths)
    with RewritableSource(options.capture) as source:
        source.open().close()  # A capture that cannot be read is told before anything is made.
        with output, ProgressBar(is_wanted=_wants_bar(options)) as progress:
            find_isns = isn_finder(options, store, progress)
            annotated = annotate(source, output, store, registry, progress.update, find_isns=find_isns)
    _print_counts(annotated)
    if not options.quiet:
        for problem in registry.problems:
            shared.tell(f"warning: {problem}")
        for line in _narration(annotated, options.capture, has_keys=bool(store.peers)):
            shared.tell(line)
    return 0


def _wants_bar(options: argparse.Namespace) -> bool:
    return not options.quiet and sys.stderr.isatty()


def _print_counts(annotated: Annotated) -> None:
    """How many frames got which comment, one line a kind."""
    total = sum(annotated.counts.values())
    print(f"{annotated.path}: {annotated.frames} frames, {total} with a comment")
    width = len(str(max(annotated.counts.values(), default=0)))
    for (mark, reason), count in annotated.counts.items():
        print(f"  {count:>{width}} {mark.value}{'' if reason is None else f' ({reason})'}")


def _narration(annotated: Annotated, capture: str, *, has_keys: bool) -> Iterator[str]:
    """What stdout does not say."""
    if not has_keys:
        yield "no keys were given, so no MAC could be checked: give them with --keys FILE"
    if annotated.located is not None:
        segments = sum(annotated.counts.values())
        yield from what_was_not_read(capture, annotated.located, segments, has_keys=has_keys)
    if annotated.replaced:
        plural = "" if annotated.replaced == 1 else "s"
        yield f"{annotated.replaced} comment{plural} of an earlier run replaced"
    if annotated.converted_blocks:
        yield (
            f"{annotated.converted_blocks} Simple Packet Blocks, which cannot hold a comment, became Enhanced Packet "
            "Blocks; they had no time, and have time 0 now"
        )
    if annotated.compression is not None and not annotated.path.endswith(".gz"):
        yield f"{capture} is compressed with {annotated.compression}, {annotated.path} is not"
    if annotated.damage is not None:
        what = f"damaged at octet {annotated.damage.offset}: {annotated.damage.message}"
        behind = "copied as it is" if annotated.format == "pcapng" else "left out"
        yield f"{capture}: warning: {what}; what lies behind was {behind}"
