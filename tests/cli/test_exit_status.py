"""Each exit status, and what makes it (design: "Exit codes")."""

from __future__ import annotations

import pytest

from aoinspect.cli import KEYS_VARIABLE
from aoinspect.commands.verify import POLICIES
from aoinspect.engine.findings import Policy
from tests.cli.processes import SAMPLES, with_keys
from tests.report.running import Command


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
@pytest.mark.parametrize(
    "name, status", [("v4-sha1", 0), ("inject", 1), ("wrong-key", 1), ("snap60", 4)], ids=lambda value: str(value)
)
def test_verdicts_decide_in_every_form(aoinspect: Command, name: str, status: int, form: str) -> None:
    assert aoinspect(*with_keys(name), "--format", form).status == status


def test_a_key_file_that_cannot_be_used_is_2(aoinspect: Command) -> None:
    run = aoinspect("verify", SAMPLES / "v4-sha1.pcap", "--keys", SAMPLES / "none.toml")
    assert (run.status, run.out) == (2, "")
    assert run.err == f"aoinspect: {SAMPLES / 'none.toml'}: no such file\n"


def test_arguments_that_cannot_be_parsed_are_2(aoinspect: Command) -> None:
    run = aoinspect("verify", "--no-such-option", "a.pcap")
    assert (run.status, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith("aoinspect verify: ")
    assert "aoinspect verify --help" in run.err


def test_standard_input_twice_is_2(aoinspect: Command) -> None:
    run = aoinspect("verify", "-", "-")
    assert (run.status, run.err) == (2, "aoinspect: -: standard input can be read only once\n")


def test_a_missing_capture_is_3(aoinspect: Command) -> None:
    assert aoinspect("verify", SAMPLES / "none.pcap").status == 3


def test_a_damaged_capture_is_4_with_all_verified(aoinspect: Command, tmp_path_factory: pytest.TempPathFactory) -> None:
    capture = tmp_path_factory.mktemp("damaged") / "cut.pcap"
    capture.write_bytes((SAMPLES / "v4-sha1.pcap").read_bytes()[:-3])
    run = aoinspect("verify", capture, "--keys", SAMPLES / "v4-sha1.toml", "-q")
    assert run.status == 4
    assert "capture-damaged" in run.out


def test_without_keys_a_capture_that_can_be_read_is_0(aoinspect: Command) -> None:
    run = aoinspect("verify", SAMPLES / "inject.pcap")
    assert run.status == 0
    assert run.out.endswith("no keys given: nothing was verified (--keys FILE)\n")


def test_the_environment_may_name_the_key_file(aoinspect: Command) -> None:
    keys = {KEYS_VARIABLE: str(SAMPLES / "inject.toml")}
    assert aoinspect("verify", SAMPLES / "inject.pcap", environment=keys).status == 1
    with_option = aoinspect(*with_keys("v4-sha1"), environment=keys)
    assert with_option.out.endswith("✓ 37 verified\n"), "--keys comes before the environment"
    missing = aoinspect("verify", SAMPLES / "inject.pcap", environment={KEYS_VARIABLE: "none.toml"})
    assert (missing.status, missing.err) == (2, "aoinspect: none.toml: no such file\n")
    assert aoinspect("verify", SAMPLES / "inject.pcap", environment={KEYS_VARIABLE: ""}).status == 0


def test_the_policies_are_the_engines() -> None:
    assert [policy.value for policy in Policy] == list(POLICIES)


def test_a_policy_chooses_findings_and_no_verdict(aoinspect: Command) -> None:
    strict = aoinspect(*with_keys("rotation"))
    lenient = aoinspect(*with_keys("rotation"), "--policy", "observe")
    assert "key-changed-unprompted" in strict.out
    assert "key-changed-unprompted" not in lenient.out
    assert strict.out.splitlines()[-1] == lenient.out.splitlines()[-1]


def test_help_tells_every_status(aoinspect: Command) -> None:
    run = aoinspect("verify", "--help")
    assert run.status == 0
    for status in (0, 1, 2, 3, 4, 130):
        assert f"\n  {status:<3}  " in run.out
