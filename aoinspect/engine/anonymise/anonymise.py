"""Writes a capture that can be shared: three passes, and two files that appear when they are whole and checked.

The first pass is the engine's: what every segment is. Then every failing connection is explained, and published keys
are chosen under which the same explanations hold. The second pass writes the anonymised twin, and the third reads it as
its receiver will: nothing of the original in it, the same verdicts, the same explanations.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aoinspect.capture.frames import I64, Damage
from aoinspect.capture.fresh import FreshCapture
from aoinspect.capture.reader import open_capture
from aoinspect.capture.rewriting import WholeFile
from aoinspect.engine.anonymise.addresses import AddressMap, is_public_knowledge
from aoinspect.engine.anonymise.checking import LeakCheck
from aoinspect.engine.anonymise.faults import Faults
from aoinspect.engine.anonymise.frames import FrameRewriter
from aoinspect.engine.anonymise.keys import PUBLISHED, PublishedKeys, published_keys, words_of_its_own
from aoinspect.engine.anonymise.signing import SegmentSigner
from aoinspect.engine.anonymise.traces import Traces
from aoinspect.engine.anonymise.wishes import AnonymiseWishes, Payload, Ports
from aoinspect.engine.anonymise.writing import TwinWriter
from aoinspect.engine.explain.account import EXPLAIN_BUDGET
from aoinspect.engine.locate import LocateCounts
from aoinspect.engine.macs import Layout
from aoinspect.engine.pipeline import Analyzer, Progress
from aoinspect.engine.resign.choices import Action
from aoinspect.engine.resign.plan import Plan, make_plan, rows_by_frame, unchanged_plan
from aoinspect.engine.resign.resign import FindIsns, RewritableSource, judged
from aoinspect.engine.resign.signing_keys import SigningKeys
from aoinspect.engine.resign.wishes import Faults as FaultsWish
from aoinspect.engine.resign.wishes import Wishes
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Coverage, Method, Verdict
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.export.key_file import write_key_file
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry

_ATTEMPTS = 16
"""Mappings that are tried until none of them gives an address that the original has too."""
_FIRST_EPHEMERAL = 1024
_KEY_FILE_HEAD = """\
# The keys of an anonymised capture, made by `aoinspect resign --anonymise`.
# Secrets are published test keys (RFC 9235's "testvector" and forms of it), addresses and names are made up.

