"""When things are told: at once, when they have held for a while, when it can be afforded, or never twice."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.connections import I8
from aoinspect.engine.live import (
    ConnectionEvent,
    Event,
    FindingEvent,
    State,
    TransitionEvent,
    VerdictEvent,
    Watch,
    key_changes,
)
from aoinspect.engine.live.key_changes import KeyChanges
from aoinspect.engine.live.standing import FINDINGS_PER_CONNECTION, HOLD_NS
from aoinspect.engine.live.verdict_changes import BURST, REFILL_NS
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import EndResult
from aoinspect.engine.timeline import Timeline
from aoinspect.engine.transitions import FIRST, PEER_RNEXT, UNPROMPTED, KeyTransition
from aoinspect.engine.verdicts import Verdict
from aoinspect.keys import load_keys
from aoinspect.report.model import Report, build_report
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import store_of
from tests.follow.watching import Clock, watch
from tests.recorded import SAMPLES

SECOND = 1_000_000_000


class Live:
    """A conversation watched frame by frame while it is told."""

    def __init__(self, conversation: Conversation, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.analyzer = Analyzer(store_of(conversation.key_file()), keep_table=False)
        self.watch = Watch(self.analyzer, clock=self.clock)
        self.analyzer.begin_capture("capture", [])
        self._conversation = conversation
        self._frames = 0

    def take(self, *, at_once: bool = False) -> list[Event]:
        """What comes of the frames that the conversation has since; in one batch if `at_once`."""
        capture = self._conversation.to_pcap()
        events: list[Event] = []
        with open_capture(io.BytesIO(capture), batch_frames=100_000 if at_once else 1) as reader:
            for batch in reader.batches():
                if batch.first_frame + len(batch) - 1 > self._frames:
                    assert batch.first_frame > self._frames, "what came before was taken in single frames"
                    events += self.watch.take(self.analyzer.feed(batch))
                    self._frames = batch.first_frame + len(batch) - 1
        return events

    def finish(self) -> tuple[list[Event], Report]:
        self.analyzer.finish_capture(None)
        report = build_report(self.analyzer)
        return self.watch.finish(report.connections, report.findings), report


def findings(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.finding.ident, event.state.value) for event in events if isinstance(event, FindingEvent)]


class TestFindingsThatRestOnWhatHasNotCome:
    def test_an_unanswered_syn_is_told_when_nothing_came_for_a_while(self) -> None:
        live = Live(Conversation().syn())
        assert findings(live.take()) == []
        told, pause = live.watch.idle()
        assert findings(told) == []
        assert pause == pytest.approx(HOLD_NS / SECOND)
        assert pause is not None
        live.clock.now += pause
        assert findings(live.watch.idle()[0]) == [("syn-unanswered", "new")]
        events, pause = live.watch.idle()
        assert not events
        assert pause is None, "it is told once, and then there is nothing to wait for"

    def test_an_answer_in_time_leaves_nothing_to_tell(self) -> None:
        conversation = Conversation().syn()
        live = Live(conversation)
        live.take()
        conversation.syn_ack().handshake_ack().advance(10 * SECOND).data("a", 9)
        assert findings(live.take()) == []
        live.clock.now += 10
        assert live.watch.idle() == ([], None)

    def test_an_answer_after_that_withdraws_it_once_it_has_lasted(self) -> None:
        conversation = Conversation().syn()
        live = Live(conversation)
        live.take()
        live.clock.now += 6
        assert findings(live.watch.idle()[0]) == [("syn-unanswered", "new")]
        conversation.advance(6 * SECOND).syn_ack().handshake_ack()
        assert findings(live.take()) == []
        conversation.advance(5 * SECOND).data("a", 9)
        assert findings(live.take()) == [("syn-unanswered", "withdrawn")]
        told, report = live.finish()
        assert (findings(told), report.findings) == ([], ())

    def test_the_captures_time_counts_where_frames_come(self) -> None:
        conversation = Conversation().syn().advance(6 * SECOND).syn()
        live = Live(conversation)
        assert findings(live.take()) == [("syn-unanswered", "new")]

    def test_the_end_tells_what_was_held(self) -> None:
        live = Live(Conversation().syn())
        live.take()
        assert findings(live.finish()[0]) == [("syn-unanswered", "new")]

    def test_a_finding_that_comes_and_goes_is_told_once(self) -> None:
        """One unsigned segment is `unsigned-segment`; two behind the last signed one look like stripping."""
        conversation = Conversation().handshake()
        live = Live(conversation)
        told = live.take()
        for _ in range(10):
            conversation.data("a", 5).strip_option().data("a", 5).strip_option().data("a", 5)
            told += live.take()
        assert findings(told) == [("unsigned-segment", "new")]


class TestVerdictsThatAlternate:
    @staticmethod
    def alternating(segments: int) -> Conversation:
        conversation = Conversation(step_ns=1_000).handshake()
        for _ in range(segments):
            conversation.data("a", 5).data("a", 5).sign_with_wrong_secret()
        return conversation

    @pytest.mark.parametrize("at_once", [True, False])
    def test_they_are_told_so_often_and_counted_for_the_rest(self, at_once: bool) -> None:
        conversation = self.alternating(100)
        live = Live(conversation)
        told = [event for event in live.take(at_once=at_once) if isinstance(event, VerdictEvent)]
        of_client = [event for event in told if event.passage.direction == "a>b"]
        assert len(of_client) == 1 + BURST
        assert all(event.untold == 0 for event in of_client)
        live.clock.now += 2 * REFILL_NS / SECOND
        (later,) = live.watch.idle()[0]
        assert isinstance(later, VerdictEvent)
        assert (later.previous, later.verdict) == (Verdict.VERIFIED, Verdict.MISMATCH)
        assert later.untold == 199 - BURST - 1
        assert sum(map(sum, (event.counts for event in (*of_client, later)))) == 202, "all segments of the direction"
        assert not [event for event in live.finish()[0] if isinstance(event, VerdictEvent)]

    def test_the_end_tells_what_was_not(self) -> None:
        live = Live(self.alternating(40))
        live.take()
        (last,) = (event for event in live.finish()[0] if isinstance(event, VerdictEvent))
        assert (last.verdict, last.untold) == (Verdict.MISMATCH, 79 - BURST - 1)

    def test_a_second_apart_all_are_told(self) -> None:
        conversation = Conversation(step_ns=SECOND).handshake()
        for _ in range(60):
            conversation.data("a", 5).data("a", 5).sign_with_wrong_secret()
        told = [event for event in Live(conversation).take() if isinstance(event, VerdictEvent)]
        assert len(told) == 2 + 119


def test_that_both_ends_opened_a_connection_turns_out_with_the_second_syn() -> None:
    told = [event for event in Live(Conversation().simultaneous_open()).take() if isinstance(event, ConnectionEvent)]
    assert [(event.frame, event.opened_by, event.state) for event in told] == [
        (1, "a", State.NEW),
        (2, "both", State.REVISED),
    ]


KEYS = [Key(name=f"k{number}", send_id=number, recv_id=100 + number) for number in range(1, 4)]


def test_what_prompted_a_change_is_revised_once_it_shows_that_nobody_genuine_asked() -> None:
    """A stranger asks in the server's name; only the server's own segment behind it tells that nobody did."""
    conversation = Conversation(KEYS).handshake().data("a", 5)
    conversation.segments[1:2] = []
    live = Live(conversation)
    live.take()
    conversation.rnext("b", KEYS[1]).ack("b").sign_with_wrong_secret().rnext("b", KEYS[0])
    conversation.switch("a", KEYS[1]).data("a", 5)
    (asked,) = (told for told in live.take() if is_change_of_key(told))
    conversation.ack("b")
    (revised,) = (told for told in live.take() if is_change_of_key(told))
    assert isinstance(asked, TransitionEvent)
    assert isinstance(revised, TransitionEvent)
    assert (asked.transition.trigger, asked.state) == (PEER_RNEXT, State.NEW)
    assert (revised.transition.trigger, revised.state) == (UNPROMPTED, State.REVISED)
    assert revised.passage == asked.passage


def is_change_of_key(event: Event) -> bool:
    return isinstance(event, TransitionEvent) and event.passage.direction == "a>b" and event.transition.old is not None


def test_a_change_that_an_earlier_segment_forestalls_is_withdrawn() -> None:
    """A piece of a datagram that never came together is known only at the end, with the frame of its first."""
    keys = KeyChanges(Timeline())
    ends = (EndResult("10.0.0.1", 40_000, None), EndResult("10.0.0.2", 179, None))
    first = KeyTransition(1, 0, 1, 0, "a>b", "key_id", None, 1, FIRST)
    late = KeyTransition(20, 0, 20, 20, "a>b", "key_id", 1, 2, UNPROMPTED)
    early = KeyTransition(15, 0, 15, 15, "a>b", "key_id", 1, 2, UNPROMPTED)
    assert [event.state for event in keys.compare(0, 7, ends, (first, late))] == [State.NEW, State.NEW]
    assert keys.compare(0, 7, ends, (first, late)) == []
    told = keys.compare(0, 7, ends, (first, early))
    assert [(event.transition, event.state) for event in told] == [(early, State.NEW), (late, State.WITHDRAWN)]
    assert {event.passage.connection for event in told} == {7}


def changing(changes: int) -> Conversation:
    """Keys that change unprompted, again and again."""
    conversation = Conversation(KEYS).handshake()
    for number in range(changes):
        conversation.switch("a", KEYS[(number + 1) % 3]).data("a", 5).advance(SECOND)
    return conversation


class TestKeysThatChangeAllTheTime:
    def test_only_so_many_findings_of_a_connection_are_told_and_the_rest_counted(self) -> None:
        live = Live(changing(200))
        told = live.take()
        rest, report = live.finish()
        standing = findings(told + rest)
        assert standing.count(("key-changed-unprompted", "new")) <= FINDINGS_PER_CONNECTION
        of_connection = [finding for finding in report.findings if finding.connection == 0]
        withdrawn = sum(state == "withdrawn" for _, state in standing)
        assert live.watch.untold_findings == len(of_connection) - (len(standing) - 2 * withdrawn) > 50

    @pytest.mark.parametrize("seconds_a_look", [0.0, 0.01])
    def test_every_change_is_told_once_however_costly(
        self, seconds_a_look: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(key_changes, "REMEMBERED", 32)
        live = Live(changing(100), Clock(step=seconds_a_look))
        told = live.take()
        at_once = [event for event in told if isinstance(event, TransitionEvent)]
        rest, report = live.finish()
        all_told = at_once + [event for event in rest if isinstance(event, TransitionEvent)]
        assert [event.transition for event in all_told if event.state is State.NEW] == list(
            report.connections[0].transitions
        )
        assert bool(seconds_a_look) is (len(at_once) < len(all_told))


@pytest.mark.parametrize("name", ["inject", "rotation", "bird-bird", "md5-then-ao"])
@pytest.mark.parametrize("policy_of_time", [lambda: Clock(step=0.02), lambda: Clock(step=0.2)])
def test_a_slow_machine_tells_the_same_in_the_end(name: str, policy_of_time: Callable[[], Clock]) -> None:
    store = load_keys([str(SAMPLES / f"{name}.toml")])
    slow = watch(SAMPLES / f"{name}.pcap", store, batch_frames=1, clock=policy_of_time())
    quick = watch(SAMPLES / f"{name}.pcap", store)
    assert slow.standing_findings() == quick.standing_findings()
    assert slow.standing_transitions() == quick.standing_transitions()


class Noting(Watch):
    """Notes the order in which connections are looked at."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__(analyzer, clock=Clock())
        self.looked_at: list[int] = []

    def _look_at(self, connection: int, a_sides: I8) -> list[Event]:
        self.looked_at.append(connection)
        return super()._look_at(connection, a_sides)


def test_connections_with_something_odd_are_looked_at_first() -> None:
    """Ten connections go on, and on the last of them a segment is unsigned."""
    conversations = [Conversation(client=f"10.0.0.{number}:40000").handshake() for number in range(10, 20)]
    for conversation in conversations:
        conversation.data("a", 5)
    conversations[9].data("a", 5).strip_option()
    capture = merge(conversations)
    analyzer = Analyzer(store_of(capture.key_file()), keep_table=False)
    noting = Noting(analyzer)
    analyzer.begin_capture("capture", [])
    told: list[Event] = []
    with open_capture(io.BytesIO(capture.to_pcap()), batch_frames=30) as reader:
        for batch in reader.batches():
            noting.looked_at.clear()
            told = noting.take(analyzer.feed(batch))
    assert len(set(noting.looked_at)) == len(noting.looked_at) == 10
    odd = next(event.finding.connection for event in told if isinstance(event, FindingEvent))
    assert analyzer.tallies.column("number")[noting.looked_at[0]] == odd
