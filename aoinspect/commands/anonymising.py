"""`aoinspect resign --anonymise`: a failing capture, written so that it can be shown to somebody else.

What was kept of the original and how it fails goes to stdout, and whatever the receiver may still learn is said there
too. OUT and its key file appear together, after the check, or not at all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aoinspect.commands.shared import SharedParts, isn_finder, what_was_not_read
from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from aoinspect.engine.anonymise.anonymise import Anonymised
    from aoinspect.engine.anonymise.wishes import AnonymiseWishes

_NAMED_FRAMES = 12
_CAPTURE_SUFFIXES = (".pcap", ".pcapng", ".cap")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the mode and its options."""
    group = parser.add_argument_group(
        "anonymising",
        "OUT can be shared: other addresses, zeros for payloads, published test keys, whose key file is written beside "
        "it, and what fails still fails for the same reason.",
    )
    group.add_argument("--anonymise", action="store_true", help="write OUT, and OUT's name with .toml, for sharing")
    group.add_argument(
        "--payload",
        choices=("zero", "keep", "drop"),
        help="TCP payloads: zeros of the same length (default), kept with all that they tell, or left out",
    )
    group.add_argument(
        "--ports",
        choices=("keep", "shuffle"),
        help="TCP ports: kept (default), or others for those from 1024 on that no key file names",
    )
    group.add_argument(
        "--other-frames",
        choices=("blank", "drop"),
        help="frames that are not of protected connections: empty ones in their place (default), or left out",
    )


def key_path_of(out: str) -> str:
    """Where the key file for OUT goes: its name with .toml in place of what says that it is a capture."""
    stem = out.removesuffix(".gz")
    for suffix in _CAPTURE_SUFFIXES:
        if stem.endswith(suffix) and stem != suffix:
            stem = stem.removesuffix(suffix)
            break
    return f"{stem}.toml"


def check_combination(options: argparse.Namespace) -> None:
    """UsageError where options contradict each other."""
    others = {
        "--sign-keys": options.sign_keys,
        "--map": options.map,
        "--add": options.add,
        "--strip": options.strip,
        "--from-md5": options.from_md5,
        "--rollover": options.rollover,
        "--fix-checksums": options.fix_checksums,
    }
    own = {"--payload": options.payload, "--ports": options.ports, "--other-frames": options.other_frames}
    for name, is_given in others.items():
        if options.anonymise and is_given:
            raise UsageError(
                f"--anonymise signs with published keys and makes all checksums right: run {name} before it, "
                "on a file of its own"
            )
    for name, is_given in own.items():
        if is_given and not options.anonymise:
            raise UsageError(f"{name} says how to anonymise: give --anonymise as well")


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the mode; the exit status: 0 once both files are written."""
    from aoinspect.capture.rewriting import WholeFile
    from aoinspect.engine.anonymise.anonymise import anonymise
    from aoinspect.engine.anonymise.wishes import AnonymiseWishes, Others, Payload, Ports
    from aoinspect.engine.resign.resign import RewritableSource
    from aoinspect.engine.resign.wishes import Faults
    from aoinspect.progress import ProgressBar

    store = shared.load_keys(options)
    if not store.peers:
        raise UsageError("what fails cannot be told without keys: give them with --keys FILE")
    wishes = AnonymiseWishes(
        payload=Payload(options.payload or "zero"),
        others=Others(options.other_frames or "blank"),
        ports=Ports(options.ports or "keep"),
        faults=Faults(options.faults or "keep"),
    )
    registry = shared.load_registry(options)
    captures = [] if options.capture == "-" else [options.capture]
    key_path = key_path_of(options.out)
    for path in store.paths:
        if os.path.exists(key_path) and os.path.exists(path) and os.path.samefile(path, key_path):
            raise UsageError(f"{key_path}: the new key file would take the place of this one; give OUT another name")
    output = WholeFile(options.out, captures, replaces=options.force, key_files=store.paths)
    key_output = WholeFile(key_path, captures, replaces=options.force)
    with RewritableSource(options.capture) as source:
        source.open().close()  # A capture that cannot be read is told before anything is made.
        with output, key_output, ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as progress:
            find_isns = isn_finder(options, store, progress)
            done = anonymise(source, output, key_output, store, registry, wishes, progress.update, find_isns=find_isns)
    for line in _told(done, wishes):
        print(line)
    if not options.quiet:
        for problem in registry.problems:
            shared.tell(f"warning: {problem}")
        for line in _warnings(done, options.capture):
            shared.tell(line)
    return 0


def _told(done: Anonymised, wishes: AnonymiseWishes) -> Iterator[str]:
    from aoinspect.engine.anonymise.anonymise import counted
    from aoinspect.engine.anonymise.wishes import Others, Payload

    are_dropped = wishes.others is Others.DROP
    frames = done.frames - done.blanked if are_dropped else done.frames
    yield f"{done.path}: {frames} frames, {done.segments} segments of protected connections"
    counts = [
        (done.signed, "signed with published test keys"),
        *((count, f"failing as before, by {ident}") for ident, count in done.explained.items()),
        (done.unexplained, "failing as before, for no known reason"),
        (done.made_up, "with a MAC that nothing could be proved of, and a made-up one now"),
        (done.unsigned, "without a MAC, or with a broken option, as before"),
    ]
    width = len(str(max(count for count, _ in counts)))
    for count, text in counts:
        if count:
            yield f"  {count:>{width}} {text}"
    if done.blanked:
        what_is_left = "left out, so frames have other numbers" if are_dropped else "nothing of them is left"
        yield f"  {done.blanked} other frames: {what_is_left}"
    yield f"{done.key_path}: the keys, for {done.addresses} made-up addresses"
    before, now = done.explanations
    if before and sorted(before) == sorted(now):
        yield f"explanations as before: {counted(before)}"
    checked = "no address, no secret, no payload of the original is in it"
    if wishes.payload is Payload.KEEP:
        checked = "no address and no secret of the original is in it outside of payloads"
    yield f"checked: {checked}"
    if wishes.payload is Payload.KEEP:
        told = f"{done.addresses_in_payloads} frames hold addresses of the original in theirs"
        yield f"payloads are kept, and tell what they tell: {told}"
    yield "kept: times, lengths, TTLs, ports, sequence numbers, TCP timestamps, VLANs, tunnel ids, KeyIDs, algorithms"


def _warnings(done: Anonymised, capture: str) -> Iterator[str]:
    from aoinspect.engine.anonymise.anonymise import counted

    yield from what_was_not_read(capture, done.located, done.segments, has_keys=True)
    if done.lost:
        yield f"warning: left out, for a header around them is unknown: frames {_frames(done.lost)}"
    if done.judged_otherwise:
        yield f"warning: judged otherwise than in the original: frames {_frames(done.judged_otherwise)}"
    before, now = done.explanations
    if sorted(before) != sorted(now):
        told = f"{counted(before) or 'nothing'} in the original, {counted(now) or 'nothing'} now"
        yield f"warning: what explains failures has changed: {told}"
    if done.damage is not None:
        what = f"damaged at octet {done.damage.offset}: {done.damage.message}"
        yield f"{capture}: warning: {what}; what lies behind is left out"


def _frames(frames: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, frames[:_NAMED_FRAMES]))
    more = len(frames) - _NAMED_FRAMES
    return f"{shown} and {more} more" if more > 0 else shown
