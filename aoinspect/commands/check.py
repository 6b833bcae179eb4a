"""`aoinspect check`: fails where captured authentication is not what it should be, for use in tests and CI.

Captures are held to a policy, to a baseline, or to expectations. Which checks there are is for `checks.jobs` to say,
running them for `checks.running`; here is what the command line makes of both.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands.shared import (
    Commands,
    SharedParts,
    add_filter_argument,
    add_recovery_argument,
    demand_one_stdin,
    devices_of,
    process_count,
)
from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from aoinspect.checks.jobs import Job
    from aoinspect.report.cases import CheckResult

KEYS_VARIABLE = "AOINSPECT_KEYS"
"""As in `aoinspect.cli`, which stands above this; a test holds that they are equal."""
FORMATS = ("text", "json", "jsonl", "junit", "github", "tap")
POLICIES = ("rfc", "linux", "observe")
"""The engine's `Policy`, told here so that a usage error need not load the engine."""

EXAMPLES = """\
what the captures are held to:
  check CAPTURE... --keys K                    a policy: nothing but verified, for the peers of K (see --fail-on)
  check CAPTURE... --keys K --baseline B.json  a baseline, which --update writes
  check -f expect.toml                         expectations
  check FOLDER                                 every capture with keys (NAME.toml or keys.toml) and NAME.baseline.json
                                               or NAME.expect.toml beside it

--fail-on takes mismatch, no-key, unsigned, malformed, unverifiable, ends-disagree, damage, nothing-verified,
not-covered; error, warning, note for findings of that severity or worse; idents of findings; or none alone

exit status:
  0    all is as it should be
  1    something is not; also where it could not be checked, unless --fail-on leaves that out
  2    the command line, a key file, a baseline or expectations cannot be used
  3    a capture cannot be read
  130  interrupted
"""


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "check",
        help="fail where the authentication in captures is not what it should be",
        description="Hold captures to a policy, a baseline or expectations, and fail where they differ (docs/ci.md).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        # --strict is about baselines here; key files go by --strict-keys alone.
        conflict_handler="resolve",
    )
    parser.add_argument("captures", nargs="*", metavar="CAPTURE", help="a capture, a directory or a glob; - is stdin")
    shared.add_arguments(parser)
    add_filter_argument(parser)
    add_recovery_argument(parser)
    parser.add_argument(
        "-f", "--expect", action="append", default=[], metavar="FILE", help="expectations; may be given several times"
    )
    parser.add_argument("--baseline", metavar="FILE", help="the captures' baseline")
    parser.add_argument("--update", action="store_true", help="write baselines instead of comparing with them")
    parser.add_argument("--strict", action="store_true", help="baselines with counts and frames")
    parser.add_argument("--fail-on", metavar="LIST", help="what fails, with commas (default: all but verified)")
    parser.add_argument(
        "--policy",
        choices=POLICIES,
        default=POLICIES[0],
        help="whose expectations of key selection the findings hold both ends to (default: rfc; observe: nobody's)",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="of what stdout gets (default: text)")
    parser.add_argument(
        "--output",
        action="append",
        default=[],
        type=output_file,
        metavar="FORMAT=FILE",
        help="write FILE in FORMAT besides; may be given several times",
    )
    parser.add_argument("-j", "--jobs", type=process_count, metavar="N", help="checks at a time (default: processors)")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def output_file(text: str) -> tuple[str, str]:
    """Format and file of FORMAT=FILE; argparse's error where it is none."""
    name, equals, path = text.partition("=")
    if name not in FORMATS or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not FORMAT=FILE with a format of {', '.join(FORMATS)}")
    return name, path


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status. UsageError where the arguments do not go together or find nothing."""
    from aoinspect.checks.running import run_jobs
    from aoinspect.report.cases import exit_code_of

    demand_one_stdin(options.captures)
    jobs = _jobs(options, shared.tell)
    results: list[CheckResult] = []
    for done in run_jobs(jobs, options.jobs):
        results.extend(done)
        if any(result.is_interrupted for result in done):
            break
    _write(results, options)
    _print(results, options, shared)
    if not options.quiet:
        _narrate(results, shared.tell)
    return int(exit_code_of(results))


def _jobs(options: argparse.Namespace, tell: Callable[[str], None]) -> list[Job]:
    """The checks that the arguments ask for."""
    from aoinspect.api import Reading
    from aoinspect.checks.jobs import Job, find_jobs, is_search
    from aoinspect.engine.findings import Policy
    from aoinspect.report.policy import parse_conditions

    reading = Reading(
        options.filter,
        Policy(options.policy),
        options.recover_isn,
        tuple(options.decode_as),
        tuple(options.dissector),
    )
    if options.filter is not None:
        from aoinspect.engine.filtering import parse_filter

        parse_filter(options.filter)
    conditions = None if options.fail_on is None else parse_conditions(options.fail_on)
    keys = tuple(options.keys or ())
    fallback = (os.environ[KEYS_VARIABLE],) if os.environ.get(KEYS_VARIABLE) else ()
    pattern = Job(
        (),
        keys,
        is_update=options.update,
        is_strict=options.strict,
        conditions=conditions,
        reading=reading,
        refuses_public_keys=options.strict_keys,
        devices=devices_of(options, len(keys)),
    )
    _demand_sense(options, any(map(is_search, options.captures)))
    jobs = [
        replace(pattern, keys=keys or fallback, expectations=path, is_update=False, is_strict=False)
        for path in options.expect
    ]
    if options.baseline is not None or (keys and options.captures and not options.update and not _searches(options)):
        own_keys = keys or fallback
        if not own_keys:
            raise UsageError(f"--baseline needs --keys FILE, or the file named by {KEYS_VARIABLE}")
        captures = tuple(options.captures)
        jobs.append(replace(pattern, captures=captures, keys=own_keys, baseline=options.baseline))
    elif options.captures:
        found = find_jobs(options.captures, keys, pattern, fallback)
        jobs += found.jobs
        if found.skipped and not options.quiet:
            one = "1 capture has" if len(found.skipped) == 1 else f"{len(found.skipped)} captures have"
            tell(f"{one} no key file, or neither baseline nor expectations, and was left out: {_some(found.skipped)}")
    if not jobs:
        raise UsageError("no capture here has a key file and a baseline or expectations beside it (docs/ci.md)")
    return jobs


def _searches(options: argparse.Namespace) -> bool:
    from aoinspect.checks.jobs import is_search

    return any(map(is_search, options.captures))


def _demand_sense(options: argparse.Namespace, searches: bool) -> None:
    """UsageError where arguments do not go together."""
    if not options.captures and not options.expect:
        raise UsageError("check needs a CAPTURE, a directory, or -f FILE")
    if options.baseline is not None and not options.captures:
        raise UsageError("--baseline needs the CAPTURE that it is for")
    if options.baseline is not None and searches:
        raise UsageError("--baseline is for captures named one by one; those found in a directory have their own")
    if options.update and not options.captures:
        raise UsageError("--update needs the CAPTURE whose baseline it is to write")


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"


def _document(results: Sequence[CheckResult], form: str) -> str:
    """The whole of a form's output."""
    from aoinspect.report.check_json import checks_json, checks_jsonl
    from aoinspect.report.check_text import check_lines
    from aoinspect.report.github import checks_github
    from aoinspect.report.junit import checks_junit
    from aoinspect.report.tap import checks_tap

    forms: dict[str, Callable[[Sequence[CheckResult]], str]] = {
        "json": checks_json,
        "jsonl": checks_jsonl,
        "junit": checks_junit,
        "github": checks_github,
        "tap": checks_tap,
        "text": lambda results: "".join(f"{line.plain}\n" for line in check_lines(results)),
    }
    return forms[form](results)


def _write(results: Sequence[CheckResult], options: argparse.Namespace) -> None:
    from aoinspect.report.whole_text import write_whole_text

    for form, path in options.output:
        try:
            write_whole_text(path, _document(results, form), errors="backslashreplace")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _print(results: Sequence[CheckResult], options: argparse.Namespace, shared: SharedParts) -> None:
    if options.format != "text":
        sys.stdout.write(_document(results, options.format))
        return
    from aoinspect.report.check_text import print_checks

    print_checks(results, shared.open_console())


def _narrate(results: Sequence[CheckResult], tell: Callable[[str], None]) -> None:
    """What stands in no case: warnings of key files, each once, and files that cannot be used."""
    from aoinspect.report.cases import Outcome

    for warning in dict.fromkeys(warning for result in results for warning in result.warnings):
        tell(f"warning: {warning}")
    for result in results:
        for case in result.cases:
            if case.outcome is Outcome.ERROR:
                for line in (case.message, *case.details):
                    tell(line)
    if any(result.is_interrupted for result in results):
        tell("interrupted: the result is of what was read until then")
