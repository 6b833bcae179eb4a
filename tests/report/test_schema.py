"""The shipped JSON Schema describes what is printed: all of it, and nothing that never comes."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest
from jsonschema import Draft202012Validator

from aoinspect.engine.transitions import FIRST, PEER_RNEXT, REORDERING, UNPROMPTED
from aoinspect.engine.verdicts import IsnSource, Reason, Verdict
from aoinspect.report.json_form import report_object
from aoinspect.report.model import SCHEMA
from tests.recorded import PROJECT_ROOT, SAMPLES, RecordedCapture, outcome, parameters
from tests.report.running import command, report_of
from tests.report.test_golden import GOLDEN

JsonObject = dict[str, object]

TEXT = files("aoinspect.report").joinpath("report.schema.json").read_text(encoding="utf-8")
DOCUMENTED = (PROJECT_ROOT / "docs" / "report.md").read_text(encoding="utf-8")


def shipped() -> JsonObject:
    return cast(JsonObject, json.loads(TEXT))


def definitions(schema: JsonObject) -> dict[str, JsonObject]:
    return cast(dict[str, JsonObject], schema["$defs"])


def without_unnamed_members() -> JsonObject:
    """The schema in a form that takes no member which it does not name."""
    schema = shipped()
    for definition in definitions(schema).values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    return schema


SHIPPED = Draft202012Validator(shipped())
EXACT = Draft202012Validator(without_unnamed_members())


def members(name: str) -> JsonObject:
    return cast(JsonObject, definitions(shipped())[name]["properties"])


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(shipped())
    assert members("report")["schema"] == {"const": SCHEMA}


@pytest.mark.parametrize("capture", parameters())
def test_reports_and_lines_of_recorded_captures_are_as_the_schema_says(capture: RecordedCapture) -> None:
    found = outcome(capture)
    report = json.loads(json.dumps(found.report_object))
    # Validating takes a hundred times as long as verifying: of a thousand connections some are looked at.
    every = len(report["connections"]) // 100 + 1
    report["connections"] = report["connections"][::every]
    EXACT.validate(report)
    for text in found.texts[::every]:
        EXACT.validate(json.loads(text))


@pytest.mark.parametrize("name", [path.name for path in sorted(GOLDEN.glob("*.json*"))])
def test_golden_files_are_as_the_schema_says(name: str) -> None:
    text = (GOLDEN / name).read_text(encoding="utf-8")
    for document in text.splitlines() if name.endswith(".jsonl") else [text]:
        EXACT.validate(json.loads(document))


def test_damage_and_unknown_link_types_are_as_the_schema_says(tmp_path: Path) -> None:
    octets = (SAMPLES / "v4-sha1.pcap").read_bytes()
    broken, foreign = tmp_path / "broken.pcap", tmp_path / "foreign.pcap"
    broken.write_bytes(octets[:-3])
    foreign.write_bytes(octets[:20] + (163).to_bytes(4, "little") + octets[24:])
    from aoinspect.keys.model import KeyStore

    told = report_object(report_of([broken, foreign], KeyStore()))
    EXACT.validate(json.loads(json.dumps(told)))
    first, second = cast(list[JsonObject], told["captures"])
    assert first["damage"] is not None
    assert second["skipped_link_types"] == {"163": second["frames"]}


def test_a_member_that_comes_later_does_not_break_readers_who_validate() -> None:
    document = json.loads((GOLDEN / "rotation.json").read_text(encoding="utf-8"))
    document["connections"][0]["forecast"] = {"cause": "another key"}
    SHIPPED.validate(document)
    assert not EXACT.is_valid(document)


@pytest.mark.parametrize(
    "place, value",
    [
        (("schema",), "aoinspect.report/2"),
        (("totals", "verified"), -1),
        (("connections", 0, "id"), None),
        (("connections", 0, "first_frame"), 0),
        (("connections", 0, "opened_by"), "b"),
        (("connections", 0, "runs", 0, "key_id"), 256),
        (("connections", 0, "transitions", 0, "time"), "2026-11-23T18:16:06Z"),
        (("findings", 0, "severity"), "fatal"),
    ],
)
def test_the_schema_refuses_what_is_no_report(place: tuple[str | int, ...], value: object) -> None:
    document = json.loads((GOLDEN / "rotation.json").read_text(encoding="utf-8"))
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    assert not SHIPPED.is_valid(document)


def test_the_schemas_words_are_the_engines() -> None:
    defined = definitions(shipped())
    assert defined["reason"]["enum"] == [reason.word for reason in Reason if reason is not Reason.NONE]
    assert list(members("verdict_counts")) == [verdict.member for verdict in Verdict]
    assert members("segment")["verdict"] == {
        "enum": [verdict.word for verdict in Verdict],
        "description": cast(JsonObject, members("segment")["verdict"])["description"],
    }
    sources = cast(JsonObject, members("connection")["isn_source"])["enum"]
    assert sources == [*(source.word for source in IsnSource if source is not IsnSource.UNKNOWN), None]
    triggers = cast(JsonObject, members("transition")["trigger"])["enum"]
    assert triggers == [FIRST, PEER_RNEXT, REORDERING, UNPROMPTED, None]


DESIGNED = {
    "report": {"schema", "captures", "totals", "connections", "findings"},
    "capture": {"path", "frames", "link_types", "damage"},
    "totals": {"frames", "tcp_segments", "ao_segments", "md5_segments", *(verdict.member for verdict in Verdict)},
    "connection": {"id", "a", "b", "opened_by", "first_frame", "last_frame", "verdicts", "runs", "transitions"},
    "end": {"address", "port", "isn"},
    "run": {
        *("direction", "key_id", "rnext_key_id", "mkt", "first_frame", "last_frame", "segments", "verified"),
    },
    "transition": {"frame", "time", "direction", "field", "old", "new", "trigger"},
    "finding": {"ident", "severity", "connection", "frame", "message", "reference"},
    "segment": {
        *("type", "frame", "time", "connection", "direction", "src", "dst", "flags", "seq", "ack", "method"),
        *("key_id", "rnext_key_id", "mac", "sne", "mkt", "verdict", "reason"),
    },
}
"""What the first version promised; more members may come and none of these may go."""


@pytest.mark.parametrize("name", DESIGNED)
def test_promised_members_are_required(name: str) -> None:
    assert DESIGNED[name] <= set(cast(list[str], definitions(shipped())[name]["required"]))


@pytest.mark.parametrize("name", [name for name, schema in definitions(shipped()).items() if "properties" in schema])
def test_every_member_has_a_row_in_the_documentation(name: str) -> None:
    named = set(re.findall(r"`([a-z0-9_]+)`", DOCUMENTED))
    assert set(members(name)) <= named


def test_every_reason_has_a_row_in_the_documentation() -> None:
    table = DOCUMENTED.partition("## Reasons")[2]
    assert all(f"`{reason.word}`" in table for reason in Reason if reason is not Reason.NONE)


def test_the_command_in_the_documentation_prints_the_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"^python -c '(.*)'$", DOCUMENTED, re.MULTILINE)
    exec(code, {})  # It is ours.
    assert json.loads(capsys.readouterr().out) == shipped()


def test_json_on_stdout_is_one_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = command(monkeypatch, capsys)("verify", SAMPLES / "v4-sha1.pcap", "--format", "json")
    EXACT.validate(json.loads(run.out))
    assert run.err == ""
