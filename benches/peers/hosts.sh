#!/usr/bin/env bash
# Two hosts on this machine: network namespaces, joined by one link of limited rate.
#   hosts.sh up BITS_PER_SECOND        makes them
#   hosts.sh down                      removes them
#   hosts.sh mpirun ARGUMENT ...       mpirun on the first, one rank on each, all its traffic over the link
#   hosts.sh mpich ARGUMENT ...        the same by the mpiexec of MPICH, at $TENK_MPICH/bin
#   hosts.sh agent HOST COMMAND ...    what a launcher starts its daemon on a host with
set -euo pipefail
self=$(readlink -f "$0")
spaces=(tenk-bench-1 tenk-bench-2)
address() { echo "10.213.77.$1"; }

down() {
    for space in "${spaces[@]}"; do ip netns del "$space" 2>/dev/null || true; done
}

up() {
    down
    trap down ERR
    for space in "${spaces[@]}"; do ip netns add "$space"; done
    ip link add name link0 netns "${spaces[0]}" type veth peer name link0 netns "${spaces[1]}"
    for number in 1 2; do
        local inside=(ip -n "${spaces[number - 1]}")
        "${inside[@]}" address add "$(address $number)/30" dev link0
        "${inside[@]}" link set lo up
        "${inside[@]}" link set link0 up
        # The burst is what a tick of the kernel's clock lets through at the fastest rate in use.
        ip netns exec "${spaces[number - 1]}" tc qdisc add dev link0 root tbf rate "${1}bit" burst 256kb latency 100ms
    done
    # The kernel says only after a moment that the link is there, and MPICH asks once.
    for space in "${spaces[@]}"; do
        for _ in {1..50}; do
            [ "$(ip -n "$space" -o link show link0 | grep -c 'state UP')" = 0 ] || break
            sleep 0.1
        done
    done
}

# A rank's host has a name of its own, as two machines have.
on_host() {
    local number=$1; shift
    exec ip netns exec "${spaces[number - 1]}" unshare --uts bash -c 'hostname "$0"; exec "$@"' "bench-$number" "$@"
}

start_mpirun() {
    local only_the_link=(--mca btl 'tcp,self' --mca btl_tcp_if_include link0 --mca oob_tcp_if_include link0)
    on_host 1 mpirun --allow-run-as-root --bind-to none --mca plm_rsh_agent "$self agent" \
        --host "$(address 1):1,$(address 2):1" -n 2 "${only_the_link[@]}" "$@"
}

# MPICH starts its daemons by a program without arguments of its own, so that it is said in the environment.
start_mpich() {
    export TENK_BENCH_AGENT=1 LD_LIBRARY_PATH="$TENK_MPICH/lib:$TENK_MPICH/lib/x86_64-linux-gnu"
    on_host 1 "$TENK_MPICH/bin/mpiexec.hydra" -launcher rsh -launcher-exec "$self" -iface link0 \
        -hosts "$(address 1),$(address 2)" -ppn 1 -n 2 -genv FI_PROVIDER tcp -genv FI_TCP_IFACE link0 \
        -genv UCX_TLS tcp,self -genv UCX_NET_DEVICES link0 "$@"
}

if [ -n "${TENK_BENCH_AGENT:-}" ]; then
    unset TENK_BENCH_AGENT
    set -- agent "$@"
fi
case ${1:-} in
    up) up "$2" ;;
    down) down ;;
    mpirun) shift; start_mpirun "$@" ;;
    mpich) shift; start_mpich "$@" ;;
    agent) host=$2; shift 2; on_host "${host##*.}" bash -c "$*" ;;
    *) grep '^#   ' "$self" >&2; exit 2 ;;
esac
