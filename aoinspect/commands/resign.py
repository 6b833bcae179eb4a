"""`aoinspect resign CAPTURE OUT`: the capture again, with right MACs, other keys, more or fewer signatures.

What was done goes to stdout; the frames that nothing could be done to are named on stderr. OUT appears when it is
whole, and whatever goes wrong before leaves everything as it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands import anonymising
from aoinspect.commands.shared import (
    Commands,
    SharedParts,
    add_recovery_argument,
    isn_finder,
    read_more_keys,
    what_was_not_read,
)
from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from aoinspect.engine.resign.resign import Resigned
    from aoinspect.engine.resign.wishes import Rollover, Wishes
    from aoinspect.keys.model import KeyStore

_NAMED_FRAMES = 12
"""Frames named in one line; the rest is counted."""
_NANOSECONDS = 1_000_000_000

_EPILOG = """\
exit status: 0 once OUT is written; 2 usage or key file, or something does not fit (OUT is untouched);
3 the capture cannot be read, or OUT not be written; 130 interrupted (OUT is untouched)
"""


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "resign",
        help="write a capture again with right MACs, under the same keys or others",
        description=(
            "Write CAPTURE to OUT with right MACs and checksums. What is right already, or cannot be checked, stays "
            "octet for octet."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("capture", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    parser.add_argument("out", metavar="OUT", help="of the same format, and not compressed unless its name ends in .gz")
    shared.add_arguments(parser)
    add_recovery_argument(parser)
    parser.add_argument(
        "--sign-keys",
        action="append",
        metavar="FILE",
        help="sign with these keys: each key of --keys becomes the one of its name; may be given several times",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        type=name_pair,
        metavar="OLD=NEW",
        help="this key becomes that one, whatever their names; may be given several times",
    )
    parser.add_argument(
        "--faults",
        choices=("repair", "keep"),
        help="segments whose MAC does not match: sign them right, or keep them failing (default: repair; keep with "
        "--anonymise)",
    )
    parser.add_argument("--add", action="store_true", help="sign connections that carry no signature")
    parser.add_argument("--strip", action="store_true", help="take TCP-AO and TCP-MD5 options out")
    parser.add_argument("--from-md5", action="store_true", help="turn TCP-MD5 into TCP-AO")
    parser.add_argument(
        "--rollover",
        action="append",
        default=[],
        type=key_change,
        metavar="TIME=KEY",
        help="play a change to KEY in at TIME: seconds from the capture's start, or RFC 3339; may be repeated",
    )
    parser.add_argument(
        "--fix-checksums",
        action="store_true",
        help="repair the checksums (TCP, IPv4) of segments that stay as they are, too",
    )
    anonymising.add_arguments(parser)
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def name_pair(text: str) -> tuple[str, str]:
    """The two names of OLD=NEW; argparse's error otherwise."""
    old, separator, new = text.partition("=")
    if not (separator and old and new):
        raise argparse.ArgumentTypeError(f"{text!r} is not OLD=NEW, two names of keys")
    return old, new


def key_change(text: str) -> Rollover:
    """What TIME=KEY says; argparse's error otherwise."""
    from aoinspect.engine.resign.wishes import Rollover

    time, separator, key = text.partition("=")
    if not (separator and time and key):
        raise argparse.ArgumentTypeError(f"{text!r} is not TIME=KEY, a time and a key's name")
    seconds = _seconds(time)
    if seconds is not None:
        return Rollover(key, seconds, is_relative=True, told=text)
    return Rollover(key, _moment_ns(time), is_relative=False, told=text)


def _seconds(text: str) -> int | None:
    """Nanoseconds in a decimal number of seconds; None where it is none."""
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdecimal() and (not fraction or (fraction.isascii() and fraction.isdecimal()))):
        return None
    return int(whole) * _NANOSECONDS + int(fraction[:9].ljust(9, "0"))


