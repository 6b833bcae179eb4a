"""MACs that workers compute: the same Report with any number of them, in any order, and when they fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.capture.frames import I64
from aoinspect.capture.reader import open_capture
from aoinspect.commands.shared import DEDUPE_DEFAULT_NS
from aoinspect.engine import check, duplicates, foresight, mac_tasks
from aoinspect.engine.locate import Mask
from aoinspect.engine.macs import Layout
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.workers import Job, Workers
from aoinspect.keys import load_keys
from aoinspect.report.json_form import report_object
from aoinspect.report.model import build_report
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import store_of
from tests.engine.stories import examples, stories
from tests.recorded import SAMPLES, SMALL

NAMES = sorted(path for folder in (SAMPLES, SMALL) for path in folder.glob("*.pcap*"))


@pytest.fixture(autouse=True)
def _small_batches_are_worth_handing_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foresight, "WORTHWHILE_ROWS", 1)


class Tardy(Executor):
    """Runs each task only when its result is asked for, the last submitted first; counts them."""

    def __init__(self) -> None:
        self.ran = 0

    def submit(self, function: Callable[..., object], /, *args: object, **_: object) -> Future[object]:  # type: ignore[override]
        executor = self

        class Late(Future[object]):
            def cancel(self) -> bool:
                return False

            def result(self, timeout: float | None = None) -> object:
                if not self.done():
                    executor.ran += 1
                    self.set_result(function(*args))
                return super().result()

        return Late()


class Broken(Executor):
    def submit(self, function: Callable[..., object], /, *args: object, **_: object) -> Future[object]:  # type: ignore[override]
        future: Future[object] = Future()
        future.set_exception(RuntimeError("the worker is gone"))
        return future


def outcome(path: Path, keys: Path, helpers: Workers | None, batch_frames: int = 64) -> tuple[object, list[bytes]]:
    """The Report of a capture, and the table's columns."""
    analyzer = Analyzer(load_keys([str(keys)]), workers=helpers)
    with open_capture(path, batch_frames=batch_frames) as reader:
        analyse([reader], analyzer)
    assert analyzer.table is not None
    return report_object(build_report(analyzer)), [column.tobytes() for column in analyzer.table.rows]


@pytest.mark.parametrize("path", NAMES, ids=lambda path: path.name.partition(".")[0])
def test_any_executor_gives_the_report_of_one_process(path: Path) -> None:
    keys = path.with_name(path.name.partition(".pcap")[0] + ".toml")
    executor = Tardy()
    helped = outcome(path, keys, Workers(3, executor), 16)
    assert helped == outcome(path, keys, None, 16)
    report = helped[0]
    assert isinstance(report, dict)
    assert executor.ran or report["totals"]["verified"] < 10


@given(story=stories(), batch=st.integers(1, 40), ahead=st.integers(1, 5))
@examples(40)
def test_any_story_is_judged_alike_however_far_ahead_batches_are_prepared(
    story: Conversation, batch: int, ahead: int
) -> None:
    store = store_of(story.key_file())
    tables = []
    for helpers in (None, Workers(ahead, Tardy())):
        analyzer = Analyzer(store, workers=helpers)
        import io

        with open_capture(io.BytesIO(story.to_pcap()), batch_frames=batch) as reader:
            analyse([reader], analyzer)
        assert analyzer.table is not None
        tables.append([column.tobytes() for column in analyzer.table.rows])
    assert tables[0] == tables[1]


def long_talk(tmp_path: Path) -> tuple[Path, Path]:
    talks = []
    for number in range(4):
        talk = Conversation([Key()], client=f"10.0.0.{number}:40000").handshake()
        for _ in range(120):
            talk.data("a", 100).data("b", 60).ack("a").ack("b")
        talks.append(talk)
    told = merge(talks)
    (tmp_path / "c.pcap").write_bytes(told.to_pcap())
    (tmp_path / "k.toml").write_text(told.key_file(), encoding="utf-8")
    return tmp_path / "c.pcap", tmp_path / "k.toml"


@pytest.mark.parametrize("jobs", [2, 3])
def test_a_pool_of_processes_gives_the_report_of_one(tmp_path: Path, jobs: int) -> None:
    capture, keys = long_talk(tmp_path)
    with Workers(jobs) as helpers:
        assert outcome(capture, keys, helpers, 200) == outcome(capture, keys, None, 200)
        assert helpers.problem is None


def test_what_is_foreseen_is_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the batches of the handshakes every MAC is foreseen: the judge computes none itself."""
    capture, keys = long_talk(tmp_path)
    computed: list[int] = []
    original = check.BatchCheck._compute

    def counted(self: check.BatchCheck, layout: Layout, rows: I64, *rest: Any) -> Mask:
        computed.extend(self.segments.packets.frames[rows].tolist())
        return original(self, layout, rows, *rest)

    monkeypatch.setattr(check.BatchCheck, "_compute", counted)
    outcome(capture, keys, Workers(2, Tardy()), 200)
    assert computed
    assert max(computed) <= 3 * 200


def test_shared_memory_is_used_again(tmp_path: Path) -> None:
    capture, keys = long_talk(tmp_path)
    with Workers(2) as helpers:
        outcome(capture, keys, helpers, 100)
        assert 1 <= len(helpers._blocks) <= 6


@pytest.mark.parametrize("make", [Broken, lambda: ThreadPoolExecutor(2)])
def test_a_failing_executor_costs_a_word_and_no_verdict(make: Callable[[], Executor], tmp_path: Path) -> None:
    capture, keys = long_talk(tmp_path)
    with make() as executor:
        helpers = Workers(2, executor)
        assert outcome(capture, keys, helpers, 200) == outcome(capture, keys, None, 200)
        assert (helpers.problem is None) == isinstance(executor, ThreadPoolExecutor)


def test_a_killed_worker_ends_neither_the_run_nor_its_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture, keys = long_talk(tmp_path)
    expected = outcome(capture, keys, None, 100)
    with Workers(2) as helpers:
        submitted = 0
        submit = Workers.submit

        def submit_and_kill(self: Workers, task: mac_tasks.MacTask) -> Job:
            nonlocal submitted
            submitted += 1
            job = submit(self, task)
            if submitted == 5:
                assert helpers._pool is not None
                for process in helpers._pool._processes.values():
                    assert process.pid is not None
                    os.kill(process.pid, signal.SIGKILL)
            return job

        monkeypatch.setattr(Workers, "submit", submit_and_kill)
        assert outcome(capture, keys, helpers, 100) == expected
        assert helpers.problem is not None
        assert "went on without workers" in helpers.problem


def test_no_task_shows_a_traffic_key() -> None:
    shipment = mac_tasks.Inline(())
    task = mac_tasks.MacTask(shipment, 0, 1, Layout.AO_INCLUDE, (("hmac-sha-1-96", b"top-secret-key"),), (1,))
    assert "secret" not in repr(task)


def test_one_job_starts_nothing(tmp_path: Path) -> None:
    capture, keys = long_talk(tmp_path)
    with Workers(1) as helpers:
        outcome(capture, keys, helpers, 100)
        assert helpers._pool is None
        assert not helpers._blocks


def test_the_command_line_names_the_same_window_for_copies() -> None:
    assert DEDUPE_DEFAULT_NS == duplicates.DEFAULT_WINDOW_NS
