#!/usr/bin/env bash
# Starts the ranks of a run on the hosts of a host file, with whichever mpirun is installed
# (Open MPI 4 or 5, MPICH's Hydra), each rank bound to cores of its own.
#   launch/mpirun.sh --hosts FILE [OPTION ...] PROGRAM [ARGUMENT ...]
#
#   --hosts FILE          one host a line, `NAME`, `NAME slots=8` or `NAME:8`; `#` begins a comment
#   --ranks-per-host N    ranks on each host, one a GPU (default: the slots of the file, else 8)
#   --cores-per-rank N    cores that a rank is bound to (default: the cores of this host, shared out)
#   --env FILE            a file of NAME=VALUE lines, as launch/aws-p3dn.env, for all ranks; may be repeated
#   --dry-run             print the command, let Open MPI show where the ranks would run, start nothing
#
# Without binding, Open MPI gives a rank one core or a socket, depending on the number of ranks, and
# its threads halve in silence; so cores are always given. PROGRAM and folders have to be on all hosts.
set -euo pipefail
fail() { printf 'mpirun.sh: %s\n' "$*" >&2; exit 2; }

HOSTS='' RANKS_PER_HOST='' CORES_PER_RANK='' DRY_RUN=0 ENV_FILES=()
while [ $# -gt 0 ]; do
    case "$1" in
        --dry-run) DRY_RUN=1; shift; continue ;;
        --hosts | --ranks-per-host | --cores-per-rank | --env) [ $# -gt 1 ] || fail "$1 needs a value" ;;
        --) shift; break ;;
        -*) fail "unknown option $1" ;;
        *) break ;;
    esac
    case "$1" in
        --hosts) HOSTS=$2 ;;
        --ranks-per-host) RANKS_PER_HOST=$2 ;;
        --cores-per-rank) CORES_PER_RANK=$2 ;;
        --env) ENV_FILES+=("$2") ;;
    esac
    shift 2
done
[ $# -gt 0 ] || { sed -n '2,14p' "$0" >&2; exit 2; }
[ -n "$HOSTS" ] || fail "--hosts FILE is missing; launch/single-host.sh starts ranks on this host alone"
[ -r "$HOSTS" ] || fail "cannot read the host file $HOSTS"
whole() { case "$2" in '' | *[!0-9]* | 0*) fail "$1 = $2 is no whole number above 0" ;; esac; }
[ -z "$RANKS_PER_HOST" ] || whole --ranks-per-host "$RANKS_PER_HOST"
[ -z "$CORES_PER_RANK" ] || whole --cores-per-rank "$CORES_PER_RANK"

# Prints `NAME SLOTS` for each host; SLOTS is 0 where the file does not say. A host that stands
# there twice would silently get twice the ranks.
read_hosts() {
    awk -v file="$HOSTS" '
        function refuse(what) { printf "mpirun.sh: %s, line %d: %s\n", file, FNR, what > "/dev/stderr"; exit 2 }
        { sub(/#.*/, "") } NF == 0 { next }
        { slots = 0; name = $1 }
        split(name, parts, ":") == 2 { name = parts[1]; slots = parts[2]; if (slots !~ /^[1-9][0-9]*$/) refuse("`" $1 "` is not NAME:SLOTS") }
        NF > 2 || (NF == 2 && $2 !~ /^slots=[1-9][0-9]*$/) { refuse("`" $0 "` is not NAME, NAME slots=N or NAME:N") }
        NF == 2 { slots = substr($2, 7) }
        name in seen { refuse(name " is there already") }
        { seen[name] = 1; print name, slots }' "$HOSTS"
}
listed=$(read_hosts)
[ -n "$listed" ] || fail "$HOSTS names no host"
if [ -z "$RANKS_PER_HOST" ]; then
    slots=$(awk '$2 > 0 { print $2 }' <<< "$listed" | sort -un)
    [ "$(wc -l <<< "$slots")" = 1 ] || fail "the hosts of $HOSTS have different slots ($(tr '\n' ' ' <<< "$slots")); --ranks-per-host N says how many ranks each gets"
    RANKS_PER_HOST=${slots:-8}
fi
NUM_HOSTS=$(wc -l <<< "$listed")
RANKS=$((NUM_HOSTS * RANKS_PER_HOST))
HOST_LIST=$(awk -v ranks="$RANKS_PER_HOST" '{ printf "%s%s:%d", (NR > 1 ? "," : ""), $1, ranks }' <<< "$listed")

if [ -z "$CORES_PER_RANK" ]; then
    # Cores, not hardware threads: two threads of a core share its arithmetic.
    cores=$(lscpu --parse=core,socket | grep -v '^#' | sort -u | wc -l)
    CORES_PER_RANK=$((cores / RANKS_PER_HOST))
    [ "$CORES_PER_RANK" -gt 0 ] || fail "this host has $cores cores for $RANKS_PER_HOST ranks; give --ranks-per-host, or --cores-per-rank where the hosts of $HOSTS have more"
fi

# The names in the files and their values, in this script's environment.
forwarded=()
for file in "${ENV_FILES[@]}"; do
    [ -r "$file" ] || fail "cannot read $file"
    while IFS= read -r line; do
        case "$line" in '' | '#'*) continue ;; esac
        [[ $line =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || fail "$file: \`$line\` is not NAME=VALUE"
        forwarded+=("${line%%=*}")
        export "${line%%=*}=${line#*=}"
    done < "$file"
done
# Where a CUDA build of libtorch is put first, it has to be first on every host.
[ -z "${LD_LIBRARY_PATH:-}" ] || forwarded+=(LD_LIBRARY_PATH)

# By its whole path: on the other hosts PATH is that of a login, not this one.
program=$(command -v "$1") || program=$1
set -- "$program" "${@:2}"

command -v mpirun > /dev/null || fail "mpirun is not installed; install Open MPI (Debian: apt-get install openmpi-bin) or MPICH on all hosts"
version=$(mpirun --version 2>&1 || true)
binding=(--map-by "ppr:$RANKS_PER_HOST:node:PE=$CORES_PER_RANK" --bind-to core)
case "$version" in
    *'(Open MPI) 4.'*)
        options=(-n "$RANKS" --host "$HOST_LIST" "${binding[@]}")
        show_map=(--do-not-launch --display-map) ;;
    *'(Open MPI) '[5-9].*)
        options=(-n "$RANKS" --host "$HOST_LIST" "${binding[@]}")
        show_map=(--runtime-options donotlaunch --display map) ;;
    *HYDRA*)
        # Hydra hands its whole environment to the ranks, and cannot show a map.
        options=(-n "$RANKS" -hosts "$HOST_LIST" -ppn "$RANKS_PER_HOST" -bind-to "core:$CORES_PER_RANK" -map-by "core:$CORES_PER_RANK")
        show_map=() ;;
    *) fail "$(command -v mpirun) is neither Open MPI 4 or later nor MPICH: $(head -n 1 <<< "$version")" ;;
esac
case "$version" in
    *'(Open MPI)'*)
        for name in "${forwarded[@]}"; do options+=(-x "$name"); done
        [ "$(id -u)" != 0 ] || options+=(--allow-run-as-root) ;;
esac

if [ "$DRY_RUN" = 1 ]; then
    printf '%q ' mpirun "${options[@]}" "$@"; printf '\n'
    [ ${#show_map[@]} -gt 0 ] || exit 0
    exec mpirun "${show_map[@]}" "${options[@]}" "$@"
fi
# In place of this shell, so that signals reach mpirun, which passes SIGUSR1 to the ranks.
exec mpirun "${options[@]}" "$@"
