"""What is written to files: keys, captures made from the one that is looked at, a timeline, the Report.

No file is replaced unless that was confirmed, and each appears whole or not at all. A key file is readable by its owner
alone from its first octet on.
"""

from __future__ import annotations

import os
import tempfile

import numpy as np

from aoinspect.capture.reader import open_capture
from aoinspect.capture.rewriting import RECORD_HEAD_LENGTH, CaptureCopy, WholeFile, records_of
from aoinspect.capture.stored import open_stored
from aoinspect.capture.stream import OctetStream
from aoinspect.engine.pipeline import Progress
from aoinspect.engine.results import ConnectionResult
from aoinspect.engine.single_frame import CaptureSource, pieces_of
from aoinspect.errors import UsageError
from aoinspect.keys.logged_keys import refuse_logs
from aoinspect.keys.model import KeyStore
from aoinspect.report.axis import AxisUnit
from aoinspect.report.json_form import report_json
from aoinspect.report.lanes import is_eventful, picture_of
from aoinspect.report.model import Report
from aoinspect.report.timeline_svg import timeline_svg
from aoinspect.tui.session import Session

_FILE_HEADER_LENGTH = 24
_DRAWN_IN_ANY_CASE = 3
"""So few connections have their timelines on the page, whether anything happens on them or not."""
_DRAWN_AT_MOST = 50
"""A page with thousands of timelines helps nobody."""


class FileExistsAlreadyError(UsageError):
    """The file is there, and nobody has said that it may be replaced."""


def save_keys(store: KeyStore, path: str, *, replaces: bool) -> str:
    """Writes the keys as a key file with mode 0600; what was done, in words. UsageError."""
    from aoinspect.engine.explain.key_file import CorrectedKeys, key_file_text

    if not store.peers:
        raise UsageError("there are no keys to save")
    refuse_logs(store, "no key file can be written of it")
    gaps = tuple({mkt: None for peer in store.peers for mkt in peer.mkts if mkt.secret is None})
    _write(path, key_file_text(CorrectedKeys(store, 0, gaps)), mode=0o600, replaces=replaces)
    left_out = f"; {len(gaps)} without a secret left out" if gaps else ""
    return f"{path}: written, readable by you alone{left_out}"


def save_report(report: Report, path: str, *, replaces: bool) -> str:
    """Writes the Report as JSON."""
    _write(path, report_json(report) + "\n", mode=0o644, replaces=replaces)
    return f"{path}: written"


def save_timeline(connection: ConnectionResult, report: Report, unit: AxisUnit, path: str, *, replaces: bool) -> str:
    """Writes one connection's timeline as SVG."""
    _write(path, timeline_svg([picture_of(connection, report, unit)], report), mode=0o644, replaces=replaces)
    return f"{path}: written"


def save_page(report: Report, path: str, *, replaces: bool) -> str:
    """Writes the Report as one HTML page, with the timelines of connections on which something happens."""
    # Loaded only when it is asked for.
    from aoinspect.report.page_html import page_html

    are_few = len(report.connections) <= _DRAWN_IN_ANY_CASE
    drawn = [connection for connection in report.connections if are_few or is_eventful(connection, report)]
    page = page_html(report, [picture_of(connection, report) for connection in drawn[:_DRAWN_AT_MOST]])
    _write(path, page, mode=0o644, replaces=replaces)
    return f"{path}: written"


