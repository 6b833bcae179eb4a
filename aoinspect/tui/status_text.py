"""What the status line says: what goes on, how many packets have which verdict, what the last check changed."""

from __future__ import annotations

from pathlib import PurePath

from rich.text import Text

from aoinspect.engine.verdicts import Verdict
from aoinspect.report.layout import printable
from aoinspect.report.show_text import VERDICT_MARKS
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.session import Session

_BAR_CELLS = 12


def status_text(session: Session, activity: str) -> Text:
    """The line; `activity` is what goes on besides reading and checking, "" for nothing."""
    analysis = session.analysis
    text = Text(no_wrap=True, overflow="ellipsis")
    busy = activity or _progress(session.pending or analysis, is_again=session.pending is not None)
    if busy:
        text.append(f"{busy}  ", "bold")
    totals = analysis.analyzer.totals
    for verdict in Verdict:
        count = int(totals.verdicts[verdict])
        if count:
            mark, style = VERDICT_MARKS[verdict]
            text.append(f"{mark} {count} {verdict.word}  ", style)
    if session.last_change:
        text.append(f"({session.last_change})  ", "bold")
    if session.visible.chosen is not None:
        text.append(f"filter {session.visible.chosen}: {len(session.visible)} shown  ", "bold")
    name = "standard input" if session.name == "-" else PurePath(session.name).name
    text.append(f"{totals.frames} packets of {printable(name)}")
    damage = analysis.analyzer.captures[0].damage if analysis.analyzer.captures else None
    if damage is not None:
        text.append(f"  ✗ damaged at octet {damage.offset}: {printable(damage.message)}", "red")
    return text


def _progress(analysis: Analysis, *, is_again: bool) -> str:
    if analysis.is_finished:
        return ""
    if analysis.size is None:
        return "following" if not is_again else "checking again"
    share = analysis.octets_read / max(1, analysis.size)
    bar = "█" * int(share * _BAR_CELLS)
    return f"{'checking again' if is_again else 'reading'} {bar:·<{_BAR_CELLS}} {int(share * 100)} %"
