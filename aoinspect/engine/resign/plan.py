"""What becomes of each segment: kept, signed (under which key, with which inputs), or stripped of its signature.

Decided from the table of the first pass alone, before any octet is written, and for all segments alike that have the
same connection, direction, ids, key and verdict. The second pass only carries the plan out; where it meets what no
table tells (a cut payload, a datagram in pieces), it notes so here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.check import Checker
from aoinspect.engine.locate import Mask
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.resign.choices import Action, Choices, SegmentKind
from aoinspect.engine.resign.contexts import SegmentContexts, contexts_of
from aoinspect.engine.resign.signing_keys import SigningKeys
from aoinspect.engine.resign.wishes import Left, Outcome, Wishes
from aoinspect.engine.table import Rows, sort_by_frame
from aoinspect.engine.verdicts import Coverage, Method, Reason, Verdict
from aoinspect.errors import UsageError

NO_ROW = -1
_MISTAKES_SHOWN = 20
_CHOSEN = (
    ("actions", "action"),
    ("outcomes", "outcome"),
    ("lefts", "left"),
    ("methods", "method"),
    ("mkts", "mkt"),
    ("layouts", "layout"),
    ("key_ids", "key_id"),
    ("rnext_key_ids", "rnext_key_id"),
    ("mac_lengths", "mac_length"),
    ("is_spoiled", "is_spoiled"),
)
"""A column of the plan, and the member of a `Choice` that it takes."""


@dataclass(slots=True)
class Plan:
    """One value a segment of a protected connection, in the order of frames.

    A later stage may change what is to be signed: everything that enters a MAC and is not in the segment stands here.
    """

    frames: I64
    """Frame numbers, ascending, each once: of a datagram in pieces the last one's, as the table has it."""
    times_ns: I64
    contexts: SegmentContexts
    actions: U8
    """An `Action`."""
    outcomes: U8
    """An `Outcome`."""
    lefts: U8
    """A `Left`; NONE unless the outcome is LEFT."""
    methods: U8
    """A `Method`: what the segment is signed with afterwards."""
    mkts: I64
    """Index into the MKTs of the keyring that signs."""
    layouts: U8
    """A `Layout`."""
    key_ids: U8
    rnext_key_ids: U8
    mac_lengths: U8
    is_spoiled: Mask
    """The MAC is made wrong on purpose."""

    def find(self, frames: I64) -> I64:
        """The row of each frame number; NO_ROW where there is none."""
        if not len(self.frames):
            return np.full(len(frames), NO_ROW, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.frames, frames), len(self.frames) - 1)
        return np.where(self.frames[at] == frames, at, NO_ROW)

    def leave(self, rows: I64, why: Left) -> None:
        """Notes that nothing can be done to `rows` after all."""
        self.actions[rows] = Action.KEEP
        self.outcomes[rows] = Outcome.LEFT
        self.lefts[rows] = why

    @property
    def has_actions(self) -> bool:
        """Whether any segment is to be changed."""
        return bool(self.actions.any())


def make_plan(analyzer: Analyzer, wishes: Wishes, keys: SigningKeys) -> tuple[Plan, Choices]:
    """The plan for the one capture that `analyzer` has read, keeping its table; and what chose it, for later stages.

    UsageError where a key that is needed is missing, ambiguous, or has no secret: one line per mistake.
    """
    rows = rows_by_frame(analyzer)
    plan = unchanged_plan(analyzer, rows)
    choices = Choices(analyzer, keys, wishes)
    wanted = _undecided(rows, wishes)
    if len(wanted):
        _choose_by_kind(plan, choices, rows.select(wanted), wanted)
    is_blind = (plan.actions == Action.SIGN) & (plan.methods == Method.AO) & ~plan.contexts.has_isns
    plan.leave(np.flatnonzero(is_blind), Left.ISN_UNKNOWN)
    if choices.mistakes:
        mistakes = list(choices.mistakes)
        more = [f"… and {len(mistakes) - _MISTAKES_SHOWN} more like these"] if len(mistakes) > _MISTAKES_SHOWN else []
        raise UsageError("\n".join(mistakes[:_MISTAKES_SHOWN] + more))
    return plan, choices


