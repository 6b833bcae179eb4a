#!/usr/bin/env bash
# The fuzzers for a moment each, from the seeds alone and with a fixed generator: what CI runs.
#   bash fuzz/short.sh [SECONDS of each target]
# Skipped, with a word, where atheris is not installed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
exec .venv/bin/python -m fuzz --fresh --seed 1 --runs 4000 --seconds "${1:-5}" pcapng compressed options describe filter key-file