def _moment_ns(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time; one without an offset is UTC."""
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no time: seconds from the capture's start, or RFC 3339 (2026-10-01T00:00:00Z)"
        raise argparse.ArgumentTypeError(message) from None
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once written."""
    from aoinspect.capture.rewriting import WholeFile
    from aoinspect.engine.resign.resign import RewritableSource, resign
    from aoinspect.progress import ProgressBar

    _check_combination(options)
    if options.anonymise:
        return anonymising.run(options, shared)
    store = shared.load_keys(options)
    wishes = _wishes(options, store)
    registry = shared.load_registry(options)
    captures = [] if options.capture == "-" else [options.capture]
    output = WholeFile(
        options.out, captures, replaces=options.force, key_files=[*store.paths, *(options.sign_keys or ())]
    )
    with RewritableSource(options.capture) as source:
        source.open().close()  # A capture that cannot be read is told before anything is made.
        with output, ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as progress:
            find_isns = isn_finder(options, store, progress)
            resigned = resign(source, output, store, registry, wishes, progress.update, find_isns=find_isns)
    _print_counts(resigned)
    if not options.quiet:
        for problem in registry.problems:
            shared.tell(f"warning: {problem}")
        for line in _narration(resigned, options.capture, has_keys=bool(store.peers)):
            shared.tell(line)
    return 0


def _check_combination(options: argparse.Namespace) -> None:
    anonymising.check_combination(options)
    changes = {
        "--sign-keys": options.sign_keys,
        "--map": options.map,
        "--add": options.add,
        "--from-md5": options.from_md5,
        "--rollover": options.rollover,
        "--faults": options.faults,
    }
    for name, is_given in changes.items():
        if options.strip and is_given:
            raise UsageError(f"--strip takes all signatures out: leave out either it or {name}")
    if options.map and not (options.sign_keys or options.from_md5):
        raise UsageError("--map says what keys become under --sign-keys or --from-md5: give one of them")
    olds = [old for old, _ in options.map]
    for old in olds:
        if olds.count(old) > 1:
            raise UsageError(f"--map: {old} can become only one key")


def _wishes(options: argparse.Namespace, store: KeyStore) -> Wishes:
    from aoinspect.engine.resign.wishes import Faults, Wishes

    if not store.peers and not options.strip:
        raise UsageError("nothing can be signed without keys: give them with --keys FILE")
    return Wishes(
        new_keys=read_more_keys(options.sign_keys, options) if options.sign_keys else None,
        names=dict(options.map),
        faults=Faults(options.faults or "repair"),
        adds=options.add,
        strips=options.strip,
        converts_md5=options.from_md5,
        rollovers=tuple(options.rollover),
        fixes_checksums=options.fix_checksums,
    )


def _print_counts(resigned: Resigned) -> None:
    """What became of the segments, one line a kind."""
    from aoinspect.engine.resign.wishes import Outcome

    texts = {
        Outcome.KEPT: "kept: right as they were",
        Outcome.RE_SIGNED: "re-signed",
        Outcome.ADDED: "added: signed for the first time",
        Outcome.CONVERTED: "converted from TCP-MD5 to TCP-AO",
        Outcome.STRIPPED: "stripped of their signature",
        Outcome.FAULT_KEPT: "faults kept: their MAC does not match",
        Outcome.LEFT: "left",
    }
    lines = [(resigned.outcomes[outcome], text) for outcome, text in texts.items() if outcome in resigned.outcomes]
    total = sum(count for count, _ in lines)
    print(f"{resigned.path}: {resigned.frames} frames, {total} segments of protected connections")
    width = len(str(max((count for count, _ in lines), default=0)))
    for count, text in lines:
        if text == "left":
            text = "left as they were: " + ", ".join(
                f"{len(frames)} {why.word}" for why, frames in resigned.left.items()
            )
        print(f"  {count:>{width}} {text}")
    if resigned.fixed_checksums:
        print(f"  {resigned.fixed_checksums:>{width}} other segments with repaired checksums")


def _narration(resigned: Resigned, capture: str, *, has_keys: bool) -> Iterator[str]:
    """What stdout does not say: the frames that nothing was done to, and what the file is like."""
    segments = sum(resigned.outcomes.values())
    yield from what_was_not_read(capture, resigned.located, segments, has_keys=has_keys)
    for why, frames in resigned.left.items():
        shown = ", ".join(map(str, frames[:_NAMED_FRAMES].tolist()))
        more = f" and {len(frames) - _NAMED_FRAMES} more" if len(frames) > _NAMED_FRAMES else ""
        yield f"left as they were ({why.word}): frames {shown}{more}"
    if resigned.compression is not None and not resigned.path.endswith(".gz"):
        yield f"{capture} is compressed with {resigned.compression}, {resigned.path} is not"
    if resigned.damage is not None:
        what = f"damaged at octet {resigned.damage.offset}: {resigned.damage.message}"
        yield f"{capture}: warning: {what}; what lies behind was copied as it is"