def save_packets(session: Session, path: str, progress: Progress, *, replaces: bool) -> str:
    """Writes the shown packets as a capture of the same format, octet for octet. UsageError, CaptureError.

    Of a segment that came in IP fragments, all pieces are written.
    """
    _refuse_existing(path, replaces=replaces)
    visible = session.visible
    analysis = visible.analysis
    frames = np.unique(visible.rows.frame[visible.all_rows()])
    if any(capture.located.fragments for capture in analysis.analyzer.captures):
        with CaptureSource(analysis.path) as whole:
            pieces = pieces_of(whole, set(frames.tolist()), session.registry)
        frames = np.union1d(frames, np.array(sorted(pieces), dtype=frames.dtype))
    kept = 0
    with WholeFile(path, [analysis.path], replaces=replaces) as target, open_capture(analysis.path) as reader:
        # Two streams: each goes forward only, which is quick where the file is compressed.
        heads, content = OctetStream(open_stored(analysis.path)), OctetStream(open_stored(analysis.path))
        try:
            records = records_of(reader.format, content.fetch(0, _FILE_HEADER_LENGTH))
            copy = CaptureCopy(content.fetch, target.file)
            for batch in reader.batches():
                numbers = np.arange(batch.first_frame, batch.first_frame + len(batch), dtype=np.uint64)
                is_kept = np.isin(numbers, frames)
                for offset, keep in zip(batch.offsets.tolist(), is_kept.tolist(), strict=True):
                    end = offset + records.length(heads.fetch(offset, RECORD_HEAD_LENGTH))
                    copy.copy_to(offset)
                    if keep:
                        copy.copy_to(end)
                        kept += 1
                    else:
                        copy.replace(end, b"")
                progress(reader)
        finally:
            heads.stored.close()
            content.stored.close()
        target.commit()
    return f"{path}: written, {kept} packets"


def save_resigned(session: Session, path: str, progress: Progress, *, replaces: bool) -> str:
    """Writes the whole capture with right MACs under the present keys. UsageError, CaptureError."""
    from aoinspect.engine.resign.resign import RewritableSource, resign
    from aoinspect.engine.resign.wishes import Wishes

    if not session.store.peers:
        raise UsageError("nothing can be signed without keys: load a key file first")
    _refuse_existing(path, replaces=replaces)
    source_path = session.analysis.path
    output = WholeFile(path, [source_path], replaces=replaces)
    with RewritableSource(source_path) as source, output:
        resigned = resign(source, output, session.store, session.registry, Wishes(), progress)
    counts = ", ".join(f"{count} {outcome.word}" for outcome, count in resigned.outcomes.items())
    left = ", ".join(f"{len(frames)} {why.word}" for why, frames in resigned.left.items())
    return f"{path}: written, {counts or 'no protected segment'}" + (f" ({left})" if left else "")


def save_annotated(session: Session, path: str, progress: Progress, *, replaces: bool) -> str:
    """Writes the whole capture as pcapng, with the verdicts that are shown as packet comments. CaptureError."""
    from aoinspect.engine.annotate import write_comments
    from aoinspect.engine.resign.resign import RewritableSource
    from aoinspect.engine.verdict_comments import comments_of

    _refuse_existing(path, replaces=replaces)
    analysis = session.analysis
    with analysis.held():
        comments = comments_of(analysis.analyzer)
    output = WholeFile(path, [analysis.path], replaces=replaces)
    with RewritableSource(analysis.path) as source, output:
        annotated = write_comments(source, output, comments, progress)
    return f"{path}: written, {sum(annotated.counts.values())} packets have a comment"


def _refuse_existing(path: str, *, replaces: bool) -> None:
    if not path.strip():
        raise UsageError("name a file")
    if os.path.isdir(path):
        raise UsageError(f"{path}: a directory; name a file in it")
    if os.path.lexists(path) and not replaces:
        raise FileExistsAlreadyError(f"{path}: it exists")


def _write(path: str, text: str, *, mode: int, replaces: bool) -> None:
    _refuse_existing(path, replaces=replaces)
    try:
        # mkstemp gives mode 0600.
        descriptor, draft = tempfile.mkstemp(prefix=".aoinspect-", dir=os.path.dirname(os.path.abspath(path)))
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            if mode != 0o600:
                os.chmod(draft, mode)
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
            raise
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: it cannot be written: {getattr(error, 'strerror', None) or error}") from None
