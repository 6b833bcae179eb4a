"""What is worth telling beside the verdicts: one function a finding, all in one table.

A finding has a stable ident, a severity, a place, what was seen, the clause that it rests on, and what to do. The
verdicts never depend on any of it. docs/findings.md has a section for every ident.
"""

from aoinspect.engine.findings.catalogue import FINDERS, find, find_on_connection, find_on_run
from aoinspect.engine.findings.model import Finding, Policy, Scene, Severity

__all__ = ["FINDERS", "Finding", "Policy", "Scene", "Severity", "find", "find_on_connection", "find_on_run"]
