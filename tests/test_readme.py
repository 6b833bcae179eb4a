"""README says what the project does: its commands, words and tables are compared.

That its commands print what is shown, and that links lead somewhere, tests/docs/test_pages.py holds for all pages.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from aoinspect.ao.algorithms import ALGORITHMS
from aoinspect.cli import main
from aoinspect.engine.verdicts import Reason, Verdict
from aoinspect.keys.toml_file import parse_key_file
from aoinspect.report.model import ExitCode

PROJECT_ROOT = Path(__file__).resolve().parents[1]
README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
CI_SCRIPT = PROJECT_ROOT / ".ci" / "run"

SHOWN_RUNS = re.findall(r"```console\n\$ (aoinspect .*)\n((?:.*\n)+?)```", README)


def fenced(language: str) -> list[str]:
    """The contents of README's blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def first_column(section: str) -> list[str]:
    """The first cells of the table under a heading of README, without its header."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [row.split("|")[1].strip(" `") for row in rows[2:]]


def set_up_commands() -> tuple[str, str]:
    """README's two commands: the one that tries the main job, and the one that passes the tests."""
    sample, tests = (block.strip() for block in fenced("sh"))
    return sample, tests


class TestTheTwoCommands:
    def test_each_is_one_line_that_sets_up_an_environment_itself(self) -> None:
        for command in set_up_commands():
            assert "\n" not in command
            assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")

    def test_both_are_on_the_first_screen(self) -> None:
        first_screen = "\n".join(README.splitlines()[:24])
        assert all(command in first_screen for command in set_up_commands())

    def test_they_are_what_ci_runs(self) -> None:
        script = CI_SCRIPT.read_text(encoding="utf-8")
        sample, tests = set_up_commands()
        assert f'SAMPLE_COMMAND="{sample}"\n' in script
        assert f'TEST_COMMAND="{tests}"\n' in script
        assert 'bash -c "$SAMPLE_COMMAND"' in script
        assert 'bash -c "$TEST_COMMAND"' in script

    def test_the_sample_command_is_the_run_that_is_shown_first(self) -> None:
        sample, _ = set_up_commands()
        assert sample.endswith(f" && .venv/bin/{SHOWN_RUNS[0][0]}")

    def test_the_test_command_installs_what_the_tests_import(self) -> None:
        project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extra = " ".join(project["optional-dependencies"]["test"])
        for package in ("pytest", "pytest-xdist", "hypothesis", "import-linter", "aoinspect[all]"):
            assert package in extra


def test_readme_shows_a_sound_capture_and_a_failing_one() -> None:
    assert [shown.splitlines()[-1][0] for _, shown in SHOWN_RUNS] == ["✓", "✗"]


def test_readme_lists_every_verdict_in_order() -> None:
    assert first_column("Verdicts") == [verdict.word for verdict in Verdict]


def test_readme_names_every_reason_for_unverifiable() -> None:
    reasons = (Reason.ISN_UNKNOWN, Reason.TRUNCATED, Reason.FRAGMENT, Reason.OFFLOADED, Reason.NO_SECRET)
    assert all(f"`{reason.word}`" in README for reason in reasons)


def test_readme_lists_every_exit_status() -> None:
    assert first_column("Exit status") == [str(int(code)) for code in ExitCode]


def test_readme_names_every_algorithm() -> None:
    missing = [algorithm.name for algorithm in ALGORITHMS if f"`{algorithm.name}`" not in README]
    assert not missing


def test_readmes_key_file_is_one(tmp_path: Path) -> None:
    (text,) = fenced("toml")
    assert len(text.splitlines()) <= 10
    (tmp_path / "edge.secret").write_text("testvector\n")
    store = parse_key_file(text, str(tmp_path / "keys.toml"))
    ((mkt,),) = (peer.mkts for peer in store.peers)
    assert (mkt.send_id, mkt.recv_id, mkt.secret) == (100, 200, b"testvector")


def test_readme_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    assert "verify" in commands
    assert [command for command in commands if f"`{command}`" not in README] == []


def test_every_option_that_readme_names_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    help_text = capsys.readouterr().out
    # pip's and pytest's options are in the blocks; the text has aoinspect's alone.
    text = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert named
    assert {option for option in named if option not in help_text} == set()
