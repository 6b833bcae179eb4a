"""What `keys compare` and `keys lint` say of keys: an ident, a severity, a place, and what to do.

No remark holds a secret, a part of one, its length, or anything computed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from aoinspect.ao.mkt import Origin


class Severity(Enum):
    """As of findings: `docs/findings.md`."""

    ERROR = "error"
    """Authentication fails, or will."""
    WARNING = "warning"
    """A rule is broken, or it may fail."""
    NOTE = "note"
    """Worth knowing."""

    @property
    def rank(self) -> int:
        """The gravest is 0."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is wrong with keys, or worth knowing."""

    ident: str
    """Stable: scripts and `docs/keys-lint.md` name it."""
    severity: Severity
    origin: Origin
    message: str
    remedy: str
    reference: str
    """The clause that it rests on."""
    other_origin: Origin | None = None
    """Where the other end's side of it stands."""