"""


@dataclass(frozen=True, slots=True)
class Anonymised:
    """What was written, and what is known of it."""

    path: str
    key_path: str
    frames: int
    segments: int
    """Of protected connections."""
    signed: int
    explained: dict[str, int]
    """Hypotheses under which failing segments fail again -> how many."""
    unexplained: int
    """Failing segments that fail again without an explanation."""
    made_up: int
    """Others whose MAC proves nothing, before or now."""
    unsigned: int
    """Segments without a MAC, or with a broken option."""
    blanked: int
    """Frames of which nothing is told."""
    lost: tuple[int, ...]
    """Frames with a segment that could not be kept."""
    addresses: int
    """Addresses that became others."""
    judged_otherwise: tuple[int, ...]
    """Frames of the original whose segment has another verdict now."""
    explanations: tuple[tuple[str, ...], tuple[str, ...]]
    """What explains failing connections: in the original, and in the output."""
    located: LocateCounts
    """What was met in the original that is no TCP segment."""
    addresses_in_payloads: int
    """Frames whose kept payload holds an address of the original."""
    damage: Damage | None


def anonymise(
    source: RewritableSource,
    output: WholeFile,
    key_output: WholeFile,
    store: KeyStore,
    registry: Registry,
    wishes: AnonymiseWishes,
    progress: Progress | None = None,
    *,
    find_isns: FindIsns | None = None,
) -> Anonymised:
    """Writes the anonymised capture and its key file, and puts both (entered already) in their places.

    ISNs that `find_isns` finds are in that key file. CaptureError where the capture cannot be read, UsageError where
    there is nothing that could be signed, LeakError where the check finds something. Then both are as they were.
    """
    analyzer = judged(source, store, registry, progress, find_isns)
    store = analyzer.keyring.store
    rows = rows_by_frame(analyzer)
    plan = _plan(analyzer, rows, wishes)
    faults = Faults(analyzer, replace(EXPLAIN_BUDGET))
    demands = faults.demands()
    for _ in range(_ATTEMPTS):
        addresses, ports = AddressMap(), _ports(store, registry, wishes)
        addresses.learn(_named(analyzer))
        keys = published_keys(analyzer.keyring, addresses, ports, demands)
        faults.sign_with(keys.mkts, addresses)
        signer = SegmentSigner(analyzer, plan, rows, keys.mkts, faults, addresses, ports)
        keeps = wishes.payload is Payload.KEEP
        rewriter = FrameRewriter(registry, addresses, ports, plan, keeps_payload=keeps)
        traces = _traces(analyzer, keys)
        writer, damage = _write(source, output, keys, rewriter, signer, plan, rows, registry, wishes, traces, progress)
        originals = {address for address in addresses.pairs if not is_public_knowledge(address)}
        if originals.isdisjoint(addresses.pairs.values()):
            break
    else:
        raise UsageError(
            f"{source.path}: its addresses fill so much of the address space that no other ones are left for them"
        )
    text = write_key_file(keys.store)
    key_output.file.write((_KEY_FILE_HEAD + text).encode("utf-8"))
    words = words_of_its_own(text, keys)
    check, found, seen = _check(output, key_output, words, analyzer, addresses, registry, wishes, traces)
    check.findings.demand_none()
    output.commit()
    key_output.commit()
    return Anonymised(
        path=output.path,
        key_path=key_output.path,
        frames=analyzer.totals.frames,
        segments=len(plan.frames),
        signed=int(np.count_nonzero((plan.actions == Action.SIGN) & (writer.out_frames > 0))),
        explained=dict(signer.explained),
        unexplained=signer.unexplained,
        made_up=signer.made_up,
        unsigned=int(np.count_nonzero((rows.method == Method.NONE) | (rows.verdict == Verdict.MALFORMED))),
        blanked=writer.blanked,
        lost=tuple(writer.lost),
        addresses=len(originals),
        judged_otherwise=_judged_otherwise(plan, rows, writer.out_frames, found),
        explanations=(faults.idents(), seen.idents()),
        located=analyzer.captures[0].located,
        addresses_in_payloads=len(check.findings.in_payloads),
        damage=damage,
    )


# The plan.


def _plan(analyzer: Analyzer, rows: Rows, wishes: AnonymiseWishes) -> Plan:
    """Who is signed under the key in place of which: what was verified, and on request what can be repaired."""
    if wishes.faults is FaultsWish.REPAIR:
        plan, _ = make_plan(analyzer, Wishes(), SigningKeys(analyzer.keyring))
        is_resized = (plan.actions == Action.SIGN) & (plan.mac_lengths != rows.mac_length)
        plan.actions[is_resized] = Action.KEEP
    else:
        plan = unchanged_plan(analyzer, rows)
    verified = np.flatnonzero((rows.verdict == Verdict.VERIFIED) & (rows.method != Method.NONE))
    mkts = rows.mkt[verified].astype(np.int64)
    includes = np.array([mkt.tcp_options.value != "exclude" for mkt in analyzer.keyring.mkts] or [True])
    layouts = np.where(includes[mkts], Layout.AO_INCLUDE, Layout.AO_EXCLUDE)
    coverage = rows.coverage[verified]
    layouts = np.where(coverage == Coverage.INCLUDE, Layout.AO_INCLUDE, layouts)
    layouts = np.where(coverage == Coverage.EXCLUDE, Layout.AO_EXCLUDE, layouts)
    plan.layouts[verified] = np.where(rows.method[verified] == Method.MD5, Layout.MD5, layouts)
    plan.mkts[verified] = mkts
    plan.actions[verified] = Action.SIGN
    return plan


def _ports(store: KeyStore, registry: Registry, wishes: AnonymiseWishes) -> I64:
    """What each port becomes."""
    ports: I64 = np.arange(0x10000, dtype=np.int64)
    if wishes.ports is Ports.SHUFFLE:
        named = {port for peer in store.peers for port in (peer.port, peer.local_port, peer.remote_port)}
        known = {*named, *registry.namespace("tcp.port"), *registry.namespace("udp.port")}
        free = [port for port in range(_FIRST_EPHEMERAL, 0x10000) if port not in known]
        shuffled = free.copy()
        secrets.SystemRandom().shuffle(shuffled)
        ports[free] = shuffled
    return ports


def _named(analyzer: Analyzer) -> set[bytes]:
    """The addresses of protected connections, and single ones of the key files."""
    store = analyzer.keyring.store
    networks = {network for peer in store.peers for network in (peer.local, peer.remote) if network is not None}
    single = {one.network_address.packed for one in networks if one.prefixlen == one.max_prefixlen}
    return single | {end.address for ends in analyzer.pairs.ends for end in ends}


def _traces(analyzer: Analyzer, keys: PublishedKeys) -> Traces:
    """The secrets to look for; addresses are known when the capture is written."""
    published = {mkt.secret for mkt in keys.mkts} | {PUBLISHED}
    return Traces(
        {mkt.secret for mkt in analyzer.keyring.mkts if mkt.secret is not None and mkt.secret not in published}
    )


# The passes.


def _write(
    source: RewritableSource,
    output: WholeFile,
    keys: PublishedKeys,
    rewriter: FrameRewriter,
    signer: SegmentSigner,
    plan: Plan,
    rows: Rows,
    registry: Registry,
    wishes: AnonymiseWishes,
    traces: Traces,
    progress: Progress | None,
) -> tuple[TwinWriter, Damage | None]:
    output.file.seek(0)
    output.file.truncate()
    magic = source.open_octets().fetch(0, 4)
    with source.open() as reader:
        fresh = FreshCapture(output.file, reader.format, magic, keys.interface_names)
        writer = TwinWriter(rewriter, signer, plan, rows, registry, fresh, wishes, traces)
        writer.run(reader, progress)
        return writer, reader.damage


def _check(
    output: WholeFile,
    key_output: WholeFile,
    words: str,
    original: Analyzer,
    addresses: AddressMap,
    registry: Registry,
    wishes: AnonymiseWishes,
    traces: Traces,
) -> tuple[LeakCheck, Rows, Faults]:
    """The search for traces, the output's table, and what explains its failures; `words` are those of the key file."""
    traces.add_addresses(addresses.pairs)
    check = LeakCheck(traces, addresses.pairs, registry, keeps_payload=wishes.payload is Payload.KEEP)
    for what in traces.in_text(words):
        check.findings.leaks[f"{what} in the key file"] += 1
    analyzer = Analyzer(load_keys([key_output.path_until_commit()]), registry)
    path = output.path_until_commit()
    with open_capture(path) as reader, open(path, "rb") as file:
        check.read(reader, file, analyzer)
    return check, rows_by_frame(analyzer), Faults(analyzer, replace(EXPLAIN_BUDGET))


def _judged_otherwise(plan: Plan, rows: Rows, out_frames: I64, judged: Rows) -> tuple[int, ...]:
    """Frames of the original whose segment is there and has another verdict than it should."""
    expected = np.where(plan.actions == Action.SIGN, np.uint8(Verdict.VERIFIED), rows.verdict)
    reasons = np.where(plan.actions == Action.SIGN, np.uint8(0), rows.reason)
    is_there = out_frames > 0
    frames = judged.frame.astype(np.int64)
    at = np.searchsorted(frames, out_frames)
    at = np.minimum(at, max(len(frames) - 1, 0))
    if not len(frames):
        return tuple(plan.frames[is_there].tolist())
    is_same = (frames[at] == out_frames) & (judged.verdict[at] == expected) & (judged.reason[at] == reasons)
    return tuple(plan.frames[is_there & ~is_same].tolist())


def counted(idents: Sequence[str]) -> str:
    """Idents with how often each stands there: "H1, H19 (2)"."""
    return ", ".join(ident if count == 1 else f"{ident} ({count})" for ident, count in Counter(idents).items())
