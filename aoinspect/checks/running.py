"""Running checks: one after the other, or side by side in processes. Results come in the order of the jobs.

A file that cannot be used is the outcome of its own check: the other checks of a directory go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aoinspect.api import Analysed, Reading, analyse_captures
from aoinspect.checks.directions import DirectionTally
from aoinspect.checks.jobs import Job, keys_beside
from aoinspect.engine.explain import VERIFY_BUDGET, Account, explain_failures
from aoinspect.engine.findings import Policy
from aoinspect.errors import AoinspectError, CaptureError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.baseline import BaselineError, Difference, baseline_of, difference, load_baseline, save_baseline
from aoinspect.report.cases import Case, CheckResult, Outcome
from aoinspect.report.expectation import ExpectedCapture, expectation_cases
from aoinspect.report.expectation_file import load_expectations
from aoinspect.report.model import ExitCode, Report
from aoinspect.report.policy import OF_DIRECTIONS, policy_cases

Results = tuple[CheckResult, ...]


def run_jobs(jobs: Sequence[Job], processes: int | None = None) -> Iterator[Results]:
    """The results of each job, in order, as they are there; one job may be several checks.

    `processes` is how many run at the same time; None: as many as there are processors. With 1, or with one job, all
    runs in this process; and so does what is left where a process is killed, or none can be started.
    """
    count = min(len(jobs), processes or os.cpu_count() or 1)
    if count <= 1:
        yield from map(run_job, jobs)
        return
    done = 0
    with ProcessPoolExecutor(count) as pool:
        try:
            for results in pool.map(_run_beside_others, jobs):
                done += 1
                yield results
        except (BrokenExecutor, BlockingIOError):
            pool.shutdown(wait=False, cancel_futures=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    yield from map(run_job, jobs[done:])


def _run_beside_others(job: Job) -> Results:
    """The processors are taken: a search for ISNs gets one thread and no processes of its own."""
    with ThreadPoolExecutor(1) as executor:
        return run_job(job, executor)


def run_job(job: Job, executor: Executor | None = None) -> Results:
    """What one job comes to. `executor` searches for missing ISNs."""
    if job.expectations is not None:
        return _run_expectations(job, job.expectations, executor)
    kind = "policy" if job.baseline is None else "baseline"
    return (
        _timed(
            CheckResult(", ".join(job.captures), job.captures, job.keys, kind, job.baseline or "", ()),
            lambda result: _run_captures(job, result, executor),
        ),
    )


def _timed(blank: CheckResult, run: Callable[[CheckResult], CheckResult]) -> CheckResult:
    """`run` on a result without cases, with its duration; an error becomes its only case."""
    started = time.monotonic()
    blank = replace(blank, started=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}")
    try:
        result = run(blank)
    except AoinspectError as error:
        result = _failed(blank, error)
    return replace(result, seconds=time.monotonic() - started)


def _failed(blank: CheckResult, error: AoinspectError) -> CheckResult:
    code = ExitCode.UNREADABLE if isinstance(error, CaptureError) else ExitCode.USAGE
    first, *rest = str(error).splitlines() or [type(error).__name__]
    name = "the capture can be read" if isinstance(error, CaptureError) else "the files can be used"
    path = blank.captures[0] if blank.captures else blank.against
    case = Case(name, Outcome.ERROR, "error", first, tuple(rest), path)
    return replace(blank, cases=(case,), error_code=code)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was read, and what of it the conditions make fail."""

    analysed: Analysed
    cases: tuple[Case, ...]

    def accounts(self) -> list[Account]:
        """Explanations of the connections that fail."""
        return _accounts(self.analysed)


def _judge(job: Job, captures: Sequence[str], store: KeyStore, reading: Reading, executor: Executor | None) -> _Judged:
    conditions = job.effective_conditions
    by_direction = bool(conditions & OF_DIRECTIONS)
    tally = DirectionTally()
    analysed = analyse_captures(
        captures, store, reading, on_rows=tally.add if by_direction else None, search_executor=executor
    )
    accounts = _accounts(analysed) if by_direction else []
    return _Judged(analysed, policy_cases(analysed.report, tally.directions(analysed.report), conditions, accounts))


def _accounts(analysed: Analysed) -> list[Account]:
    return explain_failures(analysed.analyzer, analysed.report.connections, replace(VERIFY_BUDGET))


# Policies and baselines.


