"""The GitHub Action and the pre-commit hook call the command as it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from aoinspect.report.policy import CONDITIONS
from tests.check.running import check, talk, usage_error, written
from tests.recorded import PROJECT_ROOT, SAMPLES

ACTION = PROJECT_ROOT / "contrib" / "github-action"
ACTION_TEXT = (ACTION / "action.yml").read_text(encoding="utf-8")
HOOK_TEXT = (PROJECT_ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def run_action(
    folder: Path, inputs: dict[str, str], status: int = 0
) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """What the action's script calls, one argument each, with a command that writes an annotation and ends so."""
    command, seen = folder / "aoinspect", folder / "arguments"
    command.write_text(
        "#!/usr/bin/env bash\n"
        f"printf '%s\\n' \"$@\" >'{seen}'\n"
        'for argument; do case $argument in github=*) echo "::error::it" >"${argument#github=}";; esac; done\n'
        f"exit {status}\n"
    )
    command.chmod(0o755)
    run = subprocess.run(
        ["bash", str(ACTION / "check.sh"), str(command)],
        env={"PATH": os.environ["PATH"], **inputs},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return seen.read_text().splitlines(), run


@needs_bash
class TestTheAction:
    def test_hands_all_inputs_on(self, tmp_path: Path) -> None:
        inputs = {
            "CAPTURES": "captures/ more/*.pcap",
            "KEYS": "a.toml b.toml",
            "EXPECT": "expect.toml",
            "BASELINE": "base.json",
            "FAIL_ON": "mismatch,warning",
            "JUNIT": "out.xml",
        }
        arguments, run = run_action(tmp_path, inputs)
        assert arguments[:3] == ["check", "captures/", "more/*.pcap"]
        assert arguments[3:-2] == [
            *("--keys", "a.toml", "--keys", "b.toml", "-f", "expect.toml", "--baseline", "base.json"),
            *("--fail-on", "mismatch,warning", "--output", "junit=out.xml"),
        ]
        assert run.returncode == 0

    def test_leaves_out_what_is_empty_and_runs_no_input(self, tmp_path: Path) -> None:
        arguments, _ = run_action(tmp_path, {"CAPTURES": "$(touch${IFS}made)", "KEYS": ""})
        assert arguments[:2] == ["check", "$(touch${IFS}made)"]
        assert len(arguments) == 4
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize("status", [0, 1, 3])
    def test_annotates_and_ends_as_the_check_does(self, status: int, tmp_path: Path) -> None:
        _, run = run_action(tmp_path, {"CAPTURES": "captures/"}, status)
        assert (run.stdout, run.returncode) == ("::error::it\n", status)


def test_the_actions_inputs_are_those_that_it_uses() -> None:
    inputs = ACTION_TEXT.split("\ninputs:\n")[1].split("\nruns:")[0]
    declared = set(re.findall(r"^  ([\w-]+):$", inputs, re.MULTILINE))
    used = re.findall(r"^ +([A-Z_]+): \$\{\{ inputs\.([\w-]+) \}\}$", ACTION_TEXT, re.MULTILINE)
    assert {name for _, name in used} == declared
    # Nothing but the environment takes a value: `run` would execute what is in it.
    assert ACTION_TEXT.count("${{") == len(used)
    script = (ACTION / "check.sh").read_text(encoding="utf-8")
    assert [variable for variable, _ in used if variable != "VERSION" and f"${{{variable}:-" not in script] == []


@pytest.mark.parametrize(
    "name, is_ours",
    [
        ("tests/captures/a.pcap", True),
        ("a.pcapng.gz", True),
        ("a.baseline.json", True),
        ("keys.toml", True),
        ("a.expect.toml", True),
        ("README.md", False),
        ("package.json", False),
    ],
)
def test_the_hook_runs_for_what_a_check_reads(name: str, is_ours: bool) -> None:
    pattern = re.search(r"^  files: '(.+)'$", HOOK_TEXT, re.MULTILINE)
    assert pattern is not None
    assert (re.search(pattern[1], name) is not None) is is_ours


def test_the_hooks_entry_is_the_command(tmp_path: Path) -> None:
    assert re.search(r"^  entry: aoinspect check$", HOOK_TEXT, re.MULTILINE)
    written(talk(), tmp_path)
    assert check(tmp_path, "--update").status == 0
    assert check(tmp_path).status == 0


def test_a_condition_of_the_actions_example_exists() -> None:
    page = (PROJECT_ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^    fail-on: (\S+)", page, re.MULTILINE)
    assert set(example.split(",")) <= set(CONDITIONS)
    assert "did you mean warning?" in usage_error(SAMPLES, "--fail-on", "warnings")
