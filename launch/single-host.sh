#!/usr/bin/env bash
# Starts the ranks of a run on this host alone: one a GPU, without GPUs one a NUMA node, each bound to
# its share of the cores.
#   launch/single-host.sh [--ranks N] [--dry-run] PROGRAM [ARGUMENT ...]
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
RANKS='' OPTIONS=()
while [ $# -gt 0 ]; do
    case "$1" in
        --ranks) [ $# -gt 1 ] || { echo "single-host.sh: --ranks needs a value" >&2; exit 2; }; RANKS=$2; shift 2 ;;
        --dry-run) OPTIONS+=(--dry-run); shift ;;
        -*) echo "single-host.sh: unknown option $1" >&2; exit 2 ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || { sed -n '2,4p' "$0" >&2; exit 2; }

if [ -z "$RANKS" ] && command -v nvidia-smi > /dev/null; then
    RANKS=$(nvidia-smi --list-gpus 2> /dev/null | grep -c '^GPU' || true)
    [ "$RANKS" != 0 ] || RANKS=''
fi
# Memory of another NUMA node is slow to reach, so a rank without a GPU stays on one.
[ -n "$RANKS" ] || RANKS=$(lscpu --parse=node,core | grep -v '^#' | cut -d , -f 1 | sort -u | wc -l)
exec "$HERE/mpirun.sh" --hosts <(echo localhost) --ranks-per-host "$RANKS" "${OPTIONS[@]}" "$@"
