"""Real kernels' traffic, captured at both ends: what the middleboxes between them did is what is found.

NAME-A and NAME-B (or NAME and NAME-B, NAT's inside and outside) are the same traffic.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import cast

import pytest

from aoinspect.engine.comparison import Comparison
from aoinspect.engine.comparison.model import Fate, Flow, MatchedBy, Outcome
from aoinspect.keys import load_keys
from aoinspect.report.comparison_json import comparison_json, comparison_object
from tests.comparison.other_side import compare_files, rewritten
from tests.comparison.printing import page
from tests.recorded import OWN_CAPTURES, PROJECT_ROOT, SHARED, RecordedCapture, larger_capture

GOLDEN = Path(__file__).with_name("golden")
OWN = {capture.name: capture for capture in OWN_CAPTURES}


def recorded(name: str) -> RecordedCapture:
    if name not in OWN and not SHARED.exists():
        pytest.skip("shared captures are not beside the project")
    return OWN.get(name) or larger_capture(name)


def compared(name_a: str, name_b: str) -> Comparison:
    a, b = recorded(name_a), recorded(name_b)
    return compare_files(a.path, b.path, load_keys([str(a.keys)]))


def test_a_real_mss_clamp_breaks_what_includes_options_and_nothing_else() -> None:
    """The first connection's key includes options, the second one's excludes them; R writes 1200 into both."""
    comparison = compared("mss-clamp-A", "mss-clamp-B")
    included, excluded = comparison.connections
    change = rewritten(included)["a>b", "mss", "changed"]
    assert (change.values[0].value_a, change.values[0].value_b, change.segments) == (1460, 1200, 2)
    assert (change.is_covered, change.verified_in_a, change.verified_in_both) == (True, 2, 0)
    assert (included.options_covered, included.conclusion.outcome) == (True, Outcome.BROKEN)
    assert set(rewritten(excluded)) == {("a>b", "mss", "changed"), ("b>a", "mss", "changed")}
    assert (excluded.options_covered, excluded.conclusion.outcome) == (False, Outcome.HARMLESS)
    assert [direction.pairs for direction in excluded.directions] == [23, 16]


def test_real_address_translation_is_named_with_both_addresses() -> None:
    (connection,) = compared("nat-inside", "nat-outside").connections
    assert connection.matched_by is MatchedBy.MACS
    change = rewritten(connection)["a>b", "source-address", "changed"]
    assert (change.values[0].value_a, change.values[0].value_b) == ("192.168.1.10", "10.0.0.254")
    assert (change.segments, change.verified_in_a) == (3, 3)
    assert set(rewritten(connection)) == {("a>b", "source-address", "changed")}
    assert connection.directions[0].flow is Flow.A_TO_B
    assert connection.conclusion.outcome is Outcome.BROKEN


@pytest.mark.parametrize(
    ("name_a", "name_b", "segments"),
    [
        pytest.param("netem-A", "netem-B", 187, marks=pytest.mark.shared),
        pytest.param("rxdrop-A", "rxdrop-B", 198, marks=pytest.mark.shared),
        pytest.param("rotation-lossy", "rotation-lossy-B", 272, marks=pytest.mark.shared),
        pytest.param("wrap-lossy", "wrap-lossy-B", 112, marks=pytest.mark.shared),
        pytest.param("offload-on-A", "offload-on-B", 269, marks=pytest.mark.shared),
    ],
)
def test_segments_of_a_lossy_link_find_each_other_all(name_a: str, name_b: str, segments: int) -> None:
    """Retransmissions, duplicates and reordering: the captures lie behind what drops, so both have every segment."""
    (connection,) = compared(name_a, name_b).connections
    assert sum(direction.pairs for direction in connection.directions) == segments
    assert connection.changes == ()
    assert connection.conclusion.outcome is Outcome.INTACT
    assert [direction.flow for direction in connection.directions] == [Flow.A_TO_B, Flow.B_TO_A]


def test_a_wrap_right_behind_the_handshake_changes_no_pairing() -> None:
    (connection,) = compared("isn-ffffffff", "isn-ffffffff-B").connections
    assert [direction.pairs for direction in connection.directions] == [12, 5]
    (segment,) = connection.directions[1].unpaired
    assert (segment.capture, segment.fate) == ("B", Fate.OUTSIDE)
    assert connection.conclusion.outcome is Outcome.INTACT


@pytest.mark.parametrize(
    "capture", [OWN["ipfrag"], OWN["md5-v6"], OWN["v6-exopt-ts"]], ids=lambda capture: capture.name
)
def test_a_capture_compared_with_itself_differs_in_nothing(capture: RecordedCapture) -> None:
    """Fragmented datagrams, TCP-MD5 and IPv6 included."""
    comparison = compare_files(capture.path, capture.path, load_keys([str(capture.keys)]))
    assert comparison.a.unread == 0
    assert comparison.only_a == comparison.only_b == ()
    for connection in comparison.connections:
        assert connection.in_a == connection.in_b
        assert connection.changes == ()
        assert all(direction.only_a == direction.only_b == 0 for direction in connection.directions)
    pairs = sum(direction.pairs for connection in comparison.connections for direction in connection.directions)
    assert pairs == comparison.a.segments > 0


# The forms.


def check_golden(name: str, text: str) -> None:
    """With AOINSPECT_WRITE_GOLDENS set, the file is written anew: read the difference before it is kept."""
    path = GOLDEN / name
    if os.environ.get("AOINSPECT_WRITE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_both_forms_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    # Relative names, so that no file holds the place of the project.
    monkeypatch.chdir(PROJECT_ROOT)
    store = load_keys(["tests/captures/mss-clamp-A.toml"])
    comparison = compare_files("tests/captures/mss-clamp-A.pcap", "samples/pcaps/mss-clamp-B.pcap", store)
    check_golden("mss-clamp-100.txt", page(comparison, 100))
    store = load_keys(["tests/captures/nat-inside.toml"])
    comparison = compare_files("tests/captures/nat-inside.pcap", "samples/pcaps/nat-outside.pcap", store)
    check_golden("nat.json", comparison_json(comparison) + "\n")
    assert {path.name for path in GOLDEN.iterdir()} == {"mss-clamp-100.txt", "nat.json"}


def test_json_says_what_the_objects_say() -> None:
    comparison = compared("mss-clamp-A", "mss-clamp-B")
    told = json.loads(comparison_json(comparison))
    assert told == comparison_object(comparison)
    assert told["schema"] == "aoinspect.comparison/1"
    first = cast(list[dict[str, object]], told["connections"])[0]
    assert cast(dict[str, object], first["conclusion"])["outcome"] == "broken"


def test_no_secret_is_in_any_form() -> None:
    capture = recorded("mss-clamp-A")
    comparison = compared("mss-clamp-A", "mss-clamp-B")
    secrets = [mkt.secret for peer in load_keys([str(capture.keys)]).peers for mkt in peer.mkts]
    texts = page(comparison, 200) + comparison_json(comparison) + repr(comparison)
    assert secrets
    for secret in secrets:
        assert secret is not None
        assert secret.decode() not in texts
        assert secret.hex() not in texts
