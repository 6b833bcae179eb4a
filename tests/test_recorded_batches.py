"""Into which batches a capture is cut changes nothing of what is said of it."""

from __future__ import annotations

import pytest

from aoinspect.keys import load_keys
from tests.recorded import LARGER, RecordedCapture, judge, outcome, parameters


@pytest.mark.parametrize("batch_frames", [1, 7, 64])
@pytest.mark.parametrize("capture", parameters(own_only=True))
def test_batches_of_any_size_give_the_same_report_and_lines(capture: RecordedCapture, batch_frames: int) -> None:
    expected, found = outcome(capture), judge(capture.path, load_keys([str(capture.keys)]), batch_frames)
    assert found.texts == expected.texts
    assert found.report_object == expected.report_object


@pytest.mark.parametrize("capture", parameters(LARGER.__contains__))
def test_small_batches_of_the_larger_captures_give_the_same_report_and_lines(capture: RecordedCapture) -> None:
    expected, found = outcome(capture), judge(capture.path, load_keys([str(capture.keys)]), 61)
    assert found.texts == expected.texts
    assert found.report_object == expected.report_object