def leave_without_traffic_keys(plan: Plan, checker: Checker) -> None:
    """Leaves what is to be signed under a key of a log that does not hold the traffic key; `checker` has the keys."""
    if not checker.keyring.has_logged_keys:
        return
    rows = np.flatnonzero((plan.actions == Action.SIGN) & (plan.methods == Method.AO))
    contexts = plan.contexts.select(rows)
    columns = (plan.mkts[rows], contexts.pairs, contexts.sides, contexts.source_isns, contexts.destination_isns)
    keys = list(zip(*(column.tolist() for column in columns), strict=True))
    is_known = {key: checker.has_traffic_key(*key) for key in dict.fromkeys(keys)}
    plan.leave(rows[np.array([not is_known[key] for key in keys], dtype=np.bool_)], Left.NO_SECRET)


def rows_by_frame(analyzer: Analyzer) -> Rows:
    """The table of the one capture that `analyzer` has read, in the order of its frames."""
    assert analyzer.table is not None
    rows = analyzer.table.rows
    if len(rows.frame) > 1 and (rows.frame[1:] < rows.frame[:-1]).any():
        rows = rows.select(sort_by_frame(rows))
    return rows


def unchanged_plan(analyzer: Analyzer, rows: Rows) -> Plan:
    """Everything is kept, and keeps its method and ids."""
    count = len(rows.frame)
    return Plan(
        frames=rows.frame.astype(np.int64),
        times_ns=rows.time_ns,
        contexts=contexts_of(analyzer, rows),
        actions=np.full(count, Action.KEEP, dtype=np.uint8),
        outcomes=np.full(count, Outcome.KEPT, dtype=np.uint8),
        lefts=np.full(count, Left.NONE, dtype=np.uint8),
        methods=rows.method.copy(),
        mkts=np.zeros(count, dtype=np.int64),
        layouts=np.zeros(count, dtype=np.uint8),
        key_ids=rows.key_id.copy(),
        rnext_key_ids=rows.rnext_key_id.copy(),
        mac_lengths=rows.mac_length.copy(),
        is_spoiled=np.zeros(count, dtype=np.bool_),
    )


def _undecided(rows: Rows, wishes: Wishes) -> I64:
    """The rows that something has to be chosen for; what is verified stays where the keys stay."""
    if wishes.new_keys is not None or wishes.adds or wishes.strips or wishes.converts_md5 or wishes.rollovers:
        return np.arange(len(rows.frame))
    is_right = rows.verdict == Verdict.VERIFIED
    if is_right.all():
        return np.zeros(0, dtype=np.int64)
    # What holds for others of a connection says which key its failing segments are meant to be under.
    return np.flatnonzero(np.isin(rows.connection, np.unique(rows.connection[~is_right])))


def _choose_by_kind(plan: Plan, choices: Choices, rows: Rows, numbers: I64) -> None:
    """Chooses for `rows`, which are the plan's rows `numbers`."""
    connections = plan.contexts.connections[numbers]
    sides = plan.contexts.sides[numbers]
    code = connections << 32 | sides.astype(np.int64) << 31 | rows.method.astype(np.int64) << 28
    code |= rows.verdict.astype(np.int64) << 24 | rows.reason.astype(np.int64) << 20
    code |= rows.coverage.astype(np.int64) << 16 | rows.key_id.astype(np.int64) << 8 | rows.rnext_key_id
    _, first_numbers = np.unique(code, return_inverse=True)
    code = first_numbers.astype(np.int64) << 24 | rows.mkt.astype(np.int64) << 8 | rows.mac_length
    _, firsts, kinds = np.unique(code, return_index=True, return_inverse=True)
    told = [
        SegmentKind(
            connection=int(connections[row]),
            side=int(sides[row]),
            method=Method(int(rows.method[row])),
            key_id=int(rows.key_id[row]),
            rnext_key_id=int(rows.rnext_key_id[row]),
            mac_length=int(rows.mac_length[row]),
            verdict=Verdict(int(rows.verdict[row])),
            reason=Reason(int(rows.reason[row])),
            mkt=int(rows.mkt[row]),
            coverage=Coverage(int(rows.coverage[row])),
        )
        for row in firsts.tolist()
    ]
    for kind in told:
        choices.note(kind)
    chosen = [choices.choose(kind) for kind in told]
    for column, member in _CHOSEN:
        values = getattr(plan, column)
        values[numbers] = np.array([getattr(choice, member) for choice in chosen], dtype=values.dtype)[kinds]
