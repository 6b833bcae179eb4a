"""Writes a capture again with the verdicts as packet comments: a pcapng file that appears when it is whole.

The first pass is the engine's: what every segment is. The second writes; every frame that the table has a row for gets
a comment, and comments of an earlier run go. Where a search for missing ISNs finds some, there is a pass more between
the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aoinspect.capture.commenting import Commenter, PcapConverter, PcapngCommenter
from aoinspect.capture.frames import Damage
from aoinspect.capture.pcap import FILE_HEADER_LENGTH
from aoinspect.capture.reader import CaptureReader
from aoinspect.capture.rewriting import WholeFile
from aoinspect.capture.stream import OctetStream
from aoinspect.engine.locate import LocateCounts
from aoinspect.engine.pipeline import Progress
from aoinspect.engine.resign.resign import FindIsns, RewritableSource, judged
from aoinspect.engine.verdict_comments import FrameComments, Mark, comments_of, is_own_comment
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was written."""

    path: str
    frames: int
    """Frames of the capture that could be read."""
    counts: dict[tuple[Mark, str | None], int]
    """How many frames got a comment with that mark and reason; only what occurs, most frequent first."""
    replaced: int
    """Comments of an earlier run that were taken out."""
    format: str
    """"pcap" or "pcapng": of the capture that was read."""
    compression: str | None
    """Of the capture that was read."""
    converted_blocks: int
    """Simple Packet Blocks that became Enhanced ones, of time 0, to hold their comment."""
    located: LocateCounts | None
    """What the first pass met that is no TCP segment; None where it was somebody else's."""
    damage: Damage | None
    """Where the capture stops making sense. What lies behind was copied as it is from pcapng, and left out of pcap."""


def annotate(
    source: RewritableSource,
    output: WholeFile,
    store: KeyStore,
    registry: Registry,
    progress: Progress | None = None,
    *,
    find_isns: FindIsns | None = None,
) -> Annotated:
    """Writes the capture with the verdicts under the keys of `store`, and puts `output` (entered already) in its place.

    CaptureError where the capture cannot be read; then `output` is as it was.
    """
    analyzer = judged(source, store, registry, progress, find_isns)
    annotated = write_comments(source, output, comments_of(analyzer), progress)
    return replace(annotated, located=analyzer.captures[0].located)


def write_comments(
    source: RewritableSource, output: WholeFile, comments: FrameComments, progress: Progress | None = None
) -> Annotated:
    """The second pass alone, for whoever has the verdicts already (`comments_of`)."""
    stream = source.open_octets()
    with source.open() as reader:
        commenter = _commenter(reader, stream, output, comments)
        for batch in reader.batches():
            commenter.add(batch, comments.chosen(batch.first_frame, len(batch)))
            if progress is not None:
                progress(reader)
        commenter.finish(reader.damage)
        annotated = Annotated(
            path=output.path,
            frames=reader.frames_read,
            counts=_counts(comments),
            replaced=commenter.removed_comments,
            format=reader.format,
            compression=reader.compression,
            converted_blocks=commenter.converted_blocks,
            located=None,
            damage=reader.damage,
        )
    output.commit()
    return annotated


def _commenter(reader: CaptureReader, stream: OctetStream, output: WholeFile, comments: FrameComments) -> Commenter:
    texts = [comment.text().encode() for comment in comments.comments]
    if reader.format == "pcapng":
        return PcapngCommenter(reader.section_headers, stream.fetch, output.file, texts, is_own_comment)
    header = stream.fetch(0, FILE_HEADER_LENGTH)
    return PcapConverter(header, reader.interfaces[0], output.file, texts, "aoinspect")


def _counts(comments: FrameComments) -> dict[tuple[Mark, str | None], int]:
    counts: dict[tuple[Mark, str | None], int] = {}
    frames = np.bincount(comments.kinds, minlength=len(comments.comments)).tolist()
    for comment, count in zip(comments.comments, frames, strict=True):
        kind = comment.mark, comment.reason
        counts[kind] = counts.get(kind, 0) + count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
