"""What can be written to files: keys, the shown packets as a capture, a timeline, the Report.

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
from aoinspect.engine.explain.key_file import CorrectedKeys, key_file_text
from aoinspect.engine.results import ConnectionResult
from aoinspect.errors import UsageError
from aoinspect.keys.logged_keys import refuse_logs
from aoinspect.keys.model import KeyStore
from aoinspect.report.axis import AxisUnit
from aoinspect.report.json_form import report_json
from aoinspect.report.lanes import picture_of
from aoinspect.report.model import Report
from aoinspect.report.timeline_svg import timeline_svg
from aoinspect.tui.session import Session

_FILE_HEADER_LENGTH = 24


class FileExistsAlreadyError(UsageError):
    """The file is there, and nobody has said that it may be replaced."""


def save_keys(store: KeyStore, path: str, *, replaces: bool) -> str:
    """Writes the keys as a key file with mode 0600; what was done, in words. UsageError."""
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


def save_packets(session: Session, path: str, *, replaces: bool) -> str:
    """Writes the shown packets as a capture of the same format, octet for octet. UsageError, CaptureError."""
    _refuse_existing(path, replaces=replaces)
    rows = session.rows
    frames = np.unique(rows.frame[session.visible.all_rows()])
    source = session.analysis.path
    kept = 0
    with WholeFile(path, [source], replaces=replaces) as target, open_capture(source) as reader:
        # Two streams: each goes forward only, which is quick where the file is compressed.
        heads, content = OctetStream(open_stored(source)), OctetStream(open_stored(source))
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
        finally:
            heads.stored.close()
            content.stored.close()
        target.commit()
    return f"{path}: written, {kept} packets"


def _refuse_existing(path: str, *, replaces: bool) -> None:
    if not path.strip():
        raise UsageError("name a file")
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
