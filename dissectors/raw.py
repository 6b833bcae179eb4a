"""Raw IP: no link-layer header; the first four bits tell the version (LINKTYPE_RAW and its older numbers)."""

from __future__ import annotations

from dissectors.base import Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import u8
from dissectors.scribe import Scribe, describing


def hop(question: Headers) -> Hop:
    versions = u8(question.octets, question.starts) >> 4
    return lead(question, versions, question.starts, question.starts + 1 > question.limits)


@describing("Raw IP", "raw")
def describe(scribe: Scribe) -> None:
    version = scribe.peek(0, 1) >> 4
    scribe.summary = f"version {version}"
    scribe.leads_to("ip.version", version, 0)


DISSECTOR = Dissector(
    name="raw",
    title="Raw IP",
    keys=(("linktype", 12), ("linktype", 14), ("linktype", 101)),
    describe=describe,
    hop=hop,
    leads_to="ip.version",
)
