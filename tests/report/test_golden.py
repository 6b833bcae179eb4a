"""What a few captures look like in every form, to the letter. `--update-golden` writes them anew; read the diff."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded import SAMPLES
from tests.report.running import command

GOLDEN = Path(__file__).parent / "golden"

RUNS: dict[str, tuple[str, int | None]] = {
    "inject-80.txt": ("verify inject.pcap --keys inject.toml", 80),
    "inject-120.txt": ("verify inject.pcap --keys inject.toml", 120),
    "inject-pipe.txt": ("verify inject.pcap --keys inject.toml", None),
    "inject-no-keys.txt": ("verify inject.pcap", 80),
    "wrong-key-80.txt": ("verify wrong-key.pcap --keys wrong-key.toml", 80),
    "rotation-80.txt": ("verify rotation.pcap --keys rotation.toml", 80),
    "v6-80.txt": ("verify v6-exopt-ts.pcap --keys v6-exopt-ts.toml", 80),
    "snap60-80.txt": ("verify snap60.pcap --keys snap60.toml", 80),
    "nat-80.txt": ("verify nat-outside.pcap --keys nat-outside.toml", 80),
    "several-80.txt": ("verify md5-then-ao.pcap vrf-any-sll2.pcap --keys vrf-any-sll2.toml", 80),
    "several-no-keys.txt": ("verify md5-then-ao.pcap rotation.pcap bird-bird.pcap", 80),
    "rotation.json": ("verify rotation.pcap --keys rotation.toml --format json", None),
    "inject.json": ("verify inject.pcap --keys inject.toml --format json", None),
    "several.json": ("verify md5-then-ao.pcap wrong-key.pcap --keys wrong-key.toml --format json", None),
    "inject.jsonl": ("verify inject.pcap --keys inject.toml --format jsonl", None),
    "several.jsonl": ("verify md5-then-ao.pcap wrong-key.pcap --keys wrong-key.toml --format jsonl", None),
}
"""File -> arguments, run among the samples, and the terminal's width; None: no terminal."""


@pytest.mark.parametrize("name", RUNS)
def test_a_run_prints_its_golden_file(
    name: str, updates_golden: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, width = RUNS[name]
    monkeypatch.chdir(SAMPLES)
    environment = {} if width is None else {"COLUMNS": str(width)}
    run = command(monkeypatch, capsys)(*arguments.split(), "-q", environment=environment)
    if updates_golden:
        (GOLDEN / name).write_text(run.out, encoding="utf-8")
    assert run.out == (GOLDEN / name).read_text(encoding="utf-8")
    assert run.err == ""


def test_every_golden_file_belongs_to_a_run() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(RUNS)
