"""Targets whose octets are a capture file: the readers, and all that is said of a capture.

A capture gives frames, damage or a CaptureError; and whatever frames it gives end in a Report, in every form.
"""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

from rich.console import Console

from aoinspect.capture import FrameBatch, open_capture
from aoinspect.capture.rewriting import WholeFile
from aoinspect.engine.pipeline import Analyzer, analyse
from aoinspect.engine.resign.resign import RewritableSource, resign
from aoinspect.engine.resign.wishes import Wishes
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.errors import AoinspectError, CaptureError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.frame_view import view_frame
from aoinspect.report.json_form import SegmentLines, report_json
from aoinspect.report.lanes import picture_of
from aoinspect.report.model import build_report
from aoinspect.report.show_json import frame_json
from aoinspect.report.show_text import frame_lines
from aoinspect.report.text import print_report
from aoinspect.report.timeline_html import timeline_html
from aoinspect.report.timeline_json import timeline_json
from aoinspect.report.timeline_text import timeline_lines
from dissectors.registry import Registry

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SAMPLES = PROJECT_ROOT / "samples" / "pcaps"
MOST_SHOWN = 3
"""Frames of one input that are shown in full."""


def read_capture(octets: bytes) -> None:
    """Frames, damage or a CaptureError; every frame is found again; and batches are only a way of cutting."""
    try:
        reader = open_capture(io.BytesIO(octets))
    except CaptureError:
        return
    whole = list(reader.batches())
    if reader.damage is not None and reader.compression is None:
        assert 0 <= reader.damage.offset <= len(octets)
    if reader.compression is not None:
        return  # Found again by inflating once more, which is another target's time.
    for batch in whole:
        for index in range(len(batch)):
            again = reader.frame_at(int(batch.offsets[index]))
            assert again.octets == _frame(batch, index)
            assert again.time_ns == batch.times_ns[index]
    pieces = open_capture(io.BytesIO(octets), batch_octets=100, batch_frames=3)
    assert [frame for batch in pieces.batches() for frame in _told(batch)] == [
        frame for batch in whole for frame in _told(batch)
    ]
    assert (pieces.damage, pieces.interfaces, pieces.comments) == (reader.damage, reader.interfaces, reader.comments)


def _frame(batch: FrameBatch, index: int) -> bytes:
    return batch.octets[batch.starts[index] : batch.ends[index]].tobytes()


def _told(batch: FrameBatch) -> list[tuple[int, bytes, int, int, int]]:
    return [
        (
            batch.first_frame + index,
            _frame(batch, index),
            int(batch.wire_lengths[index]),
            int(batch.times_ns[index]),
            int(batch.link_types[index]),
        )
        for index in range(len(batch))
    ]


def inflate(octets: bytes) -> None:
    """A compressed capture costs no more memory than another, whatever it inflates to."""
    try:
        with open_capture(io.BytesIO(octets)) as reader:
            for taken, _ in enumerate(reader.batches()):
                if taken > 8:
                    break
    except CaptureError:
        pass


@cache
def _store() -> KeyStore:
    """The keys of the samples that the seeds are, one store."""
    return load_keys([str(path) for path in sorted(SAMPLES.glob("*.toml"))])


@cache
def _registry() -> Registry:
    return Registry(use_entry_points=False)


def verify(octets: bytes) -> None:
    """What `verify` and `timeline` print of a capture, in every form, with keys and without."""
    for store in (_store(), KeyStore()):
        analyzer = Analyzer(store, _registry())
        try:
            reader = open_capture(io.BytesIO(octets))
        except CaptureError:
            return
        lines = SegmentLines(analyzer)
        analyse([reader], analyzer, on_rows=lambda rows, lines=lines: "\n".join(lines.lines(rows)))
        report = build_report(analyzer)
        print_report(report, Console(file=io.StringIO(), width=100), list_all=True)
        report_json(report)
        pictures = [picture_of(connection, report) for connection in report.connections[:MOST_SHOWN]]
        for picture in pictures:
            assert list(timeline_lines(picture, report, 80, list_all=True))
        timeline_json(pictures, report)
        timeline_html(pictures, report)


def show(octets: bytes) -> None:
    """Frames of a capture are shown, and where a proof is made, it comes to the table's verdict."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(octets)
        file.flush()
        analyzer = Analyzer(_store(), _registry())
        with CaptureSource(file.name) as source:
            try:
                reader = source.open()
            except CaptureError:
                return
            analyse([reader], analyzer)
            assert analyzer.table is not None
            numbers = analyzer.table.rows.frame.tolist()
            for number in dict.fromkeys([*numbers[:MOST_SHOWN], *numbers[-1:]]):
                view = view_frame(analyzer, reader, source, number)
                assert view.proof is None or view.proof.disagreement is None, number
                assert list(frame_lines(view))
                assert frame_json(view)


def resign_capture(octets: bytes) -> None:
    """A capture is written again: stripped, or with what its keys sign."""
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder, "in")
        capture.write_bytes(octets)
        for number, wishes in enumerate((Wishes(), Wishes(strips=True))):
            out = str(Path(folder, f"out{number}"))
            try:
                with RewritableSource(str(capture)) as source, WholeFile(out, [str(capture)], replaces=True) as output:
                    resigned = resign(source, output, _store(), _registry(), wishes)
            except AoinspectError:
                return
            with open_capture(out) as reader:
                frames = sum(len(batch) for batch in reader.batches())
            assert frames == resigned.frames
