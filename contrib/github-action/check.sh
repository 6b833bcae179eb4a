#!/usr/bin/env bash
# Usage: check.sh AOINSPECT      with the action's inputs in the environment
set -euo pipefail
set -f # aoinspect expands globs itself
arguments=()
for capture in ${CAPTURES:-}; do arguments+=("$capture"); done
for key_file in ${KEYS:-}; do arguments+=(--keys "$key_file"); done
if [ -n "${EXPECT:-}" ]; then arguments+=(-f "$EXPECT"); fi
if [ -n "${BASELINE:-}" ]; then arguments+=(--baseline "$BASELINE"); fi
if [ -n "${FAIL_ON:-}" ]; then arguments+=(--fail-on "$FAIL_ON"); fi
if [ -n "${JUNIT:-}" ]; then arguments+=(--output "junit=$JUNIT"); fi
annotations=$(mktemp)
status=0
"$1" check "${arguments[@]}" --output "github=$annotations" || status=$?
cat "$annotations"
rm -f "$annotations"
exit "$status"
