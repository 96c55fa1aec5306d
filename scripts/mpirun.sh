#!/usr/bin/env bash
# Starts N ranks of a program on this machine with whichever mpirun is installed.
#   scripts/mpirun.sh N PROGRAM [ARGUMENT ...]
# Ranks are not bound to cores: the program divides the cores among the local ranks.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
ranks=$1; shift
command -v mpirun >/dev/null || { echo "mpirun is not installed; run make setup" >&2; exit 1; }
flags=()
if mpirun --version 2>/dev/null | grep -qE 'Open MPI|OpenRTE|PRRTE'; then
    flags+=(--bind-to none --oversubscribe)
    [ "$(id -u)" != 0 ] || flags+=(--allow-run-as-root)
fi
exec mpirun "${flags[@]}" -n "$ranks" "$@"
