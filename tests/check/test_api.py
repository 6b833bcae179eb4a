"""`aoinspect.verify`, and that the package stays light until it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import aoinspect
from aoinspect.errors import CaptureError, DissectorError, KeyFileError, UsageError
from aoinspect.keys import load_keys
from aoinspect.report.model import ExitCode
from tests.check.running import K1, talk, written
from tests.conversation import Conversation
from tests.recorded import PROJECT_ROOT, SAMPLES, RecordedCapture, captures_in

ROTATION, ROTATION_KEYS = SAMPLES / "rotation.pcap", SAMPLES / "rotation.toml"


@pytest.mark.parametrize("capture", captures_in(SAMPLES), ids=lambda capture: capture.name)
def test_it_says_what_the_command_says(capture: RecordedCapture, capsys: pytest.CaptureFixture[str]) -> None:
    from aoinspect.cli import main

    status = main(["verify", str(capture.path), "--keys", str(capture.keys), "-q"])
    capsys.readouterr()
    assert aoinspect.verify(capture.path, capture.keys).exit_code == status


@pytest.mark.parametrize(
    "keys", [ROTATION_KEYS, str(ROTATION_KEYS), [ROTATION_KEYS], load_keys([str(ROTATION_KEYS)])], ids=type
)
def test_keys_may_be_a_file_several_or_a_store(keys: object) -> None:
    report = aoinspect.verify(ROTATION, keys)  # type: ignore[arg-type]
    assert isinstance(report, aoinspect.Report)
    assert report.exit_code is ExitCode.OK
    assert report.totals.verdicts["verified"] == 60


def test_several_captures_are_one_run(tmp_path: Path) -> None:
    told = talk()
    whole = told.segments
    told.segments = whole[:7]
    first, keys = written(told, tmp_path, "first")
    told.segments = whole[7:]
    second, _ = written(told, tmp_path, "second")
    report = aoinspect.verify([first, second], keys)
    assert [capture.path for capture in report.captures] == [str(first), str(second)]
    assert len(report.connections) == 1
    assert report.totals.verdicts["verified"] == len(whole)


def test_without_keys_nothing_is_verified_and_nothing_is_wrong() -> None:
    report = aoinspect.verify(ROTATION)
    assert (report.exit_code, report.totals.verdicts["verified"]) == (ExitCode.OK, 0)
    assert len(report.connections) == 1


def test_a_filter_chooses_what_counts() -> None:
    report = aoinspect.verify(ROTATION, ROTATION_KEYS, where="frame.number <= 10")
    assert report.totals.protected_segments < 10


def test_a_policy_decides_on_findings_alone() -> None:
    strict, lax = (aoinspect.verify(ROTATION, ROTATION_KEYS, policy=policy) for policy in ("rfc", "observe"))
    assert {finding.ident for finding in strict.findings} == {"key-changed-unprompted"}
    assert lax.findings == ()
    assert lax.totals == strict.totals


def test_missing_isns_are_sought_unless_that_is_off(tmp_path: Path) -> None:
    told = Conversation((K1,)).established(client_octets=20, server_octets=10)
    capture, keys = written(told.data("a", 10).ack("b").data("b", 10).ack("a"), tmp_path)
    assert aoinspect.verify(capture, keys, recover_isn=0).totals.verdicts["verified"] == 0
    assert aoinspect.verify(capture, keys, recover_isn=5000).totals.verdicts["verified"] == 4


class TestErrors:
    @pytest.mark.parametrize(
        "arguments, error, said",
        [
            ({"captures": "none.pcap"}, CaptureError, "none.pcap"),
            ({"captures": []}, UsageError, "no capture"),
            ({"captures": ROTATION, "keys": "none.toml"}, KeyFileError, "none.toml"),
            ({"captures": ROTATION, "where": "tcp.port ="}, UsageError, "tcp.port ="),
            ({"captures": ROTATION, "policy": "mine"}, UsageError, "rfc, linux, observe"),
            ({"captures": ROTATION, "dissectors": ["none.py"]}, DissectorError, "none.py"),
            ({"captures": ROTATION, "decode_as": ["nonsense"]}, UsageError, "decode_as"),
        ],
    )
    def test_are_of_the_small_tree(self, arguments: dict[str, object], error: type[Exception], said: str) -> None:
        with pytest.raises(error, match=re.escape(said)):
            aoinspect.verify(**arguments)  # type: ignore[arg-type]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, aoinspect, aoinspect.pytest_plugin\n"
        "assert aoinspect.__version__ and 'verify' in dir(aoinspect)\n"
        "heavy = {'numpy', 'cryptography', 'rich', 'dpkt', 'aoinspect.api', 'aoinspect.engine'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert callable(aoinspect.verify) and 'numpy' in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_name_that_it_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'verifi'"):
        aoinspect.verifi  # noqa: B018


def test_the_page_names_every_argument() -> None:
    import inspect

    page = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page.split("## The Report")[0], re.MULTILINE)
    assert rows == list(inspect.signature(aoinspect.verify).parameters)


def test_the_members_that_the_page_names_are_there() -> None:
    page = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page.split("## The Report")[1].split("## Baselines")[0], re.MULTILINE)
    report = aoinspect.verify(ROTATION, ROTATION_KEYS)
    assert rows
    assert [name for name in rows if not hasattr(report, name)] == []
