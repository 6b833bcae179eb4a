"""`aoinspect check`: the policy, what lies beside captures, and exit statuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aoinspect import cli
from aoinspect.api import verify
from aoinspect.checks.jobs import Job, find_jobs
from aoinspect.commands import check as check_command
from aoinspect.engine.findings import Policy
from aoinspect.errors import UsageError
from aoinspect.report.baseline import load_baseline
from aoinspect.report.policy import parse_conditions
from tests.check.running import K1, K2, Run, check, talk, usage_error, written
from tests.conversation import Conversation, merge
from tests.recorded import SAMPLES, captures_in


def sample(name: str, *more: str | Path) -> Run:
    return check(SAMPLES / f"{name}.pcap", "--keys", SAMPLES / f"{name}.toml", *more)


@pytest.fixture(autouse=True)
def no_keys_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(check_command.KEYS_VARIABLE, raising=False)


class TestThePolicy:
    @pytest.mark.parametrize(
        "name, status",
        [
            *((name, 0) for name in ("v4-sha1", "rotation", "md5-then-ao", "no-syn", "mid-capture", "bird-bird")),
            *((name, 1) for name in ("inject", "nat-outside", "mss-clamp-B", "wrong-key", "snap60")),
        ],
    )
    def test_anything_but_verified_fails(self, name: str, status: int) -> None:
        assert sample(name).status == status

    def test_a_capture_without_the_session_fails(self, tmp_path: Path) -> None:
        capture, _ = written(Conversation((K1,), client="10.7.7.7:4000").handshake(), tmp_path, "other")
        _, keys = written(talk(), tmp_path, "session")
        run = check(capture, "--keys", keys)
        assert run.status == 1
        assert "the one signed connection is between other peers" in run.out

    def test_connections_of_other_peers_do_not_count(self, tmp_path: Path) -> None:
        other = Conversation((K1,), client="10.7.7.7:4000").handshake()
        capture = tmp_path / "both.pcap"
        capture.write_bytes(merge([talk(), other]).to_pcap())
        keys = tmp_path / "keys.toml"
        keys.write_text(talk().key_file())
        assert verify(capture, keys).exit_code == 4
        assert check(capture, "--keys", keys).status == 0
        run = check(capture, "--keys", keys, "--fail-on", "not-covered")
        assert run.status == 1
        assert "no [[peer]] of the key files covers it" in run.out

    @pytest.mark.parametrize(
        "name, conditions, status",
        [
            ("inject", "malformed", 1),
            ("inject", "unverifiable", 0),
            ("snap60", "mismatch", 0),
            ("snap60", "nothing-verified", 1),
            ("rotation", "warning", 1),
            ("rotation", "error", 0),
            ("rotation", "key-changed-unprompted", 1),
            ("rotation", "rnext-not-followed", 0),
            ("wrong-key", "ends-disagree", 1),
            ("wrong-key", "mismatch , no-key", 0),
        ],
    )
    def test_fail_on_says_what_fails(self, name: str, conditions: str, status: int) -> None:
        assert sample(name, "--fail-on", conditions).status == status

    def test_a_damaged_capture_fails_unless_that_is_left_out(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        capture.write_bytes(capture.read_bytes()[:-5])
        assert "damaged at octet" in check(capture, "--keys", keys).out
        assert check(capture, "--keys", keys).status == 1
        assert check(capture, "--keys", keys, "--fail-on", "mismatch").status == 0

    def test_damage_fails_beside_a_baseline_too(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        capture.write_bytes(capture.read_bytes()[:-5])
        base = tmp_path / "base.json"
        update_run = check(capture, "--keys", keys, "--baseline", base, "--update")
        assert (update_run.status, "the capture is damaged" in update_run.out) == (0, True)
        assert check(capture, "--keys", keys, "--baseline", base).status == 1
        assert check(capture, "--keys", keys, "--baseline", base, "--fail-on", "none").status == 0

    def test_conditions_that_no_direction_meets_leave_a_case_that_passed(self) -> None:
        document = json.loads(sample("snap60", "--fail-on", "error", "--format", "json").out)
        assert [case["name"] for case in document["checks"][0]["cases"]] == ["none of: error"]

    def test_each_direction_is_a_case_with_its_own_failures(self, tmp_path: Path) -> None:
        capture, keys = written(talk().sign_with_wrong_secret(frame=4), tmp_path)
        document = json.loads(check(capture, "--keys", keys, "--format", "json").out)
        cases = {case["name"]: case for case in document["checks"][0]["cases"]}
        assert cases["#0 10.0.0.1:40000 > 10.0.0.2:179"]["outcome"] == "passed"
        failed = cases["#0 10.0.0.2:179 > 10.0.0.1:40000"]
        assert (failed["outcome"], failed["message"], failed["frame"]) == ("failed", "1 mismatch", 5)

    def test_no_secret_is_in_any_form(self, tmp_path: Path) -> None:
        capture, keys = written(talk().sign_with_wrong_secret(frame=4), tmp_path)
        for form in check_command.FORMATS:
            run = check(capture, "--keys", keys, "--format", form)
            for key in (K1, K2):
                for secret in (key.secret.decode(), key.secret.hex()):
                    assert secret not in run.out
                    assert all(secret not in line for line in run.told)

    def test_no_condition_that_does_not_exist_is_taken(self) -> None:
        with pytest.raises(UsageError, match="did you mean mismatch"):
            parse_conditions("mismach")
        with pytest.raises(UsageError, match="names no condition"):
            parse_conditions(" , ")


class TestBaselines:
    def test_update_writes_and_the_next_run_compares(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        base = tmp_path / "base.json"
        assert "--update writes it" in check(capture, "--keys", keys, "--baseline", base).told[0]
        assert check(capture, "--keys", keys, "--baseline", base).status == 2
        run = check(capture, "--keys", keys, "--baseline", base, "--update")
        assert (run.status, f"{base}: written" in run.out) == (0, True)
        assert "is as it was" in check(capture, "--keys", keys, "--baseline", base, "--update").out
        assert check(capture, "--keys", keys, "--baseline", base).status == 0

    def test_a_difference_is_a_row_of_a_table(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        base = tmp_path / "base.json"
        check(capture, "--keys", keys, "--baseline", base, "--update")
        written(talk().name_unknown_key(77, frame=3), tmp_path)
        run = check(capture, "--keys", keys, "--baseline", base)
        assert run.status == 1
        lines = [line.split() for line in run.out.splitlines()]
        assert lines[1] == ["connection", "what", "frame", "expected", "found"]
        assert lines[2][3:6] == ["verdict", "no-key", "4"]
        assert "2 differences" in run.out

    def test_one_that_is_strict_stays_so(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        base = tmp_path / "base.json"
        check(capture, "--keys", keys, "--baseline", base, "--update")
        refused = check(capture, "--keys", keys, "--baseline", base, "--strict")
        assert (refused.status, "--update --strict" in refused.told[0]) == (2, True)
        check(capture, "--keys", keys, "--baseline", base, "--update", "--strict")
        check(capture, "--keys", keys, "--baseline", base, "--update")
        assert load_baseline(base).is_strict

    def test_what_a_baseline_holds_may_be_wrong_and_passes(self, tmp_path: Path) -> None:
        base = tmp_path / "base.json"
        sample("inject", "--baseline", base, "--update")
        assert sample("inject", "--baseline", base).status == 0
        assert sample("inject", "--baseline", base, "--fail-on", "mismatch").status == 1


def folder_of_captures(folder: Path) -> Path:
    """Captures with all that may lie beside them."""
    captures = folder / "captures"
    (captures / "deep").mkdir(parents=True)
    (captures / ".hidden").mkdir()
    for name in ("with-baseline", "with-expectations", "without"):
        written(talk(), captures, name)
    (captures / "with-expectations.expect.toml").write_text(
        'version = 1\n[[capture]]\npath = "with-expectations.pcap"\n'
    )
    capture, keys = written(talk(), captures / "deep", "shared-keys")
    keys.rename(captures / "deep" / "keys.toml")
    for path, own_keys in (
        (captures / "with-baseline.pcap", captures / "with-baseline.toml"),
        (capture, captures / "deep" / "keys.toml"),
    ):
        check(path, "--keys", own_keys, "--baseline", path.with_suffix(".baseline.json"), "--update")
    written(talk(), captures / ".hidden", "hidden")
    (captures / "notes.txt").write_text("nothing")
    return captures


class TestDirectories:
    def test_every_capture_with_keys_and_something_to_hold_it_to_is_checked(self, tmp_path: Path) -> None:
        captures = folder_of_captures(tmp_path)
        run = check(captures)
        assert run.status == 0
        document = json.loads(check(captures, "--format", "json").out)
        assert [(Path(one["captures"][0]).name, one["kind"]) for one in document["checks"]] == [
            ("with-baseline.pcap", "baseline"),
            ("with-expectations.pcap", "expectation"),
            ("shared-keys.pcap", "baseline"),
        ]
        assert run.out.splitlines()[-1].endswith("3 checks, 3 cases: 3 passed")
        (told,) = [line for line in run.told if "left out" in line]
        assert told.endswith("without.pcap")

    def test_one_that_differs_fails_and_the_others_go_on(self, tmp_path: Path) -> None:
        captures = folder_of_captures(tmp_path)
        (captures / "with-baseline.pcap").write_bytes(talk().sign_with_wrong_secret(frame=4).to_pcap())
        (captures / "deep" / "shared-keys.pcap").write_bytes(b"no capture at all")
        run = check(captures, "--jobs", "2")
        assert run.status == 1
        assert run.out.splitlines()[-1].endswith("3 checks, 3 cases: 1 passed, 1 failed, 1 could not be checked")
        shutil.copy(captures / "without.pcap", captures / "with-baseline.pcap")
        assert check(captures).status == 3

    def test_processes_and_one_process_say_the_same(self) -> None:
        def cases(*arguments: str) -> object:
            document = json.loads(check(SAMPLES, "--format", "json", *arguments).out)
            return [(one["name"], one["outcome"], one["cases"]) for one in document["checks"]]

        assert cases("--jobs", "1") == cases("--jobs", "3")

    def test_a_glob_finds_the_same_as_the_directory(self, tmp_path: Path) -> None:
        captures = folder_of_captures(tmp_path)
        found = find_jobs([f"{captures}/**"], (), Job((), ())).jobs
        assert {job.captures or job.expectations for job in found} == {
            job.captures or job.expectations for job in find_jobs([str(captures)], (), Job((), ())).jobs
        }

    def test_update_writes_the_baselines_of_all_that_have_keys_and_no_expectations(self, tmp_path: Path) -> None:
        captures = folder_of_captures(tmp_path)
        check(captures, "--update")
        assert sorted(path.name for path in captures.rglob("*.baseline.json")) == [
            "shared-keys.baseline.json",
            "with-baseline.baseline.json",
            "without.baseline.json",
        ]

    def test_a_named_capture_has_its_keys_beside_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        capture, keys = written(talk(), tmp_path)
        assert check(capture).status == 0
        keys.rename(tmp_path / "elsewhere.toml")
        assert "no keys: name a key file with --keys, or put told.toml or keys.toml beside it" in usage_error(capture)
        monkeypatch.setenv(check_command.KEYS_VARIABLE, str(tmp_path / "elsewhere.toml"))
        assert check(capture).status == 0

    def test_all_samples_pass(self) -> None:
        document = json.loads(check(SAMPLES, "--format", "json").out)
        assert document["exit_status"] == 0
        assert document["summary"]["passed"] == len(captures_in(SAMPLES))


class TestArgumentsThatDoNotGoTogether:
    @pytest.mark.parametrize(
        "arguments, said",
        [
            ((), "needs a CAPTURE"),
            (("--baseline", "b.json", "-f", "x.toml"), "needs the CAPTURE"),
            (("--update", "-f", "x.toml"), "--update needs"),
            ((SAMPLES, "--baseline", "b.json"), "captures named one by one"),
            ((SAMPLES / "none*.pcap",), "no capture or file of expectations"),
            ((SAMPLES, "--filter", "tcp.port ="), "tcp.port ="),
            ((SAMPLES / "rotation.pcap", "--baseline", "b.json"), "--baseline needs --keys"),
            (("-", "-"), "standard input"),
        ],
    )
    def test_are_told(self, arguments: tuple[str | Path, ...], said: str) -> None:
        assert said in usage_error(*arguments)

    def test_a_directory_without_anything_to_check(self, tmp_path: Path) -> None:
        written(talk(), tmp_path)
        assert "nothing" not in usage_error(tmp_path)
        assert "no capture here has a key file and a baseline" in usage_error(tmp_path)


class TestFilesThatCannotBeUsed:
    def test_a_key_file_with_mistakes_ends_with_2(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        keys.write_text("version = 1\n[[pear]]\n")
        run = check(capture, "--keys", keys)
        assert run.status == 2
        assert any(line.startswith(f"{keys}:2: ") for line in run.told)

    def test_a_capture_that_is_none_ends_with_3(self, tmp_path: Path) -> None:
        capture, keys = written(talk(), tmp_path)
        capture.unlink()
        run = check(capture, "--keys", keys)
        assert (run.status, any("no such file" in line.lower() for line in run.told)) == (3, True)


def test_names_that_stand_in_two_places_are_equal() -> None:
    assert check_command.KEYS_VARIABLE == cli.KEYS_VARIABLE
    assert tuple(policy.value for policy in Policy) == check_command.POLICIES
