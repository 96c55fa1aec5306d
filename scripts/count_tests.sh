#!/usr/bin/env bash
# Adds up what `cargo test` printed for every test binary; fails where none ran.
#   scripts/count_tests.sh LOG [SKIPS]
# A test that finds no data returns early, which the harness counts as passed; it adds a line
# `TEST<tab>REASON` to the file SKIPS (TENK_SKIPS), so that it is counted as skipped and named here.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5p' "$0" >&2; exit 2; }
skips=""
[ ! -s "${2:-}" ] || skips=$(sort -u "$2")
[ -z "$skips" ] || printf 'skipped: %s\n' "${skips//$'\n'/$'\n'skipped: }" | expand -t 4
early=$(cut -f 1 <<< "$skips" | sort -u | grep -c . || true)
awk -v early="$early" '
    /^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) passed += $i; if ($(i+1) ~ /^failed/) failed += $i; if ($(i+1) ~ /^ignored/) ignored += $i } }
    END { passed -= early; printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, ignored + early; exit (failed > 0 || passed <= 0) }' "$1"
