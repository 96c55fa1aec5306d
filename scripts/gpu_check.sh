#!/usr/bin/env bash
# Builds tenk-pretrain without MPI into target/gpu-check/, small enough to carry to a GPU machine,
# and runs its checks here. There: LD_LIBRARY_PATH=LIBTORCH/lib ./tenk-pretrain gpu-check, with a
# CUDA build of libtorch 2.11. Where python3 has a torch that sees a GPU, transformers runs beside it.
# The checks end within 6 minutes and transformers within 2, whatever hangs.
set -euo pipefail
cd "$(dirname "$0")/.."
LARGEST_BYTES=$((40 << 20))
PEER_SECONDS=120
built=target/release/tenk-pretrain
program=target/gpu-check/tenk-pretrain

had_mpi_build=0
[ ! -e "$built" ] || had_mpi_build=1
cargo build --locked --release --quiet -p trainer --no-default-features
mkdir -p target/gpu-check
strip -o "$program" "$built"
# The program under the usual name is the one with MPI again.
[ "$had_mpi_build" = 0 ] || cargo build --locked --release --quiet -p trainer

bytes=$(stat -c %s "$program")
echo "gpu-check: $program, $((bytes >> 20)) MiB"
[ "$bytes" -le "$LARGEST_BYTES" ] || { echo "gpu-check: more than $((LARGEST_BYTES >> 20)) MiB" >&2; exit 1; }
status=0
"$program" gpu-check || status=$?
if python3 -c 'import sys, torch, transformers; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    timeout "$PEER_SECONDS" python3 benches/peers/gpu_throughput.py || status=$?
fi
exit "$status"
