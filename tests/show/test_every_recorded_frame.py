"""Every frame that a kernel or daemon sent can be shown, and its proof comes to the verdict of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.proof import Proof
from aoinspect.errors import CaptureError
from aoinspect.report.show_json import frame_json
from aoinspect.report.show_text import frame_lines
from tests.show.running import CAPTURES, SAMPLES, SHARED, Analysed, keys_of

HERE = sorted([*CAPTURES.glob("*.pcap*"), *SAMPLES.glob("*.pcap*")])
ELSEWHERE = sorted((SHARED / "captures").glob("*.pcap")) if SHARED.exists() else []
ELSEWHERE = [path for path in ELSEWHERE if path.name not in {here.name for here in HERE}]
MOST_FRAMES = 150
"""Of a capture beside the project: enough for each of its connections' beginnings."""


def check(analysed: Analysed, number: int, words: dict[int, tuple[str, str]]) -> Proof | None:
    view = analysed.view(number)
    text = "\n".join(line.plain for line in frame_lines(view))
    assert f"Frame {number} of" in text
    assert frame_json(view).startswith('{\n "schema": "aoinspect.frame/1"')
    proof = view.proof
    if proof is None:
        assert number not in words
        assert view.absence
        return None
    assert proof.disagreement is None
    if number in words:
        assert (proof.verdict.word, proof.reason.word) == words[number]
    is_proven = any(attempt.matches for attempt in proof.attempts)
    assert is_proven == (proof.verdict.word == "verified")
    return proof


@pytest.mark.parametrize("capture", HERE, ids=lambda path: path.name)
def test_every_frame_of_a_recorded_capture_is_shown_and_proven(capture: Path) -> None:
    analysed = Analysed(capture, keys_of(capture))
    words = analysed.verdict_words()
    proofs = [check(analysed, number, words) for number in range(1, analysed.frames + 1)]
    analysed.close()
    assert words
    assert sum(proof is not None for proof in proofs) >= len(words)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")
@pytest.mark.parametrize("capture", ELSEWHERE, ids=lambda path: path.name)
def test_frames_of_further_recorded_captures_are_shown_and_proven(capture: Path) -> None:
    analysed = Analysed(capture, keys_of(capture))
    words = analysed.verdict_words()
    for number in range(1, min(analysed.frames, MOST_FRAMES) + 1):
        check(analysed, number, words)
    analysed.close()
    assert words or capture.name == "offload-on-plain.pcap"  # Which nothing protects.


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="odd captures are not beside the project")
def test_every_frame_of_odd_and_malformed_captures_is_shown() -> None:
    shown = 0
    for path in sorted((SHARED / "corpus").rglob("*.pcap*")):
        try:
            analysed = Analysed(path, None)
        except CaptureError:
            continue
        words = analysed.verdict_words()
        for number in packet_numbers(path)[:8]:
            check(analysed, number, words)
            shown += 1
        analysed.close()
    assert shown > 500


def packet_numbers(path: Path) -> list[int]:
    """Numbers of the packets: Wireshark counts some blocks that are none."""
    with open_capture(path) as reader:
        return [batch.first_frame + index for batch in reader.batches() for index in range(len(batch))]
