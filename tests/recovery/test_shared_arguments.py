"""What several commands take from the command line alike: budgets, filters, which captures can be read twice."""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.commands.shared import (
    RECOVERY_DEFAULT,
    add_filter_argument,
    add_recovery_argument,
    apply_filter,
    can_be_read_again,
    demand_one_stdin,
    filter_of,
    recovery_budget,
)
from aoinspect.engine.filtering.errors import FilterError
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.recovery import DEFAULT_CANDIDATES
from aoinspect.errors import UsageError
from aoinspect.keys.toml_file import parse_key_file
from tests.conversation import Conversation, Key


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_filter_argument(parser)
    add_recovery_argument(parser)
    return parser.parse_args(arguments)


def test_the_default_budget_is_the_engines() -> None:
    """It is written down twice, so that a usage error need not load the engine."""
    assert RECOVERY_DEFAULT == DEFAULT_CANDIDATES
    assert parsed().recover_isn == DEFAULT_CANDIDATES


@pytest.mark.parametrize(
    ("text", "candidates"),
    [("off", 0), ("0", 0), ("1", 1), ("30000000", 30_000_000), ("30,000,000", 30_000_000), ("30_000_000", 30_000_000)],
)
def test_a_budget_is_a_number_of_candidates_or_off(text: str, candidates: int) -> None:
    assert recovery_budget(text) == candidates
    assert parsed("--recover-isn", text).recover_isn == candidates


@pytest.mark.parametrize("text", ["", "on", "OFF ", "-5", "+5", "0x10", "1e6", "1.5", ",", "²", "٣"])
def test_any_other_budget_is_refused_and_repeated(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        recovery_budget(text)
    assert str(caught.value) == f"{text!r} is neither a number of candidates nor off"


def test_without_a_filter_everything_is_chosen() -> None:
    assert filter_of(parsed()) is None
    analyzer = analysed(None)
    assert analyzer.totals.verdicts.tolist() == [4, 1, 0, 0, 0, 0]


def analysed(expression: str | None) -> Analyzer:
    """Four good segments and a bad one, counted under a filter."""
    conversation = Conversation([Key(name="k1")]).handshake().data("a", 30).data("b", 40).sign_with_wrong_secret()
    analyzer = Analyzer(parse_key_file(conversation.key_file(), "keys.toml"))
    apply_filter(filter_of(parsed(*([] if expression is None else ["--filter", expression]))), analyzer)
    with open_capture(io.BytesIO(conversation.to_pcap())) as reader:
        analyse([reader], analyzer)
    return analyzer


@pytest.mark.parametrize(
    ("expression", "verdicts"),
    [
        ("ao.verdict == mismatch", [0, 1, 0, 0, 0, 0]),
        ("ao.verdict == verified", [4, 0, 0, 0, 0, 0]),
        ("tcp.len > 0", [1, 1, 0, 0, 0, 0]),
        ("tcp.port == 9", [0, 0, 0, 0, 0, 0]),
    ],
)
def test_a_filter_decides_what_is_counted_and_no_verdict(expression: str, verdicts: list[int]) -> None:
    analyzer = analysed(expression)
    assert analyzer.totals.verdicts.tolist() == verdicts
    assert analyzer.table is not None
    assert len(analyzer.table) == sum(verdicts)


def test_a_filter_that_cannot_be_read_is_a_usage_error_with_the_place() -> None:
    with pytest.raises(FilterError) as caught:
        filter_of(parsed("--filter", "tcp.port == "))
    assert "^" in str(caught.value)
    assert isinstance(caught.value, UsageError)


def test_files_can_be_read_again_and_nothing_else_can(tmp_path: Path) -> None:
    file, pipe = tmp_path / "a.pcap", tmp_path / "pipe"
    file.write_bytes(b"")
    os.mkfifo(pipe)
    assert can_be_read_again([str(file), str(file)])
    assert can_be_read_again([])
    for other in ("-", str(pipe), str(tmp_path), str(tmp_path / "none.pcap"), "/dev/null"):
        assert not can_be_read_again([str(file), other])


def test_standard_input_is_taken_once() -> None:
    demand_one_stdin(["-", "a.pcap"])
    with pytest.raises(UsageError, match="read only once"):
        demand_one_stdin(["-", "a.pcap", "-"])
