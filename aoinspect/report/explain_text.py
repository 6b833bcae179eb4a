"""Explanations as text for a person: per connection what explains its failures, how sure that is, and what to change.

`one_line` is what other commands show of an account. No secret is in any of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from aoinspect.engine.explain import Account, Confidence, Explanation
from aoinspect.engine.explain.advice import VENDOR_WORDS
from aoinspect.engine.explain.model import Knob
from aoinspect.engine.results import ConnectionResult
from aoinspect.report.layout import broken_at_blanks, printable

LISTED_FRAMES = 8
_CONFIDENCE_STYLES = {Confidence.PROOF: "green", Confidence.FACT: "green", Confidence.LIKELY: "yellow"}


def one_line(account: Account) -> str:
    """The account in one line: its first explanation, or that there is none."""
    if not account.explanations:
        told = account.note or "no hypothesis explains it"
        return printable(f"unexplained: {told}")
    first = account.explanations[0]
    counted = f" ({first.matched} of {_count(first.tried, 'segment')} looked at)" if first.bits else ""
    likely = "likely " if first.confidence is Confidence.LIKELY else ""
    others = len(account.explanations) - 1
    more = f"; and {others} more" if others else ""
    return printable(f"{likely}{first.ident}: {first.summary}{counted}{more}")


def print_accounts(
    accounts: Sequence[Account], connections: Mapping[int, ConnectionResult], console: Console, captures: Sequence[str]
) -> None:
    """Writes all accounts to `console`; `connections` by their id, `captures` by their index."""
    knobs: set[Knob] = set()
    for position, account in enumerate(accounts):
        if position:
            console.print()
        for line in _account(account, connections[account.connection], captures, knobs):
            for piece in broken_at_blanks(line, console.width, hanging=4):
                console.print(piece, soft_wrap=True)
    if not accounts:
        console.print("nothing to explain: no segment fails")


def _account(
    account: Account, connection: ConnectionResult, captures: Sequence[str], knobs: set[Knob]
) -> Iterator[Text]:
    """`knobs` are those of which every vendor's words have been told."""
    segments = _count(account.failing, "failing segment") if account.failing else "no MAC is in doubt"
    looked_at = "" if account.tried == account.failing else f", {account.tried} looked at"
    yield Text.assemble((f"#{connection.id} {connection.a} > {connection.b}", "bold"), f": {segments}{looked_at}")
    for explanation in account.explanations:
        yield from _explanation(explanation, captures)
        if explanation.knob is not None and explanation.knob not in knobs:
            knobs.add(explanation.knob)
            for system, words in VENDOR_WORDS[explanation.knob]:
                yield Text(f"        {system}: {words}", style="dim")
    if account.note:
        yield Text(f"  {printable(account.note)}")
    if not account.unexplained:
        return
    yield Text.assemble(
        ("  unexplained: ", "bold red"),
        f"{_count(len(account.unexplained), 'segment')} ({_frames(account.unexplained, captures)})",
    )
    if account.ruled_out:
        yield Text(f"    ruled out: {', '.join(account.ruled_out)} (docs/explain.md)")
    if account.not_tried:
        yield Text(f"    not tried, for the budget: {', '.join(account.not_tried)}")
    if account.unkeyed:
        yield Text(f"    not tried, or not wholly, for the log holds no secret: {', '.join(account.unkeyed)}")
    for words in account.would_decide:
        yield Text(f"    would decide: {words}")


def _explanation(explanation: Explanation, captures: Sequence[str]) -> Iterator[Text]:
    yield Text.assemble(
        "  ",
        (explanation.ident, "bold"),
        " ",
        (explanation.confidence.value, _CONFIDENCE_STYLES[explanation.confidence]),
        f": {printable(explanation.summary)}",
    )
    if explanation.bits:
        yield Text(
            f"      makes {explanation.matched} of {_count(explanation.tried, 'segment')} verify, "
            f"{explanation.bits} bits of MAC agree ({_frames(explanation.frames, captures)})"
        )
        yield Text(f"      changed: {printable(explanation.changed)}; from {printable(explanation.origin)}")
    elif explanation.frames:
        origin, frames = printable(explanation.origin), _frames(explanation.frames, captures)
        yield Text(f"      seen: {origin}" + ("" if frames in origin else f" ({frames})"))
    if explanation.file_remedy:
        yield Text(f"      if the key file is wrong: {printable(explanation.file_remedy)}")
    if explanation.device_remedy:
        lead = "otherwise: " if explanation.file_remedy else "to do: "
        yield Text(f"      {lead}{printable(explanation.device_remedy)}")


def _frames(frames: Sequence[tuple[int, int]], captures: Sequence[str]) -> str:
    """ "frames 3, 4", with the capture's name where there are several."""
    shown = frames[:LISTED_FRAMES]
    named = [
        str(frame) if len(captures) == 1 else f"{printable(captures[capture])} {frame}" for capture, frame in shown
    ]
    more = f" and {len(frames) - len(shown)} more" if len(frames) > len(shown) else ""
    return f"frame{'s' * (len(frames) > 1)} {', '.join(named)}{more}"


def _count(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