def _run_captures(job: Job, blank: CheckResult, executor: Executor | None) -> CheckResult:
    # A baseline that cannot be read is told at once, not after an hour.
    baseline = None if job.baseline is None or job.is_update else load_baseline(job.baseline)
    if baseline is not None and job.is_strict and not baseline.is_strict:
        raise BaselineError(f"{job.baseline}: has no counts and frames to be strict about; --update --strict adds them")
    store = load_keys(job.keys, job.devices, is_strict=job.refuses_public_keys)
    judged = _judge(job, job.captures, store, job.reading, executor)
    report = judged.analysed.report
    cases: tuple[Case, ...] = ()
    note = ""
    if job.baseline is not None and job.is_update:
        note = _update(job, job.baseline, report)
        cases = (Case("the baseline is written", Outcome.PASSED, "difference", file=job.baseline),)
    elif job.baseline is not None and baseline is not None:
        cases = _baseline_cases(difference(baseline, report), report, job.baseline)
    cases += judged.cases
    if not cases:
        met = ", ".join(sorted(job.effective_conditions)) or "nothing to fail on"
        cases = (Case(f"none of: {met}", Outcome.PASSED, "capture"),)
    return replace(
        blank,
        cases=cases,
        verdicts=report.totals.verdicts,
        warnings=_warnings(store, judged.analysed),
        note=note,
        is_interrupted=report.is_interrupted,
    )


def _update(job: Job, path: str, report: Report) -> str:
    """Writes the baseline; what to say of it. One that is strict stays so."""
    if report.is_interrupted:
        return f"{path}: not written, since reading was interrupted"
    is_strict = job.is_strict
    if not is_strict and os.path.exists(path):
        with suppress(BaselineError):
            is_strict = load_baseline(path).is_strict
    is_changed = save_baseline(baseline_of(report, is_strict=is_strict), path)
    empty = "" if report.connections else "; nothing is protected in the capture, so it holds no connection"
    damaged = "; the capture is damaged" if any(one.damage is not None for one in report.captures) else ""
    return f"{path}: {'written' if is_changed else 'is as it was'}{empty}{damaged}"


def _warnings(store: KeyStore, analysed: Analysed) -> tuple[str, ...]:
    return (*(f"{one.origin}: {one.message}" for one in store.warnings), *analysed.problems)


def _baseline_cases(differences: Sequence[Difference], report: Report, path: str) -> tuple[Case, ...]:
    if not differences:
        return (Case("as the baseline says", Outcome.PASSED, "difference", file=path),)
    seen: dict[str, int] = {}
    cases = []
    for one in differences:
        name = f"{one.connection}: {one.what}" if one.connection else one.what
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name = f"{name} [{seen[name]}]"
        frame = "" if one.frame is None else str(one.frame)
        capture = report.captures[one.capture].path
        if frame and len(report.captures) > 1:
            frame = f"{capture} {frame}"
        cases.append(
            Case(
                name,
                Outcome.FAILED,
                "difference",
                f"expected {one.expected}, found {one.found}",
                (one.connection or "(whole run)", one.what, frame, one.expected, one.found),
                path,
                None,
                capture,
                one.frame,
            )
        )
    return tuple(cases)


# Expectations.


def _run_expectations(job: Job, path: str, executor: Executor | None) -> Results:
    blank = CheckResult(path, (), job.keys, "expectation", path, ())
    try:
        expectations = load_expectations(path)
    except AoinspectError as error:
        return (_failed(blank, error),)
    return tuple(
        _timed(
            replace(blank, name=expected.name, captures=expected.paths, keys=_keys_of(expected, job)),
            lambda result, expected=expected: _run_expected(expected, job, result, executor),  # type: ignore[misc]
        )
        for expected in expectations.captures
    )


def _keys_of(expected: ExpectedCapture, job: Job) -> tuple[str, ...]:
    """What the file says; then the command line; then what lies beside the capture."""
    if expected.keys or job.keys:
        return expected.keys or job.keys
    beside = keys_beside(expected.paths[0])
    return () if beside is None else (beside,)


def _run_expected(expected: ExpectedCapture, job: Job, blank: CheckResult, executor: Executor | None) -> CheckResult:
    if not blank.keys:
        raise UsageError(f'{blank.against}:{expected.line}: no keys: add keys = "FILE", or name them with --keys')
    store = load_keys(blank.keys, job.devices, is_strict=job.refuses_public_keys)
    reading = replace(job.reading, policy=Policy(expected.policy), where=expected.where or job.reading.where)
    judged = _judge(job, expected.paths, store, reading, executor)
    report = judged.analysed.report
    cases = expectation_cases(expected, report, blank.against, judged.accounts()) + judged.cases
    return replace(
        blank,
        cases=cases,
        verdicts=report.totals.verdicts,
        warnings=_warnings(store, judged.analysed),
        is_interrupted=report.is_interrupted,
    )
