"""The samples do what their README says: every command in it is run."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

import pytest

from aoinspect.cli import KEYS_VARIABLE, main
from tests.recorded import PROJECT_ROOT, SAMPLES, captures_in, outcome

README = SAMPLES / "README.md"
_CONSOLE = re.compile(r"^```console\n\$ aoinspect (.+)\n(.+)\n\$ echo \$\?\n(\d+)\n```$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^\| \[(\S+)\]\(#(\S+)\) \| .+ \| (\d+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command as the README shows it, with its last line of output and its exit status."""

    arguments: tuple[str, ...]
    last_line: str
    status: int


SHOWN = [
    ShownCommand(tuple(shlex.split(arguments)), last_line, int(status))
    for arguments, last_line, status in _CONSOLE.findall(README.read_text())
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: " ".join(shown.arguments))
def test_a_shown_command_ends_as_the_readme_says(
    shown: ShownCommand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT_ROOT)
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    status = main(shown.arguments)
    assert (capsys.readouterr().out.splitlines()[-1], status) == (shown.last_line, shown.status)


def test_every_console_block_of_the_readme_is_run() -> None:
    assert len(SHOWN) == README.read_text().count("```console")


def test_every_sample_is_in_the_readmes_table_and_shown_with_the_status_that_the_table_says() -> None:
    table = {name: int(status) for name, _, status in _TABLE_ROW.findall(README.read_text())}
    assert sorted(table) == [capture.name for capture in captures_in(SAMPLES)]
    for name, status in table.items():
        own = ("verify", f"samples/pcaps/{name}.pcap", "--keys", f"samples/pcaps/{name}.toml")
        assert [shown.status for shown in SHOWN if shown.arguments == own] == [status]


def test_every_link_of_the_readmes_table_leads_to_a_heading() -> None:
    text = README.read_text()
    headings = {heading.lower() for heading in re.findall(r"^### (\S+)$", text, re.MULTILINE)}
    assert {anchor for _, anchor, _ in _TABLE_ROW.findall(text)} == headings


@pytest.mark.parametrize(
    "name, ident, frame",
    [
        ("rotation", "key-changed-unprompted", 36),
        ("bird-bird", "rnext-not-followed", 58),
        ("isn-ffffffff", "linux-isn-before-wrap", 6),
        ("wrong-key", "ends-disagree", 4),
    ],
)
def test_the_findings_that_the_readme_tells_of_are_there(name: str, ident: str, frame: int) -> None:
    (capture,) = (capture for capture in captures_in(SAMPLES) if capture.name == name)
    findings = {finding.ident: finding.frame for finding in outcome(capture).report.findings}
    assert findings[ident] == frame


def test_what_the_readme_says_of_options_that_are_not_covered_holds(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    capture, keys = SAMPLES / "v6-exopt-ts.pcap", (SAMPLES / "v6-exopt-ts.toml").read_text()
    changed = tmp_path_factory.mktemp("keys") / "keys.toml"
    for word, last_line in (("include", "✗ 37 mismatch"), ("auto", "✓ 37 verified")):
        changed.write_text(keys.replace('"exclude"', f'"{word}"'))
        main(["verify", str(capture), "--keys", str(changed), "-q"])
        assert capsys.readouterr().out.splitlines()[-1] == last_line


def test_what_the_readme_says_of_a_missing_handshake_holds(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    capture, keys = SAMPLES / "mid-capture.pcap", (SAMPLES / "mid-capture.toml").read_text()
    changed = tmp_path_factory.mktemp("keys") / "keys.toml"
    changed.write_text(keys.partition("[[connection]]")[0])
    status = main(["verify", str(capture), "--keys", str(changed), "-q"])
    assert capsys.readouterr().out.splitlines()[-1] == "? 13 verified, 10 unverifiable"
    assert status == 4
