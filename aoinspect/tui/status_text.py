"""What the status line says: what goes on, how many packets have which verdict, what the last check changed.

What somebody must not overlook comes first, for a narrow terminal shows no more: that the capture is damaged, and that
not everything is shown.
"""

from __future__ import annotations

from pathlib import PurePath

from rich.text import Text

from aoinspect.engine.verdicts import Verdict
from aoinspect.report.layout import printable
from aoinspect.report.show_text import VERDICT_MARKS
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.cells import counted, shortened
from aoinspect.tui.session import Session

_BAR_CELLS = 12
_FILTER_CELLS = 40


def status_text(session: Session, activity: str) -> Text:
    """The line; `activity` is what goes on besides reading and checking, "" for nothing."""
    analysis = session.analysis
    text = Text(no_wrap=True, overflow="ellipsis")
    busy = activity or _progress(session.pending or analysis, is_again=session.pending is not None)
    if busy:
        text.append(f"{busy}  ", "bold")
    totals = analysis.analyzer.totals
    damage = analysis.analyzer.captures[0].damage if analysis.analyzer.captures else None
    if damage is not None:
        text.append(f"✗ damaged at octet {damage.offset}  ", "red")
    if session.fault is not None:
        text.append(f"✗ {session.fault}  ", "red")
    if totals.is_interrupted:
        text.append("stopped  ", "bold")
    if session.visible.chosen is not None:
        text.append(
            f"{len(session.visible)} shown by {shortened(str(session.visible.chosen), _FILTER_CELLS)}  ", "bold"
        )
    if session.last_change:
        text.append(f"({session.last_change})  ", "bold")
    for verdict in Verdict:
        count = int(totals.verdicts[verdict])
        if count:
            mark, style = VERDICT_MARKS[verdict]
            text.append(f"{mark} {count} {verdict.word}  ", style)
    name = "standard input" if session.name == "-" else PurePath(session.name).name
    text.append(f"{counted(totals.frames, 'packet')} of {printable(name)}")
    if damage is not None:
        text.append(f"  ✗ {printable(damage.message)}", "red")
    return text


def _progress(analysis: Analysis, *, is_again: bool) -> str:
    if analysis.is_finished:
        return ""
    if analysis.size is None:
        return "following" if not is_again else "checking again"
    share = analysis.octets_read / max(1, analysis.size)
    bar = "█" * int(share * _BAR_CELLS)
    return f"{'checking again' if is_again else 'reading'} {bar:·<{_BAR_CELLS}} {int(share * 100)} %"
